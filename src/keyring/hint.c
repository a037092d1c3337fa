/* Where current versions were last found. */
#include "keyring/ring.h"

enum { HINTS = 1 << 14 };

KW_ERR kw_ring_hints_init(struct kw_keyring *ring, struct kw_error *err)
{
    ring->hints = calloc(HINTS, sizeof *ring->hints);
    return ring->hints != NULL ? KW_OK : kw_fail_code(err, KW_NO_MEMORY);
}

/* FNV-1a: spreads names; nobody gains by a collision but a slower look-up. */
static uint64_t name_hash(const char *tenant, const char *region)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (const char *part = tenant; part != NULL; part = part == tenant ? region : NULL) {
        for (const char *p = part; *p != '\0'; p++)
            hash = (hash ^ (uint8_t)*p) * 0x100000001b3U;
        hash = (hash ^ 0xff) * 0x100000001b3U;
    }
    return hash | 1;
}

bool kw_keyring_hint_get(struct kw_keyring *ring, const char *tenant, const char *region,
                         uint64_t *reference, uint32_t *version)
{
    uint64_t hash = name_hash(tenant, region);
    struct kw_hint *hint = &ring->hints[(hash >> 16) % HINTS];
    if (atomic_load_explicit(&hint->name_hash, memory_order_acquire) != hash)
        return false;
    *reference = atomic_load_explicit(&hint->reference, memory_order_relaxed);
    *version = (uint32_t)atomic_load_explicit(&hint->version, memory_order_relaxed);
    return true;
}

void kw_keyring_hint_put(struct kw_keyring *ring, const char *tenant, const char *region,
                         uint64_t reference, uint32_t version)
{
    uint64_t hash = name_hash(tenant, region);
    struct kw_hint *hint = &ring->hints[(hash >> 16) % HINTS];
    atomic_store_explicit(&hint->name_hash, 0, memory_order_relaxed);
    atomic_store_explicit(&hint->reference, reference, memory_order_relaxed);
    atomic_store_explicit(&hint->version, version, memory_order_relaxed);
    atomic_store_explicit(&hint->name_hash, hash, memory_order_release);
}
