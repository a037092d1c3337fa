/* The texts that credentials come in. */
#include "aws/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct kw_error err;

#define ok(call)          assert_int_equal((call), KW_OK)
#define fails(code, call) assert_int_equal((call), (code))

static void are(const struct kw_aws_keys *keys, const char *id, const char *secret,
                const char *token)
{
    assert_string_equal(keys->id, id);
    assert_int_equal(keys->secret.len, strlen(secret));
    assert_memory_equal(keys->secret.data, secret, keys->secret.len);
    assert_int_equal(keys->token.len, strlen(token));
    if (keys->token.len > 0)
        assert_memory_equal(keys->token.data, token, keys->token.len);
}

static void times_are_read(void **state)
{
    static const char *const wrong[] = {"",
                                        "2026-11-21",
                                        "2026-11-21T22:48:40",
                                        "2026-11-21T22:48:40+01:00",
                                        "2026-11-21 22:48:40Z",
                                        "2026-13-21T22:48:40Z",
                                        "2026-00-21T22:48:40Z",
                                        "2026-11-21T24:48:40Z",
                                        "1969-11-21T22:48:40Z",
                                        "2026-11-21T22:48:40.5",
                                        "2026-11-21T22:48:40ZZ",
                                        "+026-11-21T22:48:40Z",
                                        "2026-11-21T22:48:4 Z"};
    int64_t ms = 7;
    KW_UNUSED(state);
    ok(kw_aws_time_read(kw_bytes_str("2015-08-30T12:36:00Z"), &ms, &err));
    assert_int_equal(ms, 1440938160000);
    ok(kw_aws_time_read(kw_bytes_str("1970-01-01T00:00:01.999999999Z"), &ms, &err));
    assert_int_equal(ms, 1000);
    for (size_t i = 0; i < KW_COUNT(wrong); i++)
        fails(KW_BAD_FORMAT, kw_aws_time_read(kw_bytes_str(wrong[i]), &ms, &err));
    fails(KW_BAD_FORMAT, kw_aws_time_read(kw_bytes(NULL, 0), &ms, &err));
    assert_int_equal(ms, 1000);
}

static void json_is_read(void **state)
{
    static const char text[] =
        "{\"Code\":\"Success\",\"LastUpdated\":\"x\",\"Type\":\"AWS-HMAC\",\"AccessKeyId\":"
        "\"ASIAX\",\"SecretAccessKey\":\"se/cr+et\",\"Token\":\"to=ken\",\"Expiration\":"
        "\"2015-08-30T12:36:00Z\"}";
    static const char *const wrong[] = {
        "",
        "[]",
        "{}",
        "{\"Code\":\"Failed\",\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"t\","
        "\"Expiration\":\"2015-08-30T12:36:00Z\"}",
        "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"t\"}",
        "{\"AccessKeyId\":\"A\",\"Token\":\"t\",\"Expiration\":\"2015-08-30T12:36:00Z\"}",
        "{\"AccessKeyId\":\"A/"
        "B\",\"SecretAccessKey\":\"s\",\"Expiration\":\"2015-08-30T12:36:00Z\"}",
        "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\\r\\nX: y\",\"Expiration\":"
        "\"2015-08-30T12:36:00Z\"}",
        "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"a b\",\"Expiration\":"
        "\"2015-08-30T12:36:00Z\"}",
    };
    KW_AUTO(kw_aws_keys) keys = KW_AWS_KEYS_INIT;
    KW_AUTO(kw_aws_keys) copy = KW_AWS_KEYS_INIT;
    KW_UNUSED(state);
    ok(kw_aws_keys_read_json(kw_bytes_str(text), &keys, &err));
    are(&keys, "ASIAX", "se/cr+et", "to=ken");
    assert_int_equal(keys.expires_wall_ms, 1440938160000);
    ok(kw_aws_keys_copy(&copy, &keys, &err));
    are(&copy, "ASIAX", "se/cr+et", "to=ken");
    assert_int_equal(copy.expires_wall_ms, 1440938160000);
    for (size_t i = 0; i < KW_COUNT(wrong); i++) {
        KW_AUTO(kw_aws_keys) none = KW_AWS_KEYS_INIT;
        fails(KW_BAD_FORMAT, kw_aws_keys_read_json(kw_bytes_str(wrong[i]), &none, &err));
        assert_null(none.secret.data);
    }
}

