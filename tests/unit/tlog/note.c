/* Signed notes, checkpoints and receipts: what is written is read, and nothing else is. */
#include "tlog/receipt.h"
#include "tlog_memory.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct kw_secret seed; /* 00 01 .. 1f, as in the reference's example */
static struct kw_note_key key;

static int setup(void **state)
{
    KW_UNUSED(state);
    uint8_t public_key[KW_SIGN_PUBLIC_SIZE];
    kw_secret_allow_unlocked();
    if (kw_secret_alloc(&seed, KW_SIGN_SEED_SIZE, NULL) != KW_OK)
        return -1;
    for (unsigned i = 0; i < KW_SIGN_SEED_SIZE; i++)
        seed.data[i] = (uint8_t)i;
    if (kw_sign_public(seed.data, public_key, NULL) != KW_OK)
        return -1;
    return kw_note_key_init(&key, "keyward.example/audit", public_key, NULL) == KW_OK ? 0 : -1;
}

static int teardown(void **state)
{
    KW_UNUSED(state);
    kw_secret_wipe(&seed);
    return 0;
}

static void keys(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) line = KW_BUF_INIT;
    struct kw_note_key again;
    assert_int_equal(key.id, 0xcad8c0c9);
    kw_note_key_format(&key, &line);
    assert_int_equal(memcmp(line.data, "keyward.example/audit+cad8c0c9+A", 32), 0);
    assert_int_equal(kw_note_key_parse(&again, kw_buf_bytes(&line), NULL), KW_OK);
    assert_true(kw_note_key_equal(&key, &again));
    for (size_t i = 0; i < line.len; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            line.data[i] ^= (uint8_t)(1 << bit);
            assert_int_not_equal(kw_note_key_parse(&again, kw_buf_bytes(&line), NULL), KW_OK);
            line.data[i] ^= (uint8_t)(1 << bit);
        }
    for (size_t len = 0; len < line.len; len++)
        assert_int_not_equal(kw_note_key_parse(&again, kw_bytes(line.data, len), NULL), KW_OK);
    kw_buf_append_byte(&line, '\n');
    assert_int_equal(kw_note_key_parse(&again, kw_buf_bytes(&line), NULL), KW_OK);
}

static void names(void **state)
{
    KW_UNUSED(state);
    static const char *const bad[] = {"",
                                      "a b",
                                      "a+b",
                                      "a\nb",
                                      "a\tb",
                                      ("a\xc2\xa0"
                                       "b"),
                                      "a\xe3\x80\x80",
                                      "\xff",
                                      "a\x7f"};
    struct kw_note_key out;
    char longest[KW_NOTE_NAME_MAX + 2];
    for (size_t i = 0; i < KW_COUNT(bad); i++)
        assert_int_equal(kw_note_key_init(&out, bad[i], key.public_key, NULL), KW_BAD_NAME);
    memset(longest, 'n', sizeof longest);
    longest[KW_NOTE_NAME_MAX + 1] = '\0';
    assert_int_equal(kw_note_key_init(&out, longest, key.public_key, NULL), KW_BAD_NAME);
    longest[KW_NOTE_NAME_MAX] = '\0';
    assert_int_equal(kw_note_key_init(&out, longest, key.public_key, NULL), KW_OK);
    assert_int_equal(kw_note_key_init(&out, "z\xc3\xbcrich.example", key.public_key, NULL), KW_OK);
}

static void every_changed_bit_of_a_note_is_refused(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) note = KW_BUF_INIT;
    struct kw_bytes text;
    const char *written = "first\n\nsecond, after a blank line\n";
    assert_int_equal(kw_note_sign(&note, kw_bytes_str(written), &key, &seed, NULL), KW_OK);
    assert_int_equal(kw_note_open(kw_buf_bytes(&note), &key, &text, NULL), KW_OK);
    assert_true(kw_bytes_equal_str(text, written));
    for (size_t i = 0; i < note.len; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            note.data[i] ^= (uint8_t)(1 << bit);
            assert_int_not_equal(kw_note_open(kw_buf_bytes(&note), &key, &text, NULL), KW_OK);
            note.data[i] ^= (uint8_t)(1 << bit);
        }
    for (size_t len = 0; len < note.len; len++)
        assert_int_not_equal(kw_note_open(kw_bytes(note.data, len), &key, &text, NULL), KW_OK);
}

