#include "azure/azure.h"

#include "azure/copy.h"
#include "azure/internal.h"
#include "base/clock.h"
#include "provider/bearer.h"
#include "provider/ops.h"

enum { CALL_MS = 30000, WRAPPED_MIN = 256, WRAPPED_MAX = 512 }; /* RSA-2048 to RSA-4096 */

static int64_t deadline_of(const struct kw_provider_call *call)
{
    return call->deadline_ms != 0 ? call->deadline_ms : kw_clock_ms() + CALL_MS;
}

static KW_ERR parse_key(const struct kw_provider_call *call, struct kw_azure_key *out,
                        struct kw_error *err)
{
    if (kw_azure_key_parse(call->key, strlen(call->key), out))
        return KW_OK;
    return kw_fail(err, KW_KEY_NOT_FOUND,
                   "%.120s is no key of Azure Key Vault: one is named NAME or NAME/VERSION, of "
                   "letters, digits and -",
                   call->key);
}

/* wrapkey or unwrapkey, of the key's version. */
static KW_ERR operate(struct kw_azure *azure, const struct kw_azure_key *key,
                      struct kw_azure_question *question, struct kw_bytes value,
                      struct kw_secret *out, struct kw_error *err)
{
    KW_AUTO(kw_buf) body = KW_BUF_SECRET;
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    kw_azure_put_value(&body, value);
    KW_TRY(kw_buf_status(&body, err));
    question->method = "POST";
    question->body = kw_buf_bytes(&body);
    snprintf(question->path, sizeof question->path, "/keys/%s/%s/%s?%s", key->name, key->version,
             question->unwrapping ? "unwrapkey" : "wrapkey", KW_AZURE_API);
    KW_TRY(kw_azure_ask(azure, question, &response, err));
    return kw_azure_get_value(kw_buf_bytes(&response.body), key, out, err);
}

static kw_code azure_wrap(void *state, const struct kw_provider_call *call,
                          const struct kw_secret *plaintext, struct kw_buf *out,
                          struct kw_error *err)
{
    struct kw_azure *azure = state;
    struct kw_azure_question question = {.deadline_ms = deadline_of(call)};
    struct kw_azure_key key;
    KW_AUTO(kw_secret) value = KW_SECRET_INIT;
    KW_AUTO(kw_secret) wrapped = KW_SECRET_INIT;
    KW_TRY(parse_key(call, &key, err));
    KW_TRY(kw_azure_find(azure, &key, question.deadline_ms, false, &key, err));
    KW_TRY(kw_azure_value_make(call, plaintext, &value, err));
    KW_TRY(operate(azure, &key, &question, kw_bytes(value.data, value.len), &wrapped, err));
    if (wrapped.len < WRAPPED_MIN || wrapped.len > WRAPPED_MAX)
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE,
                       "Azure Key Vault: what it wrapped has no size that RSA has");
    return kw_azure_copy_write(&key, &value, kw_bytes(wrapped.data, wrapped.len), plaintext, out,
                               err);
}

static kw_code azure_unwrap(void *state, const struct kw_provider_call *call,
                            struct kw_bytes wrapped, struct kw_secret *out, struct kw_error *err)
{
    struct kw_azure *azure = state;
    struct kw_azure_question question = {.unwrapping = true, .deadline_ms = deadline_of(call)};
    struct kw_azure_key key;
    struct kw_azure_copy copy;
    struct kw_error why;
    KW_AUTO(kw_secret) value = KW_SECRET_INIT;
    KW_TRY(parse_key(call, &key, err));
    KW_TRY(kw_azure_copy_read(wrapped, &key, &copy, err));
    kw_code code = operate(azure, &copy.key, &question, copy.wrapped, &value, &why);
    if (code == KW_KEY_NOT_FOUND)
        return kw_azure_missing(azure, &copy.key, question.deadline_ms, err);
    if (code != KW_OK)
        return kw_fail(err, code, "%s", why.text);
    return kw_azure_copy_open(&copy, call, &value, out, err);
}

static kw_code azure_check(void *state, const struct kw_provider_call *call, struct kw_error *err)
{
    struct kw_azure_key key;
    KW_TRY(parse_key(call, &key, err));
    return kw_azure_find(state, &key, deadline_of(call), true, &key, err);
}

static kw_code azure_create(void *state, const struct kw_provider_call *call, struct kw_error *err)
{
    struct kw_azure *azure = state;
    struct kw_azure_question question = {
        .method = "POST", .once = true, .deadline_ms = deadline_of(call)};
    struct kw_azure_key key;
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    KW_TRY(parse_key(call, &key, err));
    kw_code code = azure_check(state, call, err);
    if (code != KW_KEY_NOT_FOUND || key.version[0] != '\0')
        return code;
    kw_azure_put_create(&body, azure->key_type);
    KW_TRY(kw_buf_status(&body, err));
    question.body = kw_buf_bytes(&body);
    snprintf(question.path, sizeof question.path, "/keys/%s/create?%s", key.name, KW_AZURE_API);
    KW_TRY(kw_azure_ask(azure, &question, &response, err));
    return azure_check(state, call, err);
}

static void azure_free(void *state)
{
    kw_azure_close(state);
    free(state);
}

static const struct kw_provider_ops ops = {
    .kind = "azure",
    .wrap = azure_wrap,
    .unwrap = azure_unwrap,
    .check = azure_check,
    .create = azure_create,
    .free = azure_free,
};

KW_ERR kw_provider_azure_new(const struct kw_provider_settings *settings, struct kw_provider **out,
                             struct kw_error *err)
{
    struct kw_azure *azure = calloc(1, sizeof *azure);
    if (azure == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    kw_code code = kw_azure_open(settings, azure, err);
    if (code != KW_OK) {
        azure_free(azure);
        return code;
    }
    return kw_provider_new(&ops, azure, settings->name, out, err);
}
