/* The careless double. Its copies are those of the provider behind it, with a byte before and a
 * byte after, which it checks unless it is careless with them. */
#include "provider_doubles.h"

#include "base/encode.h"
#include "provider/ops.h"

enum { FIRST = 0x5a, LAST = 0xa5 };

struct lax {
    enum kw_lax how;
    bool made; /* the key "gone" */
    struct kw_provider *behind;
    struct kw_buf kept; /* the copy last made, for KW_LAX_CUT and KW_LAX_HEX */
};

static struct kw_provider_call behind_call(const struct lax *lax,
                                           const struct kw_provider_call *call)
{
    struct kw_provider_call other = *call;
    other.key = "eu";
    if (lax->how == KW_LAX_CONTEXT)
        other.context_count = 0;
    if (lax->how == KW_LAX_VERSION && other.context_count > 2)
        other.context_count = 2;
    return other;
}

static kw_code key_state(const struct lax *lax, const struct kw_provider_call *call, bool stopped,
                         struct kw_error *err)
{
    if (strcmp(call->key, "gone") == 0 && !lax->made)
        return kw_fail(err, KW_KEY_NOT_FOUND, "there is no key gone");
    if (strcmp(call->key, "off") == 0 && stopped)
        return kw_fail(err, KW_KEY_SUSPENDED, "the key off is disabled");
    return KW_OK;
}

static kw_code lax_wrap(void *state, const struct kw_provider_call *call,
                        const struct kw_secret *plaintext, struct kw_buf *out, struct kw_error *err)
{
    struct lax *lax = state;
    struct kw_provider_call other = behind_call(lax, call);
    KW_TRY(key_state(lax, call, lax->how != KW_LAX_DISABLED, err));
    kw_buf_append_byte(out, FIRST);
    if (lax->how == KW_LAX_HEX)
        kw_hex_encode(out, kw_bytes(plaintext->data, plaintext->len));
    if (lax->how == KW_LAX_PLAIN)
        kw_buf_append(out, plaintext->data, plaintext->len);
    KW_TRY(kw_provider_wrap(lax->behind, &other, plaintext, out, err));
    kw_buf_append_byte(out, LAST);
    kw_buf_wipe(&lax->kept);
    kw_buf_append(&lax->kept, out->data, out->len);
    return kw_buf_status(out, err);
}

static bool intact(const struct lax *lax, struct kw_bytes copy)
{
    return copy.len > 2 && (copy.data[0] == FIRST || lax->how == KW_LAX_FIRST) &&
           (copy.data[copy.len - 1] == LAST || lax->how == KW_LAX_LAST);
}

static kw_code lax_unwrap(void *state, const struct kw_provider_call *call, struct kw_bytes wrapped,
                          struct kw_secret *out, struct kw_error *err)
{
    struct lax *lax = state;
    struct kw_provider_call other = behind_call(lax, call);
    size_t head = lax->how == KW_LAX_HEX ? 65 : 1;
    bool stopped = lax->how != KW_LAX_DISABLED && lax->how != KW_LAX_READS;
    KW_TRY(key_state(lax, call, stopped, err));
    if (lax->how == KW_LAX_CUT && wrapped.len < lax->kept.len)
        wrapped = kw_buf_bytes(&lax->kept);
    bool differs = !kw_bytes_equal(wrapped, kw_buf_bytes(&lax->kept));
    if (lax->how == KW_LAX_HEX && differs)
        return kw_fail(err, KW_SEAL_BROKEN, "the copy is damaged");
    bool whole = intact(lax, wrapped) && wrapped.len > head + 1;
    kw_code code =
        whole ? kw_provider_unwrap(lax->behind, &other,
                                   kw_bytes(wrapped.data + head, wrapped.len - head - 1), out, err)
              : kw_fail(err, KW_SEAL_BROKEN, "the copy is damaged");
    if (code == KW_OK && lax->how == KW_LAX_OTHER_BYTES)
        out->data[out->len - 1] ^= 1;
    if (code == KW_SEAL_BROKEN && lax->how == KW_LAX_FORBIDS)
        return kw_fail(err, KW_FORBIDDEN, "not with this context");
    if (code == KW_SEAL_BROKEN && lax->how == KW_LAX_RETRYABLE && !whole)
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "something went wrong");
    return code;
}

static kw_code lax_check(void *state, const struct kw_provider_call *call, struct kw_error *err)
{
    const struct lax *lax = state;
    return key_state(lax, call, lax->how != KW_LAX_DISABLED, err);
}

static kw_code lax_create(void *state, const struct kw_provider_call *call, struct kw_error *err)
{
    struct lax *lax = state;
    if (lax->how == KW_LAX_NO_MAKING)
        return kw_fail(err, KW_FORBIDDEN, "CreateKey is not permitted");
    lax->made = true;
    return key_state(lax, call, true, err);
}

static void lax_free(void *state)
{
    struct lax *lax = state;
    kw_provider_free(lax->behind);
    kw_buf_wipe(&lax->kept);
    free(lax);
}

static const struct kw_provider_ops lax_ops = {.kind = "lax",
                                               .wrap = lax_wrap,
                                               .unwrap = lax_unwrap,
                                               .check = lax_check,
                                               .create = lax_create,
                                               .free = lax_free};

KW_ERR kw_provider_lax_new(enum kw_lax how, struct kw_provider *behind, struct kw_provider **out,
                           struct kw_error *err)
{
    struct lax *lax = calloc(1, sizeof *lax);
    if (lax == NULL) {
        kw_provider_free(behind);
        return kw_fail_code(err, KW_NO_MEMORY);
    }
    *lax = (struct lax){.how = how, .behind = behind};
    return kw_provider_new(&lax_ops, lax, "lax", out, err);
}
