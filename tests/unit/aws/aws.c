/* The provider over HTTP, against transcripts: what is sent, what each answer and each fault
 * becomes. */
#include "aws/aws.h"

#include "aws_double.h"
#include "aws_settings.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define ARN "arn:aws:kms:eu-central-1:111122223333:key/0987dcba-09fe-87dc-65ba-ab0987654321"
#define NEW "arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555"

#define COPY "{\"CiphertextBlob\":\"Y29weQ==\",\"KeyId\":\"" ARN "\"}"
#define OPEN "{\"Plaintext\":\"c2VjcmV0IGtleSBvZiBhIHRlbmFudA==\",\"KeyId\":\"" ARN "\"}"
#define ABOUT(arn)                                                                                 \
    "{\"KeyMetadata\":{\"Arn\":\"" arn "\",\"KeyState\":\"Enabled\",\"KeyUsage\":"                 \
    "\"ENCRYPT_DECRYPT\"}}"
#define REFUSAL(type) "{\"__type\":\"" type "\",\"message\":\"x\"}"

static const char seal[] =
    "{\"KeyId\":\"" ARN "\",\"Plaintext\":\"c2VjcmV0IGtleSBvZiBhIHRlbmFudA==\","
    "\"EncryptionContext\":{\"tenant\":\"acme\"}}";
static const struct kw_provider_pair pairs[] = {{"tenant", "acme"}};
static struct kw_error err;

#define ok(call)          assert_int_equal((call), KW_OK)
#define fails(code, call) assert_int_equal((call), (code))

struct scene {
    struct aws_double server;
    struct kw_provider *provider;
};

static void begin(struct scene *scene, const struct aws_turn *turns, size_t count)
{
    char endpoint[64];
    aws_double_start(&scene->server, turns, count);
    snprintf(endpoint, sizeof endpoint, "endpoint=%s", scene->server.address);
    const char *texts[] = {"region=eu-central-1", endpoint, "credentials=environment", NULL};
    const struct kw_provider_settings settings = AWS_SETTINGS(texts);
    setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "c2VjcmV0", 1);
    unsetenv("AWS_SESSION_TOKEN");
    ok(kw_provider_aws_new(&settings, &scene->provider, &err));
}

static void end(struct scene *scene)
{
    kw_provider_free(scene->provider);
    aws_double_stop(&scene->server);
}

static struct kw_provider_call call_of(const char *key)
{
    return (struct kw_provider_call){
        .key = key, .context = pairs, .context_count = 1, .deadline_ms = kw_clock_ms() + 20000};
}

static kw_code wrap(struct scene *scene, struct kw_buf *out)
{
    const struct kw_provider_call call = call_of(ARN);
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    ok(kw_secret_copy(&plaintext, "secret key of a tenant", 22, &err));
    return kw_provider_wrap(scene->provider, &call, &plaintext, out, &err);
}

static kw_code unwrap(struct scene *scene, struct kw_secret *out)
{
    const struct kw_provider_call call = call_of(ARN);
    return kw_provider_unwrap(scene->provider, &call, kw_bytes_str("copy"), out, &err);
}

static void a_round_trip_is_two_signed_requests(void **state)
{
    static const struct aws_turn turns[] = {
        {{"POST / HTTP/1.1\r\n", "X-Amz-Target: TrentService.Encrypt\r\n",
          "Content-Type: application/x-amz-json-1.1\r\n",
          "SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=", seal},
         200,
         NULL,
         COPY,
         0},
        {{"POST / HTTP/1.1\r\n", "X-Amz-Target: TrentService.Decrypt\r\n",
          "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/",
          "/eu-central-1/kms/aws4_request, SignedHeaders=",
          "\"CiphertextBlob\":\"Y29weQ==\",\"EncryptionContext\":{\"tenant\":\"acme\"}}"},
         200,
         NULL,
         OPEN,
         0},
        {{"POST / HTTP/1.1\r\n", "X-Amz-Target: TrentService.DescribeKey\r\n"},
         200,
         NULL,
         ABOUT(ARN),
         0},
    };
    struct scene scene;
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    KW_AUTO(kw_secret) got = KW_SECRET_INIT;
    KW_UNUSED(state);
    begin(&scene, turns, KW_COUNT(turns));
    ok(wrap(&scene, &wrapped));
    assert_true(kw_bytes_equal_str(kw_buf_bytes(&wrapped), "copy"));
    ok(unwrap(&scene, &got));
    assert_int_equal(got.len, 22);
    assert_memory_equal(got.data, "secret key of a tenant", 22);
    ok(kw_provider_check(scene.provider, ARN, 0, &err));
    assert_string_equal(kw_provider_kind(scene.provider), "aws");
    end(&scene);
}

