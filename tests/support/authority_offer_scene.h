/* A key of acme in eu, an offer for it, and material 1 wrapped under that offer, not yet sent. */
#ifndef KW_TESTS_AUTHORITY_OFFER_SCENE_H
#define KW_TESTS_AUTHORITY_OFFER_SCENE_H

#include "authority_import.h"
#include "authority_scene.h"

static struct kw_import_offer offer;
static struct kw_buf wrapped;

static inline void offer_wipe(void)
{
    kw_buf_wipe(&offer.public_der);
    kw_buf_wipe(&wrapped);
}

/* Takes the place of the one before. */
static inline void offer_anew(void)
{
    uint8_t material[KW_IMPORT_MATERIAL];
    offer_wipe();
    kw_import_material(1, material);
    assert_int_equal(kw_import_ask(f, "acme", &offer), KW_OK);
    kw_import_wrap(&offer, material, sizeof material, &wrapped);
}

/* Setup and teardown of a test. options may be NULL. */
static inline int offer_open(const struct kw_fixture_options *options)
{
    f = kw_fixture_open(options);
    kw_fixture_tenant(f, "acme", "eu");
    offer_anew();
    return 0;
}

static inline int offer_close(void **state)
{
    offer_wipe();
    return teardown(state);
}

static inline kw_code send(void)
{
    return kw_import_send(f, "acme", offer.token, kw_buf_bytes(&wrapped), 0, NULL, NULL);
}

static inline void expect_nothing_imported(void)
{
    struct kw_key_row key = key_row();
    struct kw_version_row version;
    assert_string_equal(key.custody, "managed");
    assert_int_equal(key.current_version, 1);
    assert_int_equal(kw_store_version_get(f->store, key.reference, 2, &version, NULL),
                     KW_VERSION_NOT_FOUND);
    assert_int_equal(kw_import_copies(f, key.reference, 2), 0);
    assert_int_equal(kw_fixture_version_row(f, key.reference, 1).state, KW_KEY_IS_ACTIVE);
}

#endif
