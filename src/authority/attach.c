/* Attach, hold, detach: a tenant key moves to another side. What is needed of providers is made
 * before the transaction, and proven to open again; the transaction puts it in the place of what
 * was, all of it or nothing. */
#include "authority/attach_moves.h"
#include "authority/change.h"
#include "authority/custody.h"
#include "base/clock.h"
#include "base/names.h"
#include "json/write.h"

/* Version numbers of a held key are reserved while a detachment asks providers: the version that it
 * makes must come after all of them. */
enum { LEAP = 1 << 16 };

struct relocation {
    const struct kw_attachment *to; /* NULL: back to us */
    struct kw_key_row before;       /* the key that was prepared for */
    struct kw_key_row target;       /* what becomes of it */
    struct kw_fresh_version next;   /* protects from then on, but for a held key */
    struct kw_moves moves;
    uint64_t destroyed;
};

static void relocation_wipe(struct relocation *relocation)
{
    kw_fresh_version_wipe(&relocation->next);
    kw_moves_wipe(&relocation->moves);
    relocation->destroyed = 0;
}

/* ---- Preparing --------------------------------------------------------------------------------
 */

static KW_ERR check_from(const struct relocation *relocation, const struct kw_key_row *key,
                         struct kw_error *err)
{
    enum kw_custody from = KW_MANAGED;
    kw_code gate = kw_gate_key(key->tenant_state, key->state);
    if (gate != KW_OK)
        return kw_fail_code(err, gate);
    KW_TRY(kw_custody_from_name(key->custody, &from, err));
    if (relocation->to != NULL && from == KW_HELD)
        return kw_fail(err, KW_STATE_CONFLICT,
                       "the key is held by provider %s already: detach it first", key->provider);
    if (relocation->to == NULL && from != KW_ATTACHED && from != KW_HELD)
        return kw_fail(err, KW_STATE_CONFLICT, "the key is %s: it is attached to nobody",
                       key->custody);
    return KW_OK;
}

static KW_ERR plan_target(struct relocation *relocation, struct kw_error *err)
{
    const struct kw_attachment *to = relocation->to;
    struct kw_key_row *target = &relocation->target;
    bool held = strcmp(relocation->before.custody, kw_custody_name(KW_HELD)) == 0;
    uint32_t step = held ? LEAP : 1;
    *target = relocation->before;
    if (target->current_version > UINT32_MAX - step)
        return kw_fail(err, KW_STATE_CONFLICT, "the key has no version numbers left");
    target->current_version += step;
    target->epoch++;
    snprintf(target->custody, sizeof target->custody, "%s",
             kw_custody_name(to == NULL ? KW_MANAGED
                             : to->hold ? KW_HELD
                                        : KW_ATTACHED));
    snprintf(target->provider, sizeof target->provider, "%s", to != NULL ? to->provider : "");
    snprintf(target->provider_key, sizeof target->provider_key, "%s", to != NULL ? to->key : "");
    return KW_OK;
}

/* The new version comes first: if the wall or the new side refuses, no key has been opened for it.
 * For a held key it is but a trial, and its number stays a gap, so that no version of before can be
 * taken for the current one. */
static KW_ERR make_ready(struct kw_change *change, struct kw_error *err)
{
    struct kw_authority *authority = change->authority;
    struct relocation *relocation = change->arg;
    relocation_wipe(relocation);
    KW_TRY(kw_store_key_get(authority->store, change->tenant, change->region, &relocation->before,
                            err));
    change->reference = relocation->before.reference;
    change->version = relocation->before.current_version;
    KW_TRY(check_from(relocation, &relocation->before, err));
    KW_TRY(plan_target(relocation, err));
    KW_TRY(kw_version_prepare(authority, &relocation->target, relocation->target.current_version,
                              NULL, &relocation->next, err));
    KW_TRY(kw_version_prove(authority, &relocation->target, &relocation->next, err));
    return kw_moves_make(&relocation->moves, authority, &relocation->before, &relocation->target,
                         err);
}

/* What failed because the key moved elsewhere meanwhile is not for good. */
static KW_ERR prepare(struct kw_change *change, struct kw_error *err)
{
    const struct relocation *relocation = change->arg;
    struct kw_key_row now;
    kw_code code = make_ready(change, err);
    if (code == KW_OK || relocation->before.reference == 0 ||
        kw_store_key_by_reference(change->authority->store, relocation->before.reference, &now,
                                  NULL) != KW_OK ||
        now.epoch == relocation->before.epoch)
        return code;
    return kw_fail(err, KW_UNAVAILABLE, "others changed the same key meanwhile: try again");
}

/* ---- Applying ---------------------------------------------------------------------------------
 */

