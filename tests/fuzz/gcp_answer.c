/* The first byte says which of Google's answers the rest is, and its status: each is taken whole or
 * fails with an error that the provider knows. */
#include "gcp/account.h"
#include "gcp/codec.h"

#define KEY "projects/p/locations/l/keyRings/r/cryptoKeys/k"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void crypt_answers(struct kw_bytes body, struct kw_error *err)
{
    KW_AUTO(kw_buf) ciphertext = KW_BUF_INIT;
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    kw_code code = kw_gcp_get_ciphertext(body, KEY, &ciphertext, err);
    require(code == KW_OK ? ciphertext.len > 0
                          : code == KW_PROVIDER_UNAVAILABLE && ciphertext.len == 0);
    code = kw_gcp_get_plaintext(body, &plaintext, err);
    require(code == KW_OK ? plaintext.len > 0 && plaintext.len <= KW_PROVIDER_PLAINTEXT_MAX
                          : code == KW_PROVIDER_UNAVAILABLE && plaintext.data == NULL);
}

static void credentials(struct kw_bytes body, struct kw_error *err)
{
    KW_AUTO(kw_gcp_account) account = KW_GCP_ACCOUNT_INIT;
    struct kw_bearer_grant grant = {.token = KW_SECRET_INIT};
    kw_code code = kw_gcp_account_read(body, &account, err);
    require(code == KW_OK ? account.pem.len > 0 : code == KW_BAD_CONFIG);
    code = kw_gcp_metadata_token(body, &grant, err);
    require(code == KW_OK ? grant.lifetime_ms > 0 : code == KW_PROVIDER_UNAVAILABLE);
    kw_secret_wipe(&grant.token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kw_error err = {.text = ""};
    kw_secret_allow_unlocked();
    if (size == 0)
        return 0;
    struct kw_bytes body = kw_bytes(data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
        crypt_answers(body, &err);
        break;
    case 1:
        credentials(body, &err);
        break;
    case 2:
        (void)!kw_gcp_check_key(body, &err);
        break;
    default:
        require(kw_gcp_error(300 + data[0], body, data[0] % 8 == 3, &err) != KW_OK);
        require(strlen(err.text) > 0);
    }
    return 0;
}
