#include "envelope_commands.h"

#include "base/encode.h"
#include "envelope/inspect.h"
#include "envelope/text.h"
#include "envelope_parts.h"

void kw_command_must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "malformed command: %s\n", what);
    abort();
}

const char *kw_command_str(const struct kw_json *object, const char *name)
{
    const char *text = NULL;
    kw_command_must(kw_json_get_str(object, name, true, &text, NULL) == KW_OK, name);
    return text;
}

uint64_t kw_command_u64(const struct kw_json *object, const char *name)
{
    uint64_t value = 0;
    kw_command_must(kw_json_get_u64(object, name, true, UINT64_MAX, &value, NULL) == KW_OK, name);
    return value;
}

bool kw_command_flag(const struct kw_json *object, const char *name)
{
    bool value = false;
    kw_command_must(kw_json_get_bool(object, name, &value, NULL) == KW_OK, name);
    return value;
}

void kw_command_hex(const struct kw_json *object, const char *name, struct kw_buf *out)
{
    const char *text = kw_command_str(object, name);
    kw_command_must(kw_hex_decode(out, kw_bytes_str(text), NULL) == KW_OK, name);
}

void kw_command_secret(const struct kw_json *object, const char *name, struct kw_secret *out)
{
    KW_AUTO(kw_buf) bytes = KW_BUF_SECRET;
    kw_command_hex(object, name, &bytes);
    kw_command_must(kw_secret_copy(out, bytes.data, bytes.len, NULL) == KW_OK, name);
}

kw_code kw_command_wrapping_key(const struct kw_command *c, const char *cls,
                                struct kw_wrapping_key *out)
{
    KW_AUTO(kw_secret) tenant_key = KW_SECRET_INIT;
    KW_AUTO(kw_buf) ref = KW_BUF_INIT;
    const struct kw_suite *suite = NULL;
    struct kw_scope scope = {.tenant = kw_command_str(c->json, "tenant"),
                             .region = kw_command_str(c->json, "region"),
                             .cls = cls != NULL ? cls : kw_command_str(c->json, "class")};
    *out = (struct kw_wrapping_key){.suite = (uint8_t)kw_command_u64(c->json, "suite"),
                                    .version = (uint32_t)kw_command_u64(c->json, "version")};
    kw_command_hex(c->json, "key_ref", &ref);
    kw_command_must(ref.len == KW_KEY_REF_SIZE, "key_ref");
    memcpy(out->key_ref, ref.data, ref.len);
    kw_class_tag(out->class_tag, scope.cls);
    kw_command_secret(c->json, "tenant_key", &tenant_key);
    KW_TRY(kw_suite_get(out->suite, &suite, c->err));
    return kw_tenant_key_derive(&out->key, &tenant_key, KW_PURPOSE_WRAP, suite, &scope, c->err);
}

kw_code kw_command_data_key(const struct kw_command *c, const struct kw_json *object,
                            const struct kw_wrapping_key *w, struct kw_secret *secret,
                            struct kw_data_key *out)
{
    KW_AUTO(kw_buf) nonce = KW_BUF_INIT;
    kw_command_secret(object, "data_key", secret);
    kw_command_hex(object, "wrap_nonce", &nonce);
    kw_command_must(nonce.len == KW_NONCE_SIZE && secret->len == KW_KEY_SIZE, "data_key");
    *out = (struct kw_data_key){.key = secret->data, .head.format = KW_FORMAT_DATA_KEY};
    return kw_data_key_wrap_fixed(&out->head, w, &c->context, secret->data, nonce.data, c->err);
}

static kw_code derive(const struct kw_command *c)
{
    static const char *const names[] = {"wrap", "commitment", "sign"};
    const char *name = kw_command_str(c->json, "purpose");
    enum kw_purpose purpose = KW_PURPOSE_WRAP;
    while (purpose < KW_PURPOSE_SIGN && strcmp(names[purpose], name) != 0)
        purpose++;
    KW_AUTO(kw_secret) tenant_key = KW_SECRET_INIT;
    KW_AUTO(kw_secret) derived = KW_SECRET_INIT;
    const struct kw_suite *suite = NULL;
    struct kw_scope scope = {.tenant = kw_command_str(c->json, "tenant"),
                             .region = kw_command_str(c->json, "region"),
                             .cls = kw_command_str(c->json, "class")};
    kw_command_secret(c->json, "tenant_key", &tenant_key);
    KW_TRY(kw_suite_get((uint8_t)kw_command_u64(c->json, "suite"), &suite, c->err));
    KW_TRY(kw_tenant_key_derive(&derived, &tenant_key, purpose, suite, &scope, c->err));
    kw_json_hex(c->answer, "derived", kw_bytes(derived.data, derived.len));
    return KW_OK;
}

static kw_code context(const struct kw_command *c)
{
    struct kw_context_entries entries = {.count = 0};
    KW_AUTO(kw_buf) canonical = KW_BUF_INIT;
    KW_TRY(kw_context_add_json(&entries, kw_json_get(c->json, "context"), c->err));
    KW_TRY(kw_context_encode(&canonical, &entries, c->err));
    kw_json_hex(c->answer, "canonical", kw_buf_bytes(&canonical));
    kw_json_hex(c->answer, "digest", kw_bytes(c->context.digest, KW_HASH_SIZE));
    return KW_OK;
}

