/* The end of imported material: its copies are destroyed, its versions stay with their commitments,
 * so that the same material can come back and no other take its place. */
#include "authority/material.h"

#include "authority/change.h"
#include "authority/custody.h"
#include "base/clock.h"
#include "json/write.h"

enum { ROUND_MAX = 100 };

static bool see_copy(void *arg, const struct kw_copy_row *row)
{
    KW_UNUSED(row);
    *(bool *)arg = true;
    return false;
}

static KW_ERR has_copies(struct kw_store *store, const struct kw_version_row *version, bool *out,
                         struct kw_error *err)
{
    *out = false;
    return kw_store_copies(store, version->reference, version->version, see_copy, out, err);
}

KW_ERR kw_material_ended(struct kw_authority *authority, const struct kw_version_row *version,
                         bool *ended, struct kw_error *err)
{
    bool copies = false;
    *ended = false;
    if (!version->imported)
        return KW_OK;
    KW_TRY(has_copies(authority->store, version, &copies, err));
    *ended = !copies || (version->expires_ms != 0 && version->expires_ms <= kw_clock_wall_ms());
    return KW_OK;
}

/* ---- What both ends share ---------------------------------------------------------------------
 */

struct ending {
    int64_t now_ms;
    uint32_t version;   /* 0: all imported ones that have copies */
    uint32_t *versions; /* the imported ones of the key */
    size_t count, capacity;
    bool out_of_memory;
};

static bool keep_imported(void *arg, const struct kw_version_row *row)
{
    struct ending *ending = arg;
    if (!row->imported || (ending->version != 0 && ending->version != row->version))
        return true;
    if (ending->count == ending->capacity) {
        size_t capacity = ending->capacity == 0 ? 8 : ending->capacity * 2;
        uint32_t *grown = realloc(ending->versions, capacity * sizeof *grown);
        ending->out_of_memory = grown == NULL;
        if (grown == NULL)
            return false;
        ending->versions = grown;
        ending->capacity = capacity;
    }
    ending->versions[ending->count++] = row->version;
    return true;
}

/* The date is set to when it was, so that it has passed for whoever reads the row. */
static KW_ERR end_version(struct kw_store *store, const struct kw_key_row *key, uint32_t version,
                          int64_t now_ms, uint64_t *destroyed, struct kw_error *err)
{
    struct kw_version_row row;
    KW_TRY(kw_store_version_get(store, key->reference, version, &row, err));
    KW_TRY(kw_store_copies_destroy(store, key->reference, version, destroyed, err));
    if (*destroyed == 0 || (row.expires_ms != 0 && row.expires_ms <= now_ms))
        return KW_OK;
    row.expires_ms = now_ms;
    return kw_store_version_set(store, &row, err);
}

/* Leaves those in the list that had copies. What is held of the other versions of the key is to be
 * asked for again, and is then there. */
static KW_ERR end_versions(struct kw_change *change, const struct kw_key_row *key, uint64_t *copies,
                           struct kw_error *err)
{
    struct ending *ending = change->arg;
    size_t ended = 0;
    change->refusal = KW_UNAVAILABLE;
    for (size_t i = 0; i < ending->count; i++) {
        uint64_t destroyed = 0;
        uint32_t version = ending->versions[i];
        KW_TRY(
            end_version(change->authority->store, key, version, ending->now_ms, &destroyed, err));
        if (destroyed > 0)
            ending->versions[ended++] = version;
        if (destroyed > 0 && version == key->current_version)
            change->refusal = KW_MATERIAL_EXPIRED;
        *copies += destroyed;
    }
    ending->count = ended;
    return KW_OK;
}

static KW_ERR describe(struct kw_change *change, uint64_t copies, struct kw_error *err)
{
    const struct ending *ending = change->arg;
    struct kw_json_writer w = kw_json_writer(&change->detail);
    kw_json_begin(&w, NULL, '{');
    kw_json_begin(&w, "versions", '[');
    for (size_t i = 0; i < ending->count; i++)
        kw_json_uint(&w, NULL, ending->versions[i]);
    kw_json_end(&w);
    kw_json_uint(&w, "copies_destroyed", copies);
    kw_json_end(&w);
    return kw_buf_status(&change->detail, err);
}

static KW_ERR end_material(struct kw_change *change, struct kw_key_row *key, struct kw_error *err)
{
    uint64_t copies = 0;
    KW_TRY(end_versions(change, key, &copies, err));
    if (copies == 0)
        return kw_fail(err, KW_STATE_CONFLICT, "the key has no imported material that could end");
    key->epoch++;
    kw_change_drop(change, key->reference);
    KW_TRY(kw_store_key_set(change->authority->store, key, err));
    return describe(change, copies, err);
}

static KW_ERR list_and_end(struct kw_change *change, struct kw_key_row *key, struct kw_error *err)
{
    struct ending *ending = change->arg;
    ending->count = 0;
    KW_TRY(kw_store_versions(change->authority->store, key->reference, keep_imported, ending, err));
    if (ending->out_of_memory)
        return kw_fail_code(err, KW_NO_MEMORY);
    return end_material(change, key, err);
}

