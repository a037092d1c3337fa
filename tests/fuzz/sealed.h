/* Fixed keys for the fuzz targets of the sealed formats: seeds in the corpora are sealed under
 * them, so that the fuzzer starts from inputs that open. */
#ifndef KW_FUZZ_SEALED_H
#define KW_FUZZ_SEALED_H

#include "envelope/envelope.h"

static inline void require(bool holds)
{
    if (!holds)
        abort();
}

static inline void fuzz_wrapping_key(struct kw_wrapping_key *w, uint8_t suite)
{
    *w = (struct kw_wrapping_key){.suite = suite, .version = 1};
    memcpy(w->key_ref, "fuzz-key", KW_KEY_REF_SIZE);
    kw_class_tag(w->class_tag, "pii");
    require(kw_secret_alloc(&w->key, KW_KEY_SIZE, NULL) == KW_OK);
    memset(w->key.data, 0x4b, KW_KEY_SIZE);
}

static inline void fuzz_context(struct kw_context *out)
{
    require(kw_context_make(out, NULL, NULL) == KW_OK);
}

/* A data key of fixed bytes, wrapped under w. */
static inline void fuzz_data_key(struct kw_data_key *out, const struct kw_wrapping_key *w,
                                 const struct kw_context *context)
{
    static const uint8_t bytes[KW_KEY_SIZE] = {1, 2, 3};
    *out = (struct kw_data_key){.key = bytes};
    require(kw_data_key_wrap(&out->head, w, context, bytes, NULL) == KW_OK);
}

#endif
