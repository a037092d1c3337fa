/* Any bytes as a Vault's answer: refused as a provider's failure with a text, or of the promised
 * form. The first byte is the status, by way of a table. */
#include "vault/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_error(int status, struct kw_bytes body)
{
    struct kw_error err;
    kw_code code = kw_vault_error(status, body, &err);
    require(code != KW_OK && err.code == code && err.text[0] != '\0');
}

static void check_ciphertext(struct kw_bytes body)
{
    static const struct kw_provider_call call = {.key = "a"};
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    KW_AUTO(kw_buf) request = KW_BUF_INIT;
    struct kw_error err;
    kw_code code = kw_vault_get_ciphertext(body, &wrapped, &err);
    require(code == KW_OK || (code == KW_PROVIDER_UNAVAILABLE && wrapped.len == 0));
    if (code == KW_OK) /* what is taken can be sent back */
        require(kw_vault_put_decrypt(&request, &call, kw_buf_bytes(&wrapped), &err) == KW_OK);
    kw_buf_reset(&request);
    code = kw_vault_put_decrypt(&request, &call, body, &err);
    require(code == KW_OK || (code == KW_SEAL_BROKEN && request.len == 0));
}

static void check_secrets(struct kw_bytes body)
{
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    KW_AUTO(kw_secret) token = KW_SECRET_INIT;
    struct kw_vault_lease lease;
    if (kw_vault_get_plaintext(body, &plaintext, NULL) == KW_OK)
        require(plaintext.len >= 1 && plaintext.len <= KW_PROVIDER_PLAINTEXT_MAX);
    else
        require(plaintext.data == NULL);
    if (kw_vault_get_token(body, &token, &lease, NULL) == KW_OK)
        require(token.len >= 2 && strlen((char *)token.data) == token.len - 1);
    else
        require(token.data == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 204, 302, 400, 403, 404, 429, 500, 503};
    struct kw_vault_lease lease;
    kw_secret_allow_unlocked();
    if (size == 0)
        return 0;
    struct kw_bytes body = kw_bytes(data + 1, size - 1);
    check_error(statuses[data[0] % KW_COUNT(statuses)], body);
    check_ciphertext(body);
    check_secrets(body);
    (void)!kw_vault_get_lease(body, &lease, NULL);
    (void)!kw_vault_check_key(body, "a", NULL);
    return 0;
}