#define XML(id, rest)                                                                              \
    "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n"    \
    "<R><SubjectFromWebIdentityToken>x</SubjectFromWebIdentityToken><Credentials>\n"               \
    "<AccessKeyId>" id "</AccessKeyId><SecretAccessKey>sec/ret</SecretAccessKey>" rest             \
    "<SessionToken>tok</SessionToken></Credentials></R></AssumeRoleWithWebIdentityResponse>"
#define ENDS "<Expiration>2015-08-30T12:36:00Z</Expiration>"

static void xml_is_read(void **state)
{
    static const char *const wrong[] = {"",
                                        "<Credentials>",
                                        "<Credentials></Credentials>",
                                        "</Credentials><Credentials>",
                                        XML("A", ""),
                                        XML("A&amp;", ENDS),
                                        XML("<b>A</b>", ENDS),
                                        XML("", ENDS),
                                        XML("A", ENDS ENDS),
                                        XML("A</AccessKeyId><AccessKeyId>B", ENDS),
                                        XML("A", ENDS) XML("A", ENDS)};
    KW_AUTO(kw_aws_keys) keys = KW_AWS_KEYS_INIT;
    KW_UNUSED(state);
    ok(kw_aws_keys_read_xml(kw_bytes_str(XML("ASIAX", ENDS)), &keys, &err));
    are(&keys, "ASIAX", "sec/ret", "tok");
    assert_int_equal(keys.expires_wall_ms, 1440938160000);
    for (size_t i = 0; i < KW_COUNT(wrong); i++) {
        KW_AUTO(kw_aws_keys) none = KW_AWS_KEYS_INIT;
        fails(KW_BAD_FORMAT, kw_aws_keys_read_xml(kw_bytes_str(wrong[i]), &none, &err));
    }
}

static void profiles_are_read(void **state)
{
    static const char text[] = "# mine\r\n[default]\r\naws_access_key_id = AKIA1\r\n"
                               "aws_secret_access_key=one+=two\r\nregion = x\n\n"
                               "[ other ]\n;aws_session_token = no\naws_access_key_id=AKIA2\n"
                               "junk\naws_secret_access_key=\t two\naws_session_token = tok";
    KW_AUTO(kw_aws_keys) first = KW_AWS_KEYS_INIT;
    KW_AUTO(kw_aws_keys) second = KW_AWS_KEYS_INIT;
    KW_AUTO(kw_aws_keys) none = KW_AWS_KEYS_INIT;
    KW_UNUSED(state);
    ok(kw_aws_keys_read_profile(kw_bytes_str(text), "default", &first, &err));
    are(&first, "AKIA1", "one+=two", "");
    assert_int_equal(first.expires_wall_ms, 0);
    ok(kw_aws_keys_read_profile(kw_bytes_str(text), "other", &second, &err));
    are(&second, "AKIA2", "two", "tok");
    fails(KW_BAD_FORMAT, kw_aws_keys_read_profile(kw_bytes_str(text), "third", &none, &err));
    fails(KW_BAD_FORMAT, kw_aws_keys_read_profile(kw_bytes_str("[a]\nx=y"), "a", &none, &err));
    fails(KW_BAD_FORMAT, kw_aws_keys_read_profile(kw_bytes_str("[]\n["), "", &none, &err));
    fails(KW_BAD_FORMAT,
          kw_aws_keys_read_profile(kw_bytes_str("[a]\nrole_arn = x"), "a", &none, &err));
    assert_non_null(strstr(err.text, "role_arn"));
    assert_null(none.secret.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(json_is_read),
        cmocka_unit_test(xml_is_read),
        cmocka_unit_test(profiles_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
