/* Who we are to Google: service accounts' key files, the tokens made with them (RFC 7519, RS256),
 * and the metadata server's answers; no input or output. Private to gcp/. Thread-safe. */
#ifndef KW_GCP_ACCOUNT_H
#define KW_GCP_ACCOUNT_H

#include "provider/bearer.h"

#include "base/bytes.h"

struct kw_gcp_account {
    char email[256];
    char key_id[128];
    struct kw_secret pem; /* private key */
};
#define KW_GCP_ACCOUNT_INIT                                                                        \
    {                                                                                              \
        .pem = KW_SECRET_INIT                                                                      \
    }
void kw_gcp_account_wipe(struct kw_gcp_account *account);
KW_CLEANUP_WIPE(kw_gcp_account)

/* From a key file's content. KW_BAD_CONFIG says what is wrong with it. */
KW_ERR kw_gcp_account_read(struct kw_bytes file, struct kw_gcp_account *out, struct kw_error *err);

/* A token for Cloud KMS that is valid for an hour from now_s (Unix time). KW_BAD_CONFIG: the key
 * does not sign. */
KW_ERR kw_gcp_account_token(const struct kw_gcp_account *account, int64_t now_s,
                            struct kw_bearer_grant *out, struct kw_error *err);

/* From the metadata server's answer. KW_PROVIDER_UNAVAILABLE: it is none. */
KW_ERR kw_gcp_metadata_token(struct kw_bytes body, struct kw_bearer_grant *out,
                             struct kw_error *err);

#endif
