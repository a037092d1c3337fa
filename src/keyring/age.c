/* How long an entry serves a use. */
#include "keyring/ring.h"

#include <stdio.h>

enum { LEAD_MS = 5000 };

struct limits {
    int64_t ttl_ms;
    int64_t hard_ms;
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Between ttl and the hard maximum, as far as the pressure says. */
static int64_t stretched(const struct kw_keyring_entry *entry, int64_t ttl_ms, int64_t hard_ms)
{
    unsigned per_mille = atomic_load_explicit(entry->pressure, memory_order_relaxed);
    return ttl_ms + (hard_ms - ttl_ms) / 1000 * per_mille +
           (hard_ms - ttl_ms) % 1000 * per_mille / 1000;
}

/* The loader's own limit on the ttl is a promise to the key's owner, how soon a revocation is
 * obeyed: the load on our side does not stretch it. */
static struct limits limits_of(const struct kw_keyring_entry *entry,
                               const struct kw_keyring_age *age)
{
    const struct kw_keyring_facts *facts = &entry->facts;
    struct limits limits = {.ttl_ms = age->ttl_ms, .hard_ms = age->hard_ttl_ms};
    if (facts->held)
        limits = (struct limits){age->held_ms, age->held_ms};
    if (limits.hard_ms < limits.ttl_ms)
        limits.hard_ms = limits.ttl_ms;
    limits.ttl_ms = stretched(entry, limits.ttl_ms, limits.hard_ms);
    if (entry->keep_ms != 0 || facts->held)
        limits.hard_ms = least(limits.hard_ms, entry->keep_ms);
    if (facts->hard_ttl_max_ms != 0)
        limits.hard_ms = least(limits.hard_ms, facts->hard_ttl_max_ms);
    if (facts->ttl_max_ms != 0)
        limits.ttl_ms = least(limits.ttl_ms, facts->ttl_max_ms);
    limits.ttl_ms = least(limits.ttl_ms, limits.hard_ms);
    return limits;
}

enum kw_standing kw_keyring_stand(const struct kw_keyring_entry *entry,
                                  const struct kw_keyring_age *age, int64_t now_ms)
{
    int64_t age_ms = now_ms - entry->loaded_ms;
    struct limits limits = limits_of(entry, age);
    if (age_ms < limits.ttl_ms)
        return KW_STANDS;
    if (entry->failed == KW_OK || now_ms >= entry->retry_ms)
        return KW_WANTING;
    if (age_ms < limits.hard_ms)
        return KW_OUTLIVES;
    return entry->retry_ms == INT64_MAX ? KW_WANTING : KW_FAILED;
}

/* The last eighth, or where that is less than seconds, some seconds, but never more than half.
 * Early enough for a provider to answer, and late enough that keys that are used now and then, most
 * of any mix, are not loaded for nothing. */
static int64_t lead_ms(int64_t ttl_ms)
{
    int64_t seconds_ms = least(ttl_ms / 2, LEAD_MS);
    return ttl_ms / 8 > seconds_ms ? ttl_ms / 8 : seconds_ms;
}

bool kw_keyring_nearly_over(struct kw_keyring_entry *entry, const struct kw_keyring_age *age,
                            int64_t now_ms)
{
    if (now_ms < entry->tell_ms || entry->facts.held || entry->keep_ms != 0)
        return false;
    int64_t ttl_ms = limits_of(entry, age).ttl_ms;
    if (now_ms - entry->loaded_ms < ttl_ms - lead_ms(ttl_ms))
        return false;
    entry->tell_ms = INT64_MAX;
    return true;
}

/* 0 stands for none. */
static int64_t limit_or_none(int64_t ms)
{
    return ms != 0 ? ms : INT64_MAX;
}

void kw_keyring_entry_start(struct kw_keyring_entry *entry, const atomic_uint *pressure,
                            int64_t keep_ms, int64_t now_ms)
{
    const struct kw_keyring_facts *facts = &entry->facts;
    bool kept = keep_ms != 0 || facts->held;
    int64_t hard_ms = kept ? keep_ms : limit_or_none(facts->hard_ttl_max_ms);
    entry->pressure = pressure;
    entry->loaded_ms = now_ms;
    entry->keep_ms = keep_ms;
    entry->plain_ms = kept ? 0 : least(limit_or_none(facts->ttl_max_ms), hard_ms);
    entry->expires_ms = hard_ms == INT64_MAX ? INT64_MAX : now_ms + hard_ms;
}

/* ---- Pressure ---------------------------------------------------------------------------------
 */

void kw_ring_pressures_init(struct kw_pressures *pressures)
{
    pthread_mutex_init(&pressures->lock, NULL);
    for (size_t i = 0; i <= KW_RING_REGIONS; i++)
        atomic_init(&pressures->per_mille[i], 0);
}

void kw_ring_pressures_destroy(struct kw_pressures *pressures)
{
    pthread_mutex_destroy(&pressures->lock);
}

/* KW_RING_REGIONS if there is no room for one more. */
static size_t place_of(struct kw_pressures *pressures, const char *region)
{
    size_t i = 0;
    pthread_mutex_lock(&pressures->lock);
    while (i < pressures->count && strcmp(pressures->names[i], region) != 0)
        i++;
    if (i == pressures->count && i < KW_RING_REGIONS) {
        snprintf(pressures->names[i], sizeof pressures->names[i], "%s", region);
        pressures->count++;
    }
    pthread_mutex_unlock(&pressures->lock);
    return i;
}

const atomic_uint *kw_ring_pressure(struct kw_keyring *ring, const char *region)
{
    return &ring->pressures.per_mille[place_of(&ring->pressures, region)];
}

void kw_keyring_pressure(struct kw_keyring *ring, const char *region, unsigned per_mille)
{
    size_t place = place_of(&ring->pressures, region);
    if (place < KW_RING_REGIONS)
        atomic_store_explicit(&ring->pressures.per_mille[place],
                              per_mille < 1000 ? per_mille : 1000, memory_order_relaxed);
}

unsigned kw_ring_pressure_max(struct kw_keyring *ring)
{
    unsigned most = 0;
    for (size_t i = 0; i < KW_RING_REGIONS; i++) {
        unsigned one = atomic_load_explicit(&ring->pressures.per_mille[i], memory_order_relaxed);
        most = one > most ? one : most;
    }
    return most;
}
