#include "aws/aws.h"

#include "aws/client.h"
#include "provider/ops.h"

static kw_code aws_wrap(void *state, const struct kw_provider_call *call,
                        const struct kw_secret *plaintext, struct kw_buf *out, struct kw_error *err)
{
    struct kw_kms_client *client = state;
    const struct kw_kms_peer *peer = kw_kms_client_peer(client);
    KW_AUTO(kw_buf) body = KW_BUF_SECRET;
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    KW_TRY(kw_kms_key_check(peer, call->key, err));
    KW_TRY(kw_kms_encrypt_write(call, plaintext, &body, err));
    KW_TRY(kw_kms_client_ask(client, KW_KMS_ENCRYPT, call->key, &body, call->deadline_ms, &response,
                             err));
    return kw_kms_encrypt_read(peer, call->key, kw_buf_bytes(&response.body), out, err);
}

static kw_code aws_unwrap(void *state, const struct kw_provider_call *call, struct kw_bytes wrapped,
                          struct kw_secret *out, struct kw_error *err)
{
    struct kw_kms_client *client = state;
    const struct kw_kms_peer *peer = kw_kms_client_peer(client);
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    KW_TRY(kw_kms_key_check(peer, call->key, err));
    KW_TRY(kw_kms_decrypt_write(call, wrapped, &body, err));
    KW_TRY(kw_kms_client_ask(client, KW_KMS_DECRYPT, call->key, &body, call->deadline_ms, &response,
                             err));
    return kw_kms_decrypt_read(peer, call->key, kw_buf_bytes(&response.body), out, err);
}

static KW_ERR describe(struct kw_kms_client *client, const char *key, int64_t deadline_ms,
                       struct kw_error *err)
{
    const struct kw_kms_peer *peer = kw_kms_client_peer(client);
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    KW_TRY(kw_kms_key_check(peer, key, err));
    KW_TRY(kw_kms_key_write(key, &body, err));
    KW_TRY(kw_kms_client_ask(client, KW_KMS_DESCRIBE_KEY, key, &body, deadline_ms, &response, err));
    return kw_kms_describe_read(peer, key, kw_buf_bytes(&response.body), err);
}

static kw_code aws_check(void *state, const struct kw_provider_call *call, struct kw_error *err)
{
    return describe(state, call->key, call->deadline_ms, err);
}

static KW_ERR make_key(struct kw_kms_client *client, const char *alias, int64_t deadline_ms,
                       struct kw_error *err)
{
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    KW_AUTO(kw_buf) arn = KW_BUF_INIT;
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    KW_TRY(kw_kms_create_write("Keyward root key", &body, err));
    KW_TRY(kw_kms_client_ask(client, KW_KMS_CREATE_KEY, alias, &body, deadline_ms, &response, err));
    KW_TRY(kw_kms_create_read(kw_kms_client_peer(client), kw_buf_bytes(&response.body), &arn, err));
    kw_buf_reset(&body);
    KW_TRY(kw_kms_alias_write(alias, kw_buf_str(&arn), &body, err));
    return kw_kms_client_ask(client, KW_KMS_CREATE_ALIAS, alias, &body, deadline_ms, &response,
                             err);
}

static kw_code aws_create(void *state, const struct kw_provider_call *call, struct kw_error *err)
{
    kw_code code = describe(state, call->key, call->deadline_ms, err);
    if (code != KW_KEY_NOT_FOUND || strncmp(call->key, "alias/", 6) != 0)
        return code;
    return make_key(state, call->key, call->deadline_ms, err);
}

static void aws_free(void *state)
{
    kw_kms_client_free(state);
}

static const struct kw_provider_ops ops = {
    .kind = "aws",
    .wrap = aws_wrap,
    .unwrap = aws_unwrap,
    .check = aws_check,
    .create = aws_create,
    .free = aws_free,
};

KW_ERR kw_provider_aws_new(const struct kw_provider_settings *settings, struct kw_provider **out,
                           struct kw_error *err)
{
    struct kw_kms_client *client;
    KW_TRY(kw_kms_client_new(settings, &client, err));
    return kw_provider_new(&ops, client, settings->name, out, err);
}
