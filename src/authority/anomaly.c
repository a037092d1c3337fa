/* Bursts of seals that do not open under one key: a client gone wrong, or somebody who tries. The
 * key becomes strict, so that a revocation at a provider is obeyed at once, and it is recorded. */
#include "authority/pace.h"

#include "authority/change.h"
#include "base/clock.h"
#include "crypto/random.h"

/* The key's place, or that of the one that has been well for longest and is not waiting for its
 * record; NULL if all are. */
static struct kw_broken_seals *place_of(struct kw_anomalies *anomalies, uint64_t reference)
{
    struct kw_broken_seals *best = NULL;
    for (size_t i = 0; i < KW_ANOMALY_KEYS; i++) {
        struct kw_broken_seals *seals = &anomalies->keys[i];
        if (seals->reference == reference)
            return seals;
        if (!seals->to_record && (best == NULL || seals->last_ms < best->last_ms))
            best = seals;
    }
    if (best != NULL)
        *best = (struct kw_broken_seals){.reference = reference};
    return best;
}

/* True: with this one there were too many in too short a time. */
static bool count_one(struct kw_broken_seals *seals, int64_t now_ms)
{
    seals->last_ms = now_ms;
    seals->times_ms[seals->count++ % KW_ANOMALY_COUNT] = now_ms;
    if (seals->count < KW_ANOMALY_COUNT ||
        now_ms - seals->times_ms[seals->count % KW_ANOMALY_COUNT] > KW_ANOMALY_WITHIN_MS)
        return false;
    seals->count = 0;
    return true;
}

void kw_anomaly_broken(struct kw_authority *authority, uint64_t reference)
{
    struct kw_anomalies *anomalies = &authority->pace->anomalies;
    int64_t now_ms = kw_clock_ms();
    int64_t until_ms = now_ms + KW_ANOMALY_STRICT_MS;
    bool found = false;
    pthread_mutex_lock(&anomalies->lock);
    struct kw_broken_seals *seals = place_of(anomalies, reference);
    if (seals != NULL && count_one(seals, now_ms)) {
        found = true;
        if (now_ms >= seals->strict_until_ms)
            seals->to_record = true; /* one that lasts is one anomaly */
        seals->strict_until_ms = until_ms;
    }
    pthread_mutex_unlock(&anomalies->lock);
    if (found)
        kw_keyring_strict(authority->ring, reference, until_ms);
}

static KW_ERR record(struct kw_authority *authority, uint64_t reference, struct kw_error *err)
{
    static const char detail[] = "{\"anomaly\":\"broken_seals\",\"count\":%d,\"within_seconds\":%d,"
                                 "\"strict_seconds\":%d}";
    char text[160];
    struct kw_key_row key;
    KW_TRY(kw_store_key_by_reference(authority->store, reference, &key, err));
    int len = snprintf(text, sizeof text, detail, KW_ANOMALY_COUNT, KW_ANOMALY_WITHIN_MS / 1000,
                       KW_ANOMALY_STRICT_MS / 1000);
    struct kw_event event = {.time_ms = kw_clock_wall_ms(),
                             .operation = "Anomaly",
                             .activity = KW_ACTIVITY_OTHER,
                             .request_id = kw_caller_system.request_id,
                             .principal = kw_caller_system.principal,
                             .source = kw_caller_system.source,
                             .tenant = key.tenant,
                             .region = key.region,
                             .key_reference = reference,
                             .detail = kw_bytes(text, (size_t)len)};
    kw_random(event.uid, sizeof event.uid);
    return kw_authority_record(authority, &event, err);
}

/* A key that is not there any more needs no record. Else what fails is tried again. */
KW_ERR kw_anomalies_record(struct kw_authority *authority, struct kw_error *err)
{
    struct kw_anomalies *anomalies = &authority->pace->anomalies;
    kw_code first = KW_OK;
    for (size_t i = 0; i < KW_ANOMALY_KEYS; i++) {
        struct kw_broken_seals *seals = &anomalies->keys[i];
        pthread_mutex_lock(&anomalies->lock);
        bool wanted = seals->to_record;
        uint64_t reference = seals->reference; /* it stays while its record is waited for */
        pthread_mutex_unlock(&anomalies->lock);
        if (!wanted)
            continue;
        kw_code code = record(authority, reference, err);
        if (code != KW_OK && code != KW_KEY_NOT_FOUND) {
            first = first != KW_OK ? first : code;
            continue;
        }
        pthread_mutex_lock(&anomalies->lock);
        seals->to_record = false;
        pthread_mutex_unlock(&anomalies->lock);
    }
    return first;
}
