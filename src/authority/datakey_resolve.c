/* From an item to the key version that it needs, and whether this caller may have it. */
#include "authority/custody.h"
#include "authority/datakey_internal.h"

enum { LOOKS = 8 };

/* Holds reference/version for the batch and says where. Consecutive items mostly share a version,
 * so the last one is looked at first. A load's failure is the item's, not the batch's. */
static kw_code hold(struct kw_dk_batch *batch, uint64_t reference, uint32_t version, bool may_block,
                    uint16_t *at)
{
    struct kw_keyring *ring = batch->authority->ring;
    if (batch->held_count > 0) {
        const struct kw_keyring_facts *last = kw_keyring_facts(batch->held[batch->held_count - 1]);
        if (last->reference == reference && last->version == version) {
            *at = (uint16_t)(batch->held_count - 1);
            return KW_OK;
        }
    }
    struct kw_keyring_entry *entry = kw_keyring_find(ring, reference, version, NULL);
    if (entry == NULL) {
        if (!may_block)
            return KW_AGAIN;
        struct kw_error ignored;
        kw_code code = kw_keyring_get(ring, reference, version, NULL, &entry, &ignored);
        if (code != KW_OK)
            return code == KW_AGAIN ? KW_UNAVAILABLE : code;
    }
    *at = (uint16_t)batch->held_count;
    batch->held[batch->held_count++] = entry;
    return KW_OK;
}

/* A key that is another's is not loaded for the asking, and whatever has become of it, or whether
 * it is there at all, is not said. */
static kw_code check_owner(const struct kw_dk_batch *batch, uint64_t reference)
{
    struct kw_key_row key;
    struct kw_error ignored;
    kw_code code = kw_store_key_by_reference(batch->authority->store, reference, &key, &ignored);
    if (code != KW_OK)
        return code == KW_KEY_NOT_FOUND ? KW_FORBIDDEN : code;
    return kw_caller_may_touch(&batch->caller, key.tenant) ? KW_OK : KW_FORBIDDEN;
}

/* As hold, for a caller who may act for some tenants only. */
static kw_code hold_own(struct kw_dk_batch *batch, uint64_t reference, uint32_t version,
                        bool may_block, uint16_t *at)
{
    kw_code code = hold(batch, reference, version, false, at);
    if (code != KW_AGAIN || !may_block)
        return code;
    code = check_owner(batch, reference);
    return code == KW_OK ? hold(batch, reference, version, true, at) : code;
}

static const struct kw_keyring_facts *facts_at(const struct kw_dk_batch *batch, uint16_t at)
{
    return kw_keyring_facts(batch->held[at]);
}

static bool within_rate(const struct kw_dk_batch *batch, uint16_t at)
{
    return kw_rate_take(batch->authority->rate, facts_at(batch, at)->reference, 1);
}

/* The current version of tenant and region by the hint; the hint is only as good as what it leads
 * to. */
static kw_code hold_hinted(struct kw_dk_batch *batch, const struct kw_dk_item *item, uint16_t *at)
{
    uint64_t reference = 0;
    uint32_t version = 0;
    size_t before = batch->held_count;
    if (!kw_keyring_hint_get(batch->authority->ring, item->tenant, item->region, &reference,
                             &version))
        return KW_AGAIN;
    if (hold(batch, reference, version, false, at) != KW_OK)
        return KW_AGAIN;
    const struct kw_keyring_facts *facts = facts_at(batch, *at);
    if (facts->current_version == version && strcmp(facts->tenant, item->tenant) == 0 &&
        strcmp(facts->region, item->region) == 0)
        return KW_OK;
    if (batch->held_count > before)
        kw_keyring_release(batch->authority->ring, batch->held[--batch->held_count]);
    return KW_AGAIN;
}

/* Where the tenant is known and the region is not, or not even the tenant. */
static kw_code missing(struct kw_dk_batch *batch, const struct kw_dk_item *item, kw_code code)
{
    struct kw_tenant_row tenant;
    struct kw_error ignored;
    if (code != KW_KEY_NOT_FOUND)
        return code;
    kw_code found = kw_store_tenant_get(batch->authority->store, item->tenant, &tenant, &ignored);
    return found == KW_OK ? KW_KEY_NOT_FOUND : found;
}

/* A held key has no version that lasts: a batch key is made when all items are resolved. What stops
 * the key stops it here, before the customer is asked for anything. */
