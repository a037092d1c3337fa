/* Tenants and keys as JSON. Lists of the store must not call the store, so what is nested is
 * collected first. */
#include "api/internal.h"

#include "base/clock.h"

static void write_time(struct kw_json_writer *w, const char *name, int64_t ms)
{
    char text[KW_TIME_TEXT_SIZE];
    kw_json_str(w, name, kw_time_text(ms, text));
}

/* A key that was held by its customer has a version for each data key: the newest are shown. */
enum { VERSIONS_SHOWN = 1000 };

struct versions {
    struct kw_version_row *rows; /* the newest, the oldest of them at count % VERSIONS_SHOWN */
    size_t count, capacity;
    bool out_of_memory;
};

static bool keep_version(void *arg, const struct kw_version_row *row)
{
    struct versions *versions = arg;
    if (versions->count == versions->capacity && versions->capacity < VERSIONS_SHOWN) {
        size_t capacity = versions->capacity != 0 ? versions->capacity * 2 : 8;
        capacity = capacity < VERSIONS_SHOWN ? capacity : VERSIONS_SHOWN;
        struct kw_version_row *grown = realloc(versions->rows, capacity * sizeof *grown);
        if (grown == NULL) {
            versions->out_of_memory = true;
            return false;
        }
        versions->rows = grown;
        versions->capacity = capacity;
    }
    versions->rows[versions->count++ % VERSIONS_SHOWN] = *row;
    return true;
}

static bool write_copy(void *arg, const struct kw_copy_row *row)
{
    struct kw_json_writer *w = arg;
    kw_json_begin(w, NULL, '{');
    kw_json_str(w, "provider", row->provider);
    kw_json_str(w, "provider_key", row->provider_key);
    kw_json_end(w);
    return true;
}

static KW_ERR write_version(struct kw_job *job, struct kw_json_writer *w,
                            const struct kw_version_row *row, struct kw_error *err)
{
    kw_json_begin(w, NULL, '{');
    kw_json_uint(w, "version", row->version);
    kw_json_str(w, "state", kw_key_state_name(row->state));
    write_time(w, "created_at", row->created_ms);
    if (row->deactivated_ms != 0)
        write_time(w, "deactivated_at", row->deactivated_ms);
    kw_json_bool(w, "imported", row->imported);
    if (row->expires_ms != 0)
        write_time(w, "expires_at", row->expires_ms);
    kw_json_hex(w, "commitment", kw_bytes(row->commitment, sizeof row->commitment));
    kw_json_base64(w, "sign_public", kw_bytes(row->sign_public, sizeof row->sign_public));
    kw_json_uint(w, "wraps", row->wraps);
    kw_json_uint(w, "unwraps", row->unwraps);
    kw_json_begin(w, "copies", '[');
    KW_TRY(kw_store_copies(kw_job_store(job), row->reference, row->version, write_copy, w, err));
    kw_json_end(w);
    kw_json_end(w);
    return KW_OK;
}

static KW_ERR write_versions(struct kw_job *job, struct kw_json_writer *w, uint64_t reference,
                             struct kw_error *err)
{
    struct versions versions = {.count = 0};
    kw_code code = kw_store_versions(kw_job_store(job), reference, keep_version, &versions, err);
    if (code == KW_OK && versions.out_of_memory)
        code = kw_fail_code(err, KW_NO_MEMORY);
    size_t first = versions.count > VERSIONS_SHOWN ? versions.count - VERSIONS_SHOWN : 0;
    kw_json_begin(w, "versions", '[');
    for (size_t i = first; i < versions.count && code == KW_OK; i++)
        code = write_version(job, w, &versions.rows[i % VERSIONS_SHOWN], err);
    kw_json_end(w);
    if (first > 0)
        kw_json_uint(w, "versions_left_out", first);
    free(versions.rows);
    return code;
}

