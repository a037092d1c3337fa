/* Messages: signed or not is part of what is sealed, and a signature outlives a re-wrap. */
#include "envelope/message.h"

#include "crypto/hash.h"
#include "envelope_scene.h"

struct signing {
    struct kw_secret seed;
    struct kw_signer signer;
    uint8_t public_key[KW_SIGN_PUBLIC_SIZE];
};

static void signing_init(struct signing *g, const struct scene *s)
{
    struct kw_scope scope = {"acme", "eu", NULL};
    *g = (struct signing){.signer.version = 7};
    assert_int_equal(kw_tenant_key_derive(&g->seed, &s->tenant_key, KW_PURPOSE_SIGN,
                                          kw_suite_default(), &scope, NULL),
                     KW_OK);
    g->signer.seed = g->seed.data;
    assert_int_equal(kw_sign_public(g->seed.data, g->public_key, NULL), KW_OK);
}

static void signing_wipe(struct signing *g)
{
    kw_secret_wipe(&g->seed);
}

#define AUTO_SIGNING __attribute__((cleanup(signing_wipe))) struct signing

static void seal(struct kw_buf *out, struct scene *s, const struct kw_signer *signer)
{
    scene_new_key(s);
    kw_buf_reset(out);
    assert_int_equal(kw_message_seal_with_key(out, &s->key, &s->context, signer,
                                              kw_bytes_str("a message"), NULL),
                     KW_OK);
}

static kw_code open(const struct scene *s, struct kw_bytes sealed, const uint8_t *public_key,
                    struct kw_buf *out)
{
    struct kw_message message;
    uint8_t key[KW_KEY_SIZE];
    struct kw_error err;
    KW_TRY(kw_message_parse(&message, sealed, &err));
    KW_TRY(kw_data_key_unwrap(key, &s->w, &message.head, &s->context, &err));
    return kw_message_open_with_key(out, &message, &s->context, key, public_key, &err);
}

static void round_trips(void **state)
{
    KW_UNUSED(state);
    for (int is_signed = 0; is_signed < 2; is_signed++) {
        AUTO_SCENE s;
        scene_init(&s, is_signed ? KW_SUITE_CHACHA20POLY1305 : KW_SUITE_AES256GCM);
        AUTO_SIGNING g;
        signing_init(&g, &s);
        KW_AUTO(kw_buf) sealed = KW_BUF_INIT;
        KW_AUTO(kw_buf) opened = KW_BUF_INIT;
        seal(&sealed, &s, is_signed ? &g.signer : NULL);
        assert_int_equal(sealed.len,
                         9 + (is_signed ? KW_MESSAGE_SIGNED_OVERHEAD : KW_MESSAGE_OVERHEAD));
        const uint8_t *right = is_signed ? g.public_key : NULL;
        const uint8_t *wrong = is_signed ? NULL : g.public_key;
        assert_int_equal(open(&s, kw_buf_bytes(&sealed), wrong, &opened), KW_BAD_SIGNATURE);
        assert_int_equal(open(&s, kw_buf_bytes(&sealed), right, &opened), KW_OK);
        assert_string_equal(kw_buf_str(&opened), "a message");
    }
}

