/* Wrapped data keys and envelopes: they open where they were sealed for, and nowhere else. */
#include "envelope/envelope.h"
#include "envelope/message.h"

#include "envelope_scene.h"

static const uint8_t suites[] = {KW_SUITE_AES256GCM, KW_SUITE_CHACHA20POLY1305};

static void sizes_round_trip(void **state)
{
    KW_UNUSED(state);
    static const size_t sizes[] = {0, 1, 15, 16, 17, 64, 1024, 65536};
    static uint8_t plain[65536];
    static uint8_t sealed[65536 + KW_ENVELOPE_OVERHEAD];
    static uint8_t opened[65536];
    kw_random(plain, sizeof plain);
    assert_true(KW_ENVELOPE_OVERHEAD <= 96);
    for (size_t i = 0; i < KW_COUNT(sizes) * KW_COUNT(suites); i++) {
        size_t size = sizes[i / KW_COUNT(suites)];
        AUTO_SCENE s;
        scene_init(&s, suites[i % KW_COUNT(suites)]);
        struct kw_bytes in = kw_bytes(plain, size);
        struct kw_bytes out = kw_bytes(sealed, size + KW_ENVELOPE_OVERHEAD);
        assert_int_equal(kw_envelope_seal(sealed, &s.key, &s.context, in, NULL), KW_OK);
        assert_int_equal(kw_envelope_open_with(opened, &s.w, &s.context, out, NULL), KW_OK);
        assert_memory_equal(opened, plain, size);
        assert_int_equal(kw_envelope_seal_with(sealed, &s.w, &s.context, in, NULL), KW_OK);
        memset(opened, 0, sizeof opened);
        assert_int_equal(kw_envelope_open_with(opened, &s.w, &s.context, out, NULL), KW_OK);
        assert_memory_equal(opened, plain, size);
    }
}

/* Under one key and the fixed nonce two plaintexts would give each other away. */
static void a_key_seals_once(void **state)
{
    KW_UNUSED(state);
    uint8_t sealed[4 + KW_ENVELOPE_OVERHEAD];
    uint8_t again[4 + KW_ENVELOPE_OVERHEAD] = {0};
    static const uint8_t zeros[4 + KW_ENVELOPE_OVERHEAD];
    AUTO_SCENE s;
    scene_init(&s, KW_SUITE_AES256GCM);
    assert_int_equal(kw_envelope_seal(sealed, &s.key, &s.context, kw_bytes("text", 4), NULL),
                     KW_OK);
    assert_int_equal(kw_envelope_seal(again, &s.key, &s.context, kw_bytes("more", 4), NULL),
                     KW_INTERNAL);
    assert_memory_equal(again, zeros, sizeof zeros);
    KW_AUTO(kw_buf) message = KW_BUF_INIT;
    assert_int_equal(
        kw_message_seal_with_key(&message, &s.key, &s.context, NULL, kw_bytes("more", 4), NULL),
        KW_INTERNAL);
    assert_int_equal(message.len, 0);
}

static void each_has_a_key_of_its_own(void **state)
{
    KW_UNUSED(state);
    uint8_t a[4 + KW_ENVELOPE_OVERHEAD];
    uint8_t b[4 + KW_ENVELOPE_OVERHEAD];
    AUTO_SCENE s;
    scene_init(&s, KW_SUITE_AES256GCM);
    assert_int_equal(kw_envelope_seal_with(a, &s.w, &s.context, kw_bytes("same", 4), NULL), KW_OK);
    assert_int_equal(kw_envelope_seal_with(b, &s.w, &s.context, kw_bytes("same", 4), NULL), KW_OK);
    assert_memory_equal(a, b, 18);               /* format to class tag */
    assert_memory_not_equal(a + 18, b + 18, 12); /* nonce */
    assert_memory_not_equal(a + KW_HEAD_SIZE, b + KW_HEAD_SIZE, 20);
}

/* Opens with the wrapping key of the scene; what must come out is a refusal and no byte of
 * plaintext. */
static void expect_refused(const struct scene *s, const uint8_t *sealed, size_t len,
                           const char *what, size_t at)
{
    uint8_t out[64] = {0};
    static const uint8_t zero[64];
    struct kw_error err = {.code = KW_OK};
    kw_code code = kw_envelope_open_with(out, &s->w, &s->context, kw_bytes(sealed, len), &err);
    if (code == KW_OK)
        fail_msg("%s at %zu opens", what, at);
    if (code != KW_SEAL_BROKEN && code != KW_BAD_FORMAT && code != KW_UNSUPPORTED_SUITE &&
        code != KW_TRUNCATED)
        fail_msg("%s at %zu: %s", what, at, kw_code_name(code));
    assert_int_equal(err.code, code);
    assert_memory_equal(out, zero, sizeof out);
}

