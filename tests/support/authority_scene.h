/* What a test of the authority begins with: one fixture, f, that each test opens in its setup and
 * that ends with it. All of it is the test program's own: scenes that say what the setup is
 * include this, and a program includes one of them. */
#ifndef KW_TESTS_AUTHORITY_SCENE_H
#define KW_TESTS_AUTHORITY_SCENE_H

#include "authority_fixture.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct kw_fixture *f;
static const struct kw_caller *const root = &kw_fixture_root;

static inline int teardown(void **state)
{
    KW_UNUSED(state);
    kw_fixture_close(f);
    kw_clock_test_offset(0);
    return 0;
}

/* Of acme's key in eu. */
static inline struct kw_key_row key_row(void)
{
    return kw_fixture_key_row(f, "acme", "eu");
}

static inline void flush(void)
{
    assert_int_equal(kw_authority_flush(f->authority, root, NULL), KW_OK);
}

#endif
