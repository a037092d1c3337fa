#include "authority/change.h"

#include "base/clock.h"
#include "crypto/random.h"

enum { TRIES = 5 };

const struct kw_caller kw_caller_system = {
    .principal = "system:scheduler",
    .rights = ~0U,
    .tenants = "*",
    .source = "local",
    .request_id = "",
};

static struct kw_event event_of(const struct kw_change *change, kw_code outcome)
{
    struct kw_event event = {
        .time_ms = kw_clock_wall_ms(),
        .operation = change->operation,
        .activity = change->activity,
        .outcome = outcome,
        .request_id = change->caller->request_id,
        .principal = change->caller->principal,
        .source = change->caller->source,
        .tenant = change->tenant,
        .region = change->region,
        .key_reference = change->reference,
        .key_version = change->version,
        .justification = change->caller->justification,
        .detail = kw_buf_bytes(&change->detail),
    };
    kw_random(event.uid, sizeof event.uid);
    return event;
}

static KW_ERR add_event(struct kw_ledger_batch *batch, const struct kw_event *event,
                        struct kw_error *err)
{
    KW_AUTO(kw_buf) entry = KW_BUF_INIT;
    kw_event_encode(&entry, event);
    KW_TRY(kw_buf_status(&entry, err));
    return kw_ledger_batch_add(batch, kw_buf_bytes(&entry), err);
}

KW_ERR kw_authority_record(struct kw_authority *authority, const struct kw_event *event,
                           struct kw_error *err)
{
    KW_AUTO(kw_ledger_batch) batch = {.count = 0};
    KW_TRY(add_event(&batch, event, err));
    return kw_ledger_append_wait(authority->ledger, &batch, err);
}

KW_ERR kw_change_event(struct kw_change *change, const char *tenant, const char *region,
                       uint64_t reference, uint32_t version, struct kw_error *err)
{
    struct kw_event event = event_of(change, KW_OK);
    event.tenant = tenant;
    event.region = region;
    event.key_reference = reference;
    event.key_version = version;
    return add_event(&change->entries, &event, err);
}

void kw_change_drop(struct kw_change *change, uint64_t reference)
{
    if (change->drop_count < KW_COUNT(change->drop))
        change->drop[change->drop_count++] = reference;
}

/* The refusal is the answer; that it could not be recorded is a worse one. */
static kw_code record_failure(struct kw_change *change, kw_code code, struct kw_error *err)
{
    struct kw_error why = {0};
    struct kw_event event = event_of(change, code);
    if (kw_authority_record(change->authority, &event, &why) != KW_OK)
        return kw_fail(err, why.code, "%s", why.text);
    return code;
}

static KW_ERR record_success(struct kw_change *change, struct kw_error *err)
{
    if (change->entries.count == 0) {
        struct kw_event event = event_of(change, KW_OK);
        KW_TRY(add_event(&change->entries, &event, err));
    }
    return kw_ledger_append_wait(change->authority->ledger, &change->entries, err);
}

/* What an apply that said KW_AGAIN has left in the change. */
static void start_over(struct kw_change *change)
{
    kw_buf_reset(&change->detail);
    kw_ledger_batch_reset(&change->entries);
    change->drop_count = 0;
}

/* Steps 3 and 4, and the inner half of 2. recorded says whether the ledger has the change. */
static KW_ERR transact(struct kw_change *change, bool *recorded, struct kw_error *err)
{
    struct kw_store *store = change->authority->store;
    KW_TRY(kw_store_begin(store, err));
    kw_code code = change->apply(change, err);
    if (code == KW_OK) {
        code = record_success(change, err);
        *recorded = code == KW_OK;
    }
    if (code == KW_OK)
        return kw_store_commit(store, err);
    kw_store_rollback(store);
    return code;
}

/* Others may have changed what was prepared for, again and again; not for ever. */
static KW_ERR carry_out(struct kw_change *change, bool *recorded, struct kw_error *err)
{
    if (change->apply == NULL)
        return record_success(change, err);
    for (int i = 0; i < TRIES; i++) {
        start_over(change);
        if (change->prepare != NULL)
            KW_TRY(change->prepare(change, err));
        kw_code code = transact(change, recorded, err);
        if (code != KW_AGAIN || *recorded)
            return code;
    }
    start_over(change);
    return kw_fail(err, KW_UNAVAILABLE, "others changed the same key %d times meanwhile: try again",
                   TRIES);
}

static bool is_ledger_failure(kw_code code)
{
    return code == KW_LEDGER_UNAVAILABLE || code == KW_SHUTTING_DOWN || code == KW_OVERLOADED;
}

/* Once the ledger has the change, its keys leave the keyring whatever the commit said: it may be
 * durable even where it failed. */
static KW_ERR run(struct kw_change *change, struct kw_error *err)
{
    bool recorded = false;
    kw_code code = kw_caller_check(change->caller, change->right, change->tenant, err);
    if (code == KW_OK)
        code = carry_out(change, &recorded, err);
    for (size_t i = 0; recorded && i < change->drop_count; i++)
        kw_keyring_drop(change->authority->ring, change->drop[i], change->refusal);
    if (code != KW_OK && (recorded || !is_ledger_failure(code)))
        code = record_failure(change, code, err);
    return code;
}

KW_ERR kw_change_run(struct kw_change *change, struct kw_error *err)
{
    kw_code code = run(change, err);
    kw_buf_wipe(&change->detail);
    kw_ledger_batch_wipe(&change->entries);
    return code;
}
