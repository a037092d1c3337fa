/* Any bytes as an envelope: refused, or, if its key unwraps and it opens, an envelope to the last
 * bit. And any bytes as plaintext come back. */
#include "sealed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void opens(const struct kw_wrapping_key *w, const struct kw_context *context,
                  struct kw_bytes sealed)
{
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    struct kw_wrapped_key head;
    uint8_t again[KW_HEAD_SIZE];
    struct kw_error err;
    if (kw_envelope_head(&head, sealed, &err) != KW_OK)
        return;
    kw_wrapped_key_write(&head, again);
    require(memcmp(again, sealed.data, sizeof again) == 0);
    uint8_t *room = kw_buf_reserve(&out, sealed.len);
    require(room != NULL);
    if (kw_envelope_open_with(room, w, context, sealed, &err) != KW_OK)
        require(err.code != KW_OK && strlen(err.text) > 0);
}

static void comes_back(const struct kw_wrapping_key *w, const struct kw_context *context,
                       struct kw_bytes plain)
{
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    uint8_t *room = kw_buf_reserve(&out, 2 * plain.len + KW_ENVELOPE_OVERHEAD);
    require(room != NULL);
    struct kw_bytes sealed = kw_bytes(room, plain.len + KW_ENVELOPE_OVERHEAD);
    uint8_t *opened = room + sealed.len;
    require(kw_envelope_seal_with(room, w, context, plain, NULL) == KW_OK);
    require(kw_envelope_open_with(opened, w, context, sealed, NULL) == KW_OK);
    require(plain.len == 0 || memcmp(opened, plain.data, plain.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kw_wrapping_key w;
    struct kw_context context;
    fuzz_wrapping_key(&w, size > 1 && data[1] == 2 ? 2 : 1);
    fuzz_context(&context);
    opens(&w, &context, kw_bytes(data, size));
    comes_back(&w, &context, kw_bytes(data, size));
    kw_secret_wipe(&w.key);
    return 0;
}