static void notes_that_cannot_be_signed(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) note = KW_BUF_INIT;
    assert_int_equal(kw_note_sign(&note, kw_bytes_str("no newline"), &key, &seed, NULL),
                     KW_INTERNAL);
    assert_int_equal(kw_note_sign(&note, kw_bytes_str(""), &key, &seed, NULL), KW_INTERNAL);
    assert_int_equal(note.len, 0);
}

/* A witness's line beside ours is passed over; without ours the note is refused. */
static void signatures_of_others(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) note = KW_BUF_INIT;
    struct kw_bytes text;
    const char *witness = "\xe2\x80\x94 witness.example/w1 AAAAAAAAAAAAAAAAAAAA\n";
    assert_int_equal(kw_note_sign(&note, kw_bytes_str("text\n"), &key, &seed, NULL), KW_OK);
    size_t ours = note.len;
    kw_buf_append_str(&note, witness);
    assert_int_equal(kw_note_open(kw_buf_bytes(&note), &key, &text, NULL), KW_OK);
    for (int i = 1; i < KW_NOTE_SIGNATURES_MAX - 1; i++)
        kw_buf_append_str(&note, witness);
    assert_int_equal(kw_note_open(kw_buf_bytes(&note), &key, &text, NULL), KW_OK);
    kw_buf_append_str(&note, witness);
    assert_int_equal(kw_note_open(kw_buf_bytes(&note), &key, &text, NULL), KW_BAD_ENCODING);
    note.len = ours;
    kw_buf_append_str(&note, "no signature line\n");
    assert_int_equal(kw_note_open(kw_buf_bytes(&note), &key, &text, NULL), KW_BAD_ENCODING);
    kw_buf_reset(&note);
    kw_buf_append_str(&note, "text\n\n");
    kw_buf_append_str(&note, witness);
    assert_int_equal(kw_note_open(kw_buf_bytes(&note), &key, &text, NULL), KW_BAD_SIGNATURE);
}

static void sign_text(struct kw_buf *note, const char *text)
{
    kw_buf_reset(note);
    assert_int_equal(kw_note_sign(note, kw_bytes_str(text), &key, &seed, NULL), KW_OK);
}

static void checkpoints(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) note = KW_BUF_INIT;
    struct kw_tlog_tree tree = {.size = 20852163};
    struct kw_tlog_tree out;
    memset(&tree.root, 0x5a, sizeof tree.root);
    assert_int_equal(kw_tlog_checkpoint_sign(&note, &tree, &key, &seed, NULL), KW_OK);
    assert_int_equal(kw_tlog_checkpoint_open(kw_buf_bytes(&note), &key, &out, NULL), KW_OK);
    assert_int_equal(out.size, tree.size);
    assert_memory_equal(&out.root, &tree.root, sizeof out.root);
    static const char root[] = "WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlo=";
    static const struct {
        const char *format;
        kw_code code;
    } cases[] = {
        {"keyward.example/audit\n7\n%s\n", KW_OK},
        {"keyward.example/audit\n7\n%s\nan extension\n", KW_OK},
        {"keyward.example/other\n7\n%s\n", KW_BAD_SIGNATURE},
        {"keyward.example/audit\n07\n%s\n", KW_BAD_ENCODING},
        {"keyward.example/audit\n-7\n%s\n", KW_BAD_ENCODING},
        {"keyward.example/audit\n\n%s\n", KW_BAD_ENCODING},
        {"keyward.example/audit\n9223372036854775808\n%s\n", KW_BAD_ENCODING},
        {"keyward.example/audit\n0\n%s\n", KW_BAD_ENCODING}, /* not the root of nothing */
        {"keyward.example/audit\n7\n", KW_BAD_ENCODING},
        {"keyward.example/audit\n7\n%sAAAA\n", KW_BAD_ENCODING},
        {"keyward.example/audit\n7\n%s\n\nafter a blank line\n", KW_BAD_ENCODING},
    };
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        char text[512];
        const char *place = strstr(cases[i].format, "%s");
        size_t front = place != NULL ? (size_t)(place - cases[i].format) : strlen(cases[i].format);
        snprintf(text, sizeof text, "%.*s%s%s", (int)front, cases[i].format,
                 place != NULL ? root : "", place != NULL ? place + 2 : "");
        sign_text(&note, text);
        assert_int_equal(kw_tlog_checkpoint_open(kw_buf_bytes(&note), &key, &out, NULL),
                         cases[i].code);
    }
}

