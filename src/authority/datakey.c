/* A batch's way: resolve, compute, record, and only then release. */
#include "authority/datakey.h"

#include "authority/datakey_internal.h"
#include "base/clock.h"
#include "crypto/random.h"
#include "ledger/event.h"

#include <pthread.h>

/* Bytes of an entry, so that most batches are written without growing their memory. */
enum { ENTRY_USUAL = 760 };

static const struct {
    const char *operation;
    enum kw_activity activity;
} operations[] = {
    [KW_DK_GENERATE] = {"GenerateDataKey", KW_ACTIVITY_CREATE},
    [KW_DK_UNWRAP] = {"UnwrapDataKey", KW_ACTIVITY_READ},
    [KW_DK_REWRAP] = {"RewrapDataKey", KW_ACTIVITY_UPDATE},
};

/* Which key an item is about, for the record: also where it was refused before a key was found. */
static void name_key(const struct kw_dk_item *item, struct kw_event *event)
{
    struct kw_error ignored;
    struct kw_wrapped_key head;
    if (kw_wrapped_key_parse(&head, kw_bytes(item->wrapped, sizeof item->wrapped), &ignored) !=
        KW_OK)
        return;
    event->key_reference = kw_get_u64(head.key_ref);
    event->key_version = head.version;
}

static KW_ERR record_item(struct kw_dk_batch *batch, struct kw_event *event,
                          const struct kw_dk_item *item, struct kw_buf *scratch,
                          struct kw_error *err)
{
    event->outcome = item->code;
    event->tenant = item->tenant[0] != '\0' ? item->tenant : NULL;
    event->region = item->region[0] != '\0' ? item->region : NULL;
    event->data_class = item->data_class[0] != '\0' ? item->data_class : NULL;
    event->context_digest = item->context_digest;
    event->key_reference = 0;
    event->key_version = 0;
    kw_random(event->uid, sizeof event->uid);
    name_key(item, event);
    kw_buf_reset(scratch);
    kw_event_encode(scratch, event);
    KW_TRY(kw_buf_status(scratch, err));
    return kw_ledger_batch_add(&batch->entries, kw_buf_bytes(scratch), err);
}

static KW_ERR record(struct kw_dk_batch *batch, struct kw_error *err)
{
    KW_AUTO(kw_buf) scratch = KW_BUF_INIT;
    struct kw_event event = {
        .time_ms = kw_clock_wall_ms(),
        .operation = operations[batch->op].operation,
        .activity = operations[batch->op].activity,
        .request_id = batch->caller.request_id,
        .principal = batch->caller.principal,
        .source = batch->caller.source,
        .justification = batch->caller.justification,
    };
    kw_ledger_batch_reset(&batch->entries);
    kw_buf_reserve(&scratch, ENTRY_USUAL);
    kw_buf_reserve(&batch->entries.entries, batch->count * ENTRY_USUAL);
    kw_buf_reserve(&batch->entries.hashes, batch->count * KW_LEDGER_HASH_SIZE);
    for (size_t i = 0; i < batch->count; i++)
        KW_TRY(record_item(batch, &event, &batch->items[i], &scratch, err));
    return KW_OK;
}

static void count(struct kw_dk_batch *batch)
{
    struct kw_authority *authority = batch->authority;
    size_t refused = 0;
    for (size_t i = 0; i < batch->count; i++)
        refused += batch->items[i].code != KW_OK;
    atomic_uint_fast64_t *done = batch->op == KW_DK_GENERATE ? &authority->generated
                                 : batch->op == KW_DK_UNWRAP ? &authority->unwrapped
                                                             : &authority->rewrapped;
    atomic_fetch_add_explicit(done, batch->count - refused, memory_order_relaxed);
    atomic_fetch_add_explicit(&authority->refused, refused, memory_order_relaxed);
}

/* On the ledger's thread. Only here do keys become available, and only if their entries are
 * durable. */
static void on_durable(struct kw_ledger_batch *entries, kw_code code)
{
    struct kw_dk_batch *batch = entries->arg;
    batch->code = code;
    batch->first_index = entries->first_index;
    batch->released = code == KW_OK;
    if (code != KW_OK)
        kw_cleanse(batch->keys.data, batch->keys.len);
    batch->done(batch);
}

/* Counted by key: too many in a short time are an anomaly. */
static void note_broken(struct kw_dk_batch *batch, const struct kw_dk_item *item)
{
    struct kw_dk_version version;
    if ((item->code == KW_SEAL_BROKEN || item->code == KW_COMMITMENT) &&
        batch->op != KW_DK_GENERATE && kw_dk_version_of(batch, item, &version) == KW_OK)
        kw_anomaly_broken(batch->authority, version.reference);
}

static void compute(struct kw_dk_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct kw_dk_item *item = &batch->items[i];
        if (item->code == KW_OK)
            item->code = kw_dk_crypt(batch, i);
        if (item->code != KW_OK)
            note_broken(batch, item);
    }
    kw_cleanse(batch->keys.data + batch->count * KW_DK_SIZE, KW_DK_SIZE);
}

KW_ERR kw_dk_submit(struct kw_authority *authority, struct kw_dk_batch *batch, bool may_block,
                    struct kw_error *err)
{
    batch->authority = authority;
    KW_TRY(kw_dk_resolve(batch, may_block, err));
    compute(batch);
    KW_TRY(record(batch, err));
    count(batch);
    batch->entries.more = batch->more;
    batch->entries.done = on_durable;
    batch->entries.arg = batch;
    return kw_ledger_append(authority->ledger, &batch->entries, err);
}

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t signal;
    bool done;
};

static void wake(struct kw_dk_batch *batch)
{
    struct waiter *waiter = batch->arg;
    pthread_mutex_lock(&waiter->lock);
    waiter->done = true;
    pthread_cond_signal(&waiter->signal);
    pthread_mutex_unlock(&waiter->lock);
}

KW_ERR kw_dk_run(struct kw_authority *authority, struct kw_dk_batch *batch, struct kw_error *err)
{
    struct waiter waiter = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    batch->done = wake;
    batch->arg = &waiter;
    kw_code code = kw_dk_submit(authority, batch, true, err);
    if (code == KW_OK) {
        pthread_mutex_lock(&waiter.lock);
        while (!waiter.done)
            pthread_cond_wait(&waiter.signal, &waiter.lock);
        pthread_mutex_unlock(&waiter.lock);
        code = batch->code == KW_OK ? KW_OK : kw_fail_code(err, batch->code);
    }
    pthread_cond_destroy(&waiter.signal);
    pthread_mutex_destroy(&waiter.lock);
    return code;
}
