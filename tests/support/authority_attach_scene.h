/* The customers of authority_custody.h, with keys that are all still with us. */
#ifndef KW_TESTS_AUTHORITY_ATTACH_SCENE_H
#define KW_TESTS_AUTHORITY_ATTACH_SCENE_H

#include "authority_custody.h"
#include "authority_scene.h"

static inline int setup(void **state)
{
    const struct kw_fixture_options options = {.attempt_ms = 500, .open_ms = 100};
    KW_UNUSED(state);
    f = kw_custody_open(&options);
    return 0;
}

static inline void rotate(const char *tenant)
{
    assert_int_equal(kw_authority_key_rotate(f->authority, root, tenant, "eu", NULL, NULL), KW_OK);
}

#endif
