/* Commands that seal and open. */
#include "crypto/sign.h"
#include "envelope_parts.h"

/* What most commands begin with. */
struct keys {
    struct kw_wrapping_key w;
    struct kw_secret secret;
    struct kw_data_key key;
};

static void keys_wipe(struct keys *k)
{
    kw_secret_wipe(&k->w.key);
    kw_secret_wipe(&k->secret);
}

#define AUTO_KEYS __attribute__((cleanup(keys_wipe))) struct keys

static kw_code sealing_keys(const struct kw_command *c, struct keys *k)
{
    KW_TRY(kw_command_wrapping_key(c, NULL, &k->w));
    return kw_command_data_key(c, c->json, &k->w, &k->secret, &k->key);
}

static kw_code opening_keys(const struct kw_command *c, const char *cls,
                            const struct kw_wrapped_key *head, struct keys *k)
{
    KW_TRY(kw_command_wrapping_key(c, cls, &k->w));
    KW_TRY(kw_secret_alloc(&k->secret, KW_KEY_SIZE, c->err));
    return kw_data_key_unwrap(k->secret.data, &k->w, head, &c->context, c->err);
}

static kw_code answer_hex(const struct kw_command *c, const char *name, const struct kw_buf *bytes)
{
    KW_TRY(kw_buf_status(bytes, c->err));
    kw_json_hex(c->answer, name, kw_buf_bytes(bytes));
    return KW_OK;
}

kw_code kw_command_envelope_seal(const struct kw_command *c)
{
    AUTO_KEYS k = {0};
    KW_AUTO(kw_buf) plain = KW_BUF_INIT;
    KW_AUTO(kw_buf) sealed = KW_BUF_INIT;
    KW_TRY(sealing_keys(c, &k));
    kw_command_hex(c->json, "plaintext", &plain);
    uint8_t *out = kw_buf_reserve(&sealed, plain.len + KW_ENVELOPE_OVERHEAD);
    KW_TRY(kw_envelope_seal(out, &k.key, &c->context, kw_buf_bytes(&plain), c->err));
    sealed.len = plain.len + KW_ENVELOPE_OVERHEAD;
    return answer_hex(c, "sealed", &sealed);
}

kw_code kw_command_envelope_open(const struct kw_command *c)
{
    AUTO_KEYS k = {0};
    KW_AUTO(kw_buf) sealed = KW_BUF_INIT;
    KW_AUTO(kw_buf) plain = KW_BUF_INIT;
    struct kw_wrapped_key head;
    kw_command_hex(c->json, "sealed", &sealed);
    KW_TRY(kw_envelope_head(&head, kw_buf_bytes(&sealed), c->err));
    KW_TRY(opening_keys(c, NULL, &head, &k));
    size_t len = sealed.len - KW_ENVELOPE_OVERHEAD;
    uint8_t *out = kw_buf_reserve(&plain, len);
    KW_TRY(kw_envelope_open(out, k.secret.data, &c->context, kw_buf_bytes(&sealed), c->err));
    plain.len = len;
    return answer_hex(c, "plaintext", &plain);
}

static kw_code new_spec(const struct kw_command *c, struct kw_fields_spec **out)
{
    const struct kw_json *spec = kw_json_get(c->json, "spec");
    if (spec == NULL || spec->type == KW_JSON_NULL)
        return KW_OK;
    return kw_fields_spec_new(out, spec->text, kw_command_str(c->json, "class"), c->err);
}

/* The member of data_keys that stands for a class. */
static const struct kw_json *key_of_class(const struct kw_command *c, const char *cls)
{
    const struct kw_json *key = kw_json_get(kw_json_get(c->json, "data_keys"), cls);
    kw_command_must(key != NULL, cls);
    return key;
}

