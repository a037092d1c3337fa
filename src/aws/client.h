/* One AWS KMS endpoint and the credentials for it: signs a request, sends it, judges the answer.
 * Private to aws/. Thread-safe. */
#ifndef KW_AWS_CLIENT_H
#define KW_AWS_CLIENT_H

#include "aws/codec.h"
#include "aws/credentials.h"
#include "provider/settings.h"
#include "web/web.h"

struct kw_kms_client;

KW_ERR kw_kms_client_new(const struct kw_provider_settings *settings, struct kw_kms_client **out,
                         struct kw_error *err);
void kw_kms_client_free(struct kw_kms_client *client);
KW_CLEANUP_FREE(kw_kms_client)

const struct kw_kms_peer *kw_kms_client_peer(const struct kw_kms_client *client);

/* One operation. key stands in errors; deadline_ms 0: half a minute. KW_OK: response has the answer
 * of status 200. Errors are those of a provider's operation. */
KW_ERR kw_kms_client_ask(struct kw_kms_client *client, enum kw_kms_op op, const char *key,
                         const struct kw_buf *body, int64_t deadline_ms,
                         struct kw_web_response *response, struct kw_error *err);

#endif
