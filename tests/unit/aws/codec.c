/* KMS requests and answers as texts. */
#include "aws/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define ARN   "arn:aws:kms:eu-central-1:111122223333:key/0987dcba-09fe-87dc-65ba-ab0987654321"
#define OTHER "arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555"
#define WEST  "arn:aws:kms:us-west-2:111122223333:key/0987dcba-09fe-87dc-65ba-ab0987654321"
#define ID    "0987dcba-09fe-87dc-65ba-ab0987654321"

static const struct kw_kms_peer peer = {.who = "AWS KMS (aws-eu)", .region = "eu-central-1"};
static struct kw_error err;

#define ok(call)          assert_int_equal((call), KW_OK)
#define fails(code, call) assert_int_equal((call), (code))

static void requests_are_as_kms_wants_them(void **state)
{
    static const struct kw_provider_pair pairs[] = {{"tenant", "acme"}, {"a\"b", "c\\d\n"}};
    const struct kw_provider_call call = {.key = ARN, .context = pairs, .context_count = 2};
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    KW_UNUSED(state);
    ok(kw_secret_copy(&plaintext, "secret", 6, &err));
    ok(kw_kms_encrypt_write(&call, &plaintext, &body, &err));
    assert_string_equal(kw_buf_str(&body),
                        "{\"KeyId\":\"" ARN "\",\"Plaintext\":\"c2VjcmV0\",\"EncryptionContext\":"
                        "{\"tenant\":\"acme\",\"a\\\"b\":\"c\\\\d\\n\"}}");
    kw_buf_reset(&body);
    const struct kw_provider_call bare = {.key = "alias/keyward"};
    ok(kw_kms_decrypt_write(&bare, kw_bytes("\xff\x01", 2), &body, &err));
    assert_string_equal(kw_buf_str(&body),
                        "{\"KeyId\":\"alias/keyward\",\"CiphertextBlob\":\"/wE=\"}");
    kw_buf_reset(&body);
    ok(kw_kms_key_write(ID, &body, &err));
    assert_string_equal(kw_buf_str(&body), "{\"KeyId\":\"" ID "\"}");
    kw_buf_reset(&body);
    ok(kw_kms_alias_write("alias/a", ARN, &body, &err));
    assert_string_equal(kw_buf_str(&body),
                        "{\"AliasName\":\"alias/a\",\"TargetKeyId\":\"" ARN "\"}");
    assert_string_equal(kw_kms_target(KW_KMS_DECRYPT), "TrentService.Decrypt");
    assert_string_equal(kw_kms_target(KW_KMS_CREATE_ALIAS), "TrentService.CreateAlias");
}

/* A map could not tell these apart from others. */
static void ambiguous_contexts_are_refused(void **state)
{
    static const struct kw_provider_pair twice[] = {{"a", "1"}, {"b", "2"}, {"a", "3"}};
    static const struct kw_provider_pair broken[] = {{"a", "\xff"}};
    struct kw_provider_call call = {.key = ARN, .context = twice, .context_count = 3};
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    KW_UNUSED(state);
    fails(KW_FORBIDDEN, kw_kms_decrypt_write(&call, kw_bytes("x", 1), &body, &err));
    call.context = broken;
    call.context_count = 1;
    fails(KW_FORBIDDEN, kw_kms_decrypt_write(&call, kw_bytes("x", 1), &body, &err));
}

static void keys_of_other_regions_are_refused(void **state)
{
    KW_UNUSED(state);
    ok(kw_kms_key_check(&peer, ARN, &err));
    ok(kw_kms_key_check(&peer, ID, &err));
    ok(kw_kms_key_check(&peer, "alias/keyward", &err));
    ok(kw_kms_key_check(&peer, "arn:aws:kms:eu-central-1:1:alias/keyward", &err));
    fails(KW_KEY_NOT_FOUND, kw_kms_key_check(&peer, WEST, &err));
    assert_non_null(strstr(err.text, "us-west-2"));
    fails(KW_KEY_NOT_FOUND, kw_kms_key_check(&peer, "arn:aws:s3:eu-central-1:1:x", &err));
    fails(KW_KEY_NOT_FOUND, kw_kms_key_check(&peer, "arn:aws:kms", &err));
    fails(KW_KEY_NOT_FOUND, kw_kms_key_check(&peer, "arn:aws:kms:eu-central-11:1:key/x", &err));
}

