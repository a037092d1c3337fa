/* The key versions that a batch holds: each is looked for, and loaded, once a batch and class. */
#include "authority/datakey_internal.h"

/* Batches below this look at all that they know; larger ones have a hash table of it. */
enum { SLOTS_FROM = 9, NO_ENTRY = UINT16_MAX };

/* What became of one version: where it is held, or why it is not. */
struct kw_dk_known {
    const struct kw_keyring_age *age;
    uint64_t reference;
    uint32_t version;
    uint16_t at;
    kw_code code;
};

/* Two versions an item, and as much again for those that proved to be out of date. */
static size_t known_max(size_t items)
{
    return 4 * items;
}

static size_t slots_for(size_t items)
{
    size_t slots = 1;
    if (items < SLOTS_FROM)
        return 0;
    while (slots < 2 * known_max(items))
        slots *= 2;
    return slots;
}

KW_ERR kw_dk_holds_init(struct kw_dk_batch *batch, struct kw_error *err)
{
    size_t most = known_max(batch->count);
    size_t slots = slots_for(batch->count);
    size_t holds_size = most * sizeof(struct kw_keyring_entry *);
    size_t known_size = most * sizeof(struct kw_dk_known);
    uint8_t *room = calloc(1, holds_size + known_size + slots * sizeof(uint16_t));
    if (room == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    batch->held = (void *)room;
    batch->known = (void *)(room + holds_size);
    batch->slots = (void *)(room + holds_size + known_size);
    batch->slot_count = slots;
    return KW_OK;
}

void kw_dk_let_go(struct kw_dk_batch *batch)
{
    for (size_t i = 0; i < batch->held_count; i++)
        kw_keyring_release(batch->authority->ring, batch->held[i]);
    batch->held_count = 0;
    batch->known_count = 0;
    if (batch->slots != NULL && batch->slot_count > 0)
        memset(batch->slots, 0, batch->slot_count * sizeof batch->slots[0]);
}

/* ---- What is known ----------------------------------------------------------------------------
 */

static size_t slot_of(const struct kw_dk_batch *batch, uint64_t reference, uint32_t version)
{
    uint64_t hash = (reference ^ version) * 0x9e3779b97f4a7c15U;
    return (size_t)(hash >> 32) & (batch->slot_count - 1);
}

static bool is_it(const struct kw_dk_known *known, uint64_t reference, uint32_t version,
                  const struct kw_keyring_age *age)
{
    return known->reference == reference && known->version == version && known->age == age;
}

/* Consecutive items mostly share a version, so the last one is looked at first. */
static const struct kw_dk_known *recall(const struct kw_dk_batch *batch, uint64_t reference,
                                        uint32_t version, const struct kw_keyring_age *age)
{
    for (size_t i = batch->known_count; i > 0; i--) {
        if (is_it(&batch->known[i - 1], reference, version, age))
            return &batch->known[i - 1];
        if (batch->slot_count > 0)
            break;
    }
    if (batch->slot_count == 0)
        return NULL;
    size_t slot = slot_of(batch, reference, version);
    for (; batch->slots[slot] != 0; slot = (slot + 1) & (batch->slot_count - 1))
        if (is_it(&batch->known[batch->slots[slot] - 1], reference, version, age))
            return &batch->known[batch->slots[slot] - 1];
    return NULL;
}

static void put_slot(struct kw_dk_batch *batch, size_t known)
{
    if (batch->slot_count == 0)
        return;
    size_t slot = slot_of(batch, batch->known[known].reference, batch->known[known].version);
    while (batch->slots[slot] != 0)
        slot = (slot + 1) & (batch->slot_count - 1);
    batch->slots[slot] = (uint16_t)(known + 1);
}

kw_code kw_dk_remember(struct kw_dk_batch *batch, const struct kw_dk_version *what,
                       struct kw_keyring_entry *entry, kw_code code)
{
    struct kw_dk_known known = {what->age, what->reference, what->version, NO_ENTRY, code};
    if (batch->known_count == known_max(batch->count) ||
        (entry != NULL && batch->held_count == known_max(batch->count))) {
        kw_keyring_release(batch->authority->ring, entry);
        return code != KW_OK ? code : KW_OVERLOADED;
    }
    if (entry != NULL) {
        known.at = (uint16_t)batch->held_count;
        batch->held[batch->held_count++] = entry;
    }
    batch->known[batch->known_count++] = known;
    put_slot(batch, batch->known_count - 1);
    return code;
}

/* It was the last to be remembered, so that no other was put behind it in the table. */
void kw_dk_forget_last(struct kw_dk_batch *batch)
{
    struct kw_dk_known *last = &batch->known[--batch->known_count];
    if (batch->slot_count > 0) {
        size_t slot = slot_of(batch, last->reference, last->version);
        while (batch->slots[slot] != batch->known_count + 1)
            slot = (slot + 1) & (batch->slot_count - 1);
        batch->slots[slot] = 0;
    }
    if (last->at != NO_ENTRY)
        kw_keyring_release(batch->authority->ring, batch->held[--batch->held_count]);
}

/* ---- Holding ----------------------------------------------------------------------------------
 */

kw_code kw_dk_hold(struct kw_dk_batch *batch, const struct kw_dk_version *what, bool may_block,
                   uint16_t *at)
{
    struct kw_keyring *ring = batch->authority->ring;
    const struct kw_dk_known *known = recall(batch, what->reference, what->version, what->age);
    kw_code code = known != NULL ? known->code : KW_OK;
    if (known == NULL) {
        struct kw_keyring_entry *entry =
            kw_keyring_find(ring, what->reference, what->version, what->age);
        if (entry == NULL && !may_block)
            return KW_AGAIN;
        struct kw_error ignored;
        if (entry == NULL)
            code =
                kw_keyring_get(ring, what->reference, what->version, what->age, &entry, &ignored);
        code = kw_dk_remember(batch, what, entry, code == KW_AGAIN ? KW_UNAVAILABLE : code);
        known = &batch->known[batch->known_count - 1];
    }
    if (code == KW_OK)
        *at = known->at;
    return code;
}

kw_code kw_dk_hold_hinted(struct kw_dk_batch *batch, const struct kw_dk_current *what, uint16_t *at)
{
    struct kw_dk_version version = {.age = what->age};
    size_t before = batch->held_count;
    if (!kw_keyring_hint_get(batch->authority->ring, what->tenant, what->region, &version.reference,
                             &version.version))
        return KW_AGAIN;
    if (kw_dk_hold(batch, &version, false, at) != KW_OK)
        return KW_AGAIN;
    const struct kw_keyring_facts *facts = kw_keyring_facts(batch->held[*at]);
    if (facts->current_version == version.version && strcmp(facts->tenant, what->tenant) == 0 &&
        strcmp(facts->region, what->region) == 0)
        return KW_OK;
    if (batch->held_count > before)
        kw_dk_forget_last(batch);
    return KW_AGAIN;
}

kw_code kw_dk_check_owner(const struct kw_dk_batch *batch, uint64_t reference)
{
    struct kw_key_row key;
    struct kw_error ignored;
    kw_code code = kw_store_key_by_reference(batch->authority->store, reference, &key, &ignored);
    if (code != KW_OK)
        return code == KW_KEY_NOT_FOUND ? KW_FORBIDDEN : code;
    return kw_caller_may_touch(&batch->caller, key.tenant) ? KW_OK : KW_FORBIDDEN;
}