static kw_code wait_for_held(struct kw_dk_batch *batch, const struct kw_key_row *key, uint16_t *at)
{
    kw_code code = kw_gate_key(key->tenant_state, key->state);
    if (code == KW_OK && batch->op == KW_DK_GENERATE &&
        !kw_rate_take(batch->authority->rate, key->reference, 1))
        code = KW_RATE_LIMITED;
    if (code == KW_OK)
        *at = KW_DK_WAITS;
    return code;
}

/* The current version as the store has it. *stale: a rotation came between the two looks at it. */
static kw_code hold_stored(struct kw_dk_batch *batch, const struct kw_dk_item *item, uint16_t *at,
                           bool *stale)
{
    struct kw_error ignored;
    struct kw_key_row key;
    size_t before = batch->held_count;
    kw_code code =
        kw_store_key_get(batch->authority->store, item->tenant, item->region, &key, &ignored);
    if (code != KW_OK)
        return missing(batch, item, code);
    *stale = false;
    if (strcmp(key.custody, kw_custody_name(KW_HELD)) == 0)
        return wait_for_held(batch, &key, at);
    kw_keyring_hint_put(batch->authority->ring, item->tenant, item->region, key.reference,
                        key.current_version);
    code = hold(batch, key.reference, key.current_version, true, at);
    if (code != KW_OK)
        return code;
    *stale = facts_at(batch, *at)->current_version != key.current_version;
    if (*stale && batch->held_count > before)
        kw_keyring_release(batch->authority->ring, batch->held[--batch->held_count]);
    return KW_OK;
}

static kw_code hold_current(struct kw_dk_batch *batch, const struct kw_dk_item *item,
                            bool may_block, uint16_t *at)
{
    bool stale = true;
    if (hold_hinted(batch, item, at) == KW_OK)
        return KW_OK;
    if (!may_block)
        return KW_AGAIN;
    for (int i = 0; i < LOOKS && stale; i++) {
        kw_code code = hold_stored(batch, item, at, &stale);
        if (code != KW_OK)
            return code;
    }
    return stale ? KW_UNAVAILABLE : KW_OK;
}

/* What the caller says it is must be what it is; "" says nothing. */
static kw_code check_expected(const struct kw_dk_item *item, const struct kw_keyring_facts *facts,
                              const struct kw_data_class *cls)
{
    if (item->tenant[0] != '\0' && strcmp(item->tenant, facts->tenant) != 0)
        return KW_NOT_THIS_TENANT;
    if (item->region[0] != '\0' && strcmp(item->region, facts->region) != 0)
        return KW_NOT_THIS_TENANT;
    if (cls == NULL)
        return KW_UNKNOWN_CLASS;
    if (item->data_class[0] != '\0' && strcmp(item->data_class, cls->name) != 0)
        return KW_WRONG_CLASS;
    return KW_OK;
}

static void take_names(struct kw_dk_item *item, const struct kw_keyring_facts *facts,
                       const struct kw_data_class *cls)
{
    memcpy(item->tenant, facts->tenant, sizeof item->tenant);
    memcpy(item->region, facts->region, sizeof item->region);
    if (cls != NULL)
        memcpy(item->data_class, cls->name, sizeof item->data_class);
}

const struct kw_data_class *kw_dk_class(const struct kw_dk_batch *batch,
                                        const struct kw_dk_item *item)
{
    if (batch->op == KW_DK_GENERATE)
        return kw_class_by_name(batch->authority, item->data_class);
    struct kw_wrapped_key head;
    struct kw_error ignored;
    if (kw_wrapped_key_parse(&head, kw_bytes(item->wrapped, sizeof item->wrapped), &ignored) !=
        KW_OK)
        return NULL;
    return kw_class_by_tag(batch->authority, head.class_tag);
}

static kw_code resolve_generate(struct kw_dk_batch *batch, struct kw_dk_item *item, bool may_block)
{
    if (!kw_caller_may_touch(&batch->caller, item->tenant))
        return KW_FORBIDDEN;
    if (kw_class_by_name(batch->authority, item->data_class) == NULL)
        return KW_UNKNOWN_CLASS;
    kw_code code = hold_current(batch, item, may_block, &item->entry);
    if (code != KW_OK)
        return code;
    item->current = item->entry;
    if (item->current == KW_DK_WAITS)
        return KW_OK;
    if (!within_rate(batch, item->entry))
        return KW_RATE_LIMITED;
    return kw_gate_version(facts_at(batch, item->entry)->version_state, true);
}

