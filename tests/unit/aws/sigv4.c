/* Signature Version 4: the examples that AWS publishes, as request and signature. Hundreds of
 * random requests are compared with botocore's signer by tests/interop/aws. */
#include "aws/sigv4.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct kw_error err;

#define ok(call) assert_int_equal((call), KW_OK)

static void make_secret(struct kw_secret *out, const char *text)
{
    ok(kw_secret_copy(out, text, strlen(text), &err));
}

static void expect(const struct kw_sigv4_request *request, const char *service,
                   const char *signed_names, const char *signature)
{
    const struct kw_sigv4_scope scope = {"20150830T123600Z", "us-east-1", service};
    KW_AUTO(kw_secret) secret = KW_SECRET_INIT;
    KW_AUTO(kw_buf) value = KW_BUF_INIT;
    char wanted[512];
    make_secret(&secret, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    const struct kw_sigv4_keys keys = {"AKIDEXAMPLE", &secret};
    ok(kw_sigv4_authorization(request, &scope, &keys, &value, &err));
    snprintf(wanted, sizeof wanted,
             "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/%s/aws4_request, "
             "SignedHeaders=%s, Signature=%s",
             service, signed_names, signature);
    assert_string_equal(kw_buf_str(&value), wanted);
}

static const struct kw_sigv4_header plain[] = {{"Host", "example.amazonaws.com"},
                                               {"X-Amz-Date", "20150830T123600Z"}};

static void the_iam_example(void **state)
{
    static const struct kw_sigv4_header headers[] = {
        {"Host", "iam.amazonaws.com"},
        {"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"},
        {"X-Amz-Date", "20150830T123600Z"}};
    const struct kw_sigv4_request request = {
        .method = "GET",
        .path = kw_bytes_str("/"),
        .query = kw_bytes_str("Action=ListUsers&Version=2010-05-08"),
        .headers = headers,
        .header_count = 3};
    KW_UNUSED(state);
    expect(&request, "iam", "content-type;host;x-amz-date",
           "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}

static void the_plain_examples(void **state)
{
    struct kw_sigv4_request request = {.method = "GET", .headers = plain, .header_count = 2};
    KW_UNUSED(state);
    expect(&request, "service", "host;x-amz-date",
           "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
    request.path = kw_bytes_str("/example/..");
    expect(&request, "service", "host;x-amz-date",
           "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
    request.path = kw_bytes_str("/");
    request.query = kw_bytes_str("Param2=value2&Param1=value1");
    expect(&request, "service", "host;x-amz-date",
           "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
    request.method = "POST";
    request.query = kw_bytes(NULL, 0);
    expect(&request, "service", "host;x-amz-date",
           "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
}

static void canonical_is(const struct kw_sigv4_request *request, const char *wanted)
{
    static const char empty_hash[] =
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    KW_AUTO(kw_buf) got = KW_BUF_INIT;
    ok(kw_sigv4_canonical(request, &got, &err));
    const char *text = kw_buf_str(&got);
    size_t len = strlen(wanted);
    assert_memory_equal(text, wanted, len);
    assert_string_equal(text + len, empty_hash);
}

static void requests_have_one_form(void **state)
{
    static const struct kw_sigv4_header headers[] = {
        {"My-Header", "  a   b\t c  "}, {"HOST", "x"}, {"my-header", "d"}, {"Empty", ""}};
    const struct kw_sigv4_request request = {.method = "GET",
                                             .path = kw_bytes_str("//a/./b%20c/x/../~-_.*/"),
                                             .query = kw_bytes_str("b=2&b=10&a&c=x=y&b="),
                                             .headers = headers,
                                             .header_count = 4};
    KW_UNUSED(state);
    canonical_is(&request, "GET\n/a/b%2520c/~-_.%2A/\na=&b=&b=10&b=2&c=x=y\n"
                           "empty:\nhost:x\nmy-header:a b c,d\n\nempty;host;my-header\n");
    const struct kw_sigv4_request bare = {.method = "GET"};
    canonical_is(&bare, "GET\n/\n\n\n\n");
}

static void bodies_and_keys_count(void **state)
{
    const struct kw_sigv4_scope scope = {"20150830T123600Z", "us-east-1", "kms"};
    struct kw_sigv4_request request = {.method = "POST", .headers = plain, .header_count = 2};
    KW_AUTO(kw_secret) one = KW_SECRET_INIT;
    KW_AUTO(kw_secret) two = KW_SECRET_INIT;
    KW_AUTO(kw_buf) first = KW_BUF_INIT;
    KW_AUTO(kw_buf) second = KW_BUF_INIT;
    KW_AUTO(kw_buf) third = KW_BUF_INIT;
    KW_UNUSED(state);
    make_secret(&one, "one");
    make_secret(&two, "two");
    struct kw_sigv4_keys keys = {"AKID", &one};
    ok(kw_sigv4_authorization(&request, &scope, &keys, &first, &err));
    request.body = kw_bytes_str("{}");
    ok(kw_sigv4_authorization(&request, &scope, &keys, &second, &err));
    keys.secret = &two;
    ok(kw_sigv4_authorization(&request, &scope, &keys, &third, &err));
    assert_false(kw_bytes_equal(kw_buf_bytes(&first), kw_buf_bytes(&second)));
    assert_false(kw_bytes_equal(kw_buf_bytes(&second), kw_buf_bytes(&third)));
}

static void limits_are_kept(void **state)
{
    struct kw_sigv4_header many[KW_SIGV4_HEADERS_MAX + 1];
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    KW_AUTO(kw_buf) query = KW_BUF_INIT;
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(many); i++)
        many[i] = plain[0];
    struct kw_sigv4_request request = {
        .method = "GET", .headers = many, .header_count = KW_COUNT(many)};
    assert_int_equal(kw_sigv4_canonical(&request, &out, &err), KW_TOO_LARGE);
    request.header_count = 1;
    for (size_t i = 0; i <= KW_SIGV4_PAIRS_MAX; i++)
        kw_buf_append_str(&query, "a=b&");
    request.query = kw_buf_bytes(&query);
    assert_int_equal(kw_sigv4_canonical(&request, &out, &err), KW_TOO_LARGE);
}

static void times_are_written(void **state)
{
    char text[KW_SIGV4_TIME_SIZE];
    KW_UNUSED(state);
    assert_string_equal(kw_sigv4_time(1440938160000, text), "20150830T123600Z");
    assert_string_equal(kw_sigv4_time(1440938160999, text), "20150830T123600Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_iam_example),        cmocka_unit_test(the_plain_examples),
        cmocka_unit_test(requests_have_one_form), cmocka_unit_test(bodies_and_keys_count),
        cmocka_unit_test(limits_are_kept),        cmocka_unit_test(times_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
