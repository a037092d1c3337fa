/* Signatures over messages, by a tenant key's signing key. The order is that of a data key: decide,
 * compute, record, and only then release. docs/spec/message.md, Signing. */
#include "authority/custody.h"
#include "authority/internal.h"

#include "base/clock.h"
#include "base/encode.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "envelope/message.h"

/* One signature on its way. What is found is kept for the record, also of a refusal. */
struct signing {
    struct kw_authority *authority;
    const struct kw_caller *caller;
    const struct kw_message_signing *request;
    uint64_t reference; /* 0 until the key is found */
    bool is_statement;
    struct kw_message_statement statement;
    const struct kw_data_class *cls; /* NULL until it is found */
    struct kw_keyring_entry *entry;
    uint8_t signature[KW_SIGNATURE_SIZE];
};

/* ---- Deciding ---------------------------------------------------------------------------------
 */

/* Where the tenant is known and the region is not, or not even the tenant. */
static KW_ERR find_key(const struct signing *s, struct kw_key_row *key, struct kw_error *err)
{
    struct kw_store *store = s->authority->store;
    struct kw_tenant_row tenant;
    kw_code code = kw_store_key_get(store, s->request->tenant, s->request->region, key, err);
    if (code == KW_KEY_NOT_FOUND)
        KW_TRY(kw_store_tenant_get(store, s->request->tenant, &tenant, err));
    return code;
}

/* As for a fresh data key: only the current version may protect. */
static KW_ERR gate(const struct kw_key_row *key, uint32_t version, struct kw_error *err)
{
    kw_code code = kw_gate_key(key->tenant_state, key->state);
    if (code != KW_OK)
        return kw_fail_code(err, code);
    if (strcmp(key->custody, kw_custody_name(KW_HELD)) == 0)
        return kw_fail(err, KW_STATE_CONFLICT,
                       "the key is held by the customer: it has no signing key that lasts");
    if (version == 0 || version > key->current_version)
        return kw_fail(err, KW_VERSION_NOT_FOUND, "the key has no version %u", version);
    if (version != key->current_version)
        return kw_fail(err, KW_VERSION_NOT_ACTIVE, "version %u signs no more: seal anew under %u",
                       version, key->current_version);
    return KW_OK;
}

/* Never anything but a message of this key: the signature would say what its tenant did not. */
static KW_ERR check_statement(struct signing *s, const struct kw_key_row *key, struct kw_error *err)
{
    const struct kw_message_statement *statement = &s->statement;
    KW_TRY(kw_message_statement_parse(&s->statement, s->request->statement, err));
    s->is_statement = true;
    if (kw_get_u64(statement->key_ref) != key->reference)
        return kw_fail(err, KW_NOT_THIS_TENANT, "the statement is about another tenant key");
    if (statement->signing_version != s->request->version)
        return kw_fail(err, KW_BAD_FORMAT, "the statement names version %u as the one that signs",
                       statement->signing_version);
    if (statement->suite != key->suite)
        return kw_fail(err, KW_BAD_FORMAT, "the statement names a suite that is not the key's");
    s->cls = kw_class_by_tag(s->authority, statement->class_tag);
    return s->cls != NULL ? KW_OK : kw_fail_code(err, KW_UNKNOWN_CLASS);
}

static KW_ERR decide(struct signing *s, struct kw_error *err)
{
    const struct kw_message_signing *request = s->request;
    struct kw_key_row key;
    KW_TRY(kw_caller_check(s->caller, KW_RIGHT_USE_KEYS, request->tenant, err));
    KW_TRY(find_key(s, &key, err));
    s->reference = key.reference;
    KW_TRY(gate(&key, request->version, err));
    KW_TRY(check_statement(s, &key, err));
    if (!kw_rate_take(s->authority->rate, key.reference, 1))
        return kw_fail_code(err, KW_RATE_LIMITED);
    kw_code code = kw_keyring_get(s->authority->ring, key.reference, request->version,
                                  kw_class_age(s->authority, s->cls), &s->entry, err);
    if (code != KW_OK)
        return code == KW_AGAIN ? kw_fail_code(err, KW_UNAVAILABLE) : code;
    if (s->cls->hsm && !kw_keyring_facts(s->entry)->hardware)
        return kw_fail_code(err, KW_HSM_REQUIRED);
    code = kw_gate_version(kw_keyring_facts(s->entry)->version_state, true);
    return code == KW_OK ? KW_OK : kw_fail_code(err, code);
}

/* ---- Signing ----------------------------------------------------------------------------------
 */

