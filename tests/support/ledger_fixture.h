/* Ledgers for tests: one fixed key, entries that tell their number, and what every test does with
 * them. */
#ifndef KW_TESTS_LEDGER_FIXTURE_H
#define KW_TESTS_LEDGER_FIXTURE_H

#include "base/file.h"
#include "ledger/ledger.h"
#include "ledger/reader.h"
#include "ledger/state.h"
#include "ledger/verify.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct kw_secret fixture_seed;

static inline struct kw_ledger_options fixture_options(const char *dir)
{
    if (fixture_seed.data == NULL) {
        kw_secret_allow_unlocked();
        assert_int_equal(kw_secret_alloc(&fixture_seed, 32, NULL), KW_OK);
    }
    memset(fixture_seed.data, 7, 32); /* each time: a fork wipes secrets */
    return (struct kw_ledger_options){
        .dir = dir, .origin = "test.example/ledger", .seed = &fixture_seed};
}

static inline void fixture_must(kw_code code, const struct kw_error *err)
{
    if (code != KW_OK)
        print_error("%s: %s\n", kw_code_name(code), err->text);
    assert_int_equal(code, KW_OK);
}

static inline struct kw_ledger *fixture_open(const struct kw_ledger_options *options)
{
    struct kw_ledger *ledger = NULL;
    struct kw_error err;
    fixture_must(kw_ledger_open(options, &ledger, &err), &err);
    return ledger;
}

static inline void fixture_create(const char *dir)
{
    struct kw_error err;
    const struct kw_ledger_options options = fixture_options(dir);
    fixture_must(kw_ledger_create(&options, &err), &err);
}

static inline void fixture_close(struct kw_ledger *ledger)
{
    struct kw_error err;
    fixture_must(kw_ledger_close(ledger, &err), &err);
}

/* Entry number: its text differs in length, so that bundles are not of one grid. */
static inline struct kw_bytes fixture_entry(uint64_t number, char text[128])
{
    int len = snprintf(text, 128, "{\"n\":%llu,\"pad\":\"%.*s\"}", (unsigned long long)number,
                       (int)(number * 7 % 40), "0123456789012345678901234567890123456789");
    return kw_bytes(text, (size_t)len);
}

static inline kw_code fixture_append_one(struct kw_ledger *ledger, uint64_t number,
                                         struct kw_error *err)
{
    KW_AUTO(kw_ledger_batch) batch = {0};
    char text[128];
    KW_TRY(kw_ledger_batch_add(&batch, fixture_entry(number, text), err));
    return kw_ledger_append_wait(ledger, &batch, err);
}

/* Appends entries from, from + 1, ... as one batch. */
static inline void fixture_append(struct kw_ledger *ledger, uint64_t from, unsigned count)
{
    KW_AUTO(kw_ledger_batch) batch = {0};
    struct kw_error err;
    char text[128];
    for (unsigned i = 0; i < count; i++)
        fixture_must(kw_ledger_batch_add(&batch, fixture_entry(from + i, text), &err), &err);
    fixture_must(kw_ledger_append_wait(ledger, &batch, &err), &err);
    assert_int_equal(batch.first_index, from);
}

/* Every entry is the one that was appended. */
static inline void fixture_check_entries(struct kw_ledger *ledger, uint64_t size)
{
    for (uint64_t i = 0; i < size; i++) {
        KW_AUTO(kw_buf) entry = KW_BUF_INIT;
        struct kw_error err;
        char text[128];
        fixture_must(kw_ledger_entry(ledger, i, &entry, &err), &err);
        assert_true(kw_bytes_equal(kw_buf_bytes(&entry), fixture_entry(i, text)));
    }
}

/* The folder verifies, and holds size published entries. */
static inline void fixture_verify(const char *dir, uint64_t size)
{
    struct kw_ledger_verified out;
    struct kw_error err;
    const struct kw_ledger_verify how = {.dir = dir};
    fixture_must(kw_ledger_verify(&how, &out, NULL, &err), &err);
    assert_int_equal(out.log.tree.size, size);
    assert_int_equal(out.unpublished, 0);
}

static inline const char *fixture_path(char path[KW_PATH_SIZE], const char *dir, const char *name)
{
    assert_int_equal(kw_path_format(path, NULL, "%s/%s", dir, name), KW_OK);
    return path;
}

#endif