static KW_ERR run_ending(struct kw_change *change, struct ending *ending, struct kw_error *err)
{
    change->activity = KW_ACTIVITY_DELETE;
    change->right = KW_RIGHT_MANAGE_KEYS;
    change->arg = ending;
    kw_code code = kw_change_run(change, err);
    free(ending->versions);
    if (code == KW_OK)
        atomic_store(&change->authority->purge_wanted, true);
    return code;
}

/* ---- By command -------------------------------------------------------------------------------
 */

/* Allowed in every state: it only takes away. */
static KW_ERR apply_end(struct kw_change *change, struct kw_error *err)
{
    struct kw_key_row key;
    KW_TRY(kw_store_key_get(change->authority->store, change->tenant, change->region, &key, err));
    change->reference = key.reference;
    change->version = key.current_version;
    return list_and_end(change, &key, err);
}

KW_ERR kw_authority_key_material_end(struct kw_authority *authority, const struct kw_caller *caller,
                                     const char *tenant, const char *region, struct kw_error *err)
{
    struct ending ending = {.now_ms = kw_clock_wall_ms()};
    struct kw_change change = {.authority = authority,
                               .caller = caller,
                               .operation = "EndKeyMaterial",
                               .tenant = tenant,
                               .region = region,
                               .apply = apply_end};
    return run_ending(&change, &ending, err);
}

/* ---- By the clock -----------------------------------------------------------------------------
 */

struct due {
    struct kw_version_row rows[ROUND_MAX];
    size_t count;
};

static bool keep_due(void *arg, const struct kw_version_row *row)
{
    struct due *due = arg;
    due->rows[due->count++] = *row;
    return due->count < ROUND_MAX;
}

/* The row is read again inside the transaction: it may have a new end since it was listed. */
static KW_ERR apply_expire(struct kw_change *change, struct kw_error *err)
{
    const struct ending *ending = change->arg;
    struct kw_store *store = change->authority->store;
    struct kw_version_row row;
    struct kw_key_row key;
    KW_TRY(kw_store_key_by_reference(store, change->reference, &key, err));
    KW_TRY(kw_store_version_get(store, change->reference, ending->version, &row, err));
    if (row.expires_ms == 0 || row.expires_ms > ending->now_ms)
        return kw_fail(err, KW_STATE_CONFLICT, "the material was given a later end");
    return list_and_end(change, &key, err);
}

static KW_ERR expire(struct kw_authority *authority, const struct kw_version_row *version,
                     int64_t now_ms, struct kw_error *err)
{
    struct kw_key_row key;
    KW_TRY(kw_store_key_by_reference(authority->store, version->reference, &key, err));
    struct ending ending = {.now_ms = now_ms, .version = version->version};
    struct kw_change change = {.authority = authority,
                               .caller = &kw_caller_system,
                               .operation = "ExpireKeyMaterial",
                               .tenant = key.tenant,
                               .region = key.region,
                               .reference = key.reference,
                               .version = version->version,
                               .apply = apply_expire};
    return run_ending(&change, &ending, err);
}

/* Destroyed copies do not come back by a clock that is put right: see due.h. Until then what has
 * expired by the wrong clock is refused, and no more than that. */
static KW_ERR list_due(struct kw_authority *authority, struct due *due, int64_t *now_ms,
                       struct kw_error *err)
{
    struct kw_store *store = authority->store;
    int64_t wall_ms = kw_clock_wall_ms();
    *now_ms = kw_due_clock_read(&authority->due_clock, wall_ms, kw_clock_ms());
    KW_TRY(kw_store_versions_expired(store, *now_ms, ROUND_MAX, keep_due, due, err));
    if (!authority->due_clock.leapt || due->count > 0)
        return KW_OK;
    KW_TRY(kw_store_versions_expired(store, wall_ms, 1, keep_due, due, err));
    if (due->count == 0)
        return KW_OK;
    due->count = 0;
    return kw_fail(err, KW_UNAVAILABLE,
                   "the clock leapt ahead by %lld seconds: imported material that it makes expire "
                   "is kept for a day; set it right",
                   (long long)((wall_ms - *now_ms) / 1000));
}

static KW_ERR expire_listed(struct kw_authority *authority, struct due *due, struct kw_error *err)
{
    kw_code first = KW_OK;
    int64_t now_ms = 0;
    KW_TRY(list_due(authority, due, &now_ms, err));
    for (size_t i = 0; i < due->count; i++) {
        struct kw_error why = {0};
        kw_code code = expire(authority, &due->rows[i], now_ms, &why);
        if (code != KW_OK && code != KW_STATE_CONFLICT && first == KW_OK)
            first = kw_fail(err, code, "end of imported material: %s", why.text);
    }
    return first;
}

KW_ERR kw_material_expire_due(struct kw_authority *authority, struct kw_error *err)
{
    struct due *due = calloc(1, sizeof *due);
    if (due == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    kw_code code = expire_listed(authority, due, err);
    free(due);
    return code;
}
