/* The log over the API: what it serves is enough to check it, and nothing else is served. */
#include "api_fixture.h"

#include "tlog/note.h"
#include "tlog/receipt.h"
#include "tlog/tile.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct kw_api_fixture *a;
static const struct kw_caller *const root = &kw_fixture_root;

static int setup(void **state)
{
    KW_UNUSED(state);
    a = kw_api_fixture_open(NULL, 2, NULL);
    kw_fixture_tenant(a->f, "acme", "eu");
    return 0;
}

static int teardown(void **state)
{
    KW_UNUSED(state);
    kw_api_fixture_close(a);
    return 0;
}

static struct kw_asked *get(const char *path, const char *content_type)
{
    struct kw_asked *asked = kw_ask(a, root, "GET", path, NULL);
    assert_int_equal(asked->status, 200);
    assert_string_equal(asked->content_type, content_type);
    assert_true(asked->body.len > 0);
    return asked;
}

/* An entry, its receipt and the key fit together: nothing of the server's had to be believed. */
static void test_receipt(void **state)
{
    char wrapped[128], plaintext[64];
    struct kw_note_key key;
    uint64_t index = 99;
    KW_UNUSED(state);
    kw_ask_key(a, wrapped, plaintext);
    struct kw_asked *vkey = get("/v1/ledger/vkey", "text/plain; charset=utf-8");
    struct kw_asked *proof = get("/v1/ledger/proof?index=1", "text/plain; charset=utf-8");
    struct kw_asked *entry = get("/v1/ledger/entry?index=1", "application/json");
    assert_int_equal(vkey->body.data[vkey->body.len - 1], '\n');
    assert_int_equal(kw_note_key_parse(&key, kw_buf_bytes(&vkey->body), NULL), KW_OK);
    assert_int_equal(kw_tlog_receipt_check(kw_buf_bytes(&proof->body), &key,
                                           kw_buf_bytes(&entry->body), &index, NULL, NULL),
                     KW_OK);
    assert_int_equal(index, 1);
    assert_string_equal(kw_text_at(entry, "api.operation"), "GenerateDataKey");
    entry->body.data[10] ^= 1;
    assert_int_equal(kw_tlog_receipt_check(kw_buf_bytes(&proof->body), &key,
                                           kw_buf_bytes(&entry->body), &index, NULL, NULL),
                     KW_BAD_PROOF);
    kw_asked_free(vkey);
    kw_asked_free(proof);
    kw_asked_free(entry);
}

static void test_checkpoint_and_tiles(void **state)
{
    KW_UNUSED(state);
    assert_int_equal(kw_ledger_publish(a->f->ledger, NULL), KW_OK);
    struct kw_asked *checkpoint = get("/v1/ledger/checkpoint", "text/plain; charset=utf-8");
    static const char origin[] = "keyward.test/ledger\n1\n";
    assert_memory_equal(checkpoint->body.data, origin, sizeof origin - 1);
    kw_asked_free(checkpoint);
    struct kw_asked *tile = get("/v1/ledger/tile/0/000.p/1", "application/octet-stream");
    assert_int_equal(tile->body.len, 32);
    kw_asked_free(tile);
    tile = get("/v1/ledger/tile/entries/000.p/1", "application/octet-stream");
    assert_int_equal(kw_get_u16(tile->body.data) + 2, tile->body.len);
    kw_asked_free(tile);
}

static void test_refused(void **state)
{
    static const char *const none[] = {
        "/v1/ledger/tile/0/001",
        "/v1/ledger/tile/0/000.p/2",
        "/v1/ledger/tile/9/000",
        "/v1/ledger/tile/../checkpoint",
        "/v1/ledger/tile/..",
        "/v1/ledger/tile/0/../../vkey",
        "/v1/ledger/tile//0/000",
        "/v1/ledger/tile/0/0",
        "/v1/ledger/tile/0/000.p/0",
        "/v1/ledger/tile/0/000.p/256",
        "/v1/ledger/tile/entries",
        "/v1/ledger/tile/entries/",
        "/v1/ledger/tile/entries/001",
        "/v1/ledger/tile/0/000.p/01",
        "/v1/ledger/wal",
        "/v1/ledger/tile/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    KW_UNUSED(state);
    assert_int_equal(kw_ledger_publish(a->f->ledger, NULL), KW_OK);
    for (size_t i = 0; i < KW_COUNT(none); i++)
        kw_expect(a, root, "GET", none[i], NULL, 404, "not_found");
    kw_expect(a, root, "GET", "/v1/ledger/entry?index=1000", NULL, 404, "not_found");
    kw_expect(a, root, "GET", "/v1/ledger/proof?index=1000", NULL, 404, "not_found");
    kw_expect(a, root, "GET", "/v1/ledger/entry", NULL, 400, "bad_request");
    kw_expect(a, root, "GET", "/v1/ledger/entry?index=x", NULL, 400, "bad_request");
    kw_expect(a, root, "GET", "/v1/ledger/proof?index=-1", NULL, 400, "bad_request");
    kw_expect(a, root, "GET", "/v1/ledger/proof?index=18446744073709551616", NULL, 400,
              "bad_request");
    kw_expect(a, root, "GET", "/v1/ledger/checkpoint?index=1", NULL, 400, "bad_request");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_receipt), T(test_checkpoint_and_tiles),
                                       T(test_refused)};
    return cmocka_run_group_tests_name("api ledger", tests, NULL, NULL);
}