/* A held key's versions are as many as its data keys: the numbers given out are counted. */
static void write_version_count(struct kw_json_writer *w, const struct kw_key_row *key)
{
    kw_json_begin(w, "versions", '{');
    kw_json_uint(w, "count", key->current_version);
    kw_json_end(w);
}

KW_ERR kw_write_key(struct kw_job *job, struct kw_json_writer *w, const char *name,
                    const struct kw_key_row *key, struct kw_error *err)
{
    const struct kw_suite *suite = NULL;
    uint8_t reference[8];
    KW_TRY(kw_suite_get(key->suite, &suite, err));
    kw_put_u64(reference, key->reference);
    kw_json_begin(w, name, '{');
    kw_json_str(w, "tenant", key->tenant);
    kw_json_str(w, "region", key->region);
    kw_json_hex(w, "reference", kw_bytes(reference, sizeof reference));
    kw_json_str(w, "state", kw_key_state_name(key->state));
    kw_json_str(w, "custody", key->custody);
    if (key->provider[0] != '\0') {
        kw_json_str(w, "provider", key->provider);
        kw_json_str(w, "provider_key", key->provider_key);
    }
    kw_json_uint(w, "suite", key->suite);
    kw_json_str(w, "suite_name", kw_suite_name(suite));
    kw_json_uint(w, "current_version", key->current_version);
    write_time(w, "created_at", key->created_ms);
    if (key->state == KW_KEY_IS_PENDING)
        write_time(w, "destroy_at", key->destroy_at_ms);
    kw_json_uint(w, "epoch", key->epoch);
    if (strcmp(key->custody, "held") == 0)
        write_version_count(w, key);
    else
        KW_TRY(write_versions(job, w, key->reference, err));
    kw_json_end(w);
    return KW_OK;
}

struct keys {
    struct kw_key_row rows[KW_REGIONS_MAX];
    size_t count;
};

static bool keep_key(void *arg, const struct kw_key_row *row)
{
    struct keys *keys = arg;
    keys->rows[keys->count++] = *row;
    return keys->count < KW_COUNT(keys->rows);
}

KW_ERR kw_write_keys(struct kw_job *job, struct kw_json_writer *w, const char *tenant,
                     struct kw_error *err)
{
    struct keys keys = {.count = 0};
    KW_TRY(kw_store_keys(kw_job_store(job), tenant, keep_key, &keys, err));
    kw_json_begin(w, "keys", '[');
    for (size_t i = 0; i < keys.count; i++)
        KW_TRY(kw_write_key(job, w, NULL, &keys.rows[i], err));
    kw_json_end(w);
    return KW_OK;
}

void kw_write_tenant_begin(struct kw_json_writer *w, const struct kw_tenant_row *tenant)
{
    kw_json_begin(w, NULL, '{');
    kw_json_str(w, "id", tenant->id);
    kw_json_str(w, "state", kw_tenant_state_name(tenant->state));
    kw_json_str(w, "tier", kw_tier_name(tenant->tier));
    kw_json_raw(w, "labels", kw_bytes_str(tenant->labels));
    write_time(w, "created_at", tenant->created_ms);
    kw_json_uint(w, "epoch", tenant->epoch);
}

KW_ERR kw_answer_tenant(struct kw_job *job, const char *tenant, struct kw_error *err)
{
    struct kw_json_writer w = kw_job_writer(job);
    struct kw_tenant_row row;
    KW_TRY(kw_store_tenant_get(kw_job_store(job), tenant, &row, err));
    kw_write_tenant_begin(&w, &row);
    KW_TRY(kw_write_keys(job, &w, tenant, err));
    kw_json_end(&w);
    return KW_OK;
}

KW_ERR kw_answer_key(struct kw_job *job, const char *tenant, const char *region,
                     struct kw_error *err)
{
    struct kw_json_writer w = kw_job_writer(job);
    struct kw_key_row row;
    KW_TRY(kw_store_key_get(kw_job_store(job), tenant, region, &row, err));
    return kw_write_key(job, &w, NULL, &row, err);
}
