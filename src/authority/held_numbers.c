#include "authority/custody.h"
#include "authority/held.h"

/* ---- In reserve -------------------------------------------------------------------------------
 */

static size_t take_spares(struct kw_authority *authority, struct kw_held_key *keys, size_t count,
                          uint64_t reference)
{
    struct kw_spare_numbers *spare = &authority->spare_numbers;
    size_t taken = 0;
    pthread_mutex_lock(&spare->lock);
    for (size_t i = 0; i < spare->count && taken < count;) {
        struct kw_number_range *range = &spare->ranges[i];
        if (range->reference != reference) {
            i++;
            continue;
        }
        while (range->count > 0 && taken < count) {
            keys[taken++].version = range->first++;
            range->count--;
        }
        if (range->count == 0)
            *range = spare->ranges[--spare->count];
    }
    pthread_mutex_unlock(&spare->lock);
    return taken;
}

/* Where there is no room for more they become gaps. */
static void put_spare(struct kw_spare_numbers *spare, uint64_t reference, uint32_t version)
{
    struct kw_number_range *last = spare->count > 0 ? &spare->ranges[spare->count - 1] : NULL;
    if (last != NULL && last->reference == reference && last->first + last->count == version)
        last->count++;
    else if (spare->count < KW_COUNT(spare->ranges))
        spare->ranges[spare->count++] =
            (struct kw_number_range){.reference = reference, .first = version, .count = 1};
}

void kw_held_numbers_return(struct kw_held_making *making)
{
    struct kw_spare_numbers *spare = &making->authority->spare_numbers;
    pthread_mutex_lock(&spare->lock);
    for (size_t i = 0; i < making->key_count; i++)
        if (making->keys[i].version != 0 && !making->keys[i].written)
            put_spare(spare, making->keys[i].group->key.reference, making->keys[i].version);
    pthread_mutex_unlock(&spare->lock);
}

/* ---- New ones ---------------------------------------------------------------------------------
 */

/* May the key make batch keys for this class? Asked before any number is taken or call is made. */
static KW_ERR check_key(const struct kw_authority *authority, const struct kw_held_group *group,
                        struct kw_error *err)
{
    const struct kw_key_row *key = &group->key;
    kw_code code = kw_gate_key(key->tenant_state, key->state);
    if (code == KW_OK && strcmp(key->custody, kw_custody_name(KW_HELD)) != 0)
        code = KW_AGAIN;
    if (code == KW_OK && group->cls->hsm &&
        !kw_router_in_hardware(authority->router, key->region, key->provider))
        code = KW_HSM_REQUIRED;
    return code == KW_OK ? KW_OK : kw_fail_code(err, code);
}

/* Inside the transaction. A change of the key that this does not see drops the key from the keyring
 * after the marker was read. */
static KW_ERR reserve(struct kw_authority *authority, struct kw_held_group *group, uint32_t count,
                      struct kw_error *err)
{
    KW_TRY(kw_store_key_get(authority->store, group->tenant, group->region, &group->key, err));
    group->marker = kw_keyring_marker(authority->ring, group->key.reference);
    KW_TRY(check_key(authority, group, err));
    if (count > UINT32_MAX - group->key.current_version)
        return kw_fail(err, KW_USAGE_EXHAUSTED, "the key has no version numbers left");
    group->key.current_version += count;
    return kw_store_key_set(authority->store, &group->key, err);
}

static KW_ERR reserve_now(struct kw_authority *authority, struct kw_held_group *group,
                          uint32_t count, struct kw_error *err)
{
    KW_TRY(kw_store_begin(authority->store, err));
    kw_code code = reserve(authority, group, count, err);
    if (code == KW_OK)
        return kw_store_commit(authority->store, err);
    kw_store_rollback(authority->store);
    return code;
}

KW_ERR kw_held_numbers_take(struct kw_held_making *making, struct kw_held_group *group,
                            struct kw_error *err)
{
    struct kw_authority *authority = making->authority;
    struct kw_held_key *keys = &making->keys[group->first];
    KW_TRY(kw_store_key_get(authority->store, group->tenant, group->region, &group->key, err));
    group->marker = kw_keyring_marker(authority->ring, group->key.reference);
    KW_TRY(kw_store_key_get(authority->store, group->tenant, group->region, &group->key, err));
    KW_TRY(check_key(authority, group, err));
    size_t taken = take_spares(authority, keys, group->count, group->key.reference);
    if (taken == group->count)
        return KW_OK;
    uint32_t count = (uint32_t)(group->count - taken);
    KW_TRY(reserve_now(authority, group, count, err));
    for (uint32_t i = 0; i < count; i++)
        keys[taken + i].version = group->key.current_version - count + 1 + i;
    return KW_OK;
}
