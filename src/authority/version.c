/* Versions of a tenant key: made here, wrapped by the region's providers, and unwrapped again. */
#include "authority/internal.h"

#include "base/clock.h"
#include "crypto/random.h"
#include "crypto/sign.h"

enum { PROVIDER_DEADLINE_MS = 10000 };

/* What a provider authenticates with a copy: whose key it is. */
struct binding {
    char reference[17];
    char version[11];
    struct kw_provider_pair pairs[4];
};

static void bind_copy(struct binding *binding, const struct kw_key_row *key, uint32_t version)
{
    snprintf(binding->reference, sizeof binding->reference, "%016llx",
             (unsigned long long)key->reference);
    snprintf(binding->version, sizeof binding->version, "%u", version);
    binding->pairs[0] = (struct kw_provider_pair){"keyward:tenant", key->tenant};
    binding->pairs[1] = (struct kw_provider_pair){"keyward:region", key->region};
    binding->pairs[2] = (struct kw_provider_pair){"keyward:key", binding->reference};
    binding->pairs[3] = (struct kw_provider_pair){"keyward:version", binding->version};
}

static struct kw_provider_call call_of(const struct binding *binding, const char *provider_key)
{
    return (struct kw_provider_call){.key = provider_key,
                                     .context = binding->pairs,
                                     .context_count = KW_COUNT(binding->pairs),
                                     .deadline_ms = kw_clock_ms() + PROVIDER_DEADLINE_MS};
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

static KW_ERR wrap_copy(struct kw_authority *authority, const struct kw_region *region, size_t at,
                        const struct kw_key_row *key, uint32_t version,
                        const struct kw_secret *tenant_key, struct kw_error *err)
{
    KW_AUTO(kw_buf) blob = KW_BUF_INIT;
    struct binding binding;
    bind_copy(&binding, key, version);
    struct kw_provider *provider = region->providers[at].provider;
    struct kw_provider_call call = call_of(&binding, region->providers[at].key);
    KW_TRY(kw_provider_wrap(provider, &call, tenant_key, &blob, err));
    if (blob.len > KW_COPY_MAX)
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "provider %s: a copy of %zu bytes",
                       kw_provider_name(provider), blob.len);
    struct kw_copy_row copy = {
        .reference = key->reference, .version = version, .blob_len = blob.len};
    snprintf(copy.provider, sizeof copy.provider, "%s", kw_provider_name(provider));
    snprintf(copy.provider_key, sizeof copy.provider_key, "%s", region->providers[at].key);
    memcpy(copy.blob, blob.data, blob.len);
    return kw_store_copy_put(authority->store, &copy, err);
}

/* By every provider of the region that answers, at least by as many as the region asks for. */
static KW_ERR wrap_copies(struct kw_authority *authority, const struct kw_key_row *key,
                          uint32_t version, const struct kw_secret *tenant_key,
                          struct kw_error *err)
{
    const struct kw_region *region = kw_authority_region(authority, key->region);
    if (region == NULL)
        return kw_fail(err, KW_UNKNOWN_REGION, "region '%s' is not configured", key->region);
    size_t wanted = region->copies_min != 0 ? region->copies_min : 1;
    size_t made = 0;
    kw_code failed = KW_REGION_WALL;
    for (size_t i = 0; i < region->provider_count; i++) {
        kw_code code = wrap_copy(authority, region, i, key, version, tenant_key, err);
        if (code == KW_OK)
            made++;
        else if (kw_code_class(code) == KW_CLASS_INTERNAL)
            return code;
        else
            failed = code;
    }
    if (made >= wanted)
        return KW_OK;
    if (region->provider_count == 0)
        return kw_fail(err, KW_REGION_WALL, "region '%s' has no provider", key->region);
    return failed;
}

KW_ERR kw_version_make(struct kw_authority *authority, const struct kw_key_row *key,
                       uint32_t version, struct kw_error *err)
{
    KW_AUTO(kw_secret) tenant_key = KW_SECRET_INIT;
    struct kw_version_row row = {.reference = key->reference,
                                 .version = version,
                                 .state = KW_KEY_IS_ACTIVE,
                                 .created_ms = kw_clock_wall_ms()};
    KW_TRY(kw_random_secret(&tenant_key, KW_KEY_SIZE, err));
    KW_TRY(derive_pinned(key, &tenant_key, row.commitment, row.sign_public, err));
    KW_TRY(kw_store_version_add(authority->store, &row, err));
    return wrap_copies(authority, key, version, &tenant_key, err);
}

/* ---- Loading ----------------------------------------------------------------------------------
 */

struct copies {
    struct kw_copy_row *rows;
    size_t count;
    bool out_of_memory;
};

