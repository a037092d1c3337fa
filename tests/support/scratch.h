/* A folder of its own for a test, gone afterwards. Use as cmocka's setup and teardown:
 *
 *     cmocka_unit_test_setup_teardown(test, kw_scratch_make, kw_scratch_remove)
 *
 * *state is then the folder's path. */
#ifndef KW_TESTS_SCRATCH_H
#define KW_TESTS_SCRATCH_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline int kw_scratch_make(void **state)
{
    const char *base = getenv("TMPDIR");
    char path[4096];
    snprintf(path, sizeof path, "%s/keyward-test-XXXXXX", base != NULL ? base : "/tmp");
    if (mkdtemp(path) == NULL)
        return -1;
    *state = strdup(path);
    return *state == NULL ? -1 : 0;
}

static inline int kw_scratch_remove_one(const char *path, const struct stat *st, int type,
                                        struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static inline int kw_scratch_remove(void **state)
{
    if (*state == NULL)
        return -1;
    int result = nftw(*state, kw_scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return result;
}

#endif
