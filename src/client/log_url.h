/* A transparency log behind a URL, as the source of a verifier (tlog/source.h, `keyward ledger
 * verify URL`). Of a Keyward server the URL is its address, or address/v1/ledger; of another
 * tlog-tiles log the prefix of its "checkpoint". http:// will do: what comes is checked against the
 * log's signature.
 *
 * Not thread-safe. */
#ifndef KW_CLIENT_LOG_URL_H
#define KW_CLIENT_LOG_URL_H

#include "client/backend.h"
#include "tlog/source.h"

struct kw_log_url;

/* access: what is known of one's own authority (kw_remote_options_environment). Its token and
 * client certificate are shown to that address alone, never to another URL, and never without TLS;
 * its CA file is used for every one. Fetches the checkpoint once, to find out where it is:
 * KW_NOT_FOUND if the URL has none, KW_USAGE if it is no URL, and the errors of reaching a server.
 */
KW_ERR kw_log_url_open(const char *url, const struct kw_remote_options *access,
                       struct kw_log_url **out, struct kw_error *err);
void kw_log_url_free(struct kw_log_url *log);
KW_CLEANUP_FREE(kw_log_url)

/* Borrows log. */
struct kw_tlog_source kw_log_url_source(struct kw_log_url *log);

#endif