static bool keep_copy(void *arg, const struct kw_copy_row *row)
{
    struct copies *copies = arg;
    struct kw_copy_row *grown = realloc(copies->rows, (copies->count + 1) * sizeof *copies->rows);
    if (grown == NULL) {
        copies->out_of_memory = true;
        return false;
    }
    copies->rows = grown;
    copies->rows[copies->count++] = *row;
    return copies->count < KW_REGION_PROVIDERS_MAX;
}

/* One copy, by the provider that made it, if that one is (still) within the region's wall. */
static KW_ERR unwrap_copy(const struct kw_region *region, const struct kw_key_row *key,
                          const struct kw_version_row *version, const struct kw_copy_row *copy,
                          struct kw_secret *out, struct kw_error *err)
{
    for (size_t i = 0; i < region->provider_count; i++) {
        struct kw_provider *provider = region->providers[i].provider;
        if (strcmp(kw_provider_name(provider), copy->provider) != 0)
            continue;
        KW_AUTO(kw_secret) tenant_key = KW_SECRET_INIT;
        struct binding binding;
        uint8_t commitment[KW_COMMITMENT_SIZE];
        bind_copy(&binding, key, version->version);
        struct kw_provider_call call = call_of(&binding, copy->provider_key);
        KW_TRY(kw_provider_unwrap(provider, &call, kw_bytes(copy->blob, copy->blob_len),
                                  &tenant_key, err));
        KW_TRY(derive_pinned(key, &tenant_key, commitment, NULL, err));
        if (!kw_equal_ct(commitment, version->commitment, sizeof commitment))
            return kw_fail(err, KW_COMMITMENT, "provider %s gave another key than the one pinned",
                           copy->provider);
        kw_secret_move(out, &tenant_key);
        return KW_OK;
    }
    return kw_fail(err, KW_REGION_WALL, "provider '%s' is not one of region '%s'", copy->provider,
                   region->name);
}

/* The first copy that opens. Where none does, a retryable failure is the answer before a final one:
 * as long as one provider may come back, the key is not lost. */
static KW_ERR unwrap_copies(const struct kw_region *region, const struct kw_key_row *key,
                            const struct kw_version_row *version, const struct copies *copies,
                            struct kw_secret *out, struct kw_error *err)
{
    struct kw_error worst = {0};
    kw_fail(&worst, KW_STORE_CORRUPT, "no copy is left of version %u: restore a backup",
            version->version);
    bool first = true;
    for (size_t i = 0; i < copies->count; i++) {
        struct kw_error why = {0};
        kw_code code = unwrap_copy(region, key, version, &copies->rows[i], out, &why);
        if (code == KW_OK)
            return KW_OK;
        if (first || kw_code_retryable(code))
            worst = why;
        first = false;
    }
    return kw_fail(err, worst.code, "%s", worst.text);
}

static KW_ERR open_version(struct kw_authority *authority, const struct kw_key_row *key,
                           const struct kw_version_row *version, struct kw_secret *out,
                           struct kw_error *err)
{
    const struct kw_region *region = kw_authority_region(authority, key->region);
    if (region == NULL)
        return kw_fail(err, KW_UNKNOWN_REGION, "region '%s' is not configured", key->region);
    struct copies copies = {0};
    kw_code code = kw_store_copies(authority->store, key->reference, version->version, keep_copy,
                                   &copies, err);
    if (code == KW_OK && copies.out_of_memory)
        code = kw_fail_code(err, KW_NO_MEMORY);
    if (code == KW_OK)
        code = unwrap_copies(region, key, version, &copies, out, err);
    free(copies.rows);
    return code;
}

static KW_ERR gate(const struct kw_key_row *key, const struct kw_version_row *version,
                   struct kw_error *err)
{
    kw_code code = kw_gate_key(key->tenant_state, key->state);
    if (code == KW_OK)
        code = kw_gate_version(version->state, false);
    return code == KW_OK ? KW_OK : kw_fail_code(err, code);
}

/* The keyring's loader. What may not be used is not even unwrapped. */
KW_ERR kw_version_load(void *arg, struct kw_keyring_facts *facts, struct kw_secret *key,
                       struct kw_error *err)
{
    struct kw_authority *authority = arg;
    struct kw_key_row row;
    struct kw_version_row version;
    KW_TRY(kw_store_key_by_reference(authority->store, facts->reference, &row, err));
    KW_TRY(kw_store_version_get(authority->store, facts->reference, facts->version, &version, err));
    KW_TRY(gate(&row, &version, err));
    KW_TRY(open_version(authority, &row, &version, key, err));
    facts->current_version = row.current_version;
    facts->suite = row.suite;
    facts->tenant_state = (uint8_t)row.tenant_state;
    facts->key_state = (uint8_t)row.state;
    facts->version_state = (uint8_t)version.state;
    facts->epoch = row.epoch;
    facts->wraps_before =
        version.wraps + kw_usage_pending(authority, facts->reference, facts->version);
    memcpy(facts->tenant, row.tenant, sizeof row.tenant);
    memcpy(facts->region, row.region, sizeof row.region);
    return KW_OK;
}
