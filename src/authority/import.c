/* The customer's material comes in: an offer of an RSA key, and the import under it. Providers are
 * asked before the transaction; the transaction writes the version and takes the offer away, both
 * or neither. */
#include "authority/authority.h"

#include "authority/change.h"
#include "authority/custody.h"
#include "authority/import_offer.h"
#include "authority/material.h"
#include "base/clock.h"
#include "base/encode.h"
#include "crypto/random.h"
#include "json/write.h"

static const int64_t offer_ms = 24LL * 3600 * 1000;
static const int64_t end_min_ms = 60LL * 1000;
static const int64_t end_max_ms = 3653LL * 24 * 3600 * 1000; /* ten years */

static KW_ERR get_key(struct kw_change *change, struct kw_key_row *key, struct kw_error *err)
{
    KW_TRY(kw_store_key_get(change->authority->store, change->tenant, change->region, key, err));
    change->reference = key->reference;
    change->version = key->current_version;
    kw_code gate = kw_gate_key(key->tenant_state, key->state);
    return gate == KW_OK ? KW_OK : kw_fail_code(err, gate);
}

/* A key that is the customer's already takes no new material: it would have to be ours to wrap. */
static KW_ERR takes_new(const struct kw_key_row *key, struct kw_error *err)
{
    enum kw_custody custody = KW_MANAGED;
    KW_TRY(kw_custody_from_name(key->custody, &custody, err));
    if (custody != KW_MANAGED && custody != KW_IMPORTED)
        return kw_fail(err, KW_STATE_CONFLICT,
                       "the key is %s at provider %s: detach it before importing", key->custody,
                       key->provider);
    if (key->current_version == UINT32_MAX)
        return kw_fail(err, KW_STATE_CONFLICT, "the key has no version numbers left");
    return KW_OK;
}

/* ---- The versions that there are --------------------------------------------------------------
 */

struct survey {
    const uint8_t *commitment; /* NULL: none is looked for */
    uint32_t current_version;
    bool matched, has_current, any_imported;
    struct kw_version_row match, current;
};

static bool survey_version(void *arg, const struct kw_version_row *row)
{
    struct survey *survey = arg;
    survey->any_imported |= row->imported;
    if (row->version == survey->current_version) {
        survey->current = *row;
        survey->has_current = true;
    }
    if (survey->commitment != NULL &&
        kw_equal_ct(row->commitment, survey->commitment, sizeof row->commitment)) {
        survey->match = *row;
        survey->matched = true;
    }
    return true;
}

static KW_ERR survey_key(struct kw_authority *authority, const struct kw_key_row *key,
                         const uint8_t *commitment, struct survey *out, struct kw_error *err)
{
    *out = (struct survey){.commitment = commitment, .current_version = key->current_version};
    return kw_store_versions(authority->store, key->reference, survey_version, out, err);
}

/* ---- The offer --------------------------------------------------------------------------------
 */

struct offering {
    struct kw_key_row before;
    struct kw_import_offer *out;
    struct kw_buf stored;
};

static void make_token(char out[KW_IMPORT_TOKEN_SIZE])
{
    uint8_t bytes[(KW_IMPORT_TOKEN_SIZE - 1) / 2];
    kw_random(bytes, sizeof bytes);
    kw_hex_text(out, kw_bytes(bytes, sizeof bytes));
    kw_cleanse(bytes, sizeof bytes);
}

/* An attached key may have imported versions from before, whose material may have to come back. */
static KW_ERR check_offerable(struct kw_authority *authority, const struct kw_key_row *key,
                              struct kw_error *err)
{
    struct survey survey;
    KW_TRY(survey_key(authority, key, NULL, &survey, err));
    return survey.any_imported ? KW_OK : takes_new(key, err);
}

