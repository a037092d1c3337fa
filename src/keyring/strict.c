/* Keys that are to be asked for at each use. Every shard knows its own, and whether it is all. */
#include "keyring/ring.h"

#include "base/clock.h"

static void forget_ended(struct kw_shard *shard, int64_t now_ms)
{
    size_t kept = 0;
    if (now_ms >= shard->strict_until_ms)
        shard->strict_until_ms = 0;
    for (size_t i = 0; i < shard->strict_count; i++)
        if (now_ms < shard->strict_keys[i].until_ms)
            shard->strict_keys[kept++] = shard->strict_keys[i];
    shard->strict_count = kept;
    shard->strict = kept > 0 || shard->strict_until_ms != 0;
}

bool kw_shard_strict(struct kw_shard *shard, uint64_t reference, int64_t now_ms)
{
    if (!shard->strict)
        return false;
    forget_ended(shard, now_ms);
    if (shard->strict_until_ms != 0)
        return true;
    for (size_t i = 0; i < shard->strict_count; i++)
        if (shard->strict_keys[i].reference == reference)
            return true;
    return false;
}

/* 0 ends it; else nothing makes it shorter: a burst of broken seals must not take back what was
 * commanded. */
static int64_t later(int64_t set_ms, int64_t until_ms)
{
    return until_ms == 0 || until_ms > set_ms ? until_ms : set_ms;
}

static bool set_key(struct kw_shard *shard, uint64_t reference, int64_t until_ms)
{
    size_t i = 0;
    while (i < shard->strict_count && shard->strict_keys[i].reference != reference)
        i++;
    if (i == shard->strict_count) {
        if (until_ms == 0)
            return true;
        if (i == KW_SHARD_STRICT_MAX)
            return false;
        shard->strict_keys[shard->strict_count++].until_ms = 0;
    }
    shard->strict_keys[i].reference = reference;
    shard->strict_keys[i].until_ms = later(shard->strict_keys[i].until_ms, until_ms);
    return true;
}

bool kw_shard_set_strict(struct kw_shard *shard, uint64_t reference, int64_t until_ms,
                         int64_t now_ms)
{
    bool done = true;
    forget_ended(shard, now_ms);
    if (reference == 0)
        shard->strict_until_ms = later(shard->strict_until_ms, until_ms);
    else
        done = set_key(shard, reference, until_ms);
    forget_ended(shard, now_ms);
    return done;
}

static bool set(struct kw_shard *shard, uint64_t reference, int64_t until_ms)
{
    pthread_mutex_lock(&shard->lock);
    bool done = kw_shard_set_strict(shard, reference, until_ms, kw_clock_ms());
    pthread_mutex_unlock(&shard->lock);
    return done;
}

void kw_keyring_strict(struct kw_keyring *ring, uint64_t reference, int64_t until_ms)
{
    if (reference != 0 && set(kw_ring_shard(ring, reference), reference, until_ms))
        return;
    for (size_t i = 0; i < KW_RING_SHARDS; i++)
        (void)set(&ring->shards[i], 0, until_ms); /* too many keys: then all */
}
