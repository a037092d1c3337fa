/* The tree: roots against the recursive definition, and every proof of every small tree. */
#include "tlog/edge.h"
#include "tlog/proof.h"
#include "tlog_memory.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { SMALL = 300 };

static void roots_are_those_of_the_definition(void **state)
{
    KW_UNUSED(state);
    struct memory_log log;
    struct kw_tlog_edge *edge = calloc(1, sizeof *edge);
    memory_log_init(&log, 70000);
    for (uint64_t n = 0; n <= log.size; n++) {
        if (n <= 600 || n % 4999 == 0 || (n & (n - 1)) == 0 || n == log.size) {
            struct kw_tlog_hash root = kw_tlog_edge_root(edge);
            struct kw_tlog_hash want = memory_log_mth(&log, 0, n);
            assert_memory_equal(&root, &want, sizeof root);
        }
        if (n < log.size)
            assert_int_equal(kw_tlog_edge_add(edge, &log.leaf[n], NULL, NULL, NULL), KW_OK);
    }
    free(edge);
    memory_log_wipe(&log);
}

static void the_empty_tree_hashes_nothing(void **state)
{
    KW_UNUSED(state);
    struct kw_tlog_hash empty = kw_tlog_empty();
    struct kw_tlog_hash of_nothing = kw_tlog_leaf(kw_bytes(NULL, 0));
    assert_int_equal(empty.bytes[0], 0xe3); /* SHA-256 of nothing */
    assert_int_equal(empty.bytes[31], 0x55);
    assert_memory_not_equal(&empty, &of_nothing, sizeof empty);
}

static void refuse_changed(struct kw_tlog_proof proof, uint64_t index, const struct memory_log *log,
                           const struct kw_tlog_tree *tree)
{
    const struct kw_tlog_hash *leaf = &log->leaf[index];
    for (unsigned i = 0; i < proof.count; i++) {
        proof.hash[i].bytes[i % 32] ^= 1;
        assert_int_equal(kw_tlog_check_inclusion(&proof, index, leaf, tree, NULL), KW_BAD_PROOF);
        proof.hash[i].bytes[i % 32] ^= 1;
    }
    if (proof.count > 0) {
        proof.count--;
        assert_int_equal(kw_tlog_check_inclusion(&proof, index, leaf, tree, NULL), KW_BAD_PROOF);
        proof.count++;
    }
    proof.hash[proof.count++] = *leaf;
    assert_int_equal(kw_tlog_check_inclusion(&proof, index, leaf, tree, NULL), KW_BAD_PROOF);
    proof.count--;
    if (index + 1 < tree->size) {
        assert_int_equal(kw_tlog_check_inclusion(&proof, index + 1, leaf, tree, NULL),
                         KW_BAD_PROOF);
        assert_int_equal(kw_tlog_check_inclusion(&proof, index, &log->leaf[index + 1], tree, NULL),
                         KW_BAD_PROOF);
    }
}

static void every_inclusion_proof_of_small_trees(void **state)
{
    KW_UNUSED(state);
    struct memory_log log;
    memory_log_init(&log, SMALL);
    const struct kw_tlog_hashes hashes = {memory_log_subtree, &log};
    for (uint64_t n = 1; n <= SMALL; n += n < 70 ? 1 : 23) {
        const struct kw_tlog_tree tree = {n, memory_log_mth(&log, 0, n)};
        for (uint64_t i = 0; i < n; i++) {
            struct kw_tlog_proof proof;
            assert_int_equal(kw_tlog_prove_inclusion(&hashes, i, n, &proof, NULL), KW_OK);
            assert_int_equal(kw_tlog_check_inclusion(&proof, i, &log.leaf[i], &tree, NULL), KW_OK);
            if (n < 40 || i % 31 == 0)
                refuse_changed(proof, i, &log, &tree);
        }
    }
    struct kw_tlog_proof proof;
    assert_int_equal(kw_tlog_prove_inclusion(&hashes, 5, 5, &proof, NULL), KW_NOT_FOUND);
    memory_log_wipe(&log);
}