static void make_receipt(struct kw_buf *out, uint64_t index, uint64_t size)
{
    struct memory_log log;
    memory_log_init(&log, size);
    const struct kw_tlog_hashes hashes = {memory_log_subtree, &log};
    const struct kw_tlog_tree tree = {size, memory_log_mth(&log, 0, size)};
    KW_AUTO(kw_buf) note = KW_BUF_INIT;
    struct kw_tlog_receipt receipt = {.index = index};
    assert_int_equal(kw_tlog_checkpoint_sign(&note, &tree, &key, &seed, NULL), KW_OK);
    assert_int_equal(kw_tlog_prove_inclusion(&hashes, index, size, &receipt.proof, NULL), KW_OK);
    receipt.checkpoint = kw_buf_bytes(&note);
    kw_tlog_receipt_format(&receipt, out);
    memory_log_wipe(&log);
}

static void receipts(void **state)
{
    KW_UNUSED(state);
    char text[64];
    for (uint64_t size = 1; size < 20; size++)
        for (uint64_t index = 0; index < size; index++) {
            KW_AUTO(kw_buf) receipt = KW_BUF_INIT;
            uint64_t found = 99;
            struct kw_tlog_tree tree;
            make_receipt(&receipt, index, size);
            assert_int_equal(kw_tlog_receipt_check(kw_buf_bytes(&receipt), &key,
                                                   memory_log_entry(index, text), &found, &tree,
                                                   NULL),
                             KW_OK);
            assert_int_equal(found, index);
            assert_int_equal(tree.size, size);
            assert_int_equal(kw_tlog_receipt_check(kw_buf_bytes(&receipt), &key,
                                                   memory_log_entry(index + 1, text), NULL, NULL,
                                                   NULL),
                             KW_BAD_PROOF);
        }
}

static void every_changed_bit_of_a_receipt_is_refused(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) receipt = KW_BUF_INIT;
    char text[64];
    struct kw_bytes entry = memory_log_entry(5, text);
    make_receipt(&receipt, 5, 11);
    for (size_t i = 0; i < receipt.len; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            receipt.data[i] ^= (uint8_t)(1 << bit);
            assert_int_not_equal(
                kw_tlog_receipt_check(kw_buf_bytes(&receipt), &key, entry, NULL, NULL, NULL),
                KW_OK);
            receipt.data[i] ^= (uint8_t)(1 << bit);
        }
    for (size_t len = 0; len < receipt.len; len++)
        assert_int_not_equal(
            kw_tlog_receipt_check(kw_bytes(receipt.data, len), &key, entry, NULL, NULL, NULL),
            KW_OK);
}

static void an_extra_line_is_passed_over(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) receipt = KW_BUF_INIT;
    KW_AUTO(kw_buf) with = KW_BUF_INIT;
    char text[64];
    make_receipt(&receipt, 2, 7);
    const size_t first = strlen("c2sp.org/tlog-proof@v1\n");
    kw_buf_append(&with, receipt.data, first);
    kw_buf_append_str(&with, "extra AAEC\n");
    kw_buf_append(&with, receipt.data + first, receipt.len - first);
    assert_int_equal(kw_tlog_receipt_check(kw_buf_bytes(&with), &key, memory_log_entry(2, text),
                                           NULL, NULL, NULL),
                     KW_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys),
        cmocka_unit_test(names),
        cmocka_unit_test(every_changed_bit_of_a_note_is_refused),
        cmocka_unit_test(notes_that_cannot_be_signed),
        cmocka_unit_test(signatures_of_others),
        cmocka_unit_test(checkpoints),
        cmocka_unit_test(receipts),
        cmocka_unit_test(every_changed_bit_of_a_receipt_is_refused),
        cmocka_unit_test(an_extra_line_is_passed_over),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