static kw_code wrapped(const char *key, const char *body, struct kw_buf *out)
{
    return kw_kms_encrypt_read(&peer, key, kw_bytes_str(body), out, &err);
}

static void copies_are_read(void **state)
{
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    KW_UNUSED(state);
    kw_buf_append_str(&out, "<");
    ok(wrapped(ARN, "{\"CiphertextBlob\":\"/wE=\",\"KeyId\":\"" ARN "\",\"More\":[1]}", &out));
    ok(wrapped(ID, "{\"KeyId\":\"" ARN "\",\"CiphertextBlob\":\"/wE=\"}", &out));
    ok(wrapped("alias/x", "{\"KeyId\":\"" OTHER "\",\"CiphertextBlob\":\"/wE=\"}", &out));
    assert_int_equal(out.len, 7);
    assert_memory_equal(out.data, "<\xff\x01\xff\x01\xff\x01", 7);
}

static void wrong_copies_are_not(void **state)
{
    static const char *const bodies[] = {
        "",
        "{",
        "[]",
        "null",
        "{}",
        "<html>",
        "{\"KeyId\":\"" ARN "\"}",
        "{\"CiphertextBlob\":\"/wE=\"}",
        "{\"KeyId\":\"" ARN "\",\"CiphertextBlob\":\"\"}",
        "{\"KeyId\":\"" ARN "\",\"CiphertextBlob\":7}",
        "{\"KeyId\":\"" ARN "\",\"CiphertextBlob\":\"/wF=\"}",
        "{\"KeyId\":\"" ARN "\",\"CiphertextBlob\":\"%%%%\"}",
        "{\"KeyId\":[],\"CiphertextBlob\":\"/wE=\"}",
        "{\"KeyId\":\"" OTHER "\",\"CiphertextBlob\":\"/wE=\"}",
        "{\"KeyId\":\"" WEST "\",\"CiphertextBlob\":\"/wE=\"}",
        "{\"KeyId\":\"" ID "\",\"CiphertextBlob\":\"/wE=\"}",
        "{\"KeyId\":\"" ARN "\",\"CiphertextBlob\":\"/wE=\",\"CiphertextBlob\":\"/wE=\"}"};
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(bodies); i++) {
        fails(KW_PROVIDER_UNAVAILABLE, wrapped(ARN, bodies[i], &out));
        assert_int_equal(out.len, 0);
    }
    fails(KW_PROVIDER_UNAVAILABLE,
          wrapped("alias/x", "{\"KeyId\":\"" WEST "\",\"CiphertextBlob\":\"/wE=\"}", &out));
}

static kw_code opened(const char *key, const char *body, struct kw_secret *out)
{
    return kw_kms_decrypt_read(&peer, key, kw_bytes_str(body), out, &err);
}

static void plaintexts_are_read(void **state)
{
    static const char *const wrong[] = {"{\"KeyId\":\"" ARN "\"}",
                                        "{\"KeyId\":\"" ARN "\",\"Plaintext\":\"\"}",
                                        "{\"KeyId\":\"" ARN "\",\"Plaintext\":\"====\"}",
                                        "{\"KeyId\":\"" ARN "\",\"Plaintext\":\"c2Vjcm\"}",
                                        "{\"KeyId\":\"" ARN "\",\"Plaintext\":\"c2Vj!mV0\"}",
                                        "{\"KeyId\":\"" OTHER "\",\"Plaintext\":\"c2VjcmV0\"}",
                                        "{\"Plaintext\":\"c2VjcmV0\"}"};
    static const struct {
        const char *body;
        const char *text;
    } right[] = {{"{\"KeyId\":\"" ARN "\",\"Plaintext\":\"c2VjcmV0\"}", "secret"},
                 {"{\"KeyId\":\"" ARN "\",\"Plaintext\":\"c2VjcmU=\"}", "secre"},
                 {"{\"KeyId\":\"" ARN "\",\"Plaintext\":\"cw==\"}", "s"}};
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(right); i++) {
        KW_AUTO(kw_secret) out = KW_SECRET_INIT;
        ok(opened(ARN, right[i].body, &out));
        assert_int_equal(out.len, strlen(right[i].text));
        assert_memory_equal(out.data, right[i].text, out.len);
    }
    for (size_t i = 0; i < KW_COUNT(wrong); i++) {
        KW_AUTO(kw_secret) out = KW_SECRET_INIT;
        fails(KW_PROVIDER_UNAVAILABLE, opened(ARN, wrong[i], &out));
        assert_null(out.data);
        assert_null(strstr(err.text, "c2Vj"));
    }
}

