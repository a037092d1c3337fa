/* Key Vault's requests and answers as texts (API version 7.4), without any input or output. Private
 * to azure/. Answers that are not what the API promises are KW_PROVIDER_UNAVAILABLE. Thread-safe.
 */
#ifndef KW_AZURE_CODEC_H
#define KW_AZURE_CODEC_H

#include "provider/bearer.h"
#include "provider/provider.h"

#define KW_AZURE_API "api-version=7.4"

enum { KW_AZURE_NAME_MAX = 127, KW_AZURE_VERSION_MAX = 64 };

/* A key, or one version of it. */
struct kw_azure_key {
    char name[KW_AZURE_NAME_MAX + 1];
    char version[KW_AZURE_VERSION_MAX + 1]; /* "": none named */
};

/* NAME or NAME/VERSION; both fit for a URL as they are. */
bool kw_azure_key_parse(const char *text, size_t len, struct kw_azure_key *out);
/* The same name; upper and lower case are the same to Key Vault. */
bool kw_azure_key_same(const struct kw_azure_key *a, const struct kw_azure_key *b);

/* Bodies, appended to out. Of wrapkey and unwrapkey; out must be secret for the first. */
void kw_azure_put_value(struct kw_buf *out, struct kw_bytes value);
/* Of a new key; type is RSA-HSM or RSA. */
void kw_azure_put_create(struct kw_buf *out, const char *type);
/* Of a token request, as a form; out must be secret. */
void kw_azure_put_login(struct kw_buf *out, const char *client_id, const struct kw_secret *secret,
                        const char *scope);

/* Bodies of answers with a status of 200 to 299. Of wrapkey and unwrapkey: the value, if key, with
 * its version, is the key that answered. */
KW_ERR kw_azure_get_value(struct kw_bytes body, const struct kw_azure_key *key,
                          struct kw_secret *out, struct kw_error *err);
/* Of a key: may it wrap at now_s (Unix time)? out receives its version. KW_KEY_SUSPENDED: disabled,
 * or outside its time. KW_FORBIDDEN: no RSA key, or one that may not wrap and unwrap. */
KW_ERR kw_azure_check_key(struct kw_bytes body, const struct kw_azure_key *key, int64_t now_s,
                          struct kw_azure_key *out, struct kw_error *err);
KW_ERR kw_azure_get_token(struct kw_bytes body, struct kw_bearer_grant *out, struct kw_error *err);

/* What an answer of the vault with another status means; never KW_OK. Beside a provider's errors:
 * KW_UNAUTHENTICATED (the token is refused). unwrapping: a parameter that is refused means a copy
 * that is broken. */
kw_code kw_azure_error(int status, struct kw_bytes body, bool unwrapping, struct kw_error *err);
/* The same for the authority that gives out tokens. */
kw_code kw_azure_login_error(int status, struct kw_bytes body, struct kw_error *err);

#endif
