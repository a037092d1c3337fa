/* Versions of a tenant key: made here, wrapped and unwrapped by way of the router, within the wall
 * of the key's region and custody. */
#include "authority/internal.h"

#include "authority/custody.h"
#include "base/clock.h"
#include "crypto/random.h"
#include "crypto/sign.h"

enum { PROVIDER_DEADLINE_MS = 10000, COPIES_MAX = 32, LOADS = 5 };

/* What a provider authenticates with a copy: whose key it is. */
struct binding {
    char reference[17];
    char version[11];
    struct kw_provider_pair pairs[4];
};

/* holder says by whom: a customer's provider, if it names one, else the region's own. The call
 * borrows from both. */
static struct kw_router_call call_for(struct binding *binding, const struct kw_key_row *holder,
                                      uint32_t version)
{
    bool guest = holder->provider[0] != '\0';
    snprintf(binding->reference, sizeof binding->reference, "%016llx",
             (unsigned long long)holder->reference);
    snprintf(binding->version, sizeof binding->version, "%u", version);
    binding->pairs[0] = (struct kw_provider_pair){"keyward:tenant", holder->tenant};
    binding->pairs[1] = (struct kw_provider_pair){"keyward:region", holder->region};
    binding->pairs[2] = (struct kw_provider_pair){"keyward:key", binding->reference};
    binding->pairs[3] = (struct kw_provider_pair){"keyward:version", binding->version};
    return (struct kw_router_call){.region = holder->region,
                                   .context = binding->pairs,
                                   .context_count = KW_COUNT(binding->pairs),
                                   .deadline_ms = kw_clock_ms() + PROVIDER_DEADLINE_MS,
                                   .tenant = holder->tenant,
                                   .guest = guest ? holder->provider : NULL,
                                   .guest_key = guest ? holder->provider_key : NULL};
}

/* The commitment has no suite and no class: one reference and version mean one key, whatever for.
 */
static KW_ERR derive_pinned(const struct kw_key_row *key, const struct kw_secret *tenant_key,
                            uint8_t commitment[32], uint8_t sign_public[32], struct kw_error *err)
{
    const struct kw_suite *suite = NULL;
    struct kw_scope scope = {.tenant = key->tenant, .region = key->region};
    KW_AUTO(kw_secret) derived = KW_SECRET_INIT;
    KW_TRY(kw_suite_get(key->suite, &suite, err));
    KW_TRY(kw_tenant_key_derive(&derived, tenant_key, KW_PURPOSE_COMMITMENT, suite, &scope, err));
    memcpy(commitment, derived.data, 32);
    kw_secret_wipe(&derived);
    if (sign_public == NULL)
        return KW_OK;
    KW_TRY(kw_tenant_key_derive(&derived, tenant_key, KW_PURPOSE_SIGN, suite, &scope, err));
    return kw_sign_public(derived.data, sign_public, err);
}

KW_ERR kw_version_commitment(const struct kw_key_row *key, const struct kw_secret *material,
                             uint8_t out[32], struct kw_error *err)
{
    return derive_pinned(key, material, out, NULL, err);
}

/* ---- Making -----------------------------------------------------------------------------------
 */

void kw_fresh_version_wipe(struct kw_fresh_version *fresh)
{
    free(fresh->copies);
    *fresh = (struct kw_fresh_version){.copies = NULL};
}

struct keeping {
    uint64_t reference;
    uint32_t version;
    struct kw_fresh_version *fresh;
    bool (*skip)(void *arg, const char *provider);
    void *arg;
};

static bool skip_made(void *arg, const char *provider)
{
    const struct keeping *keeping = arg;
    return keeping->skip != NULL && keeping->skip(keeping->arg, provider);
}