static KW_ERR prepare_offer(struct kw_change *change, struct kw_error *err)
{
    struct offering *offering = change->arg;
    struct kw_import_offer *out = offering->out;
    KW_TRY(get_key(change, &offering->before, err));
    KW_TRY(check_offerable(change->authority, &offering->before, err));
    make_token(out->token);
    out->expires_ms = kw_clock_wall_ms() + offer_ms;
    return kw_offer_make(change->authority, &offering->before, out->token, out->expires_ms,
                         &out->public_der, &offering->stored, err);
}

static KW_ERR apply_offer(struct kw_change *change, struct kw_error *err)
{
    struct offering *offering = change->arg;
    char when[KW_TIME_TEXT_SIZE];
    struct kw_key_row key;
    KW_TRY(get_key(change, &key, err));
    if (key.reference != offering->before.reference)
        return kw_fail_code(err, KW_AGAIN);
    KW_TRY(kw_offer_put(change->authority, &key, kw_buf_bytes(&offering->stored), err));
    kw_buf_printf(&change->detail, "{\"offer_expires_at\":\"%s\"}",
                  kw_time_text(offering->out->expires_ms, when));
    return kw_buf_status(&change->detail, err);
}

KW_ERR kw_authority_import_offer(struct kw_authority *authority, const struct kw_caller *caller,
                                 const char *tenant, const char *region,
                                 struct kw_import_offer *out, struct kw_error *err)
{
    struct kw_import_offer made = {.expires_ms = 0};
    struct offering offering = {.out = &made};
    struct kw_change change = {.authority = authority,
                               .caller = caller,
                               .operation = "OfferKeyImport",
                               .activity = KW_ACTIVITY_CREATE,
                               .right = KW_RIGHT_MANAGE_KEYS,
                               .tenant = tenant,
                               .region = region,
                               .prepare = prepare_offer,
                               .apply = apply_offer,
                               .arg = &offering};
    kw_code code = kw_change_run(&change, err);
    kw_buf_wipe(&offering.stored);
    if (code == KW_OK)
        *out = made;
    else
        kw_buf_wipe(&made.public_der);
    kw_cleanse(made.token, sizeof made.token);
    return code;
}

/* ---- The import -------------------------------------------------------------------------------
 */

struct importing {
    const struct kw_import *import;
    struct kw_key_row before;
    struct kw_version_row match;   /* again: the version that the material comes back to */
    struct kw_fresh_version fresh; /* its new copies; or the next version */
    struct kw_import_result result;
};

static KW_ERR check_end(int64_t expires_ms, struct kw_error *err)
{
    int64_t now_ms = kw_clock_wall_ms();
    if (expires_ms != 0 && (expires_ms < now_ms + end_min_ms || expires_ms > now_ms + end_max_ms))
        return kw_fail(err, KW_USAGE,
                       "imported material ends a minute to ten years from now, or never");
    return KW_OK;
}

static KW_ERR check_wrapped(struct kw_bytes wrapped, struct kw_error *err)
{
    if (wrapped.len == KW_RSA_AES_WRAPPED_32)
        return KW_OK;
    return kw_fail(err, KW_BAD_FORMAT,
                   "the wrapped material has %zu bytes: %d of RSA-OAEP and then 40 of AES-KWP are "
                   "%d",
                   wrapped.len, KW_RSA_SIZE, KW_RSA_AES_WRAPPED_32);
}

/* 40 bytes of KWP hold 25 to 32. A key of zeros is a buffer that nobody filled. */
static KW_ERR check_material(const struct kw_secret *material, struct kw_error *err)
{
    static const uint8_t zeros[KW_IMPORT_MATERIAL];
    if (material->len != KW_IMPORT_MATERIAL)
        return kw_fail(err, KW_USAGE, "the material has %zu bytes: it must have %d", material->len,
                       KW_IMPORT_MATERIAL);
    if (kw_equal_ct(material->data, zeros, sizeof zeros))
        return kw_fail(err, KW_USAGE, "the material is all zeros: give 32 random bytes");
    return KW_OK;
}

/* Counted at once, in a transaction of its own: the import that follows from here has failed. An
 * offer that is gone meanwhile needs no counting. */
