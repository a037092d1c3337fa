/* A batch as a thing: its memory, and what may be taken out of it when. */
#include "authority/datakey_internal.h"

KW_ERR kw_dk_batch_init(struct kw_dk_batch *batch, enum kw_dk_op op, size_t count,
                        struct kw_error *err)
{
    if (count == 0 || count > KW_DK_BATCH_MAX)
        return kw_fail(err, KW_TOO_LARGE, "a batch has 1 to %d items, not %zu", KW_DK_BATCH_MAX,
                       count);
    KW_AUTO(kw_dk_batch) fresh = {.op = op, .count = count};
    fresh.items = calloc(count, sizeof *fresh.items);
    if (fresh.items == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    KW_TRY(kw_dk_holds_init(&fresh, err));
    KW_TRY(kw_secret_alloc(&fresh.keys, (count + 1) * KW_DK_SIZE, err));
    *batch = fresh;
    fresh = (struct kw_dk_batch){.op = op};
    return KW_OK;
}

void kw_dk_batch_wipe(struct kw_dk_batch *batch)
{
    kw_dk_let_go(batch);
    kw_secret_wipe(&batch->keys);
    kw_ledger_batch_wipe(&batch->entries);
    free(batch->items);
    free(batch->held);
    batch->items = NULL;
    batch->held = NULL;
    batch->slots = NULL;
    batch->count = 0;
}

/* A name is only there if the caller may act for it. */
void kw_dk_explain(const struct kw_dk_item *item, struct kw_error *err)
{
    if (item->provider[0] != '\0')
        kw_fail(err, item->code, "%s (tenant %s, region %s: the customer's side, provider %s)",
                kw_code_message(item->code), item->tenant, item->region, item->provider);
    else
        kw_fail_code(err, item->code);
}

KW_ERR kw_dk_outcome(struct kw_dk_batch *batch, size_t i, struct kw_error *err)
{
    if (!batch->released || i >= batch->count)
        return kw_fail(err, KW_INTERNAL, "an outcome was asked for before it was recorded");
    struct kw_dk_item *item = &batch->items[i];
    if (item->code == KW_OK)
        item->code = kw_keyring_refusal(batch->held[item->entry]);
    if (item->code != KW_OK)
        kw_dk_explain(item, err);
    return item->code;
}

KW_ERR kw_dk_key(struct kw_dk_batch *batch, size_t i, const uint8_t **out, struct kw_error *err)
{
    if (batch->op == KW_DK_REWRAP)
        return kw_fail(err, KW_INTERNAL, "a re-wrap gives no data key out");
    KW_TRY(kw_dk_outcome(batch, i, err));
    *out = batch->keys.data + i * KW_DK_SIZE;
    return KW_OK;
}
