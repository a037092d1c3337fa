/* Keys and contexts for tests of the sealed formats. */
#ifndef KW_SUPPORT_ENVELOPE_SCENE_H
#define KW_SUPPORT_ENVELOPE_SCENE_H

#include "crypto/random.h"
#include "envelope/envelope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* One tenant's wrapping key, a data key wrapped under it, and the context of both. */
struct scene {
    struct kw_secret tenant_key;
    struct kw_wrapping_key w;
    struct kw_context context;
    struct kw_secret secret;
    struct kw_data_key key;
};

static inline void scene_context(struct kw_context *out, const char *key, const char *value)
{
    struct kw_context_entries entries = {.count = 0};
    assert_int_equal(kw_context_add(&entries, kw_bytes_str(key), kw_bytes_str(value), NULL), KW_OK);
    assert_int_equal(kw_context_make(out, &entries, NULL), KW_OK);
}

static inline void scene_wrapping_key(struct kw_wrapping_key *out,
                                      const struct kw_secret *tenant_key,
                                      const struct kw_scope *scope, uint8_t suite_id)
{
    const struct kw_suite *suite = NULL;
    *out = (struct kw_wrapping_key){.suite = suite_id, .version = 7};
    memcpy(out->key_ref, "tenant-1", KW_KEY_REF_SIZE);
    kw_class_tag(out->class_tag, scope->cls);
    assert_int_equal(kw_suite_get(suite_id, &suite, NULL), KW_OK);
    assert_int_equal(
        kw_tenant_key_derive(&out->key, tenant_key, KW_PURPOSE_WRAP, suite, scope, NULL), KW_OK);
}

/* Another data key for s. */
static inline void scene_new_key(struct scene *s)
{
    kw_secret_wipe(&s->secret);
    assert_int_equal(kw_random_secret(&s->secret, KW_KEY_SIZE, NULL), KW_OK);
    s->key.key = s->secret.data;
    s->key.used = false;
    assert_int_equal(kw_data_key_wrap(&s->key.head, &s->w, &s->context, s->secret.data, NULL),
                     KW_OK);
}

static inline void scene_init(struct scene *s, uint8_t suite)
{
    static const struct kw_scope scope = {"acme", "eu", "pii"};
    *s = (struct scene){.key.head.format = KW_FORMAT_DATA_KEY};
    assert_int_equal(kw_random_secret(&s->tenant_key, KW_KEY_SIZE, NULL), KW_OK);
    scene_context(&s->context, "row", "17");
    scene_wrapping_key(&s->w, &s->tenant_key, &scope, suite);
    scene_new_key(s);
}

static inline void scene_wipe(struct scene *s)
{
    kw_secret_wipe(&s->tenant_key);
    kw_secret_wipe(&s->w.key);
    kw_secret_wipe(&s->secret);
}

#define AUTO_SCENE __attribute__((cleanup(scene_wipe))) struct scene

#endif
