/* peer: what is asked of another Keyward, and what its answers mean. */
#include "peer/codec.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct kw_error err;

static const struct kw_provider_pair pairs[] = {{"keyward:tenant", "acme"}, {"row", "a\"b"}};
static const struct kw_provider_call call = {.key = "t/eu", .context = pairs, .context_count = 2};
static const struct kw_peer_key key = {.tenant = "t", .region = "eu"};

static void keys(void **state)
{
    static const char *const bad[] = {"",
                                      "t",
                                      "/eu",
                                      "t/",
                                      "t/eu/x",
                                      "T/eu",
                                      "t/EU",
                                      "../eu",
                                      "t/e u",
                                      "t\n/eu",
                                      "t/region-that-is-long"};
    struct kw_peer_key got;
    char longest[80];
    KW_UNUSED(state);
    assert_int_equal(kw_peer_key_parse(&got, "root-of.a/eu-1", &err), KW_OK);
    assert_string_equal(got.tenant, "root-of.a");
    assert_string_equal(got.region, "eu-1");
    for (size_t i = 0; i < KW_COUNT(bad); i++)
        assert_int_equal(kw_peer_key_parse(&got, bad[i], &err), KW_KEY_NOT_FOUND);
    memset(longest, 't', sizeof longest);
    memcpy(longest + 64, "/eu", 4);
    assert_int_equal(kw_peer_key_parse(&got, longest, &err), KW_KEY_NOT_FOUND);
    assert_int_equal(kw_peer_key_parse(&got, longest + 1, &err), KW_OK);
    assert_int_equal(strlen(got.tenant), 63);
}

static void requests(void **state)
{
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_SECRET;
    KW_UNUSED(state);
    assert_int_equal(kw_secret_copy(&plaintext, "hello", 5, &err), KW_OK);
    assert_int_equal(kw_peer_put_seal(&out, &key, "pii", &call, &plaintext, &err), KW_OK);
    assert_string_equal(
        kw_buf_str(&out),
        "{\"tenant\":\"t\",\"region\":\"eu\",\"class\":\"pii\",\"context\":{"
        "\"keyward:tenant\":\"acme\",\"row\":\"a\\\"b\"},\"plaintext\":\"aGVsbG8=\"}");
    kw_buf_reset(&out);
    assert_int_equal(kw_peer_put_open(&out, &key, "pii", &call, kw_bytes_str("\x02\x01"), &err),
                     KW_OK);
    assert_string_equal(kw_buf_str(&out),
                        "{\"tenant\":\"t\",\"region\":\"eu\",\"class\":\"pii\",\"context\":{"
                        "\"keyward:tenant\":\"acme\",\"row\":\"a\\\"b\"},\"envelope\":\"AgE=\"}");
}

/* Names that would need escaping, and names that come twice, of which a map keeps one. */
static void contexts(void **state)
{
    static const struct kw_provider_pair bad[][2] = {{{"a\"", "1"}, {"b", "2"}},
                                                     {{"a", "1"}, {"a", "2"}},
                                                     {{"a b", "1"}, {"b", "2"}},
                                                     {{"\xc3\xa4", "1"}, {"b", "2"}}};
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(bad); i++) {
        KW_AUTO(kw_buf) out = KW_BUF_INIT;
        const struct kw_provider_call refused = {
            .key = "t/eu", .context = bad[i], .context_count = 2};
        assert_int_equal(kw_peer_put_open(&out, &key, "pii", &refused, kw_bytes_str("x"), &err),
                         KW_FORBIDDEN);
        assert_int_equal(out.len, 0);
    }
}

static void answers(void **state)
{
    static const char *const bad[] = {"",
                                      "[]",
                                      "{}",
                                      "{\"envelope\":\"\",\"plaintext\":\"\"}",
                                      "{\"envelope\":7,\"plaintext\":7}",
                                      "{\"envelope\":\"A\",\"plaintext\":\"A\"}",
                                      "{\"envelope\":\"AA=A\",\"plaintext\":\"AA=A\"}",
                                      "{\"envelope\":\"AAAA\",\"plaintext\":\"AAAA\"",
                                      "{\"plaintext\":\"====\"}"};
    static const char good[] = "{\"envelope\":\"AgE=\",\"plaintext\":\"aGVsbG8=\",\"receipt\":{}}";
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(bad); i++) {
        assert_int_equal(kw_peer_get_envelope(kw_bytes_str(bad[i]), &out, &err),
                         KW_PROVIDER_UNAVAILABLE);
        assert_int_equal(kw_peer_get_plaintext(kw_bytes_str(bad[i]), &plaintext, &err),
                         KW_PROVIDER_UNAVAILABLE);
    }
    assert_int_equal(out.len, 0);
    assert_null(plaintext.data);
    assert_int_equal(kw_peer_get_envelope(kw_bytes_str(good), &out, &err), KW_OK);
    assert_true(kw_bytes_equal_str(kw_buf_bytes(&out), "\x02\x01"));
    assert_int_equal(kw_peer_get_plaintext(kw_bytes_str(good), &plaintext, &err), KW_OK);
    assert_int_equal(plaintext.len, 5);
}

static void errors(void **state)
{
    static const struct {
        const char *theirs;
        kw_code ours;
    } cases[] = {
        {"tenant_suspended", KW_KEY_SUSPENDED},
        {"key_suspended", KW_KEY_SUSPENDED},
        {"key_pending_destruction", KW_KEY_PENDING},
        {"key_destroyed", KW_KEY_DESTROYED},
        {"tenant_not_found", KW_KEY_NOT_FOUND},
        {"token_expired", KW_FORBIDDEN},
        {"forbidden", KW_FORBIDDEN},
        {"seal_broken", KW_SEAL_BROKEN},
        {"not_this_tenant", KW_SEAL_BROKEN},
        {"rate_limited", KW_RATE_LIMITED},
        {"overloaded", KW_PROVIDER_UNAVAILABLE},
        {"ledger_unavailable", KW_PROVIDER_UNAVAILABLE},
        {"ok", KW_PROVIDER_UNAVAILABLE},
        {"something_new", KW_PROVIDER_UNAVAILABLE},
    };
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        KW_AUTO(kw_buf) body = KW_BUF_INIT;
        kw_buf_printf(&body, "{\"error\":{\"code\":\"%s\",\"class\":\"x\",\"message\":\"why\"}}",
                      cases[i].theirs);
        assert_int_equal(kw_peer_error(400, kw_buf_bytes(&body), &err), cases[i].ours);
        assert_string_equal(err.text, "the other Keyward says: why");
    }
    assert_int_equal(kw_peer_error(404, kw_bytes_str("<html>"), &err), KW_PROVIDER_UNAVAILABLE);
    assert_int_equal(kw_peer_error(403, kw_bytes_str("{\"error\":\"no\"}"), &err),
                     KW_PROVIDER_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys),    cmocka_unit_test(requests), cmocka_unit_test(contexts),
        cmocka_unit_test(answers), cmocka_unit_test(errors),
    };
    return cmocka_run_group_tests_name("peer/codec", tests, NULL, NULL);
}