static void every_bit_counts(void **state)
{
    KW_UNUSED(state);
    for (int is_signed = 0; is_signed < 2; is_signed++) {
        AUTO_SCENE s;
        scene_init(&s, KW_SUITE_AES256GCM);
        AUTO_SIGNING g;
        signing_init(&g, &s);
        KW_AUTO(kw_buf) sealed = KW_BUF_INIT;
        KW_AUTO(kw_buf) opened = KW_BUF_INIT;
        seal(&sealed, &s, is_signed ? &g.signer : NULL);
        for (size_t bit = 0; bit < 8 * sealed.len; bit++) {
            sealed.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
            if (open(&s, kw_buf_bytes(&sealed), is_signed ? g.public_key : NULL, &opened) == KW_OK)
                fail_msg("bit %zu does not count", bit);
            sealed.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
        for (size_t len = 0; len < sealed.len; len++)
            assert_int_not_equal(
                open(&s, kw_bytes(sealed.data, len), is_signed ? g.public_key : NULL, &opened),
                KW_OK);
        assert_int_equal(opened.len, 0);
    }
}

static void verified_without_being_opened(void **state)
{
    KW_UNUSED(state);
    AUTO_SCENE s;
    scene_init(&s, KW_SUITE_AES256GCM);
    AUTO_SIGNING g;
    signing_init(&g, &s);
    KW_AUTO(kw_buf) sealed = KW_BUF_INIT;
    struct kw_message message;
    seal(&sealed, &s, &g.signer);
    assert_int_equal(kw_message_parse(&message, kw_buf_bytes(&sealed), NULL), KW_OK);
    assert_true(message.is_signed);
    assert_int_equal(message.signing_version, 7);
    assert_int_equal(kw_message_verify(&message, &s.context, g.public_key, NULL), KW_OK);
    g.public_key[3] ^= 1;
    assert_int_equal(kw_message_verify(&message, &s.context, g.public_key, NULL), KW_BAD_SIGNATURE);
    g.public_key[3] ^= 1;
    struct kw_context other;
    scene_context(&other, "row", "18");
    assert_int_equal(kw_message_verify(&message, &other, g.public_key, NULL), KW_BAD_SIGNATURE);
    seal(&sealed, &s, NULL);
    assert_int_equal(kw_message_parse(&message, kw_buf_bytes(&sealed), NULL), KW_OK);
    assert_int_equal(kw_message_verify(&message, &s.context, g.public_key, NULL), KW_BAD_SIGNATURE);
}

static void a_signature_cannot_be_stripped(void **state)
{
    KW_UNUSED(state);
    AUTO_SCENE s;
    scene_init(&s, KW_SUITE_AES256GCM);
    AUTO_SIGNING g;
    signing_init(&g, &s);
    KW_AUTO(kw_buf) sealed = KW_BUF_INIT;
    KW_AUTO(kw_buf) stripped = KW_BUF_INIT;
    KW_AUTO(kw_buf) opened = KW_BUF_INIT;
    seal(&sealed, &s, &g.signer);
    kw_buf_append(&stripped, "\6\0", 2);
    kw_buf_append(&stripped, sealed.data + 102, sealed.len - 102);
    assert_int_equal(open(&s, kw_buf_bytes(&stripped), NULL, &opened), KW_SEAL_BROKEN);
    /* Nor does its envelope open as one. */
    stripped.data[2] = KW_FORMAT_ENVELOPE;
    uint8_t out[64];
    assert_int_equal(kw_envelope_open_with(out, &s.w, &s.context,
                                           kw_bytes(stripped.data + 2, stripped.len - 2), NULL),
                     KW_SEAL_BROKEN);
}

static void a_rewrap_keeps_the_signature_and_the_key(void **state)
{
    KW_UNUSED(state);
    AUTO_SCENE s;
    scene_init(&s, KW_SUITE_AES256GCM);
    AUTO_SIGNING g;
    signing_init(&g, &s);
    KW_AUTO(kw_buf) sealed = KW_BUF_INIT;
    KW_AUTO(kw_buf) opened = KW_BUF_INIT;
    struct kw_message message;
    seal(&sealed, &s, &g.signer);
    assert_int_equal(kw_message_parse(&message, kw_buf_bytes(&sealed), NULL), KW_OK);
    s.w.version = 8; /* as another version would be */
    struct kw_wrapped_key head = message.head;
    assert_int_equal(kw_data_key_wrap(&head, &s.w, &s.context, s.secret.data, NULL), KW_OK);
    kw_wrapped_key_write(&head, sealed.data + message.head_at);
    assert_int_equal(open(&s, kw_buf_bytes(&sealed), g.public_key, &opened), KW_OK);
    assert_string_equal(kw_buf_str(&opened), "a message");
    /* A data key that was not signed: whoever can wrap cannot change what was said. */
    uint8_t other[KW_KEY_SIZE];
    kw_random(other, sizeof other);
    assert_int_equal(kw_data_key_wrap(&head, &s.w, &s.context, other, NULL), KW_OK);
    kw_wrapped_key_write(&head, sealed.data + message.head_at);
    assert_int_equal(open(&s, kw_buf_bytes(&sealed), g.public_key, &opened), KW_SEAL_BROKEN);
}

/* ---- Statements -------------------------------------------------------------------------------
 */

static struct kw_message_statement some_statement(void)
{
    struct kw_message_statement statement = {.signing_version = 0x01020304, .suite = 2};
    memset(statement.key_ref, 0x11, sizeof statement.key_ref);
    memset(statement.class_tag, 0x22, sizeof statement.class_tag);
    memset(statement.context_digest, 0x33, sizeof statement.context_digest);
    memset(statement.commitment, 0x44, sizeof statement.commitment);
    memset(statement.body_digest, 0x55, sizeof statement.body_digest);
    return statement;
}

static void a_statement_has_one_form(void **state)
{
    KW_UNUSED(state);
    /* docs/spec/message.md, Signing: the places of what is fixed. */
    const struct {
        size_t at, len;
    } fixed[] = {{0, 18}, {18, 1}, {23, 1}};
    struct kw_message_statement wrote = some_statement();
    struct kw_message_statement read;
    uint8_t bytes[KW_MESSAGE_STATEMENT_SIZE + 1] = {0};
    kw_message_statement_write(&wrote, bytes);
    assert_memory_equal(bytes, "keyward message v1\1\1\2\3\4\6\2\x11", 26);
    assert_int_equal(kw_message_statement_parse(&read, kw_bytes(bytes, 133), NULL), KW_OK);
    assert_int_equal(read.signing_version, wrote.signing_version);
    assert_int_equal(read.suite, wrote.suite);
    assert_memory_equal(read.key_ref, wrote.key_ref, sizeof read.key_ref);
    assert_memory_equal(read.class_tag, wrote.class_tag, sizeof read.class_tag);
    assert_memory_equal(read.context_digest, wrote.context_digest, sizeof read.context_digest);
    assert_memory_equal(read.commitment, wrote.commitment, sizeof read.commitment);
    assert_memory_equal(read.body_digest, wrote.body_digest, sizeof read.body_digest);
    for (size_t i = 0; i < KW_COUNT(fixed); i++)
        for (size_t bit = 8 * fixed[i].at; bit < 8 * (fixed[i].at + fixed[i].len); bit++) {
            bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
            assert_int_equal(kw_message_statement_parse(&read, kw_bytes(bytes, 133), NULL),
                             KW_BAD_FORMAT);
            bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
    for (size_t len = 0; len <= sizeof bytes; len++)
        assert_int_equal(kw_message_statement_parse(&read, kw_bytes(bytes, len), NULL),
                         len == 133 ? KW_OK : KW_BAD_FORMAT);
}

struct asked {
    const uint8_t *seed;
    uint8_t statement[KW_MESSAGE_STATEMENT_SIZE];
    int times;
    kw_code code;
};

static KW_ERR answer(void *arg, const uint8_t statement[KW_MESSAGE_STATEMENT_SIZE],
                     uint8_t signature[KW_SIGNATURE_SIZE], struct kw_error *err)
{
    struct asked *asked = arg;
    asked->times++;
    memcpy(asked->statement, statement, KW_MESSAGE_STATEMENT_SIZE);
    if (asked->code != KW_OK)
        return kw_fail_code(err, asked->code);
    return kw_sign(asked->seed, kw_bytes(statement, KW_MESSAGE_STATEMENT_SIZE), signature, err);
}

static void who_is_asked_signs_the_statement(void **state)
{
    KW_UNUSED(state);
    AUTO_SCENE s;
    scene_init(&s, KW_SUITE_AES256GCM);
    AUTO_SIGNING g;
    signing_init(&g, &s);
    KW_AUTO(kw_buf) sealed = KW_BUF_INIT;
    KW_AUTO(kw_buf) by_seed = KW_BUF_INIT;
    struct asked asked = {.seed = g.seed.data};
    struct kw_signer signer = {.version = 7, .sign = answer, .arg = &asked};
    struct kw_message_statement statement;
    struct kw_message message;
    uint8_t digest[KW_HASH_SIZE];
    seal(&sealed, &s, &signer);
    assert_int_equal(asked.times, 1);
    s.key.used = false; /* sealed anew on purpose: the two are compared */
    assert_int_equal(kw_message_seal_with_key(&by_seed, &s.key, &s.context, &g.signer,
                                              kw_bytes_str("a message"), NULL),
                     KW_OK);
    assert_true(kw_bytes_equal(kw_buf_bytes(&sealed), kw_buf_bytes(&by_seed)));
    assert_int_equal(kw_message_parse(&message, kw_buf_bytes(&sealed), NULL), KW_OK);
    assert_int_equal(kw_message_statement_parse(
                         &statement, kw_bytes(asked.statement, sizeof asked.statement), NULL),
                     KW_OK);
    assert_int_equal(statement.signing_version, 7);
    assert_int_equal(statement.suite, KW_SUITE_AES256GCM);
    assert_memory_equal(statement.key_ref, "tenant-1", 8);
    assert_memory_equal(statement.class_tag, s.w.class_tag, 4);
    assert_memory_equal(statement.context_digest, s.context.digest, KW_HASH_SIZE);
    assert_memory_equal(statement.commitment, message.commitment, KW_COMMITMENT_SIZE);
    kw_sha256_one(digest, message.body);
    assert_memory_equal(statement.body_digest, digest, KW_HASH_SIZE);
}

static void a_refused_signature_is_the_answer(void **state)
{
    KW_UNUSED(state);
    AUTO_SCENE s;
    scene_init(&s, KW_SUITE_AES256GCM);
    KW_AUTO(kw_buf) sealed = KW_BUF_INIT;
    struct asked asked = {.code = KW_TENANT_SUSPENDED};
    struct kw_signer signer = {.version = 7, .sign = answer, .arg = &asked};
    kw_buf_append(&sealed, "before", 6);
    assert_int_equal(kw_message_seal_with_key(&sealed, &s.key, &s.context, &signer,
                                              kw_bytes_str("a message"), NULL),
                     KW_TENANT_SUSPENDED);
    assert_string_equal(kw_buf_str(&sealed), "before");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),
        cmocka_unit_test(every_bit_counts),
        cmocka_unit_test(verified_without_being_opened),
        cmocka_unit_test(a_signature_cannot_be_stripped),
        cmocka_unit_test(a_rewrap_keeps_the_signature_and_the_key),
        cmocka_unit_test(a_statement_has_one_form),
        cmocka_unit_test(who_is_asked_signs_the_statement),
        cmocka_unit_test(a_refused_signature_is_the_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