static KW_ERR count_failure(struct kw_authority *authority, const struct kw_key_row *key,
                            const char *token, struct kw_error *err)
{
    struct kw_error why = {0};
    KW_TRY(kw_store_begin(authority->store, err));
    kw_code code = kw_offer_count(authority, key, token, &why);
    if (code == KW_OK)
        return kw_store_commit(authority->store, err);
    kw_store_rollback(authority->store);
    return code == KW_NOT_FOUND ? KW_OK : kw_fail(err, code, "%s", why.text);
}

static KW_ERR unwrap_material(struct kw_authority *authority, const struct importing *importing,
                              struct kw_secret *material, struct kw_error *err)
{
    KW_AUTO(kw_buf) stored = KW_BUF_INIT;
    KW_AUTO(kw_secret) secret = KW_SECRET_INIT;
    const struct kw_import *import = importing->import;
    const struct kw_key_row *key = &importing->before;
    KW_TRY(kw_offer_find(authority, key, import->token, &stored, err));
    KW_TRY(check_wrapped(import->wrapped, err));
    KW_TRY(kw_offer_open(authority, key, kw_buf_bytes(&stored), &secret, err));
    kw_code code = kw_rsa_aes_unwrap(&secret, import->wrapped, material, err);
    if (code == KW_OK)
        code = check_material(material, err);
    if (code == KW_SEAL_BROKEN || code == KW_USAGE)
        KW_TRY(count_failure(authority, key, import->token, err));
    return code == KW_SEAL_BROKEN
               ? kw_fail(err, code,
                         "this is no material that was wrapped under the public key of "
                         "this offer: wrap it by RSA_AES_KEY_WRAP_SHA_256")
               : code;
}

/* The material is that of a version there is. */
static KW_ERR plan_again(struct kw_authority *authority, struct importing *importing,
                         const struct kw_secret *material, struct kw_error *err)
{
    const struct kw_version_row *match = &importing->match;
    bool ended = false;
    if (!match->imported)
        return kw_fail(err, KW_STATE_CONFLICT, "this is version %u, which was made here",
                       match->version);
    KW_TRY(kw_material_ended(authority, match, &ended, err));
    if (ended)
        KW_TRY(kw_version_wrap(authority, &importing->before, match->version, material, NULL, NULL,
                               &importing->fresh, err));
    importing->result.again = true;
    importing->result.version = match->version;
    return KW_OK;
}

static KW_ERR plan_next(struct kw_authority *authority, struct importing *importing,
                        const struct survey *survey, const struct kw_secret *material,
                        struct kw_error *err)
{
    const struct kw_key_row *key = &importing->before;
    bool ended = false;
    KW_TRY(takes_new(key, err));
    if (survey->has_current)
        KW_TRY(kw_material_ended(authority, &survey->current, &ended, err));
    if (ended) {
        char expected[2 * sizeof survey->current.commitment + 1];
        kw_hex_text(expected,
                    kw_bytes(survey->current.commitment, sizeof survey->current.commitment));
        return kw_fail(err, KW_COMMITMENT,
                       "the material of version %u has ended, and this is another: import the one "
                       "with the commitment %s",
                       key->current_version, expected);
    }
    KW_TRY(kw_version_prepare(authority, key, key->current_version + 1, material, &importing->fresh,
                              err));
    importing->fresh.row.imported = true;
    importing->fresh.row.expires_ms = importing->import->expires_ms;
    importing->result.version = key->current_version + 1;
    return KW_OK;
}

static KW_ERR prepare_import(struct kw_change *change, struct kw_error *err)
{
    struct importing *importing = change->arg;
    struct kw_authority *authority = change->authority;
    KW_AUTO(kw_secret) material = KW_SECRET_INIT;
    struct survey survey;
    uint8_t *commitment = importing->result.commitment;
    kw_fresh_version_wipe(&importing->fresh);
    importing->result.again = false;
    KW_TRY(get_key(change, &importing->before, err));
    KW_TRY(check_end(importing->import->expires_ms, err));
    KW_TRY(unwrap_material(authority, importing, &material, err));
    KW_TRY(kw_version_commitment(&importing->before, &material, commitment, err));
    KW_TRY(survey_key(authority, &importing->before, commitment, &survey, err));
    importing->match = survey.match;
    if (survey.matched)
        return plan_again(authority, importing, &material, err);
    return plan_next(authority, importing, &survey, &material, err);
}

