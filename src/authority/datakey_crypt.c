/* The cryptography of one item, under the versions that the batch holds. */
#include "authority/datakey_internal.h"

#include "crypto/random.h"

struct derivation {
    const struct kw_data_class *cls;
};

static KW_ERR derive_wrapping(const struct kw_keyring_entry *entry, void *arg,
                              struct kw_secret *out, struct kw_error *err)
{
    const struct derivation *derivation = arg;
    const struct kw_keyring_facts *facts = kw_keyring_facts(entry);
    struct kw_scope scope = {
        .tenant = facts->tenant, .region = facts->region, .cls = derivation->cls->name};
    const struct kw_suite *suite = NULL;
    KW_AUTO(kw_secret) tenant_key = KW_SECRET_INIT;
    KW_TRY(kw_suite_get(facts->suite, &suite, err));
    KW_TRY(kw_secret_copy(&tenant_key, kw_keyring_key(entry), KW_KEYRING_KEY_SIZE, err));
    return kw_tenant_key_derive(out, &tenant_key, KW_PURPOSE_WRAP, suite, &scope, err);
}

/* The wrapping key of a class under a held version. Its bytes go to the batch's scratch place; w
 * only points there and is not to be wiped. */
static KW_ERR wrapping_key(struct kw_dk_batch *batch, struct kw_keyring_entry *entry,
                           const struct kw_data_class *cls, struct kw_wrapping_key *w,
                           struct kw_error *err)
{
    const struct kw_keyring_facts *facts = kw_keyring_facts(entry);
    uint8_t *scratch = batch->keys.data + batch->count * KW_DK_SIZE;
    struct derivation derivation = {.cls = cls};
    uint64_t tag = (uint64_t)kw_get_u32(cls->tag) << 8 | facts->suite;
    KW_TRY(kw_keyring_derived(entry, tag, derive_wrapping, &derivation, scratch, err));
    *w = (struct kw_wrapping_key){.key = {.data = scratch, .len = KW_KEY_SIZE},
                                  .suite = facts->suite,
                                  .version = facts->version};
    kw_put_u64(w->key_ref, facts->reference);
    memcpy(w->class_tag, cls->tag, sizeof w->class_tag);
    return KW_OK;
}

/* Half-way to the limit the scheduler is asked for a new version; at the limit nothing more is
 * wrapped. */
static kw_code count_wrap(struct kw_dk_batch *batch, struct kw_keyring_entry *entry)
{
    uint64_t limit = batch->authority->wraps_limit;
    uint64_t total = kw_keyring_count_wraps(entry, 1);
    if (limit == 0)
        return KW_OK;
    if (total >= limit / 2)
        kw_usage_rotate_soon(batch->authority, kw_keyring_facts(entry)->reference);
    return total > limit ? KW_USAGE_EXHAUSTED : KW_OK;
}

static KW_ERR wrap_item(struct kw_dk_batch *batch, struct kw_dk_item *item, uint8_t format,
                        const uint8_t *data_key, struct kw_error *err)
{
    struct kw_keyring_entry *entry = batch->held[item->current];
    struct kw_wrapped_key head = {.format = format};
    struct kw_wrapping_key w;
    struct kw_context context;
    kw_code code = count_wrap(batch, entry);
    if (code != KW_OK)
        return code;
    memcpy(context.digest, item->context_digest, sizeof context.digest);
    KW_TRY(wrapping_key(batch, entry, kw_dk_class(batch, item), &w, err));
    KW_TRY(kw_data_key_wrap(&head, &w, &context, data_key, err));
    kw_wrapped_key_write(&head, item->wrapped);
    return KW_OK;
}

static KW_ERR unwrap_item(struct kw_dk_batch *batch, struct kw_dk_item *item, uint8_t *data_key,
                          uint8_t *format, struct kw_error *err)
{
    struct kw_keyring_entry *entry = batch->held[item->entry];
    struct kw_wrapped_key head;
    struct kw_wrapping_key w;
    struct kw_context context;
    memcpy(context.digest, item->context_digest, sizeof context.digest);
    KW_TRY(kw_wrapped_key_parse(&head, kw_bytes(item->wrapped, sizeof item->wrapped), err));
    KW_TRY(wrapping_key(batch, entry, kw_dk_class(batch, item), &w, err));
    kw_keyring_count_unwraps(entry, 1);
    KW_TRY(kw_data_key_unwrap(data_key, &w, &head, &context, err));
    *format = head.format;
    return KW_OK;
}

kw_code kw_dk_crypt(struct kw_dk_batch *batch, size_t i)
{
    struct kw_error ignored;
    struct kw_dk_item *item = &batch->items[i];
    uint8_t *data_key = batch->keys.data + i * KW_DK_SIZE;
    uint8_t format = KW_FORMAT_DATA_KEY;
    if (batch->op == KW_DK_GENERATE) {
        kw_random(data_key, KW_DK_SIZE);
        return wrap_item(batch, item, format, data_key, &ignored);
    }
    kw_code code = unwrap_item(batch, item, data_key, &format, &ignored);
    if (code != KW_OK || batch->op == KW_DK_UNWRAP)
        return code;
    code = wrap_item(batch, item, format, data_key, &ignored);
    kw_cleanse(data_key, KW_DK_SIZE);
    return code;
}
