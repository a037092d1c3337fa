/* The first byte says what the rest is: an answer of Key Vault, of Entra ID, a challenge, or a
 * wrapped copy. Each is taken whole or fails with an error that the provider knows. */
#include "azure/challenge.h"
#include "azure/copy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct kw_azure_key key = {.name = "root"};
static const struct kw_provider_call call = {.key = "root"};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void answers(struct kw_bytes body, struct kw_error *err)
{
    KW_AUTO(kw_secret) value = KW_SECRET_INIT;
    struct kw_azure_key found;
    struct kw_bearer_grant grant = {.token = KW_SECRET_INIT};
    kw_code code = kw_azure_get_value(body, &key, &value, err);
    require(code == KW_OK ? value.len > 0 : code == KW_PROVIDER_UNAVAILABLE && value.data == NULL);
    if (kw_azure_check_key(body, &key, 1000, &found, err) == KW_OK)
        require(kw_azure_key_same(&found, &key) && found.version[0] != '\0');
    code = kw_azure_get_token(body, &grant, err);
    require(code == KW_OK ? grant.lifetime_ms > 0 : code == KW_PROVIDER_UNAVAILABLE);
    kw_secret_wipe(&grant.token);
}

/* A token is only ever asked for the vault's own domain. */
static void challenge(struct kw_bytes value, struct kw_error *err)
{
    struct kw_azure_challenge got;
    kw_code code = kw_azure_challenge_read(value, "https://kw.vault.azure.net", &got, err);
    if (code != KW_OK) {
        require(code == KW_PROVIDER_UNAVAILABLE);
        return;
    }
    static const char *const domains[] = {"https://vault.azure.net", "https://azure.net"};
    size_t at = strncasecmp(got.scope, domains[0], strlen(domains[0])) == 0 ? 0 : 1;
    size_t len = strlen(domains[at]);
    require(strncasecmp(got.scope, domains[at], len) == 0);
    require(got.scope[len] == '/' || got.scope[len] == ':');
}

static void copy(struct kw_bytes text, struct kw_error *err)
{
    struct kw_azure_copy parts;
    KW_AUTO(kw_secret) value = KW_SECRET_INIT;
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    kw_code code = kw_azure_copy_read(text, &key, &parts, err);
    require(code == KW_OK || code == KW_SEAL_BROKEN);
    if (code != KW_OK)
        return;
    require(kw_azure_key_same(&parts.key, &key) && parts.key.version[0] != '\0');
    require(parts.head.len + parts.sealed.len + 4 == text.len);
    require(kw_secret_alloc(&value, 64, err) == KW_OK);
    require(kw_azure_copy_open(&parts, &call, &value, &plaintext, err) == KW_SEAL_BROKEN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kw_error err = {.text = ""};
    kw_secret_allow_unlocked();
    if (size == 0)
        return 0;
    struct kw_bytes rest = kw_bytes(data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
        answers(rest, &err);
        break;
    case 1:
        challenge(rest, &err);
        break;
    case 2:
        copy(rest, &err);
        break;
    default:
        require(kw_azure_error(300 + data[0], rest, data[0] % 8 == 3, &err) != KW_OK);
        require(kw_azure_login_error(300 + data[0], rest, &err) != KW_OK);
        require(strlen(err.text) > 0);
    }
    return 0;
}
