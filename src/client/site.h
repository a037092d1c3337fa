/* A Keyward server, or a log, as the client asks it: who it trusts, who it is, and what its error
 * answers mean, over web/. Private to client/. Thread-safe. */
#ifndef KW_CLIENT_SITE_H
#define KW_CLIENT_SITE_H

#include "client/backend.h"
#include "web/web.h"

struct kw_site {
    struct kw_web *web;
    struct kw_secret bearer; /* "Bearer TOKEN", or empty */
};

/* access: whom to trust. own: the site is one's own authority, which is shown the token and the
 * client certificate. plain: http:// will do (logs, which are verified by signature). KW_BAD_CONFIG
 * names a file that cannot be read, a certificate without its key, a malformed token. site must be
 * zero. */
KW_ERR kw_site_init(struct kw_site *site, const struct kw_remote_options *access, bool own,
                    bool plain, struct kw_error *err);
void kw_site_wipe(struct kw_site *site);

/* kw_web_ask of a JSON request without headers of its own: errors are the site's, and those of
 * web/. repeatable: it may be done twice. */
KW_ERR kw_site_ask(struct kw_site *site, const struct kw_web_request *request, bool repeatable,
                   struct kw_web_response *response, struct kw_error *err);

#endif
