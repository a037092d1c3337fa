/* A keyring over a loader that tests steer. Everything in here is of one test program. */
#ifndef KW_TESTS_KEYRING_SOURCE_H
#define KW_TESTS_KEYRING_SOURCE_H

#include "base/clock.h"
#include "keyring/keyring.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

#include <cmocka.h>

/* A loader that tests steer. The key's bytes tell reference, version and how many loads there
 * were. */
struct source {
    atomic_uint loads;
    atomic_int fail_with;
    atomic_bool fail_once; /* the load after a failing one does not */
    atomic_bool gate;      /* while closed (true), loads wait */
    atomic_uint waiting;   /* loads at the gate */
    atomic_ullong wraps, unwraps;
    atomic_uint reports;
    atomic_uint stales;            /* times that stale() was told */
    struct kw_keyring_facts facts; /* limits, hardware and held of what is loaded */
    struct kw_keyring *ring;
};

static struct source source;

static inline KW_ERR load(void *arg, struct kw_keyring_facts *facts, struct kw_secret *key,
                          struct kw_error *err)
{
    struct source *s = arg;
    unsigned n = atomic_fetch_add(&s->loads, 1) + 1;
    atomic_fetch_add(&s->waiting, 1);
    while (atomic_load(&s->gate))
        usleep(100);
    atomic_fetch_sub(&s->waiting, 1);
    int fail_with = atomic_load(&s->fail_with);
    if (atomic_load(&s->fail_once))
        atomic_store(&s->fail_with, KW_OK);
    if (fail_with != KW_OK)
        return kw_fail_code(err, (kw_code)fail_with);
    KW_TRY(kw_secret_alloc(key, KW_KEYRING_KEY_SIZE, err));
    kw_put_u64(key->data, facts->reference);
    kw_put_u32(key->data + 8, facts->version);
    kw_put_u32(key->data + 12, n);
    facts->current_version = facts->version;
    facts->ttl_max_ms = s->facts.ttl_max_ms;
    facts->hard_ttl_max_ms = s->facts.hard_ttl_max_ms;
    facts->held = s->facts.held;
    snprintf(facts->tenant, sizeof facts->tenant, "t%llu", (unsigned long long)facts->reference);
    snprintf(facts->region, sizeof facts->region, "eu");
    return KW_OK;
}

static inline void used(void *arg, const struct kw_keyring_facts *facts, uint64_t wraps,
                        uint64_t unwraps)
{
    struct source *s = arg;
    KW_UNUSED(facts);
    atomic_fetch_add(&s->wraps, wraps);
    atomic_fetch_add(&s->unwraps, unwraps);
    atomic_fetch_add(&s->reports, 1);
}

static inline void stale(void *arg, uint64_t reference, uint32_t version)
{
    struct source *s = arg;
    KW_UNUSED(reference);
    KW_UNUSED(version);
    atomic_fetch_add(&s->stales, 1);
}

static inline struct kw_keyring *open_ring(size_t bytes, int64_t ttl_ms, int64_t hard_ms)
{
    struct kw_keyring_options options = {.bytes_max = bytes,
                                         .age = {.ttl_ms = ttl_ms, .hard_ttl_ms = hard_ms},
                                         .load = load,
                                         .used = used,
                                         .stale = stale,
                                         .arg = &source};
    struct kw_keyring *ring = NULL;
    memset(&source, 0, sizeof source);
    assert_int_equal(kw_keyring_new(&options, &ring, NULL), KW_OK);
    source.ring = ring;
    return ring;
}

static inline struct kw_keyring_entry *get(struct kw_keyring *ring, uint64_t reference,
                                           uint32_t version)
{
    struct kw_keyring_entry *entry = NULL;
    assert_int_equal(kw_keyring_get(ring, reference, version, NULL, &entry, NULL), KW_OK);
    assert_int_equal(kw_get_u64(kw_keyring_key(entry)), reference);
    assert_int_equal(kw_get_u32(kw_keyring_key(entry) + 8), version);
    return entry;
}

static inline unsigned load_number(const struct kw_keyring_entry *entry)
{
    return kw_get_u32(kw_keyring_key(entry) + 12);
}

static inline bool serves(struct kw_keyring *ring, uint64_t reference,
                          const struct kw_keyring_age *age)
{
    struct kw_keyring_entry *entry = kw_keyring_find(ring, reference, 1, age);
    kw_keyring_release(ring, entry);
    return entry != NULL;
}

/* The code of a get, which is let go at once. */
static inline kw_code get_code(struct kw_keyring *ring, uint64_t reference,
                               const struct kw_keyring_age *age)
{
    struct kw_keyring_entry *entry = NULL;
    kw_code code = kw_keyring_get(ring, reference, 1, age, &entry, NULL);
    kw_keyring_release(ring, entry);
    return code;
}

static inline bool resident(struct kw_keyring *ring, uint64_t reference, uint32_t version)
{
    struct kw_keyring_entry *entry = kw_keyring_find(ring, reference, version, NULL);
    kw_keyring_release(ring, entry);
    return entry != NULL;
}

static inline void touch(struct kw_keyring *ring, uint64_t reference, uint32_t version)
{
    kw_keyring_release(ring, get(ring, reference, version));
}

/* A caller on a thread of its own. */
struct getter {
    pthread_t thread;
    uint64_t reference;
    const struct kw_keyring_age *age; /* NULL: the ring's */
    kw_code code;
    unsigned load_number;
    kw_code refusal;
};

static inline void *get_one(void *arg)
{
    struct getter *g = arg;
    struct kw_keyring_entry *entry = NULL;
    g->code = kw_keyring_get(source.ring, g->reference, 1, g->age, &entry, NULL);
    if (g->code != KW_OK)
        return NULL;
    g->load_number = load_number(entry);
    g->refusal = kw_keyring_refusal(entry);
    kw_keyring_release(source.ring, entry);
    return NULL;
}

static inline void start_at_gate(struct getter *g, uint64_t reference)
{
    unsigned before = atomic_load(&source.waiting);
    g->reference = reference;
    assert_int_equal(pthread_create(&g->thread, NULL, get_one, g), 0);
    while (atomic_load(&source.waiting) == before)
        usleep(100);
}

/* Two callers of one version must be told apart by something else than the gate. */
static inline void start_waiting(struct getter *g, uint64_t reference)
{
    uint64_t before = kw_keyring_stats(source.ring).misses;
    g->reference = reference;
    assert_int_equal(pthread_create(&g->thread, NULL, get_one, g), 0);
    while (kw_keyring_stats(source.ring).misses == before)
        usleep(100);
}

static inline int reset(void **state)
{
    KW_UNUSED(state);
    kw_clock_test_offset(0);
    return 0;
}

#endif
