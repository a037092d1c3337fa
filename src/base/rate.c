#include "base/rate.h"

#include "base/clock.h"

#include <pthread.h>

enum { SETS = 1024, WAYS = 8, LOCKS = 64 };

struct bucket {
    uint64_t key; /* 0: free */
    int64_t at_us;
    double units;
};

struct kw_rate {
    double per_us;
    double burst;
    pthread_mutex_t locks[LOCKS];
    struct bucket sets[SETS][WAYS];
};

KW_ERR kw_rate_new(uint32_t per_second, uint32_t burst, struct kw_rate **out, struct kw_error *err)
{
    if (per_second == 0)
        return kw_fail(err, KW_USAGE, "a rate limit is at least one a second");
    struct kw_rate *rate = calloc(1, sizeof *rate);
    if (rate == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    rate->per_us = per_second / 1e6;
    rate->burst = burst != 0 ? burst : 2.0 * per_second;
    for (int i = 0; i < LOCKS; i++)
        pthread_mutex_init(&rate->locks[i], NULL);
    *out = rate;
    return KW_OK;
}

void kw_rate_free(struct kw_rate *rate)
{
    if (rate == NULL)
        return;
    for (int i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&rate->locks[i]);
    free(rate);
}

uint64_t kw_rate_key(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (const char *p = name; *p != '\0'; p++)
        hash = (hash ^ (uint8_t)*p) * 0x100000001b3U;
    return hash | 1;
}

static void refill(const struct kw_rate *rate, struct bucket *bucket, int64_t now_us)
{
    double units = bucket->units + (double)(now_us - bucket->at_us) * rate->per_us;
    bucket->units = units < rate->burst ? units : rate->burst;
    bucket->at_us = now_us;
}

/* The key's bucket, or the place of the one that is nearest to full and so has least to remember.
 */
static struct bucket *bucket_of(const struct kw_rate *rate, struct bucket *set, uint64_t key,
                                int64_t now_us)
{
    struct bucket *best = &set[0];
    for (int i = 0; i < WAYS; i++) {
        if (set[i].key == 0)
            set[i].units = rate->burst;
        refill(rate, &set[i], now_us);
        if (set[i].key == key)
            return &set[i];
        if (set[i].units > best->units)
            best = &set[i];
    }
    *best = (struct bucket){.key = key, .at_us = now_us, .units = rate->burst};
    return best;
}

bool kw_rate_take(struct kw_rate *rate, uint64_t key, uint32_t cost)
{
    if (rate == NULL)
        return true;
    size_t set = (size_t)((key * 0x9e3779b97f4a7c15U) >> 32) % SETS;
    double wanted = cost < rate->burst ? cost : rate->burst;
    pthread_mutex_t *lock = &rate->locks[set % LOCKS];
    pthread_mutex_lock(lock);
    struct bucket *bucket = bucket_of(rate, rate->sets[set], key, kw_clock_us());
    bool granted = bucket->units >= wanted;
    if (granted)
        bucket->units -= wanted;
    pthread_mutex_unlock(lock);
    return granted;
}
