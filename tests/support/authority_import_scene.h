/* A key of acme in eu that material is imported for, with two providers of ours and one of the
 * customer's own. */
#ifndef KW_TESTS_AUTHORITY_IMPORT_SCENE_H
#define KW_TESTS_AUTHORITY_IMPORT_SCENE_H

#include "authority_import.h"
#include "authority_scene.h"

static const struct kw_fixture_place places[] = {
    {.provider = "software-eu", .region = "eu"},
    {.provider = "second-eu", .region = "eu"},
    {.provider = "software-us", .region = "us"},
    {.provider = "acme-kms", .region = "eu", .tenants = "acme"}};

static inline int setup(void **state)
{
    const struct kw_fixture_options options = {.places = places, .place_count = KW_COUNT(places)};
    KW_UNUSED(state);
    f = kw_fixture_open(&options);
    kw_fixture_tenant(f, "acme", "eu");
    return 0;
}

static inline uint64_t reference(void)
{
    return key_row().reference;
}

/* The material of seed, which must be taken. */
static inline struct kw_import_result import_seed(uint8_t seed, int64_t expires_ms)
{
    struct kw_import_result result = {.version = 0};
    assert_int_equal(kw_import_whole(f, "acme", seed, expires_ms, &result), KW_OK);
    return result;
}

static inline kw_code end_material(void)
{
    return kw_authority_key_material_end(f->authority, root, "acme", "eu", NULL);
}

static inline struct kw_fixture_key generate(void)
{
    struct kw_fixture_key key;
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &key), KW_OK);
    return key;
}

static inline void expect_opens(const struct kw_fixture_key *key)
{
    uint8_t out[KW_DK_SIZE];
    assert_int_equal(kw_fixture_unwrap(f, key, 1, out), KW_OK);
    assert_memory_equal(out, key->plaintext, sizeof out);
}

static inline void expect_refused(const struct kw_fixture_key *key, kw_code code)
{
    uint8_t out[KW_DK_SIZE];
    assert_int_equal(kw_fixture_unwrap(f, key, 1, out), code);
}

#endif
