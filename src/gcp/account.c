#include "gcp/account.h"

#include "base/encode.h"
#include "crypto/rsa.h"
#include "json/json.h"
#include "json/write.h"

enum { LIFETIME_S = 3600, LIFETIME_MAX_S = 86400, TOKEN_MAX = 8192 };

static const char scope[] = "https://www.googleapis.com/auth/cloudkms";

void kw_gcp_account_wipe(struct kw_gcp_account *account)
{
    kw_secret_wipe(&account->pem);
    *account = (struct kw_gcp_account)KW_GCP_ACCOUNT_INIT;
}

static KW_ERR get_text(const struct kw_json *object, const char *name, char *out, size_t size,
                       struct kw_error *err)
{
    const char *text = NULL;
    if (kw_json_get_str(object, name, true, &text, NULL) != KW_OK || text[0] == '\0' ||
        strlen(text) >= size)
        return kw_fail(err, KW_BAD_CONFIG, "it is no service account's key file: %s is missing",
                       name);
    memcpy(out, text, strlen(text) + 1);
    return KW_OK;
}

static KW_ERR read_members(const struct kw_json *root, struct kw_gcp_account *out,
                           struct kw_error *err)
{
    char type[32];
    const char *pem = NULL;
    KW_TRY(get_text(root, "type", type, sizeof type, err));
    if (strcmp(type, "service_account") != 0)
        return kw_fail(err, KW_BAD_CONFIG,
                       "it holds credentials of type %.32s: only service_account is taken", type);
    KW_TRY(get_text(root, "client_email", out->email, sizeof out->email, err));
    KW_TRY(get_text(root, "private_key_id", out->key_id, sizeof out->key_id, err));
    if (kw_json_get_str(root, "private_key", true, &pem, NULL) != KW_OK || pem[0] == '\0')
        return kw_fail(err, KW_BAD_CONFIG,
                       "it is no service account's key file: private_key is missing");
    return kw_secret_copy(&out->pem, pem, strlen(pem), err);
}

KW_ERR kw_gcp_account_read(struct kw_bytes file, struct kw_gcp_account *out, struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = {.secret = true};
    KW_AUTO(kw_gcp_account) account = KW_GCP_ACCOUNT_INIT;
    if (kw_json_parse(&doc, file, NULL) != KW_OK)
        return kw_fail(err, KW_BAD_CONFIG, "it is not JSON");
    KW_TRY(read_members(doc.root, &account, err));
    memcpy(out->email, account.email, sizeof out->email);
    memcpy(out->key_id, account.key_id, sizeof out->key_id);
    kw_secret_wipe(&out->pem);
    kw_secret_move(&out->pem, &account.pem);
    return KW_OK;
}

static void put_header(struct kw_buf *out, const struct kw_gcp_account *account)
{
    KW_AUTO(kw_buf) json = KW_BUF_INIT;
    struct kw_json_writer w = kw_json_writer(&json);
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "alg", "RS256");
    kw_json_str(&w, "typ", "JWT");
    kw_json_str(&w, "kid", account->key_id);
    kw_json_end(&w);
    kw_base64url_encode(out, kw_buf_bytes(&json));
    out->failed = out->failed || json.failed;
}

static void put_claims(struct kw_buf *out, const struct kw_gcp_account *account, int64_t now_s)
{
    KW_AUTO(kw_buf) json = KW_BUF_INIT;
    struct kw_json_writer w = kw_json_writer(&json);
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "iss", account->email);
    kw_json_str(&w, "sub", account->email);
    kw_json_str(&w, "scope", scope);
    kw_json_int(&w, "iat", now_s);
    kw_json_int(&w, "exp", now_s + LIFETIME_S);
    kw_json_end(&w);
    kw_base64url_encode(out, kw_buf_bytes(&json));
    out->failed = out->failed || json.failed;
}

KW_ERR kw_gcp_account_token(const struct kw_gcp_account *account, int64_t now_s,
                            struct kw_bearer_grant *out, struct kw_error *err)
{
    KW_AUTO(kw_buf) text = KW_BUF_SECRET;
    KW_AUTO(kw_buf) signature = KW_BUF_SECRET;
    put_header(&text, account);
    kw_buf_append_byte(&text, '.');
    put_claims(&text, account, now_s);
    KW_TRY(kw_buf_status(&text, err));
    KW_TRY(kw_rsa_sign_sha256(&account->pem, kw_buf_bytes(&text), &signature, err));
    kw_buf_append_byte(&text, '.');
    kw_base64url_encode(&text, kw_buf_bytes(&signature));
    KW_TRY(kw_buf_status(&text, err));
    KW_TRY(kw_secret_copy(&out->token, text.data, text.len, err));
    out->lifetime_ms = (int64_t)LIFETIME_S * 1000;
    return KW_OK;
}

KW_ERR kw_gcp_metadata_token(struct kw_bytes body, struct kw_bearer_grant *out,
                             struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = {.secret = true};
    const char *token = NULL;
    uint64_t seconds = 0;
    if (kw_json_parse(&doc, body, NULL) != KW_OK ||
        kw_json_get_str(doc.root, "access_token", true, &token, NULL) != KW_OK ||
        kw_json_get_u64(doc.root, "expires_in", true, LIFETIME_MAX_S, &seconds, NULL) != KW_OK ||
        token[0] == '\0' || strlen(token) > TOKEN_MAX || seconds == 0)
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE,
                       "Google's metadata server: its answer has no access token");
    KW_TRY(kw_secret_copy(&out->token, token, strlen(token), err));
    out->lifetime_ms = (int64_t)seconds * 1000;
    return KW_OK;
}