static void answers_and_faults_have_a_code(void **state)
{
    static char huge[40000];
    memset(huge, ' ', sizeof huge - 1);
    const struct {
        struct aws_turn turn;
        kw_code code;
    } cases[] = {
        {{{"POST"}, 400, NULL, REFUSAL("DisabledException"), 0}, KW_KEY_SUSPENDED},
        {{{"POST"}, 400, "x-amzn-errortype: NotFoundException", "", 0}, KW_KEY_NOT_FOUND},
        {{{"POST"}, 400, NULL, REFUSAL("ThrottlingException"), 0}, KW_RATE_LIMITED},
        {{{"POST"}, 400, NULL, REFUSAL("InvalidCiphertextException"), 0}, KW_SEAL_BROKEN},
        {{{"POST"}, 500, NULL, REFUSAL("KMSInternalException"), 0}, KW_PROVIDER_UNAVAILABLE},
        {{{"POST"}, 503, "Retry-After: 1", "busy", 0}, KW_PROVIDER_UNAVAILABLE},
        {{{"POST"}, 302, "Location: http://127.0.0.1:1/", "", 0}, KW_PROVIDER_UNAVAILABLE},
        {{{"POST"}, 204, NULL, "", 0}, KW_PROVIDER_UNAVAILABLE},
        {{{"POST"}, 200, NULL, "{\"Plaintext\":", 0}, KW_PROVIDER_UNAVAILABLE},
        {{{"POST"}, 200, NULL, OPEN, 5}, KW_PROVIDER_UNAVAILABLE}, /* cut off */
        {{{"POST"}, 200, NULL, huge, 0}, KW_PROVIDER_UNAVAILABLE},
        {{{"POST"}, 0, NULL, NULL, 0}, KW_PROVIDER_UNAVAILABLE}, /* closed, no answer */
    };
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        struct scene scene;
        KW_AUTO(kw_secret) got = KW_SECRET_INIT;
        begin(&scene, &cases[i].turn, 1); /* one request: who routes decides on more */
        fails(cases[i].code, unwrap(&scene, &got));
        assert_null(got.data);
        assert_non_null(strstr(err.text, "AWS KMS (aws-eu)"));
        end(&scene);
    }
}

static void a_server_that_is_away_is_unavailable(void **state)
{
    const char *texts[] = {"region=eu-central-1", "endpoint=http://127.0.0.1:1",
                           "credentials=environment", NULL};
    const struct kw_provider_settings settings = AWS_SETTINGS(texts);
    KW_AUTO_PTR(kw_provider) provider = NULL;
    KW_UNUSED(state);
    ok(kw_provider_aws_new(&settings, &provider, &err));
    fails(KW_PROVIDER_UNAVAILABLE, kw_provider_check(provider, ARN, kw_clock_ms() + 5000, &err));
    assert_non_null(strstr(err.text, "endpoint"));
}

/* What AWS does not accept is fetched anew, and the request is signed and sent once more. */
static void expired_credentials_are_renewed(void **state)
{
    static const struct aws_turn turns[] = {
        {{"POST", "Credential=AKIDEXAMPLE/"}, 200, NULL, OPEN, 0},
        {{"POST", "Credential=AKIDEXAMPLE/"}, 400, NULL, REFUSAL("ExpiredTokenException"), 0},
        {{"POST", "Credential=ASIAROTATED/", "X-Amz-Security-Token: tok\r\n",
          "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target,"},
         200,
         NULL,
         OPEN,
         0},
        {{"POST", "Credential=ASIAROTATED/"}, 400, NULL, REFUSAL("ExpiredTokenException"), 0},
    };
    struct scene scene;
    KW_UNUSED(state);
    begin(&scene, turns, KW_COUNT(turns));
    for (int i = 0; i < 3; i++) {
        KW_AUTO(kw_secret) got = KW_SECRET_INIT;
        if (i == 1) {
            setenv("AWS_ACCESS_KEY_ID", "ASIAROTATED", 1);
            setenv("AWS_SESSION_TOKEN", "tok", 1);
        }
        if (i < 2)
            ok(unwrap(&scene, &got));
        else /* and not a second time at once */
            fails(KW_PROVIDER_UNAVAILABLE, unwrap(&scene, &got));
    }
    end(&scene);
}

static void unknown_credentials_are_forbidden(void **state)
{
    static const struct aws_turn turns[] = {
        {{"POST"}, 400, NULL, REFUSAL("UnrecognizedClientException"), 0},
        {{"POST"}, 400, NULL, REFUSAL("UnrecognizedClientException"), 0},
    };
    struct scene scene;
    KW_AUTO(kw_secret) got = KW_SECRET_INIT;
    KW_UNUSED(state);
    begin(&scene, turns, KW_COUNT(turns));
    fails(KW_FORBIDDEN, unwrap(&scene, &got));
    end(&scene);
}

