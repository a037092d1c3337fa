/* The provider's own state. Private to gcp/. */
#ifndef KW_GCP_INTERNAL_H
#define KW_GCP_INTERNAL_H

#include "gcp/gcp.h"
#include "provider/bearer.h"
#include "web/web.h"

struct kw_gcp {
    struct kw_web *web;
    struct kw_web *metadata; /* NULL: there is a key file */
    struct kw_bearer *bearer;
    char *credentials_file;
    char address[512];          /* without a slash at the end */
    char metadata_address[512]; /* the same */
};

/* Reads the settings and makes ready. KW_BAD_CONFIG. */
KW_ERR kw_gcp_open(const struct kw_provider_settings *settings, struct kw_gcp *out,
                   struct kw_error *err);
void kw_gcp_close(struct kw_gcp *gcp);

/* The bearer's fetch; arg is the struct kw_gcp. */
kw_code kw_gcp_fetch_token(void *arg, int64_t deadline_ms, struct kw_bearer_grant *grant,
                           struct kw_error *err);

#endif