static kw_code described(const char *state, const char *more)
{
    char body[512];
    snprintf(body, sizeof body, "{\"KeyMetadata\":{\"Arn\":\"%s\",\"KeyState\":\"%s\"%s}}", ARN,
             state, more);
    return kw_kms_describe_read(&peer, ARN, kw_bytes_str(body), &err);
}

static void states_are_read(void **state)
{
    static const char usable[] =
        ",\"KeyUsage\":\"ENCRYPT_DECRYPT\",\"KeySpec\":\"SYMMETRIC_DEFAULT\"";
    KW_UNUSED(state);
    ok(described("Enabled", usable));
    ok(described("Enabled", ",\"KeyUsage\":\"ENCRYPT_DECRYPT\""));
    fails(KW_KEY_SUSPENDED, described("Disabled", usable));
    fails(KW_KEY_SUSPENDED, described("PendingImport", usable));
    fails(KW_KEY_PENDING, described("PendingDeletion", usable));
    fails(KW_PROVIDER_UNAVAILABLE, described("Unavailable", usable));
    fails(KW_PROVIDER_UNAVAILABLE, described("Enabled\\u0000x", usable));
    fails(KW_FORBIDDEN, described("Enabled", ",\"KeyUsage\":\"SIGN_VERIFY\""));
    fails(KW_FORBIDDEN,
          described("Enabled", ",\"KeyUsage\":\"ENCRYPT_DECRYPT\",\"KeySpec\":\"RSA_2048\""));
    ok(described("Enabled", ""));
    ok(described("Enabled", ",\"KeyUsage\":null"));
    fails(KW_FORBIDDEN, described("Enabled", ",\"KeyUsage\":7"));
    fails(KW_PROVIDER_UNAVAILABLE,
          kw_kms_describe_read(
              &peer, OTHER,
              kw_bytes_str("{\"KeyMetadata\":{\"Arn\":\"" ARN "\",\"KeyState\":\"Enabled\"}}"),
              &err));
    fails(KW_PROVIDER_UNAVAILABLE, kw_kms_describe_read(&peer, ARN, kw_bytes_str("{}"), &err));
}

static void new_keys_are_read(void **state)
{
    KW_AUTO(kw_buf) arn = KW_BUF_INIT;
    KW_UNUSED(state);
    ok(kw_kms_create_read(&peer, kw_bytes_str("{\"KeyMetadata\":{\"Arn\":\"" ARN "\"}}"), &arn,
                          &err));
    assert_string_equal(kw_buf_str(&arn), ARN);
    fails(KW_PROVIDER_UNAVAILABLE,
          kw_kms_create_read(&peer, kw_bytes_str("{\"KeyMetadata\":{\"Arn\":\"" WEST "\"}}"), &arn,
                             &err));
    fails(KW_PROVIDER_UNAVAILABLE,
          kw_kms_create_read(&peer, kw_bytes_str("{\"KeyMetadata\":1}"), &arn, &err));
}