static void every_bit_counts(void **state)
{
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(suites); i++) {
        uint8_t sealed[16 + KW_ENVELOPE_OVERHEAD];
        AUTO_SCENE s;
        scene_init(&s, suites[i]);
        assert_int_equal(
            kw_envelope_seal_with(sealed, &s.w, &s.context, kw_bytes("sixteen bytes...", 16), NULL),
            KW_OK);
        for (size_t bit = 0; bit < 8 * sizeof sealed; bit++) {
            sealed[bit / 8] ^= (uint8_t)(1U << bit % 8);
            expect_refused(&s, sealed, sizeof sealed, "flipped bit", bit);
            sealed[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
        uint8_t out[16];
        assert_int_equal(
            kw_envelope_open_with(out, &s.w, &s.context, kw_bytes(sealed, sizeof sealed), NULL),
            KW_OK);
    }
}

static void every_length_counts(void **state)
{
    KW_UNUSED(state);
    uint8_t sealed[16 + KW_ENVELOPE_OVERHEAD + 32] = {0};
    AUTO_SCENE s;
    scene_init(&s, KW_SUITE_AES256GCM);
    size_t len = 16 + KW_ENVELOPE_OVERHEAD;
    assert_int_equal(
        kw_envelope_seal_with(sealed, &s.w, &s.context, kw_bytes("sixteen bytes...", 16), NULL),
        KW_OK);
    for (size_t cut = 0; cut < len; cut++)
        expect_refused(&s, sealed, cut, "cut", cut);
    for (size_t more = 1; more <= 32; more++)
        expect_refused(&s, sealed, len + more, "extended", more);
}

/* What an envelope of acme/eu/pii, row 17, version 7, must not open under. */
static void elsewhere_is_refused(void **state)
{
    KW_UNUSED(state);
    static const struct kw_scope others[] = {
        {"globex", "eu", "pii"}, {"acme", "us", "pii"}, {"acme", "eu", "health"}};
    uint8_t sealed[4 + KW_ENVELOPE_OVERHEAD];
    AUTO_SCENE s;
    scene_init(&s, KW_SUITE_AES256GCM);
    assert_int_equal(kw_envelope_seal_with(sealed, &s.w, &s.context, kw_bytes("text", 4), NULL),
                     KW_OK);
    for (size_t i = 0; i < KW_COUNT(others); i++) {
        AUTO_SCENE other;
        scene_init(&other, KW_SUITE_AES256GCM);
        other.context = s.context;
        kw_secret_wipe(&other.w.key);
        scene_wrapping_key(&other.w, &s.tenant_key, &others[i], KW_SUITE_AES256GCM);
        memcpy(other.w.class_tag, s.w.class_tag,
               KW_CLASS_TAG_SIZE); /* even where the tag is forged */
        expect_refused(&other, sealed, sizeof sealed, "other scope", i);
    }
    struct kw_context right = s.context;
    scene_context(&s.context, "row", "18");
    expect_refused(&s, sealed, sizeof sealed, "other context", 0);
    assert_int_equal(kw_context_make(&s.context, NULL, NULL), KW_OK);
    expect_refused(&s, sealed, sizeof sealed, "no context", 0);
    s.context = right;
    s.w.version++;
    expect_refused(&s, sealed, sizeof sealed, "other version", 0);
    s.w.version--;
    s.w.suite = KW_SUITE_CHACHA20POLY1305;
    expect_refused(&s, sealed, sizeof sealed, "other suite", 0);
}

static void the_head_may_be_renewed_and_the_payload_not(void **state)
{
    KW_UNUSED(state);
    uint8_t sealed[4 + KW_ENVELOPE_OVERHEAD];
    uint8_t out[4];
    AUTO_SCENE s;
    scene_init(&s, KW_SUITE_AES256GCM);
    assert_int_equal(kw_envelope_seal(sealed, &s.key, &s.context, kw_bytes("text", 4), NULL),
                     KW_OK);
    AUTO_SCENE next;
    scene_init(&next, KW_SUITE_AES256GCM); /* another tenant key: the next version */
    next.w.version = 8;
    struct kw_wrapped_key head = s.key.head;
    head.format = KW_FORMAT_ENVELOPE;
    assert_int_equal(kw_data_key_wrap(&head, &next.w, &s.context, s.secret.data, NULL), KW_OK);
    kw_wrapped_key_write(&head, sealed);
    assert_int_equal(
        kw_envelope_open_with(out, &next.w, &s.context, kw_bytes(sealed, sizeof sealed), NULL),
        KW_OK);
    assert_memory_equal(out, "text", 4);
    /* The head of one envelope over the payload of another. */
    uint8_t other[4 + KW_ENVELOPE_OVERHEAD];
    assert_int_equal(kw_envelope_seal_with(other, &next.w, &s.context, kw_bytes("evil", 4), NULL),
                     KW_OK);
    memcpy(sealed + KW_HEAD_SIZE, other + KW_HEAD_SIZE, sizeof sealed - KW_HEAD_SIZE);
    next.context = s.context;
    expect_refused(&next, sealed, sizeof sealed, "other payload", 0);
}

static void derived_keys_differ(void **state)
{
    KW_UNUSED(state);
    static const struct {
        enum kw_purpose purpose;
        uint8_t suite;
        struct kw_scope scope;
    } cases[] = {
        {KW_PURPOSE_WRAP, 1, {"acme", "eu", "pii"}},
        {KW_PURPOSE_WRAP, 2, {"acme", "eu", "pii"}},
        {KW_PURPOSE_WRAP, 1, {"acmee", "u", "pii"}},
        {KW_PURPOSE_WRAP, 1, {"acme", "eup", "ii"}},
        {KW_PURPOSE_WRAP, 1, {"acme", "eu", "pi"}},
        {KW_PURPOSE_SIGN, 1, {"acme", "eu", NULL}},
        {KW_PURPOSE_SIGN, 2, {"acme", "eu", NULL}},
        {KW_PURPOSE_COMMITMENT, 1, {"acme", "eu", NULL}},
        {KW_PURPOSE_SIGN, 1, {"acme", "us", NULL}},
    };
    AUTO_SCENE s;
    scene_init(&s, 1);
    struct kw_secret derived[KW_COUNT(cases)] = {0};
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        const struct kw_suite *suite = NULL;
        assert_int_equal(kw_suite_get(cases[i].suite, &suite, NULL), KW_OK);
        assert_int_equal(kw_tenant_key_derive(&derived[i], &s.tenant_key, cases[i].purpose, suite,
                                              &cases[i].scope, NULL),
                         KW_OK);
        for (size_t k = 0; k < i; k++)
            assert_false(kw_secret_equal(&derived[i], &derived[k]));
    }
    for (size_t i = 0; i < KW_COUNT(cases); i++)
        kw_secret_wipe(&derived[i]);
}