static KW_ERR describe(struct kw_change *change, struct kw_error *err)
{
    const struct importing *importing = change->arg;
    const struct kw_import_result *result = &importing->result;
    char when[KW_TIME_TEXT_SIZE];
    struct kw_json_writer w = kw_json_writer(&change->detail);
    kw_json_begin(&w, NULL, '{');
    kw_json_uint(&w, "version", result->version);
    kw_json_hex(&w, "commitment", kw_bytes(result->commitment, sizeof result->commitment));
    if (importing->import->expires_ms != 0)
        kw_json_str(&w, "expires_at", kw_time_text(importing->import->expires_ms, when));
    else
        kw_json_null(&w, "expires_at");
    kw_json_bool(&w, "again", result->again);
    kw_json_end(&w);
    return kw_buf_status(&change->detail, err);
}

static KW_ERR put_again(struct kw_authority *authority, const struct importing *importing,
                        struct kw_error *err)
{
    struct kw_version_row row;
    KW_TRY(kw_store_version_get(authority->store, importing->match.reference,
                                importing->match.version, &row, err));
    row.expires_ms = importing->import->expires_ms;
    KW_TRY(kw_store_version_set(authority->store, &row, err));
    return kw_version_put_copies(authority, &importing->fresh, err);
}

static KW_ERR put_next(struct kw_authority *authority, const struct importing *importing,
                       struct kw_key_row *key, struct kw_error *err)
{
    KW_TRY(kw_key_deactivate_current(authority, key, err));
    KW_TRY(kw_version_put(authority, &importing->fresh, err));
    key->current_version = importing->result.version;
    snprintf(key->custody, sizeof key->custody, "%s", kw_custody_name(KW_IMPORTED));
    return KW_OK;
}

/* Every change of a key raises its epoch, but for the numbers that a held key's batches take. */
static KW_ERR apply_import(struct kw_change *change, struct kw_error *err)
{
    struct importing *importing = change->arg;
    struct kw_authority *authority = change->authority;
    const struct kw_key_row *before = &importing->before;
    KW_AUTO(kw_buf) stored = KW_BUF_INIT;
    struct kw_key_row key;
    KW_TRY(get_key(change, &key, err));
    KW_TRY(kw_offer_find(authority, &key, importing->import->token, &stored, err));
    if (key.reference != before->reference || key.epoch != before->epoch)
        return kw_fail_code(err, KW_AGAIN);
    KW_TRY(importing->result.again ? put_again(authority, importing, err)
                                   : put_next(authority, importing, &key, err));
    key.epoch++;
    KW_TRY(kw_store_key_set(authority->store, &key, err));
    KW_TRY(kw_offer_end(authority, &key, err));
    change->version = importing->result.version;
    kw_change_drop(change, key.reference);
    return describe(change, err);
}

KW_ERR kw_authority_key_import(struct kw_authority *authority, const struct kw_caller *caller,
                               const struct kw_import *import, struct kw_import_result *out,
                               struct kw_error *err)
{
    struct importing importing = {.import = import};
    struct kw_change change = {.authority = authority,
                               .caller = caller,
                               .operation = "ImportKeyMaterial",
                               .activity = KW_ACTIVITY_UPDATE,
                               .right = KW_RIGHT_MANAGE_KEYS,
                               .tenant = import->tenant,
                               .region = import->region,
                               .prepare = prepare_import,
                               .apply = apply_import,
                               .arg = &importing};
    kw_code code = kw_change_run(&change, err);
    kw_fresh_version_wipe(&importing.fresh);
    KW_TRY(code);
    atomic_store(&authority->purge_wanted, true); /* of the used offer */
    *out = importing.result;
    return KW_OK;
}
