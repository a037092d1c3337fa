/* From an item to the key version that it needs, and whether this caller may have it. */
#include "authority/custody.h"
#include "authority/datakey_internal.h"

enum { LOOKS = 8 };

/* As kw_dk_hold, for a caller who may act for some tenants only: a key that is another's is not
 * loaded for the asking. */
static kw_code hold_own(struct kw_dk_batch *batch, const struct kw_dk_version *what, bool may_block,
                        uint16_t *at)
{
    kw_code code = kw_dk_hold(batch, what, false, at);
    if (code != KW_AGAIN || !may_block)
        return code;
    code = kw_dk_check_owner(batch, what->reference);
    return code == KW_OK ? kw_dk_hold(batch, what, true, at) : code;
}

static const struct kw_keyring_facts *facts_at(const struct kw_dk_batch *batch, uint16_t at)
{
    return kw_keyring_facts(batch->held[at]);
}

static bool within_rate(const struct kw_dk_batch *batch, uint16_t at)
{
    return kw_rate_take(batch->authority->rate, facts_at(batch, at)->reference, 1);
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
static kw_code hold_stored(struct kw_dk_batch *batch, const struct kw_dk_item *item,
                           const struct kw_keyring_age *age, uint16_t *at, bool *stale)
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
    struct kw_dk_version version = {key.reference, key.current_version, age};
    code = kw_dk_hold(batch, &version, true, at);
    if (code != KW_OK)
        return code;
    *stale = facts_at(batch, *at)->current_version != key.current_version;
    if (*stale && batch->held_count > before)
        kw_dk_forget_last(batch);
    return KW_OK;
}

static kw_code hold_current(struct kw_dk_batch *batch, const struct kw_dk_item *item,
                            const struct kw_data_class *cls, bool may_block, uint16_t *at)
{
    bool stale = true;
    struct kw_dk_current current = {item->tenant, item->region,
                                    kw_class_age(batch->authority, cls)};
    if (kw_dk_hold_hinted(batch, &current, at) == KW_OK)
        return KW_OK;
    if (!may_block)
        return KW_AGAIN;
    for (int i = 0; i < LOOKS && stale; i++) {
        kw_code code = hold_stored(batch, item, current.age, at, &stale);
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
    const struct kw_data_class *cls = kw_class_by_name(batch->authority, item->data_class);
    if (cls == NULL)
        return KW_UNKNOWN_CLASS;
    kw_code code = hold_current(batch, item, cls, may_block, &item->entry);
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
    kw_code code = hold_current(batch, item, kw_dk_class(batch, item), may_block, &item->current);
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

kw_code kw_dk_version_of(const struct kw_dk_batch *batch, const struct kw_dk_item *item,
                         struct kw_dk_version *out)
{
    struct kw_wrapped_key head;
    struct kw_error ignored;
    kw_code code =
        kw_wrapped_key_parse(&head, kw_bytes(item->wrapped, sizeof item->wrapped), &ignored);
    if (code != KW_OK)
        return code;
    const struct kw_data_class *cls = kw_class_by_tag(batch->authority, head.class_tag);
    *out = (struct kw_dk_version){kw_get_u64(head.key_ref), head.version,
                                  kw_class_age(batch->authority, cls)};
    return KW_OK;
}

/* Names are taken from the key only after the caller's scope has let it through: a stranger's entry
 * in the ledger says which key was tried, its answer does not say whose it is. */
static kw_code resolve_wrapped(struct kw_dk_batch *batch, struct kw_dk_item *item, bool may_block)
{
    struct kw_dk_version version;
    kw_code code = kw_dk_version_of(batch, item, &version);
    if (code != KW_OK)
        return code;
    bool wide = kw_caller_may_touch(&batch->caller, "*");
    code = (wide ? kw_dk_hold : hold_own)(batch, &version, may_block, &item->entry);
    if (code != KW_OK && may_block)
        name_refused(batch, item, version.reference);
    if (code != KW_OK)
        return code;
    item->current = item->entry;
    const struct kw_keyring_facts *facts = facts_at(batch, item->entry);
    if (!kw_caller_may_touch(&batch->caller, facts->tenant))
        return KW_FORBIDDEN;
    const struct kw_data_class *cls = kw_dk_class(batch, item);
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

static kw_code key_of(const struct kw_dk_batch *batch, const struct kw_dk_item *item,
                      struct kw_key_row *out)
{
    struct kw_dk_version version;
    if (batch->op == KW_DK_GENERATE)
        return kw_store_key_get(batch->authority->store, item->tenant, item->region, out, NULL);
    kw_code code = kw_dk_version_of(batch, item, &version);
    return code != KW_OK
               ? code
               : kw_store_key_by_reference(batch->authority->store, version.reference, out, NULL);
}

/* A failure on a customer's side says whose, so that nobody looks for the cause on the wrong one.
 */
static void name_customers(struct kw_dk_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct kw_dk_item *item = &batch->items[i];
        struct kw_key_row key;
        if ((item->code == KW_CUSTOMER_REFUSED || item->code == KW_CUSTOMER_UNAVAILABLE) &&
            key_of(batch, item, &key) == KW_OK && strcmp(item->tenant, key.tenant) == 0 &&
            kw_caller_may_touch(&batch->caller, key.tenant)) {
            memcpy(item->region, key.region, sizeof item->region);
            memcpy(item->provider, key.provider, sizeof item->provider);
        }
    }
}

/* What is protected under a key, or comes out from under it, may need a key that is in hardware; a
 * re-wrap may lead there. */
static void require_hardware(struct kw_dk_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct kw_dk_item *item = &batch->items[i];
        if (item->code != KW_OK)
            continue;
        const struct kw_data_class *cls = kw_dk_class(batch, item);
        if (cls != NULL && cls->hsm && !facts_at(batch, item->current)->hardware)
            item->code = KW_HSM_REQUIRED;
    }
}

static kw_code resolve(struct kw_dk_batch *batch, struct kw_dk_item *item, bool may_block)
{
    return batch->op == KW_DK_GENERATE ? resolve_generate(batch, item, may_block)
                                       : resolve_wrapped(batch, item, may_block);
}

KW_ERR kw_dk_resolve(struct kw_dk_batch *batch, bool may_block, struct kw_error *err)
{
    bool allowed = (batch->caller.rights & KW_RIGHT_USE_KEYS) != 0;
    if (allowed && may_block)
        kw_dk_load_ahead(batch);
    for (size_t i = 0; i < batch->count; i++) {
        struct kw_dk_item *item = &batch->items[i];
        if (item->code != KW_OK)
            continue; /* refused by whoever filled it in */
        item->code = allowed ? resolve(batch, item, may_block) : KW_FORBIDDEN;
        if (item->code == KW_AGAIN && !may_block) {
            kw_dk_let_go(batch);
            batch->missed = i;
            item->code = KW_OK; /* those refused before it stay refused */
            return kw_fail_code(err, KW_AGAIN);
        }
    }
    resolve_held(batch);
    name_customers(batch);
    if (batch->authority->hsm_classes)
        require_hardware(batch);
    return KW_OK;
}