static void bad_names_and_keys_are_refused(void **state)
{
    KW_UNUSED(state);
    static const struct kw_scope bad[] = {{"", "eu", "pii"},
                                          {"acme", "EU", "pii"},
                                          {"acme", "eu", "p.ii"},
                                          {"acme", "eu", NULL},
                                          {NULL, "eu", "pii"}};
    AUTO_SCENE s;
    scene_init(&s, 1);
    KW_AUTO(kw_secret) out = KW_SECRET_INIT;
    for (size_t i = 0; i < KW_COUNT(bad); i++)
        assert_int_equal(kw_tenant_key_derive(&out, &s.tenant_key, KW_PURPOSE_WRAP,
                                              kw_suite_default(), &bad[i], NULL),
                         KW_BAD_NAME);
    KW_AUTO(kw_secret) small = KW_SECRET_INIT;
    assert_int_equal(kw_random_secret(&small, 16, NULL), KW_OK);
    assert_int_equal(kw_tenant_key_derive(&out, &small, KW_PURPOSE_WRAP, kw_suite_default(),
                                          &(struct kw_scope){"acme", "eu", "pii"}, NULL),
                     KW_INTERNAL);
    assert_null(out.data);
}

static void heads_are_parsed_strictly(void **state)
{
    KW_UNUSED(state);
    uint8_t bytes[KW_HEAD_SIZE];
    struct kw_wrapped_key head;
    struct kw_error err;
    AUTO_SCENE s;
    scene_init(&s, 1);
    kw_wrapped_key_write(&s.key.head, bytes);
    assert_int_equal(kw_wrapped_key_parse(&head, kw_bytes(bytes, sizeof bytes), &err), KW_OK);
    assert_int_equal(head.version, 7);
    assert_memory_equal(head.key_ref, "tenant-1", 8);
    assert_int_equal(kw_wrapped_key_parse(&head, kw_bytes(bytes, KW_HEAD_SIZE - 1), &err),
                     KW_BAD_FORMAT);
    for (int format = 0; format < 256; format++) {
        bool known = format == 1 || format == 2 || format == 3 || format == 5 || format == 6;
        bytes[0] = (uint8_t)format;
        assert_int_equal(kw_wrapped_key_parse(&head, kw_bytes(bytes, sizeof bytes), &err),
                         known ? KW_OK : KW_BAD_FORMAT);
    }
    bytes[0] = KW_FORMAT_ENVELOPE;
    bytes[1] = 99;
    assert_int_equal(kw_wrapped_key_parse(&head, kw_bytes(bytes, sizeof bytes), &err),
                     KW_UNSUPPORTED_SUITE);
}

static void too_large_is_refused(void **state)
{
    KW_UNUSED(state);
    AUTO_SCENE s;
    scene_init(&s, 1);
    uint8_t byte = 0;
    struct kw_bytes in = kw_bytes(&byte, (size_t)KW_ENVELOPE_PLAINTEXT_MAX + 1);
    assert_int_equal(kw_envelope_seal(&byte, &s.key, &s.context, in, NULL), KW_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_round_trip),
        cmocka_unit_test(a_key_seals_once),
        cmocka_unit_test(each_has_a_key_of_its_own),
        cmocka_unit_test(every_bit_counts),
        cmocka_unit_test(every_length_counts),
        cmocka_unit_test(elsewhere_is_refused),
        cmocka_unit_test(the_head_may_be_renewed_and_the_payload_not),
        cmocka_unit_test(derived_keys_differ),
        cmocka_unit_test(bad_names_and_keys_are_refused),
        cmocka_unit_test(heads_are_parsed_strictly),
        cmocka_unit_test(too_large_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
