/* What a test of the API begins with: one fixture, a, that each test opens in its setup and that
 * ends with it. All of it is the test program's own. */
#ifndef KW_TESTS_API_SCENE_H
#define KW_TESTS_API_SCENE_H

#include "api_fixture.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct kw_api_fixture *a;
static const struct kw_caller *const root = &kw_fixture_root;

static inline int teardown(void **state)
{
    KW_UNUSED(state);
    kw_clock_test_offset(0);
    kw_api_fixture_close(a);
    return 0;
}

/* The answer has this text there: see kw_text_at. */
static inline void is(const struct kw_asked *asked, const char *path, const char *text)
{
    assert_string_equal(kw_text_at(asked, path), text);
}

#endif