static void keys_of_other_regions_are_not_asked_for(void **state)
{
    static const char west[] = "arn:aws:kms:us-west-2:111122223333:key/x";
    struct scene scene;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    KW_AUTO(kw_secret) secret = KW_SECRET_INIT;
    KW_AUTO(kw_secret) got = KW_SECRET_INIT;
    const struct kw_provider_call call = call_of(west);
    KW_UNUSED(state);
    begin(&scene, NULL, 0);
    ok(kw_secret_alloc(&secret, 32, &err));
    fails(KW_KEY_NOT_FOUND, kw_provider_wrap(scene.provider, &call, &secret, &out, &err));
    fails(KW_KEY_NOT_FOUND,
          kw_provider_unwrap(scene.provider, &call, kw_bytes_str("x"), &got, &err));
    fails(KW_KEY_NOT_FOUND, kw_provider_check(scene.provider, west, 0, &err));
    fails(KW_KEY_NOT_FOUND, kw_provider_create(scene.provider, west, 0, &err));
    end(&scene);
}

static void keys_are_created_by_alias(void **state)
{
    static const struct aws_turn turns[] = {
        {{"POST", "TrentService.DescribeKey"}, 400, NULL, REFUSAL("NotFoundException"), 0},
        {{"POST", "TrentService.CreateKey", "\"KeySpec\":\"SYMMETRIC_DEFAULT\""},
         200,
         NULL,
         ABOUT(NEW),
         0},
        {{"POST", "TrentService.CreateAlias",
          "{\"AliasName\":\"alias/keyward\",\"TargetKeyId\":\"" NEW "\"}"},
         200,
         NULL,
         "",
         0},
        {{"POST", "TrentService.DescribeKey"}, 200, NULL, ABOUT(NEW), 0}, /* there it is */
        {{"POST", "TrentService.DescribeKey"}, 400, NULL, REFUSAL("NotFoundException"), 0},
    };
    struct scene scene;
    KW_UNUSED(state);
    begin(&scene, turns, KW_COUNT(turns));
    ok(kw_provider_create(scene.provider, "alias/keyward", 0, &err));
    ok(kw_provider_create(scene.provider, "alias/keyward", 0, &err));
    fails(KW_KEY_NOT_FOUND, kw_provider_create(scene.provider, ARN, 0, &err)); /* no alias */
    end(&scene);
}

static void settings_are_checked(void **state)
{
    static const struct {
        const char *texts[4];
        const char *says;
    } wrong[] = {
        {{NULL}, "region is missing"},
        {{"region=", NULL}, "region is missing"},
        {{"region=eu.central", NULL}, "not an AWS region"},
        {{"region=eu-central-1.evil.example", NULL}, "not an AWS region"},
        {{"region=eu-central-1", "endpoint=http://kms.example.com", NULL}, "endpoint"},
        {{"region=eu-central-1", "endpoint=ftp://127.0.0.1", NULL}, "endpoint"},
        {{"region=eu-central-1", "ca_file=/nonexistent/ca.pem", NULL}, "/nonexistent/ca.pem"},
        {{"region=eu-central-1", "credentials=magic", NULL}, "credentials = magic"},
        {{"region=eu-central-1", "access_key_id=AKID", NULL}, "secret_access_key_file"},
        {{"region=eu-central-1", "role_arn=arn:aws:iam::1:role/x", NULL},
         "web_identity_token_file"},
        {{"region=eu-central-1", "container_endpoint=http://10.0.0.1/x", NULL},
         "container_endpoint"},
        {{"region=eu-central-1", "metadata_endpoint=http://10.0.0.1/", NULL}, "metadata_endpoint"},
    };
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(wrong); i++) {
        const char *texts[4];
        memcpy(texts, wrong[i].texts, sizeof texts);
        const struct kw_provider_settings settings = AWS_SETTINGS(texts);
        struct kw_provider *provider = NULL;
        fails(KW_BAD_CONFIG, kw_provider_aws_new(&settings, &provider, &err));
        assert_null(provider);
        assert_non_null(strstr(err.text, "provider aws-eu: "));
        if (strstr(err.text, wrong[i].says) == NULL)
            fail_msg("%s lacks %s", err.text, wrong[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_round_trip_is_two_signed_requests),
        cmocka_unit_test(answers_and_faults_have_a_code),
        cmocka_unit_test(a_server_that_is_away_is_unavailable),
        cmocka_unit_test(expired_credentials_are_renewed),
        cmocka_unit_test(unknown_credentials_are_forbidden),
        cmocka_unit_test(keys_of_other_regions_are_not_asked_for),
        cmocka_unit_test(keys_are_created_by_alias),
        cmocka_unit_test(settings_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
