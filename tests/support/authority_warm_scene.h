/* The tenants acme in eu and globex in us, and a data key of acme's, whose tenant key is therefore
 * unwrapped already. */
#ifndef KW_TESTS_AUTHORITY_WARM_SCENE_H
#define KW_TESTS_AUTHORITY_WARM_SCENE_H

#include "authority_scene.h"

static struct kw_fixture_key key;

static inline void warm_open(const struct kw_fixture_options *options)
{
    f = kw_fixture_open(options);
    kw_fixture_tenant(f, "acme", "eu");
    kw_fixture_tenant(f, "globex", "us");
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &key), KW_OK);
}

/* It was made in the context 1. */
static inline kw_code unwrap(uint8_t context)
{
    uint8_t out[KW_DK_SIZE];
    return kw_fixture_unwrap(f, &key, context, out);
}

static inline void tick(void)
{
    struct kw_error err;
    assert_int_equal(kw_authority_tick(f->authority, &err), KW_OK);
}

#endif
