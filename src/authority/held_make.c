/* Batch keys are made in four steps: numbers are reserved, the customer's provider wraps each key,
 * all that were wrapped are written in one transaction, and the keyring adopts them. Whatever ends
 * in between leaves a gap in the numbers, and no key that anything was sealed under. */
#include "authority/custody.h"
#include "authority/fanout.h"
#include "authority/held.h"
#include "base/clock.h"
#include "crypto/random.h"

/* ---- Wrapping ---------------------------------------------------------------------------------
 */

static KW_ERR wrap(struct kw_authority *authority, struct kw_held_key *key, struct kw_error *err)
{
    KW_TRY(kw_random_secret(&key->material, KW_KEYRING_KEY_SIZE, err));
    KW_TRY(kw_version_prepare(authority, &key->group->key, key->version, &key->material,
                              &key->fresh, err));
    struct kw_version_row *row = &key->fresh.row;
    row->state = KW_KEY_IS_DEACTIVATED;
    row->deactivated_ms = row->created_ms;
    memset(row->sign_public, 0, sizeof row->sign_public);
    return KW_OK;
}

/* A batch key that cannot be had fails its own data keys and no others. */
static KW_ERR wrap_one(void *arg, size_t i, struct kw_error *err)
{
    struct kw_held_making *making = arg;
    struct kw_held_key *key = &making->keys[i];
    if (key->group->code == KW_OK)
        key->code = wrap(making->authority, key, err);
    return KW_OK;
}

/* ---- Writing ----------------------------------------------------------------------------------
 */

/* Inside the transaction: is the key still what its batch keys were wrapped for? */
static kw_code check_again(struct kw_store *store, const struct kw_held_group *group,
                           struct kw_error *err)
{
    struct kw_key_row now;
    KW_TRY(kw_store_key_by_reference(store, group->key.reference, &now, err));
    kw_code code = kw_gate_key(now.tenant_state, now.state);
    if (code != KW_OK)
        return code;
    bool same = strcmp(now.custody, group->key.custody) == 0 &&
                strcmp(now.provider, group->key.provider) == 0 &&
                strcmp(now.provider_key, group->key.provider_key) == 0;
    return same ? KW_OK : KW_AGAIN;
}

static KW_ERR put_group(struct kw_held_making *making, struct kw_held_group *group,
                        struct kw_error *err)
{
    if (group->code == KW_OK)
        group->code = check_again(making->authority->store, group, err);
    for (size_t i = 0; group->code == KW_OK && i < group->count; i++) {
        struct kw_held_key *key = &making->keys[group->first + i];
        if (key->code != KW_OK)
            continue;
        key->written = true;
        KW_TRY(kw_version_put(making->authority, &key->fresh, err));
    }
    return KW_OK;
}

static KW_ERR put_all(struct kw_held_making *making, struct kw_error *err)
{
    struct kw_store *store = making->authority->store;
    kw_code code = KW_OK;
    KW_TRY(kw_store_begin(store, err));
    for (size_t g = 0; g < making->group_count && code == KW_OK; g++)
        code = put_group(making, &making->groups[g], err);
    if (code == KW_OK)
        return kw_store_commit(store, err);
    kw_store_rollback(store);
    return code;
}

static bool any_wrapped(const struct kw_held_making *making)
{
    for (size_t i = 0; i < making->key_count; i++)
        if (making->keys[i].group->code == KW_OK && making->keys[i].code == KW_OK)
            return true;
    return false;
}

/* A commit that failed may have been durable all the same: numbers that were written in it are not
 * used again. */
static void write_wrapped(struct kw_held_making *making)
{
    struct kw_error ignored;
    if (!any_wrapped(making))
        return;
    kw_code code = put_all(making, &ignored);
    for (size_t g = 0; code != KW_OK && g < making->group_count; g++)
        if (making->groups[g].code == KW_OK)
            making->groups[g].code = code;
}

/* ---- Adopting ---------------------------------------------------------------------------------
 */

static struct kw_keyring_facts facts_of(struct kw_authority *authority,
                                        const struct kw_held_key *key)
{
    const struct kw_key_row *row = &key->group->key;
    struct kw_keyring_facts facts = {
        .reference = row->reference,
        .version = key->version,
        .current_version = key->version, /* for the request that made it */
        .suite = row->suite,
        .tenant_state = (uint8_t)row->tenant_state,
        .key_state = (uint8_t)row->state,
        .version_state = KW_KEY_IS_DEACTIVATED,
        .epoch = row->epoch,
        .hardware = kw_router_in_hardware(authority->router, row->region, row->provider),
        .held = true,
    };
    memcpy(facts.tenant, row->tenant, sizeof row->tenant);
    memcpy(facts.region, row->region, sizeof row->region);
    return facts;
}

static void adopt(struct kw_authority *authority, struct kw_held_key *key)
{
    struct kw_error ignored;
    if (key->group->code != KW_OK || key->code != KW_OK)
        return;
    struct kw_keyring_facts facts = facts_of(authority, key);
    key->code =
        kw_keyring_adopt(authority->ring, &facts, &key->material, key->group->cls->held_keep_ms,
                         key->group->marker, &key->entry, &ignored);
}

static void clean_up(struct kw_held_making *making)
{
    for (size_t i = 0; i < making->key_count; i++) {
        kw_secret_wipe(&making->keys[i].material);
        kw_fresh_version_wipe(&making->keys[i].fresh);
    }
}

void kw_held_make(struct kw_held_making *making)
{
    struct kw_error err;
    for (size_t g = 0; g < making->group_count; g++)
        making->groups[g].code = kw_held_numbers_take(making, &making->groups[g], &err);
    /* Its runs never fail: every failure is a batch key's own. */
    (void)!kw_fanout(making->key_count, KW_FANOUT_MAX, wrap_one, making, &err);
    write_wrapped(making);
    kw_held_numbers_return(making);
    for (size_t i = 0; i < making->key_count; i++)
        adopt(making->authority, &making->keys[i]);
    clean_up(making);
}
