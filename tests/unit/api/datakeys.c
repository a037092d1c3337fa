/* The data plane over HTTP's view of it: generate, unwrap, re-wrap, alone and in batches. */
#include "api_fixture.h"

#include "base/clock.h"
#include "base/encode.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct kw_api_fixture *a;

static int setup(void **state)
{
    KW_UNUSED(state);
    a = kw_api_fixture_open(NULL, 2, NULL);
    kw_fixture_tenant(a->f, "acme", "eu");
    kw_fixture_tenant(a->f, "globex", "us");
    return 0;
}

static int teardown(void **state)
{
    KW_UNUSED(state);
    kw_clock_test_offset(0);
    kw_api_fixture_close(a);
    return 0;
}

/* Unwraps one item with these further members; the error's code, or "" and the plaintext. */
static void unwrap(const char *wrapped, const char *more, int status, const char *expected)
{
    struct kw_asked *asked = kw_ask(a, &kw_fixture_root, "POST", "/v1/data-keys/unwrap",
                                    "{\"items\":[{\"wrapped\":\"%s\"%s}]}", wrapped, more);
    if (asked->status != status)
        print_error("%.*s\n", (int)asked->body.len, (const char *)asked->body.data);
    assert_int_equal(asked->status, status);
    assert_string_equal(
        kw_text_at(asked, status == 200 ? "items.0.plaintext" : "error.code"), expected);
    kw_asked_free(asked);
}

static const char row1[] = ",\"context\":{\"row\":\"1\"}";

static void test_generate_and_unwrap(void **state)
{
    char wrapped[128], plaintext[64];
    KW_UNUSED(state);
    kw_ask_key(a, wrapped, plaintext);
    assert_int_equal(strlen(wrapped), 104);
    assert_int_equal(strlen(plaintext), 44);
    unwrap(wrapped, row1, 200, plaintext);
    unwrap(wrapped, ",\"context\":{\"row\":\"1\"},\"tenant\":\"acme\",\"region\":\"eu\","
                    "\"class\":\"default\"",
           200, plaintext);
    unwrap(wrapped, ",\"context\":{\"row\":\"1\"},\"tenant\":null,\"class\":null", 200, plaintext);
    assert_int_equal(kw_fixture_entries(a->f, "GenerateDataKey", ""), 1);
    assert_int_equal(kw_fixture_entries(a->f, "UnwrapDataKey", ""), 3);
}

static void test_receipt_names_the_entry(void **state)
{
    KW_UNUSED(state);
    uint64_t before = kw_ledger_stats(a->f->ledger).size;
    struct kw_asked *asked =
        kw_ask(a, &kw_fixture_root, "POST", "/v1/data-keys/generate",
               "{\"tenant\":\"acme\",\"region\":\"eu\",\"class\":\"pii\",\"count\":3}");
    char expected[32];
    assert_int_equal(asked->status, 200);
    snprintf(expected, sizeof expected, "%llu", (unsigned long long)before);
    assert_string_equal(kw_text_at(asked, "receipt.index"), expected);
    assert_string_equal(kw_text_at(asked, "receipt.count"), "3");
    assert_int_equal(kw_at(asked, "items")->count, 3);
    assert_string_not_equal(kw_text_at(asked, "items.0.plaintext"),
                            kw_text_at(asked, "items.1.plaintext"));
    assert_int_equal(kw_ledger_stats(a->f->ledger).size, before + 3);
    kw_asked_free(asked);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_generate_and_unwrap),
                                       T(test_receipt_names_the_entry)};
    return cmocka_run_group_tests_name("api datakeys", tests, NULL, NULL);
}
