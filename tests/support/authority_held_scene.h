/* The customers of authority_custody.h, of whom acme holds its key in acme-kms under the root key
 * k; and data keys of it, MANY at a time. */
#ifndef KW_TESTS_AUTHORITY_HELD_SCENE_H
#define KW_TESTS_AUTHORITY_HELD_SCENE_H

#include "authority_custody.h"
#include "authority_scene.h"

enum { MANY = 10 };

static struct kw_script *customer; /* what acme-kms does */

static struct kw_fixture_key keys[MANY];
static kw_code codes[MANY];
static const struct kw_custody_ask asks[MANY] = {
    {"acme", NULL}, {"acme", NULL}, {"acme", NULL}, {"acme", NULL}, {"acme", NULL},
    {"acme", NULL}, {"acme", NULL}, {"acme", NULL}, {"acme", NULL}, {"acme", NULL}};

static const struct kw_class_rules classes[] = {
    {.name = "pii", .held_batch = 4},
    {.name = "health", .held_batch = 1000, .held_keep_ms = 5000},
    {.name = "secret", .hsm = true},
};

static inline int setup(void **state)
{
    const struct kw_fixture_options options = {
        .attempt_ms = 2000, .open_ms = 100, .classes = classes, .class_count = KW_COUNT(classes)};
    KW_UNUSED(state);
    f = kw_custody_open(&options);
    customer = kw_fixture_script(f, "acme-kms");
    assert_int_equal(kw_custody_hold(f, "acme", "acme-kms", "k"), KW_OK);
    return 0;
}

/* Into keys; each must succeed. */
static inline void generate(const struct kw_custody_ask *what, size_t count)
{
    assert_int_equal(kw_custody_generate(f, what, count, keys, codes), KW_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(codes[i], KW_OK);
}

#endif