static kw_code seal_record(const struct kw_command *c, struct kw_record *record, struct keys *k,
                           struct kw_buf *out)
{
    struct kw_data_key keys[KW_FIELDS_CLASSES_MAX];
    KW_AUTO(kw_buf) nonces = KW_BUF_INIT;
    for (size_t i = 0; i < kw_record_plan_keys(record); i++) {
        const char *cls = kw_record_plan_class(record, i);
        KW_TRY(kw_command_wrapping_key(c, cls, &k[i].w));
        KW_TRY(kw_command_data_key(c, key_of_class(c, cls), &k[i].w, &k[i].secret, &keys[i]));
    }
    kw_command_hex(c->json, "nonces", &nonces);
    kw_command_must(nonces.len >= record->count * KW_NONCE_SIZE, "nonces");
    return kw_record_seal_fixed(record, &c->context, keys, nonces.data, out, c->err);
}

kw_code kw_command_record_seal(const struct kw_command *c)
{
    KW_AUTO_PTR(kw_fields_spec) spec = NULL;
    KW_AUTO(kw_record) record = KW_RECORD_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    struct keys k[KW_FIELDS_CLASSES_MAX] = {0};
    KW_TRY(new_spec(c, &spec));
    KW_TRY(kw_record_plan(&record, spec, kw_bytes_str(kw_command_str(c->json, "record")), c->err));
    kw_code code = seal_record(c, &record, k, &out);
    for (size_t i = 0; i < KW_COUNT(k); i++)
        keys_wipe(&k[i]);
    KW_TRY(code);
    kw_json_strn(c->answer, "record", kw_buf_bytes(&out));
    return KW_OK;
}

/* The name, of the command's classes, that has this tag; its own class if none has. */
static const char *class_of_tag(const struct kw_command *c, const uint8_t *tag)
{
    const struct kw_json *classes = kw_json_get(c->json, "classes");
    for (const struct kw_json *m = classes == NULL ? NULL : classes->first; m != NULL;
         m = m->next) {
        uint8_t known[KW_CLASS_TAG_SIZE];
        kw_class_tag(known, m->text);
        if (memcmp(known, tag, sizeof known) == 0)
            return m->text;
    }
    return kw_command_str(c->json, "class");
}

static kw_code open_record(const struct kw_command *c, struct kw_record *record, struct keys *k,
                           struct kw_buf *out)
{
    const uint8_t *keys[KW_RECORD_HEADS_MAX];
    for (size_t i = 0; i < kw_record_read_keys(record); i++) {
        const struct kw_wrapped_key *head = kw_record_read_head(record, i);
        KW_TRY(opening_keys(c, class_of_tag(c, head->class_tag), head, &k[i]));
        keys[i] = k[i].secret.data;
    }
    return kw_record_open(record, &c->context, keys, out, c->err);
}

kw_code kw_command_record_open(const struct kw_command *c)
{
    KW_AUTO_PTR(kw_fields_spec) spec = NULL;
    KW_AUTO(kw_record) record = KW_RECORD_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    struct keys k[KW_RECORD_HEADS_MAX] = {0};
    KW_TRY(new_spec(c, &spec));
    KW_TRY(kw_record_read(&record, spec, kw_bytes_str(kw_command_str(c->json, "record")), c->err));
    kw_code code = open_record(c, &record, k, &out);
    for (size_t i = 0; i < KW_COUNT(k); i++)
        keys_wipe(&k[i]);
    KW_TRY(code);
    kw_json_strn(c->answer, "record", kw_buf_bytes(&out));
    return KW_OK;
}

/* Feeds in in pieces of the command's size, so that chunks and pieces do not fall together. */
kw_code kw_command_stream_seal(const struct kw_command *c)
{
    AUTO_KEYS k = {0};
    KW_AUTO_PTR(kw_stream_sealer) sealer = NULL;
    KW_AUTO(kw_buf) plain = KW_BUF_INIT;
    KW_AUTO(kw_buf) salt = KW_BUF_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    size_t piece = (size_t)kw_command_u64(c->json, "piece");
    KW_TRY(sealing_keys(c, &k));
    kw_command_hex(c->json, "plaintext", &plain);
    kw_command_hex(c->json, "salt", &salt);
    kw_command_must(salt.len == KW_STREAM_SALT_SIZE && piece > 0, "salt");
    KW_TRY(kw_stream_sealer_new_fixed(&sealer, &k.key, &c->context, salt.data, c->err));
    for (size_t at = 0; at < plain.len; at += piece) {
        size_t len = plain.len - at < piece ? plain.len - at : piece;
        KW_TRY(kw_stream_sealer_add(sealer, kw_bytes(plain.data + at, len), &out, c->err));
    }
    KW_TRY(kw_stream_sealer_end(sealer, &out, c->err));
    return answer_hex(c, "sealed", &out);
}