static KW_ERR compute(struct signing *s, struct kw_error *err)
{
    const struct kw_keyring_facts *facts = kw_keyring_facts(s->entry);
    struct kw_scope scope = {.tenant = facts->tenant, .region = facts->region};
    const struct kw_suite *suite = NULL;
    KW_AUTO(kw_secret) tenant_key = KW_SECRET_INIT;
    KW_AUTO(kw_secret) seed = KW_SECRET_INIT;
    KW_TRY(kw_suite_get(facts->suite, &suite, err));
    KW_TRY(kw_secret_copy(&tenant_key, kw_keyring_key(s->entry), KW_KEYRING_KEY_SIZE, err));
    KW_TRY(kw_tenant_key_derive(&seed, &tenant_key, KW_PURPOSE_SIGN, suite, &scope, err));
    return kw_sign(seed.data, s->request->statement, s->signature, err);
}

/* ---- Recording --------------------------------------------------------------------------------
 */

static void describe(const struct signing *s, kw_code outcome, struct kw_event *event)
{
    *event = (struct kw_event){
        .time_ms = kw_clock_wall_ms(),
        .operation = "SignMessage",
        .activity = KW_ACTIVITY_CREATE,
        .outcome = outcome,
        .request_id = s->caller->request_id,
        .principal = s->caller->principal,
        .source = s->caller->source,
        .tenant = s->request->tenant,
        .region = s->request->region,
        .data_class = s->cls != NULL ? s->cls->name : NULL,
        .key_reference = s->reference,
        .key_version = s->reference != 0 ? s->request->version : 0,
        .context_digest = s->is_statement ? s->statement.context_digest : NULL,
        .justification = s->caller->justification,
    };
    kw_random(event->uid, sizeof event->uid);
}

/* So that a signed message can be traced to its entry. */
static void write_detail(const struct signing *s, struct kw_buf *out)
{
    uint8_t digest[KW_HASH_SIZE];
    char text[2 * KW_HASH_SIZE + 1];
    kw_sha256_one(digest, s->request->statement);
    kw_hex_text(text, kw_bytes(digest, sizeof digest));
    kw_buf_printf(out, "{\"statement_sha256\":\"%s\"}", text);
}

static KW_ERR record(const struct signing *s, kw_code outcome, uint64_t *index,
                     struct kw_error *err)
{
    KW_AUTO(kw_ledger_batch) batch = {.count = 0};
    KW_AUTO(kw_buf) entry = KW_BUF_INIT;
    KW_AUTO(kw_buf) detail = KW_BUF_INIT;
    struct kw_event event;
    describe(s, outcome, &event);
    if (s->is_statement)
        write_detail(s, &detail);
    KW_TRY(kw_buf_status(&detail, err));
    event.detail = kw_buf_bytes(&detail);
    kw_event_encode(&entry, &event);
    KW_TRY(kw_buf_status(&entry, err));
    KW_TRY(kw_ledger_batch_add(&batch, kw_buf_bytes(&entry), err));
    KW_TRY(kw_ledger_append_wait(s->authority->ledger, &batch, err));
    *index = batch.first_index;
    return KW_OK;
}

/* The refusal is the answer; that it could not be recorded is a worse one. */
static KW_ERR refuse(const struct signing *s, kw_code code, struct kw_error *err)
{
    struct kw_error why = {0};
    uint64_t index = 0;
    atomic_fetch_add_explicit(&s->authority->refused, 1, memory_order_relaxed);
    if (record(s, code, &index, &why) != KW_OK)
        return kw_fail(err, why.code, "%s", why.text);
    return code;
}

static KW_ERR run(struct signing *s, struct kw_message_signature *out, struct kw_error *err)
{
    uint64_t index = 0;
    kw_code code = decide(s, err);
    if (code == KW_OK)
        code = compute(s, err);
    if (code != KW_OK)
        return refuse(s, code, err);
    KW_TRY(record(s, KW_OK, &index, err));
    /* A suspension may have been answered while the ledger wrote. */
    code = kw_keyring_refusal(s->entry);
    if (code != KW_OK)
        return kw_fail_code(err, code);
    atomic_fetch_add_explicit(&s->authority->signed_messages, 1, memory_order_relaxed);
    memcpy(out->signature, s->signature, sizeof out->signature);
    out->ledger_index = index;
    return KW_OK;
}

KW_ERR kw_authority_message_sign(struct kw_authority *authority, const struct kw_caller *caller,
                                 const struct kw_message_signing *request,
                                 struct kw_message_signature *out, struct kw_error *err)
{
    struct signing s = {.authority = authority, .caller = caller, .request = request};
    kw_code code = run(&s, out, err);
    kw_keyring_release(authority->ring, s.entry);
    return code;
}