/* Every change of a key raises its epoch, but for the numbers that a held key's batches take. */
static bool has_changed(const struct relocation *relocation, const struct kw_key_row *now)
{
    return now->reference != relocation->before.reference ||
           now->epoch != relocation->before.epoch ||
           now->current_version >= relocation->target.current_version;
}

static KW_ERR describe(struct kw_change *change, const struct kw_key_row *from,
                       struct kw_error *err)
{
    const struct relocation *relocation = change->arg;
    const struct kw_key_row *to = &relocation->target;
    struct kw_json_writer w = kw_json_writer(&change->detail);
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "custody", to->custody);
    if (to->provider[0] != '\0') {
        kw_json_str(&w, "provider", to->provider);
        kw_json_str(&w, "provider_key", to->provider_key);
    }
    kw_json_str(&w, "previous_custody", from->custody);
    kw_json_uint(&w, "versions_moved", relocation->moves.count);
    kw_json_uint(&w, "copies_destroyed", relocation->destroyed);
    kw_json_end(&w);
    return kw_buf_status(&change->detail, err);
}

static KW_ERR apply(struct kw_change *change, struct kw_error *err)
{
    struct relocation *relocation = change->arg;
    struct kw_store *store = change->authority->store;
    const struct kw_key_row *target = &relocation->target;
    struct kw_key_row now;
    KW_TRY(kw_store_key_get(store, change->tenant, change->region, &now, err));
    KW_TRY(check_from(relocation, &now, err));
    if (has_changed(relocation, &now))
        return kw_fail_code(err, KW_AGAIN);
    KW_TRY(kw_moves_put(&relocation->moves, change->authority, &relocation->destroyed, err));
    KW_TRY(kw_key_deactivate_current(change->authority, &now, err));
    if (strcmp(target->custody, kw_custody_name(KW_HELD)) != 0)
        KW_TRY(kw_version_put(change->authority, &relocation->next, err));
    KW_TRY(kw_store_key_set(store, target, err));
    change->version = target->current_version;
    kw_change_drop(change, target->reference);
    return describe(change, &now, err);
}

/* ---- The operations ---------------------------------------------------------------------------
 */

/* What was begun under a version of before may end: moving a key is no revocation. */
static KW_ERR relocate(struct kw_change *change, const struct kw_attachment *to, uint32_t *version,
                       struct kw_error *err)
{
    struct relocation relocation = {.to = to};
    change->activity = KW_ACTIVITY_UPDATE;
    change->right = KW_RIGHT_MANAGE_KEYS;
    change->prepare = prepare;
    change->apply = apply;
    change->arg = &relocation;
    change->refusal = KW_OK;
    kw_code code = kw_tenant_name_check(change->tenant, err);
    if (code == KW_OK)
        code = kw_region_name_check(change->region, err);
    if (code == KW_OK)
        code = kw_change_run(change, err);
    uint32_t now = relocation.target.current_version;
    relocation_wipe(&relocation);
    change->arg = NULL;
    KW_TRY(code);
    atomic_store(&change->authority->purge_wanted, true);
    if (version != NULL)
        *version = now;
    return KW_OK;
}

static KW_ERR check_name(const char *text, size_t max, const char *what, struct kw_error *err)
{
    size_t len = text != NULL ? strlen(text) : 0;
    bool good = len > 0 && len <= max;
    for (size_t i = 0; good && i < len; i++)
        good = text[i] > ' ' && text[i] <= '~';
    if (good)
        return KW_OK;
    return kw_fail(err, KW_BAD_NAME, "the %s needs 1 to %zu printable characters without spaces",
                   what, max);
}

KW_ERR kw_authority_key_attach(struct kw_authority *authority, const struct kw_caller *caller,
                               const struct kw_attachment *attachment, uint32_t *version,
                               struct kw_error *err)
{
    struct kw_change change = {.authority = authority,
                               .caller = caller,
                               .operation = "AttachKey",
                               .tenant = attachment->tenant,
                               .region = attachment->region};
    KW_TRY(check_name(attachment->provider, KW_PROVIDER_MAX, "provider's name", err));
    KW_TRY(check_name(attachment->key, KW_PROVIDER_KEY_MAX, "name of the root key", err));
    return relocate(&change, attachment, version, err);
}

KW_ERR kw_authority_key_detach(struct kw_authority *authority, const struct kw_caller *caller,
                               const char *tenant, const char *region, uint32_t *version,
                               struct kw_error *err)
{
    struct kw_change change = {.authority = authority,
                               .caller = caller,
                               .operation = "DetachKey",
                               .tenant = tenant,
                               .region = region};
    return relocate(&change, NULL, version, err);
}