static KW_ERR keep_made(void *arg, const struct kw_router_copy *made, struct kw_error *err)
{
    const struct keeping *keeping = arg;
    struct kw_fresh_version *fresh = keeping->fresh;
    if (made->blob.len > KW_COPY_MAX)
        return kw_fail(err, KW_INTERNAL, "provider %s: a copy of %zu bytes", made->provider,
                       made->blob.len);
    struct kw_copy_row *grown =
        realloc(fresh->copies, (fresh->copy_count + 1) * sizeof *fresh->copies);
    if (grown == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    fresh->copies = grown;
    struct kw_copy_row *row = &fresh->copies[fresh->copy_count++];
    *row = (struct kw_copy_row){
        .reference = keeping->reference, .version = keeping->version, .blob_len = made->blob.len};
    snprintf(row->provider, sizeof row->provider, "%s", made->provider);
    snprintf(row->provider_key, sizeof row->provider_key, "%s", made->provider_key);
    memcpy(row->blob, made->blob.data, made->blob.len);
    return KW_OK;
}

/* Fewer copies than the region has routes: repair.c makes up for them. */
KW_ERR kw_version_wrap(struct kw_authority *authority, const struct kw_key_row *key,
                       uint32_t version, const struct kw_secret *material,
                       bool (*skip)(void *arg, const char *provider), void *arg,
                       struct kw_fresh_version *out, struct kw_error *err)
{
    struct binding binding;
    size_t made = 0;
    size_t before = out->copy_count;
    struct kw_router_call call = call_for(&binding, key, version);
    struct keeping keeping = {
        .reference = key->reference, .version = version, .fresh = out, .skip = skip, .arg = arg};
    struct kw_router_wrapping wrapping = {
        .plaintext = material, .keep = keep_made, .skip = skip_made, .arg = &keeping};
    kw_code code = kw_router_wrap(authority->router, &call, &wrapping, &made, err);
    if (code != KW_OK)
        out->copy_count = before;
    else if (call.guest == NULL && skip == NULL &&
             made < kw_router_routes(authority->router, key->region))
        atomic_store(&authority->repair_wanted, true);
    return code == KW_OK ? KW_OK : kw_side_of(key, code, err);
}

KW_ERR kw_version_prepare(struct kw_authority *authority, const struct kw_key_row *key,
                          uint32_t version, const struct kw_secret *material,
                          struct kw_fresh_version *out, struct kw_error *err)
{
    KW_AUTO(kw_secret) made = KW_SECRET_INIT;
    KW_AUTO(kw_fresh_version)
    fresh = {.row = {.reference = key->reference,
                     .version = version,
                     .state = KW_KEY_IS_ACTIVE,
                     .created_ms = kw_clock_wall_ms()}};
    if (material == NULL)
        KW_TRY(kw_random_secret(&made, KW_KEY_SIZE, err));
    const struct kw_secret *tenant_key = material != NULL ? material : &made;
    KW_TRY(derive_pinned(key, tenant_key, fresh.row.commitment, fresh.row.sign_public, err));
    KW_TRY(kw_version_wrap(authority, key, version, tenant_key, NULL, NULL, &fresh, err));
    *out = fresh;
    fresh.copies = NULL;
    return KW_OK;
}

KW_ERR kw_version_put_copies(struct kw_authority *authority, const struct kw_fresh_version *fresh,
                             struct kw_error *err)
{
    for (size_t i = 0; i < fresh->copy_count; i++)
        KW_TRY(kw_store_copy_put(authority->store, &fresh->copies[i], err));
    return KW_OK;
}

KW_ERR kw_version_put(struct kw_authority *authority, const struct kw_fresh_version *fresh,
                      struct kw_error *err)
{
    KW_TRY(kw_store_version_add(authority->store, &fresh->row, err));
    return kw_version_put_copies(authority, fresh, err);
}

/* ---- Opening ----------------------------------------------------------------------------------
 */

struct copies {
    struct kw_copy_row *rows;
    size_t count;
    bool out_of_memory;
};

static bool keep_stored(void *arg, const struct kw_copy_row *row)
{
    struct copies *copies = arg;
    struct kw_copy_row *grown = realloc(copies->rows, (copies->count + 1) * sizeof *copies->rows);
    if (grown == NULL) {
        copies->out_of_memory = true;
        return false;
    }
    copies->rows = grown;
    copies->rows[copies->count++] = *row;
    return copies->count < COPIES_MAX;
}

static KW_ERR none_left(const struct kw_version_row *version, struct kw_error *err)
{
    if (version->imported && version->expires_ms != 0)
        return kw_fail_code(err, KW_MATERIAL_EXPIRED);
    return kw_fail(err, KW_STORE_CORRUPT, "no copy is left of version %u: restore a backup",
                   version->version);
}

static KW_ERR read_copies(struct kw_authority *authority, const struct kw_version_row *version,
                          struct copies *copies, struct kw_error *err)
{
    KW_TRY(kw_store_copies(authority->store, version->reference, version->version, keep_stored,
                           copies, err));
    if (copies->out_of_memory)
        return kw_fail_code(err, KW_NO_MEMORY);
    return copies->count > 0 ? KW_OK : none_left(version, err);
}

/* What a provider gave is the key only if it is the one that was pinned when it was made. */
struct pinned {
    const struct kw_key_row *key;
    const struct kw_version_row *version;
};

static KW_ERR accept_pinned(void *arg, const struct kw_secret *plaintext, struct kw_error *err)
{
    const struct pinned *pinned = arg;
    uint8_t commitment[KW_COMMITMENT_SIZE];
    KW_TRY(derive_pinned(pinned->key, plaintext, commitment, NULL, err));
    if (kw_equal_ct(commitment, pinned->version->commitment, sizeof commitment))
        return KW_OK;
    return kw_fail(err, KW_COMMITMENT, "a provider gave another key than the one pinned");
}

static KW_ERR unwrap_any(struct kw_authority *authority, const struct kw_key_row *holder,
                         const struct kw_version_row *version, const struct copies *copies,
                         struct kw_secret *out, struct kw_error *err)
{
    struct binding binding;
    struct kw_router_copy offered[COPIES_MAX];
    struct pinned pinned = {.key = holder, .version = version};
    for (size_t i = 0; i < copies->count; i++)
        offered[i] = (struct kw_router_copy){
            .provider = copies->rows[i].provider,
            .provider_key = copies->rows[i].provider_key,
            .blob = kw_bytes(copies->rows[i].blob, copies->rows[i].blob_len)};
    struct kw_router_call call = call_for(&binding, holder, version->version);
    struct kw_router_unwrapping unwrapping = {
        .copies = offered, .count = copies->count, .accept = accept_pinned, .arg = &pinned};
    return kw_router_unwrap(authority->router, &call, &unwrapping, out, err);
}

/* What was sealed while a key was held stays with the customer when the key comes back to us, or
 * moves on: a version none of whose copies is where the key is now is asked for where its copy is.
 * The router judges whether that provider may be asked, and takes its word back if not. */
static KW_ERR unwrap_wherever(struct kw_authority *authority, struct kw_key_row *holder,
                              const struct kw_version_row *version, const struct copies *copies,
                              struct kw_secret *out, struct kw_error *err)
{
    kw_code code = unwrap_any(authority, holder, version, copies, out, err);
    if (code == KW_REGION_WALL && strcmp(holder->provider, copies->rows[0].provider) != 0) {
        struct kw_error why = {0};
        memcpy(holder->provider, copies->rows[0].provider, sizeof holder->provider);
        memcpy(holder->provider_key, copies->rows[0].provider_key, sizeof holder->provider_key);
        kw_code elsewhere = unwrap_any(authority, holder, version, copies, out, &why);
        if (elsewhere != KW_REGION_WALL && elsewhere != KW_OK)
            return kw_fail(err, elsewhere, "%s", why.text);
        code = elsewhere;
    }
    return code;
}

/* What is known of a version once it is open. */
struct opened {
    bool hardware;
    bool guest; /* by the customer's provider */
};

static KW_ERR open_version(struct kw_authority *authority, const struct kw_key_row *key,
                           const struct kw_version_row *version, struct opened *opened,
                           struct kw_secret *out, struct kw_error *err)
{
    struct copies copies = {0};
    struct kw_key_row holder = *key;
    kw_code code = read_copies(authority, version, &copies, err);
    if (code == KW_OK) {
        code = unwrap_wherever(authority, &holder, version, &copies, out, err);
        if (code != KW_OK)
            code = kw_side_of(&holder, code, err);
    }
    opened->guest = holder.provider[0] != '\0';
    opened->hardware = true;
    for (size_t i = 0; i < copies.count; i++)
        opened->hardware &=
            kw_router_in_hardware(authority->router, key->region, copies.rows[i].provider);
    free(copies.rows);
    return code;
}

KW_ERR kw_version_open(struct kw_authority *authority, const struct kw_key_row *key,
                       const struct kw_version_row *version, struct kw_secret *out,
                       struct kw_error *err)
{
    struct opened ignored;
    return open_version(authority, key, version, &ignored, out, err);
}

KW_ERR kw_version_prove(struct kw_authority *authority, const struct kw_key_row *key,
                        const struct kw_fresh_version *fresh, struct kw_error *err)
{
    KW_AUTO(kw_secret) opened = KW_SECRET_INIT;
    struct copies copies = {.rows = fresh->copies, .count = fresh->copy_count};
    kw_code code = unwrap_any(authority, key, &fresh->row, &copies, &opened, err);
    return code == KW_OK ? KW_OK : kw_side_of(key, code, err);
}

/* ---- Loading ----------------------------------------------------------------------------------
 */

static KW_ERR gate(const struct kw_key_row *key, const struct kw_version_row *version,
                   struct kw_error *err)
{
    kw_code code = kw_gate_key(key->tenant_state, key->state);
    if (code == KW_OK)
        code = kw_gate_version(version->state, false);
    if (code == KW_OK && version->expires_ms != 0 && version->expires_ms <= kw_clock_wall_ms())
        code = KW_MATERIAL_EXPIRED;
    return code == KW_OK ? KW_OK : kw_fail_code(err, code);
}

/* How long custody lets it serve: a customer's word is to be heard soon, and material that ends is
 * not outlived. */
static void limit(const struct kw_authority *authority, const struct kw_key_row *key,
                  const struct kw_version_row *version, const struct opened *opened,
                  struct kw_keyring_facts *facts)
{
    facts->hardware = opened->hardware;
    facts->held = opened->guest && (strcmp(key->custody, kw_custody_name(KW_HELD)) == 0 ||
                                    kw_version_is_batch(version));
    if (opened->guest && !facts->held) {
        facts->ttl_max_ms = authority->attached_age.ttl_ms;
        facts->hard_ttl_max_ms = authority->attached_age.hard_ttl_ms;
    }
    if (version->expires_ms == 0)
        return;
    int64_t left_ms = version->expires_ms - kw_clock_wall_ms();
    if (left_ms < 1)
        left_ms = 1;
    if (facts->ttl_max_ms == 0 || left_ms < facts->ttl_max_ms)
        facts->ttl_max_ms = left_ms;
    if (facts->hard_ttl_max_ms == 0 || left_ms < facts->hard_ttl_max_ms)
        facts->hard_ttl_max_ms = left_ms;
}

struct loading {
    struct kw_key_row row;
    struct kw_version_row version;
    struct opened opened;
};

/* What may not be used is not even unwrapped. */
static KW_ERR read_and_open(struct kw_authority *authority, const struct kw_keyring_facts *facts,
                            struct loading *loading, struct kw_secret *key, struct kw_error *err)
{
    struct kw_store *store = authority->store;
    KW_TRY(kw_store_key_by_reference(store, facts->reference, &loading->row, err));
    KW_TRY(kw_store_version_get(store, facts->reference, facts->version, &loading->version, err));
    KW_TRY(gate(&loading->row, &loading->version, err));
    return open_version(authority, &loading->row, &loading->version, &loading->opened, key, err);
}

/* Row and copies are read one after the other, and providers asked after that: a key that moves
 * from one side to the other in between is not where it was looked for. */
static bool has_changed(struct kw_authority *authority, const struct kw_key_row *row)
{
    struct kw_key_row now;
    return row->reference != 0 &&
           kw_store_key_by_reference(authority->store, row->reference, &now, NULL) == KW_OK &&
           now.epoch != row->epoch;
}

/* The keyring's loader. */
KW_ERR kw_version_load(void *arg, struct kw_keyring_facts *facts, struct kw_secret *key,
                       struct kw_error *err)
{
    struct kw_authority *authority = arg;
    struct loading loading = {.row = {.reference = 0}};
    const struct kw_key_row *row = &loading.row;
    kw_code code = read_and_open(authority, facts, &loading, key, err);
    for (int i = 0; i < LOADS && code != KW_OK && has_changed(authority, row); i++)
        code = read_and_open(authority, facts, &loading, key, err);
    KW_TRY(code);
    limit(authority, row, &loading.version, &loading.opened, facts);
    facts->current_version = row->current_version;
    facts->suite = row->suite;
    facts->tenant_state = (uint8_t)row->tenant_state;
    facts->key_state = (uint8_t)row->state;
    facts->version_state = (uint8_t)loading.version.state;
    facts->epoch = row->epoch;
    facts->wraps_before =
        loading.version.wraps + kw_usage_pending(authority, facts->reference, facts->version);
    memcpy(facts->tenant, row->tenant, sizeof row->tenant);
    memcpy(facts->region, row->region, sizeof row->region);
    return KW_OK;
}