static kw_code wrap(const struct kw_command *c)
{
    KW_AUTO(kw_secret) secret = KW_SECRET_INIT;
    struct kw_wrapping_key w;
    struct kw_data_key key;
    uint8_t bytes[KW_HEAD_SIZE];
    KW_TRY(kw_command_wrapping_key(c, NULL, &w));
    kw_code code = kw_command_data_key(c, c->json, &w, &secret, &key);
    kw_secret_wipe(&w.key);
    KW_TRY(code);
    kw_wrapped_key_write(&key.head, bytes);
    kw_json_hex(c->answer, "sealed", kw_bytes(bytes, sizeof bytes));
    return KW_OK;
}

static kw_code unwrap(const struct kw_command *c)
{
    KW_AUTO(kw_buf) bytes = KW_BUF_INIT;
    KW_AUTO(kw_secret) secret = KW_SECRET_INIT;
    struct kw_wrapped_key head;
    struct kw_wrapping_key w;
    kw_command_hex(c->json, "sealed", &bytes);
    KW_TRY(kw_wrapped_key_parse(&head, kw_buf_bytes(&bytes), c->err));
    KW_TRY(kw_secret_alloc(&secret, KW_KEY_SIZE, c->err));
    KW_TRY(kw_command_wrapping_key(c, NULL, &w));
    kw_code code = kw_data_key_unwrap(secret.data, &w, &head, &c->context, c->err);
    kw_secret_wipe(&w.key);
    KW_TRY(code);
    kw_json_hex(c->answer, "data_key", kw_bytes(secret.data, secret.len));
    return KW_OK;
}

static void write_head(struct kw_json_writer *w, const struct kw_wrapped_key *head)
{
    kw_json_begin(w, NULL, '{');
    kw_json_str(w, "suite", kw_head_suite_name(head));
    kw_json_hex(w, "key_ref", kw_bytes(head->key_ref, KW_KEY_REF_SIZE));
    kw_json_uint(w, "version", head->version);
    kw_json_hex(w, "class_tag", kw_bytes(head->class_tag, KW_CLASS_TAG_SIZE));
    kw_json_end(w);
}

static kw_code inspect(const struct kw_command *c)
{
    KW_AUTO(kw_buf) bytes = KW_BUF_INIT;
    struct kw_inspection found;
    if (kw_json_get(c->json, "text") != NULL)
        kw_buf_append_str(&bytes, kw_command_str(c->json, "text"));
    else
        kw_command_hex(c->json, "sealed", &bytes);
    KW_TRY(kw_sealed_inspect(&found, kw_buf_bytes(&bytes), bytes.len, c->err));
    kw_json_str(c->answer, "format", kw_format_name(found.format));
    kw_json_bool(c->answer, "text", found.is_text);
    kw_json_uint(c->answer, "sealed_size", found.sealed_size);
    kw_json_uint(c->answer, "plain_size", found.plain_size);
    kw_json_uint(c->answer, "fields", found.fields);
    kw_json_bool(c->answer, "signed", found.is_signed);
    kw_json_begin(c->answer, "heads", '[');
    for (size_t i = 0; i < found.heads; i++)
        write_head(c->answer, &found.head[i]);
    kw_json_end(c->answer);
    return KW_OK;
}

static const struct {
    const char *op;
    kw_command_fn run;
} commands[] = {
    {"derive", derive},
    {"context", context},
    {"wrap", wrap},
    {"unwrap", unwrap},
    {"inspect", inspect},
    {"envelope_seal", kw_command_envelope_seal},
    {"envelope_open", kw_command_envelope_open},
    {"record_seal", kw_command_record_seal},
    {"record_open", kw_command_record_open},
    {"stream_seal", kw_command_stream_seal},
    {"stream_open", kw_command_stream_open},
    {"message_seal", kw_command_message_seal},
    {"message_open", kw_command_message_open},
};

static kw_code run(struct kw_command *c)
{
    struct kw_context_entries entries = {.count = 0};
    const char *op = kw_command_str(c->json, "op");
    KW_TRY(kw_context_add_json(&entries, kw_json_get(c->json, "context"), c->err));
    KW_TRY(kw_context_make(&c->context, &entries, c->err));
    for (size_t i = 0; i < KW_COUNT(commands); i++) {
        if (strcmp(commands[i].op, op) == 0)
            return commands[i].run(c);
    }
    kw_command_must(false, op);
    return KW_INTERNAL;
}

void kw_envelope_command(struct kw_bytes command, struct kw_buf *answer)
{
    struct kw_error err = {.code = KW_OK};
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    KW_AUTO(kw_buf) result = KW_BUF_INIT;
    struct kw_json_writer w = kw_json_writer(&result);
    kw_command_must(kw_json_parse(&doc, command, &err) == KW_OK, err.text);
    kw_json_begin(&w, NULL, '{');
    struct kw_command c = {.json = doc.root, .answer = &w, .err = &err};
    kw_code code = run(&c);
    if (code == KW_OK) {
        kw_json_end(&w);
        kw_buf_append(answer, result.data, result.len);
    } else {
        kw_command_must(err.code == code && strlen(err.text) > 0, "the error has no text");
        kw_buf_printf(answer, "{\"error\":\"%s\"}", kw_code_name(code));
    }
}