static kw_code resolve_target(struct kw_dk_batch *batch, struct kw_dk_item *item, bool may_block)
{
    kw_code code = hold_current(batch, item, may_block, &item->current);
    if (code != KW_OK || item->current == KW_DK_WAITS)
        return code;
    return kw_gate_version(facts_at(batch, item->current)->version_state, true);
}

/* A refusal for a key's state (suspended, above all) is a use that its tenant's report must show.
 * Only on the blocking path: it reads the store. */
static void name_refused(const struct kw_dk_batch *batch, struct kw_dk_item *item,
                         uint64_t reference)
{
    struct kw_key_row key;
    if (item->tenant[0] != '\0' ||
        kw_store_key_by_reference(batch->authority->store, reference, &key, NULL) != KW_OK ||
        !kw_caller_may_touch(&batch->caller, key.tenant))
        return;
    memcpy(item->tenant, key.tenant, sizeof item->tenant);
    memcpy(item->region, key.region, sizeof item->region);
}

/* Names are taken from the key only after the caller's scope has let it through: a stranger's entry
 * in the ledger says which key was tried, its answer does not say whose it is. */
static kw_code resolve_wrapped(struct kw_dk_batch *batch, struct kw_dk_item *item, bool may_block)
{
    struct kw_wrapped_key head;
    struct kw_error ignored;
    kw_code code =
        kw_wrapped_key_parse(&head, kw_bytes(item->wrapped, sizeof item->wrapped), &ignored);
    if (code != KW_OK)
        return code;
    bool wide = kw_caller_may_touch(&batch->caller, "*");
    code = (wide ? hold : hold_own)(batch, kw_get_u64(head.key_ref), head.version, may_block,
                                    &item->entry);
    if (code != KW_OK && may_block)
        name_refused(batch, item, kw_get_u64(head.key_ref));
    if (code != KW_OK)
        return code;
    item->current = item->entry;
    const struct kw_keyring_facts *facts = facts_at(batch, item->entry);
    if (!kw_caller_may_touch(&batch->caller, facts->tenant))
        return KW_FORBIDDEN;
    const struct kw_data_class *cls = kw_class_by_tag(batch->authority, head.class_tag);
    code = check_expected(item, facts, cls);
    if (code != KW_OK)
        return code;
    take_names(item, facts, cls);
    if (!within_rate(batch, item->entry))
        return KW_RATE_LIMITED;
    return batch->op == KW_DK_REWRAP ? resolve_target(batch, item, may_block) : KW_OK;
}

/* A key that has changed while its batch keys were made may be held no more. Only on the blocking
 * path: no hint leads to a held key. */
static void resolve_held(struct kw_dk_batch *batch)
{
    for (int look = 0; look < LOOKS; look++) {
        kw_dk_hold_batches(batch);
        size_t waiting = 0;
        for (size_t i = 0; i < batch->count; i++) {
            struct kw_dk_item *item = &batch->items[i];
            if (item->code != KW_OK || item->current != KW_DK_WAITS)
                continue;
            waiting++;
            item->code = look + 1 == LOOKS           ? KW_UNAVAILABLE
                         : batch->op == KW_DK_REWRAP ? resolve_target(batch, item, true)
                                                     : resolve_generate(batch, item, true);
        }
        if (waiting == 0)
            return;
    }
}

KW_ERR kw_dk_resolve(struct kw_dk_batch *batch, bool may_block, struct kw_error *err)
{
    bool allowed = (batch->caller.rights & KW_RIGHT_USE_KEYS) != 0;
    for (size_t i = 0; i < batch->count; i++) {
        struct kw_dk_item *item = &batch->items[i];
        if (item->code != KW_OK)
            continue; /* refused by whoever filled it in */
        if (!allowed)
            item->code = KW_FORBIDDEN;
        else if (batch->op == KW_DK_GENERATE)
            item->code = resolve_generate(batch, item, may_block);
        else
            item->code = resolve_wrapped(batch, item, may_block);
        if (item->code == KW_AGAIN && !may_block) {
            kw_dk_let_go(batch);
            item->code = KW_OK; /* those refused before it stay refused */
            return kw_fail_code(err, KW_AGAIN);
        }
    }
    resolve_held(batch);
    return KW_OK;
}