static const struct refused {
    const char *type; /* of the header */
    const char *body;
    int status;
    kw_code code;
    bool renew;
    const char *says;
} refused[] = {
    {"", "{\"__type\":\"ThrottlingException\"}", 400, KW_RATE_LIMITED, false, "quota"},
    {"", "{\"__type\":\"DisabledException\",\"message\":\"x is disabled.\"}", 400, KW_KEY_SUSPENDED,
     false, ARN},
    {"", "{\"__type\":\"com.amazonaws.kms#DisabledException\"}", 400, KW_KEY_SUSPENDED, false,
     "enable"},
    {"DisabledException:http://internal.amazon.com/x", "", 400, KW_KEY_SUSPENDED, false, ""},
    {"DisabledException", "<html>not json", 400, KW_KEY_SUSPENDED, false, ""},
    {"DisabledException", "{\"__type\":\"NotFoundException\"}", 400, KW_KEY_NOT_FOUND, false, ""},
    {"", "{\"__type\":\"KMSInvalidStateException\",\"message\":\"" ARN " is pending deletion.\"}",
     400, KW_KEY_PENDING, false, "cancel"},
    {"", "{\"__type\":\"KMSInvalidStateException\",\"message\":\"" ARN " is pending import.\"}",
     400, KW_KEY_SUSPENDED, false, "import it"},
    {"", "{\"__type\":\"KMSInvalidStateException\",\"message\":\"" ARN " is Creating.\"}", 400,
     KW_PROVIDER_UNAVAILABLE, false, "not ready"},
    {"", "{\"__type\":\"KMSInvalidStateException\"}", 400, KW_PROVIDER_UNAVAILABLE, false, ""},
    {"", "{\"__type\":\"InvalidCiphertextException\",\"message\":null}", 400, KW_SEAL_BROKEN, false,
     ""},
    {"", "{\"__type\":\"IncorrectKeyException\"}", 400, KW_SEAL_BROKEN, false, ""},
    {"", "{\"__type\":\"AccessDeniedException\",\"Message\":\"no\"}", 400, KW_FORBIDDEN, false,
     "kms:Decrypt"},
    {"", "{\"__type\":\"KeyUnavailableException\"}", 500, KW_PROVIDER_UNAVAILABLE, false, ""},
    {"", "{\"__type\":\"DependencyTimeoutException\"}", 503, KW_PROVIDER_UNAVAILABLE, false, ""},
    {"", "{\"__type\":\"KMSInternalException\"}", 500, KW_PROVIDER_UNAVAILABLE, false, ""},
    {"", "{\"__type\":\"InvalidKeyUsageException\"}", 400, KW_FORBIDDEN, false, "symmetric"},
    {"", "{\"__type\":\"ExpiredTokenException\"}", 400, KW_PROVIDER_UNAVAILABLE, true, "expired"},
    {"", "{\"__type\":\"UnrecognizedClientException\"}", 400, KW_FORBIDDEN, true, "credentials"},
    {"",
     "{\"__type\":\"InvalidSignatureException\",\"message\":\"The request signature we "
     "calculated\"}",
     400, KW_FORBIDDEN, true, "secret"},
    {"",
     "{\"__type\":\"InvalidSignatureException\",\"message\":\"Signature expired: 20260101T000000Z "
     "is now "
     "earlier than 20260101T000500Z\"}",
     400, KW_PROVIDER_UNAVAILABLE, false, "NTP"},
    {"", "{\"__type\":\"InvalidSignatureException\",\"message\":\"Signature not yet current: x\"}",
     400, KW_PROVIDER_UNAVAILABLE, false, "clock"},
    {"", "{\"__type\":\"RequestExpired\"}", 400, KW_PROVIDER_UNAVAILABLE, false, "clock"},
    {"", "", 500, KW_PROVIDER_UNAVAILABLE, false, "500"},
    {"", "<html>", 503, KW_PROVIDER_UNAVAILABLE, false, "503"},
    {"", "", 429, KW_RATE_LIMITED, false, ""},
    {"", "{\"__type\":7}", 400, KW_PROVIDER_UNAVAILABLE, false, "endpoint"},
    {"", "[]", 302, KW_PROVIDER_UNAVAILABLE, false, "302"},
    {"", "{\"__type\":\"\"}", 404, KW_PROVIDER_UNAVAILABLE, false, "404"},
    {"", "{\"__type\":\"SomethingNewException\",\"message\":\"c2VjcmV0\"}", 400,
     KW_PROVIDER_UNAVAILABLE, false, ""},
};

static void refusals_mean_what_they_say(void **state)
{
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(refused); i++) {
        const struct kw_kms_refusal refusal = {.status = refused[i].status,
                                               .type = kw_bytes_str(refused[i].type),
                                               .body = kw_bytes_str(refused[i].body),
                                               .key = ARN};
        bool renew = !refused[i].renew;
        kw_code code = kw_kms_refusal_read(&peer, &refusal, &renew, &err);
        if (code != refused[i].code)
            fail_msg("%s %s: %s", refused[i].type, refused[i].body, kw_code_name(code));
        assert_int_equal(renew, refused[i].renew);
        assert_int_equal(err.code, code);
        assert_non_null(strstr(err.text, refused[i].says));
        assert_memory_equal(err.text, peer.who, strlen(peer.who));
        assert_null(strstr(err.text, "c2Vj")); /* what a server says is not repeated */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_as_kms_wants_them),
        cmocka_unit_test(ambiguous_contexts_are_refused),
        cmocka_unit_test(keys_of_other_regions_are_refused),
        cmocka_unit_test(copies_are_read),
        cmocka_unit_test(wrong_copies_are_not),
        cmocka_unit_test(plaintexts_are_read),
        cmocka_unit_test(states_are_read),
        cmocka_unit_test(new_keys_are_read),
        cmocka_unit_test(refusals_mean_what_they_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