static void refuse_changed_consistency(struct kw_tlog_proof proof, const struct kw_tlog_tree *old,
                                       const struct kw_tlog_tree *tree)
{
    struct kw_tlog_tree forged = *old;
    for (unsigned i = 0; i < proof.count; i++) {
        proof.hash[i].bytes[i % 32] ^= 0x80;
        assert_int_equal(kw_tlog_check_consistency(&proof, old, tree, NULL), KW_BAD_PROOF);
        proof.hash[i].bytes[i % 32] ^= 0x80;
    }
    forged.root.bytes[7] ^= 1;
    assert_int_equal(kw_tlog_check_consistency(&proof, &forged, tree, NULL), KW_BAD_PROOF);
    forged = *tree;
    forged.root.bytes[9] ^= 1;
    if (old->size > 0) /* anything extends nothing */
        assert_int_equal(kw_tlog_check_consistency(&proof, old, &forged, NULL), KW_BAD_PROOF);
    proof.hash[proof.count++] = old->root;
    assert_int_equal(kw_tlog_check_consistency(&proof, old, tree, NULL), KW_BAD_PROOF);
    proof.count--;
    if (proof.count > 0) {
        proof.count--;
        assert_int_equal(kw_tlog_check_consistency(&proof, old, tree, NULL), KW_BAD_PROOF);
    }
}

static void every_consistency_proof_of_small_trees(void **state)
{
    KW_UNUSED(state);
    struct memory_log log;
    memory_log_init(&log, SMALL);
    const struct kw_tlog_hashes hashes = {memory_log_subtree, &log};
    for (uint64_t n = 0; n <= SMALL; n += n < 70 ? 1 : 23) {
        const struct kw_tlog_tree tree = {n, memory_log_mth(&log, 0, n)};
        for (uint64_t m = 0; m <= n; m++) {
            const struct kw_tlog_tree old = {m, memory_log_mth(&log, 0, m)};
            struct kw_tlog_proof proof;
            assert_int_equal(kw_tlog_prove_consistency(&hashes, m, n, &proof, NULL), KW_OK);
            assert_int_equal(kw_tlog_check_consistency(&proof, &old, &tree, NULL), KW_OK);
            if (m == 0 || m == n)
                assert_int_equal(proof.count, 0);
            if (n < 40 || m % 31 == 0)
                refuse_changed_consistency(proof, &old, &tree);
            if (m < n) /* the new log is not the front of the old one */
                assert_int_equal(kw_tlog_check_consistency(&proof, &tree, &old, NULL),
                                 KW_BAD_PROOF);
        }
    }
    struct kw_tlog_proof proof;
    assert_int_equal(kw_tlog_prove_consistency(&hashes, 6, 5, &proof, NULL), KW_NOT_FOUND);
    memory_log_wipe(&log);
}

static void proofs_from_tiles_are_those_of_the_definition(void **state)
{
    KW_UNUSED(state);
    struct memory_log log;
    memory_log_init(&log, 66000); /* three levels, the upper two partial */
    struct kw_tlog_source source = {memory_log_fetch, &log};
    KW_AUTO(kw_tlog_reader) reader = {.source = &source, .size = log.size};
    struct kw_tlog_hashes hashes = kw_tlog_reader_hashes(&reader);
    const struct kw_tlog_tree tree = {log.size, memory_log_mth(&log, 0, log.size)};
    const uint64_t indexes[] = {0, 1, 255, 256, 65535, 65536, 65791, 65792, 65999};
    for (size_t i = 0; i < KW_COUNT(indexes); i++) {
        struct kw_tlog_proof proof;
        uint64_t m = indexes[i];
        assert_int_equal(kw_tlog_prove_inclusion(&hashes, m, log.size, &proof, NULL), KW_OK);
        assert_int_equal(kw_tlog_check_inclusion(&proof, m, &log.leaf[m], &tree, NULL), KW_OK);
        const struct kw_tlog_tree old = {m, memory_log_mth(&log, 0, m)};
        assert_int_equal(kw_tlog_prove_consistency(&hashes, m, log.size, &proof, NULL), KW_OK);
        assert_int_equal(kw_tlog_check_consistency(&proof, &old, &tree, NULL), KW_OK);
    }
    memory_log_wipe(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_empty_tree_hashes_nothing),
        cmocka_unit_test(roots_are_those_of_the_definition),
        cmocka_unit_test(every_inclusion_proof_of_small_trees),
        cmocka_unit_test(every_consistency_proof_of_small_trees),
        cmocka_unit_test(proofs_from_tiles_are_those_of_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