kw_code kw_command_stream_open(const struct kw_command *c)
{
    AUTO_KEYS k = {0};
    KW_AUTO_PTR(kw_stream_opener) opener = NULL;
    KW_AUTO(kw_buf) sealed = KW_BUF_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    struct kw_wrapped_key head;
    size_t piece = (size_t)kw_command_u64(c->json, "piece");
    kw_command_hex(c->json, "sealed", &sealed);
    size_t front = sealed.len < KW_HEAD_SIZE ? sealed.len : KW_HEAD_SIZE;
    KW_TRY(kw_wrapped_key_parse(&head, kw_bytes(sealed.data, front), c->err));
    KW_TRY(opening_keys(c, NULL, &head, &k));
    KW_TRY(kw_stream_opener_new(&opener, &head, k.secret.data, &c->context, c->err));
    for (size_t at = KW_HEAD_SIZE; at < sealed.len; at += piece) {
        size_t len = sealed.len - at < piece ? sealed.len - at : piece;
        KW_TRY(kw_stream_opener_add(opener, kw_bytes(sealed.data + at, len), &out, c->err));
    }
    KW_TRY(kw_stream_opener_end(opener, &out, c->err));
    return answer_hex(c, "plaintext", &out);
}

/* The tenant's signing key of the version signing_key, which need not be tenant_key. */
static kw_code signing_seed(const struct kw_command *c, struct kw_secret *out)
{
    KW_AUTO(kw_secret) tenant_key = KW_SECRET_INIT;
    const struct kw_suite *suite = NULL;
    struct kw_scope scope = {.tenant = kw_command_str(c->json, "tenant"),
                             .region = kw_command_str(c->json, "region")};
    kw_command_secret(c->json, "signing_key", &tenant_key);
    KW_TRY(kw_suite_get((uint8_t)kw_command_u64(c->json, "suite"), &suite, c->err));
    return kw_tenant_key_derive(out, &tenant_key, KW_PURPOSE_SIGN, suite, &scope, c->err);
}

kw_code kw_command_message_seal(const struct kw_command *c)
{
    AUTO_KEYS k = {0};
    KW_AUTO(kw_secret) seed = KW_SECRET_INIT;
    KW_AUTO(kw_buf) plain = KW_BUF_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    bool is_signed = kw_command_flag(c->json, "signed");
    struct kw_signer signer = {.version = (uint32_t)kw_command_u64(c->json, "signing_version")};
    KW_TRY(sealing_keys(c, &k));
    KW_TRY(signing_seed(c, &seed));
    signer.seed = seed.data;
    kw_command_hex(c->json, "plaintext", &plain);
    KW_TRY(kw_message_seal_with_key(&out, &k.key, &c->context, is_signed ? &signer : NULL,
                                    kw_buf_bytes(&plain), c->err));
    return answer_hex(c, "sealed", &out);
}

kw_code kw_command_message_open(const struct kw_command *c)
{
    AUTO_KEYS k = {0};
    KW_AUTO(kw_secret) seed = KW_SECRET_INIT;
    KW_AUTO(kw_buf) sealed = KW_BUF_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    uint8_t public_key[KW_SIGN_PUBLIC_SIZE];
    struct kw_message message;
    bool is_signed = kw_command_flag(c->json, "signed");
    KW_TRY(signing_seed(c, &seed));
    KW_TRY(kw_sign_public(seed.data, public_key, c->err));
    kw_command_hex(c->json, "sealed", &sealed);
    KW_TRY(kw_message_parse(&message, kw_buf_bytes(&sealed), c->err));
    KW_TRY(opening_keys(c, NULL, &message.head, &k));
    KW_TRY(kw_message_open_with_key(&out, &message, &c->context, k.secret.data,
                                    is_signed ? public_key : NULL, c->err));
    return answer_hex(c, "plaintext", &out);
}
