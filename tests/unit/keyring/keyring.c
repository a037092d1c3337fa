/* The keyring: bounds, lifetimes, single flight, revocation against loads, derived keys, counters.
 */
#include "keyring/keyring.h"
#include "base/clock.h"

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
    struct kw_keyring *ring;
};

static struct source source;

static KW_ERR load(void *arg, struct kw_keyring_facts *facts, struct kw_secret *key,
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
    snprintf(facts->tenant, sizeof facts->tenant, "t%llu", (unsigned long long)facts->reference);
    snprintf(facts->region, sizeof facts->region, "eu");
    return KW_OK;
}

static void used(void *arg, const struct kw_keyring_facts *facts, uint64_t wraps, uint64_t unwraps)
{
    struct source *s = arg;
    KW_UNUSED(facts);
    atomic_fetch_add(&s->wraps, wraps);
    atomic_fetch_add(&s->unwraps, unwraps);
    atomic_fetch_add(&s->reports, 1);
}

static struct kw_keyring *open_ring(size_t bytes, int64_t ttl_ms, int64_t hard_ms)
{
    struct kw_keyring_options options = {.bytes_max = bytes,
                                         .ttl_ms = ttl_ms,
                                         .hard_ttl_ms = hard_ms,
                                         .load = load,
                                         .used = used,
                                         .arg = &source};
    struct kw_keyring *ring = NULL;
    memset(&source, 0, sizeof source);
    assert_int_equal(kw_keyring_new(&options, &ring, NULL), KW_OK);
    source.ring = ring;
    return ring;
}

static struct kw_keyring_entry *get(struct kw_keyring *ring, uint64_t reference, uint32_t version)
{
    struct kw_keyring_entry *entry = NULL;
    assert_int_equal(kw_keyring_get(ring, reference, version, &entry, NULL), KW_OK);
    assert_int_equal(kw_get_u64(kw_keyring_key(entry)), reference);
    assert_int_equal(kw_get_u32(kw_keyring_key(entry) + 8), version);
    return entry;
}

static unsigned load_number(const struct kw_keyring_entry *entry)
{
    return kw_get_u32(kw_keyring_key(entry) + 12);
}

static bool resident(struct kw_keyring *ring, uint64_t reference, uint32_t version)
{
    struct kw_keyring_entry *entry = kw_keyring_find(ring, reference, version);
    kw_keyring_release(ring, entry);
    return entry != NULL;
}

static void touch(struct kw_keyring *ring, uint64_t reference, uint32_t version)
{
    kw_keyring_release(ring, get(ring, reference, version));
}

static int reset(void **state)
{
    KW_UNUSED(state);
    kw_clock_test_offset(0);
    return 0;
}

static void test_loads_once(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    KW_UNUSED(state);
    assert_false(resident(ring, 7, 1));
    touch(ring, 7, 1);
    touch(ring, 7, 1);
    assert_true(resident(ring, 7, 1));
    assert_false(resident(ring, 7, 2));
    assert_int_equal(source.loads, 1);
    touch(ring, 7, 2);
    assert_int_equal(source.loads, 2);
    assert_int_equal(kw_keyring_stats(ring).entries, 2);
    assert_int_equal(kw_keyring_stats(ring).loads, 2);
    kw_keyring_free(ring);
}

static void test_failure_is_not_kept(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    struct kw_keyring_entry *entry = NULL;
    struct kw_error err;
    KW_UNUSED(state);
    source.fail_with = KW_TENANT_SUSPENDED;
    assert_int_equal(kw_keyring_get(ring, 7, 1, &entry, &err), KW_TENANT_SUSPENDED);
    assert_int_equal(err.code, KW_TENANT_SUSPENDED);
    assert_null(entry);
    source.fail_with = KW_OK;
    touch(ring, 7, 1);
    assert_int_equal(source.loads, 2);
    assert_int_equal(kw_keyring_stats(ring).load_failures, 1);
    kw_keyring_free(ring);
}

/* The least recently used leave, and the bytes stay under the bound. All in one shard (16 apart).
 */
static void test_bounded(void **state)
{
    size_t entry_bytes;
    struct kw_keyring *ring = open_ring(0, 0, 0);
    KW_UNUSED(state);
    touch(ring, 16, 1);
    entry_bytes = kw_keyring_stats(ring).bytes;
    kw_keyring_free(ring);

    ring = open_ring(16 * 4 * entry_bytes, 0, 0);
    for (uint64_t i = 1; i <= 4; i++)
        touch(ring, 16 * i, 1);
    touch(ring, 16, 1); /* the oldest is now 32 */
    touch(ring, 16 * 5, 1);
    assert_true(resident(ring, 16, 1));
    assert_false(resident(ring, 32, 1));
    assert_true(resident(ring, 80, 1));
    for (uint64_t i = 1; i <= 1000; i++)
        touch(ring, i, 1);
    assert_true(kw_keyring_stats(ring).bytes <= 16 * 4 * entry_bytes);
    assert_int_equal(kw_keyring_stats(ring).entries, 64);
    assert_true(kw_keyring_stats(ring).evictions >= 936);
    kw_keyring_free(ring);
}

static void test_ttl(void **state)
{
    struct kw_keyring *ring = open_ring(0, 1000, 0);
    KW_UNUSED(state);
    touch(ring, 7, 1);
    kw_clock_test_offset(999);
    assert_true(resident(ring, 7, 1));
    kw_clock_test_offset(1001);
    assert_false(resident(ring, 7, 1));
    touch(ring, 7, 1);
    assert_int_equal(source.loads, 2);
    assert_int_equal(kw_keyring_stats(ring).entries, 1);
    kw_keyring_free(ring);
}

/* Past the TTL a key serves on while its provider is away, until the hard TTL; a final refusal is
 * obeyed at once. */
static void test_hard_ttl(void **state)
{
    struct kw_keyring *ring = open_ring(0, 1000, 60000);
    struct kw_keyring_entry *entry = NULL;
    KW_UNUSED(state);
    touch(ring, 7, 1);
    source.fail_with = KW_PROVIDER_UNAVAILABLE;
    kw_clock_test_offset(30000);
    entry = get(ring, 7, 1);
    assert_int_equal(load_number(entry), 1);
    kw_keyring_release(ring, entry);
    source.fail_with = KW_KEY_SUSPENDED;
    kw_clock_test_offset(32000);
    assert_int_equal(kw_keyring_get(ring, 7, 1, &entry, NULL), KW_KEY_SUSPENDED);
    source.fail_with = KW_PROVIDER_UNAVAILABLE;
    kw_clock_test_offset(61000);
    assert_int_equal(kw_keyring_get(ring, 7, 1, &entry, NULL), KW_PROVIDER_UNAVAILABLE);
    kw_keyring_free(ring);
}

static void test_no_hard_ttl_no_grace(void **state)
{
    struct kw_keyring *ring = open_ring(0, 1000, 0);
    struct kw_keyring_entry *entry = NULL;
    KW_UNUSED(state);
    touch(ring, 7, 1);
    source.fail_with = KW_PROVIDER_UNAVAILABLE;
    kw_clock_test_offset(1001);
    assert_int_equal(kw_keyring_get(ring, 7, 1, &entry, NULL), KW_PROVIDER_UNAVAILABLE);
    kw_keyring_free(ring);
}

/* ---- Revocation -------------------------------------------------------------------------------
 */

static void test_drop(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    struct kw_keyring_entry *held = NULL, *other = NULL;
    KW_UNUSED(state);
    held = get(ring, 7, 1);
    other = get(ring, 23, 1); /* of the same shard */
    touch(ring, 7, 2);
    kw_keyring_drop(ring, 7, KW_TENANT_SUSPENDED);
    assert_int_equal(kw_keyring_refusal(held), KW_TENANT_SUSPENDED);
    assert_int_equal(kw_keyring_refusal(other), KW_OK);
    assert_false(resident(ring, 7, 1));
    assert_false(resident(ring, 7, 2));
    assert_true(resident(ring, 23, 1));
    kw_keyring_release(ring, held);
    held = get(ring, 7, 1);
    assert_int_equal(kw_keyring_refusal(held), KW_OK);
    kw_keyring_release(ring, held);
    kw_keyring_release(ring, other);
    kw_keyring_free(ring);
}

/* A rotation: the entry leaves, what was begun under it ends well; but a suspension that follows
 * still reaches it. */
static void test_drop_without_refusal(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    struct kw_keyring_entry *held = NULL;
    KW_UNUSED(state);
    held = get(ring, 7, 1);
    kw_keyring_drop(ring, 7, KW_OK);
    assert_false(resident(ring, 7, 1));
    assert_int_equal(kw_keyring_refusal(held), KW_OK);
    kw_keyring_drop(ring, 7, KW_TENANT_SUSPENDED);
    assert_int_equal(kw_keyring_refusal(held), KW_TENANT_SUSPENDED);
    kw_keyring_release(ring, held);
    kw_keyring_free(ring);
}

/* An entry that was evicted, replaced or has expired while somebody held it is revoked like any
 * other. */
static void test_drop_reaches_what_has_left(void **state)
{
    struct kw_keyring *ring = open_ring(1, 1000, 0); /* room for one entry a shard */
    struct kw_keyring_entry *evicted = NULL, *replaced = NULL, *expired = NULL;
    KW_UNUSED(state);
    evicted = get(ring, 16, 1);
    touch(ring, 32, 1);
    assert_false(resident(ring, 16, 1));
    replaced = get(ring, 17, 1);
    expired = get(ring, 18, 1);
    kw_clock_test_offset(2500);
    touch(ring, 17, 1);
    kw_keyring_collect(ring);
    assert_int_equal(kw_keyring_stats(ring).entries, 1); /* 17, loaded anew */
    kw_keyring_drop(ring, 16, KW_KEY_SUSPENDED);
    kw_keyring_drop(ring, 17, KW_KEY_PENDING);
    assert_int_equal(kw_keyring_refusal(evicted), KW_KEY_SUSPENDED);
    assert_int_equal(kw_keyring_refusal(replaced), KW_KEY_PENDING);
    assert_int_equal(kw_keyring_refusal(expired), KW_OK);
    kw_keyring_flush(ring);
    assert_int_equal(kw_keyring_refusal(expired), KW_UNAVAILABLE);
    kw_keyring_release(ring, evicted);
    kw_keyring_release(ring, replaced);
    kw_keyring_release(ring, expired);
    kw_keyring_free(ring);
}

struct getter {
    pthread_t thread;
    uint64_t reference;
    kw_code code;
    unsigned load_number;
    kw_code refusal;
};

static void *get_one(void *arg)
{
    struct getter *g = arg;
    struct kw_keyring_entry *entry = NULL;
    g->code = kw_keyring_get(source.ring, g->reference, 1, &entry, NULL);
    if (g->code != KW_OK)
        return NULL;
    g->load_number = load_number(entry);
    g->refusal = kw_keyring_refusal(entry);
    kw_keyring_release(source.ring, entry);
    return NULL;
}

static void start_at_gate(struct getter *g, uint64_t reference)
{
    unsigned before = atomic_load(&source.waiting);
    g->reference = reference;
    assert_int_equal(pthread_create(&g->thread, NULL, get_one, g), 0);
    while (atomic_load(&source.waiting) == before)
        usleep(100);
}

/* A load that began before a drop is done again; one of another key is left alone. */
static void test_drop_during_load(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    struct getter g = {.code = KW_INTERNAL}, other = {.code = KW_INTERNAL};
    KW_UNUSED(state);
    source.gate = true;
    start_at_gate(&g, 7);
    start_at_gate(&other, 23);
    kw_keyring_drop(ring, 7, KW_TENANT_SUSPENDED);
    source.gate = false;
    pthread_join(g.thread, NULL);
    pthread_join(other.thread, NULL);
    assert_int_equal(g.code, KW_OK);
    assert_int_equal(g.load_number, 3);
    assert_int_equal(g.refusal, KW_OK);
    assert_int_equal(other.load_number, 2);
    assert_int_equal(source.loads, 3);
    kw_keyring_free(ring);
}

/* Nor does a failure from before a drop reach anybody: who asks after a resumption is not told of
 * the suspension. */
static void test_stale_failure(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    struct getter g = {.code = KW_INTERNAL};
    KW_UNUSED(state);
    source.gate = true;
    source.fail_with = KW_TENANT_SUSPENDED;
    source.fail_once = true;
    start_at_gate(&g, 7);
    kw_keyring_drop(ring, 7, KW_OK); /* resumed */
    source.gate = false;
    pthread_join(g.thread, NULL);
    assert_int_equal(g.code, KW_OK);
    kw_keyring_free(ring);
}

enum { CROWD = 32 };

static void test_single_flight(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    struct getter crowd[CROWD] = {0};
    KW_UNUSED(state);
    source.gate = true;
    start_at_gate(&crowd[0], 7);
    for (size_t i = 1; i < CROWD; i++) {
        crowd[i].reference = 7;
        assert_int_equal(pthread_create(&crowd[i].thread, NULL, get_one, &crowd[i]), 0);
    }
    source.gate = false;
    for (size_t i = 0; i < CROWD; i++) {
        pthread_join(crowd[i].thread, NULL);
        assert_int_equal(crowd[i].code, KW_OK);
        assert_int_equal(crowd[i].load_number, 1);
    }
    assert_int_equal(source.loads, 1);
    kw_keyring_free(ring);
}

/* A shared failure is everybody's, and the ring is none the worse for it. */
static void test_single_flight_fails(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    struct getter crowd[CROWD] = {0};
    KW_UNUSED(state);
    source.gate = true;
    source.fail_with = KW_PROVIDER_UNAVAILABLE;
    start_at_gate(&crowd[0], 7);
    for (size_t i = 1; i < CROWD; i++) {
        crowd[i].reference = 7;
        assert_int_equal(pthread_create(&crowd[i].thread, NULL, get_one, &crowd[i]), 0);
    }
    source.gate = false;
    for (size_t i = 0; i < CROWD; i++) {
        pthread_join(crowd[i].thread, NULL);
        assert_int_equal(crowd[i].code, KW_PROVIDER_UNAVAILABLE);
    }
    source.fail_with = KW_OK;
    touch(ring, 7, 1);
    kw_keyring_free(ring);
}

/* ---- Derived keys, counters, hints ------------------------------------------------------------
 */

static unsigned derivations;

static KW_ERR derive(const struct kw_keyring_entry *entry, void *arg, struct kw_secret *out,
                     struct kw_error *err)
{
    KW_TRY(kw_secret_alloc(out, KW_KEYRING_KEY_SIZE, err));
    memcpy(out->data, kw_keyring_key(entry), KW_KEYRING_KEY_SIZE);
    out->data[31] = *(const uint8_t *)arg;
    derivations++;
    return KW_OK;
}

static KW_ERR derive_short(const struct kw_keyring_entry *entry, void *arg, struct kw_secret *out,
                           struct kw_error *err)
{
    KW_UNUSED(entry);
    KW_UNUSED(arg);
    return kw_secret_alloc(out, 16, err);
}

static void derived(struct kw_keyring_entry *entry, uint8_t tag, unsigned expected)
{
    uint8_t out[KW_KEYRING_KEY_SIZE];
    assert_int_equal(kw_keyring_derived(entry, tag, derive, &tag, out, NULL), KW_OK);
    assert_int_equal(out[31], tag);
    assert_int_equal(derivations, expected);
}

static void test_derived(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    struct kw_keyring_entry *entry = get(ring, 7, 1);
    uint8_t out[KW_KEYRING_KEY_SIZE];
    KW_UNUSED(state);
    derivations = 0;
    derived(entry, 1, 1);
    derived(entry, 1, 1);
    derived(entry, 2, 2);
    derived(entry, 3, 3);
    derived(entry, 1, 3);
    derived(entry, 4, 4); /* in the place of 1, the oldest */
    derived(entry, 2, 4);
    derived(entry, 1, 5);
    assert_int_equal(kw_keyring_derived(entry, 0, derive, NULL, out, NULL), KW_INTERNAL);
    assert_int_equal(kw_keyring_derived(entry, 9, derive_short, NULL, out, NULL), KW_INTERNAL);
    kw_keyring_release(ring, entry);
    kw_keyring_free(ring);
}

static void test_counters(void **state)
{
    struct kw_keyring *ring = open_ring(0, 1000, 0);
    struct kw_keyring_entry *entry = get(ring, 7, 1);
    KW_UNUSED(state);
    assert_int_equal(kw_keyring_count_wraps(entry, 3), 3);
    assert_int_equal(kw_keyring_count_wraps(entry, 2), 5);
    kw_keyring_count_unwraps(entry, 4);
    kw_keyring_collect(ring);
    assert_int_equal(source.wraps, 5);
    assert_int_equal(source.unwraps, 4);
    kw_keyring_collect(ring);
    assert_int_equal(source.reports, 1); /* nothing new, nothing said */
    kw_keyring_count_wraps(entry, 1);
    kw_keyring_drop(ring, 7, KW_KEY_SUSPENDED);
    assert_int_equal(source.wraps, 5);
    kw_keyring_count_wraps(entry, 1); /* after it has left */
    kw_keyring_release(ring, entry);
    assert_int_equal(source.wraps, 7);
    kw_keyring_free(ring);
}

/* Loaded anew, it goes on counting where it was: the store may not have been told yet. */
static void test_counters_carry_on(void **state)
{
    struct kw_keyring *ring = open_ring(0, 1000, 0);
    struct kw_keyring_entry *entry = get(ring, 7, 1);
    KW_UNUSED(state);
    kw_keyring_count_wraps(entry, 10);
    kw_keyring_release(ring, entry);
    kw_clock_test_offset(1500);
    entry = get(ring, 7, 1);
    assert_int_equal(load_number(entry), 2);
    assert_int_equal(kw_keyring_count_wraps(entry, 1), 11);
    kw_keyring_release(ring, entry);
    kw_keyring_free(ring);
    assert_int_equal(source.wraps, 11);
}

static void test_collect_lets_go(void **state)
{
    struct kw_keyring *ring = open_ring(0, 1000, 0);
    KW_UNUSED(state);
    for (uint64_t i = 1; i <= 100; i++)
        touch(ring, i, 1);
    kw_clock_test_offset(800);
    touch(ring, 5, 1);
    kw_clock_test_offset(1500);
    kw_keyring_collect(ring);
    assert_int_equal(kw_keyring_stats(ring).entries, 1);
    kw_keyring_flush(ring);
    assert_int_equal(kw_keyring_stats(ring).entries, 0);
    assert_int_equal(kw_keyring_stats(ring).bytes, 0);
    kw_keyring_free(ring);
}

static void test_hints(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    uint64_t reference = 0;
    uint32_t version = 0;
    KW_UNUSED(state);
    assert_false(kw_keyring_hint_get(ring, "acme", "eu", &reference, &version));
    kw_keyring_hint_put(ring, "acme", "eu", 7, 3);
    assert_true(kw_keyring_hint_get(ring, "acme", "eu", &reference, &version));
    assert_int_equal(reference, 7);
    assert_int_equal(version, 3);
    assert_false(kw_keyring_hint_get(ring, "acme", "us", &reference, &version));
    assert_false(kw_keyring_hint_get(ring, "acm", "eeu", &reference, &version));
    kw_keyring_hint_put(ring, "acme", "eu", 7, 4);
    assert_true(kw_keyring_hint_get(ring, "acme", "eu", &reference, &version));
    assert_int_equal(version, 4);
    kw_keyring_free(ring);
}

static KW_ERR load_short(void *arg, struct kw_keyring_facts *facts, struct kw_secret *key,
                         struct kw_error *err)
{
    KW_UNUSED(arg);
    KW_UNUSED(facts);
    return kw_secret_alloc(key, 16, err);
}

static void test_short_key_refused(void **state)
{
    struct kw_keyring_options options = {.load = load_short};
    struct kw_keyring *ring = NULL;
    struct kw_keyring_entry *entry = NULL;
    KW_UNUSED(state);
    assert_int_equal(kw_keyring_new(&options, &ring, NULL), KW_OK);
    assert_int_equal(kw_keyring_get(ring, 7, 1, &entry, NULL), KW_INTERNAL);
    kw_keyring_free(ring);
}

/* ---- All at once ------------------------------------------------------------------------------
 */

static atomic_bool stop;

static void *hammer(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    while (!atomic_load(&stop)) {
        struct kw_keyring_entry *entry = NULL;
        seed = seed * 1103515245U + 12345U;
        uint64_t reference = 1 + (seed >> 16) % 200;
        if (kw_keyring_get(source.ring, reference, 1, &entry, NULL) != KW_OK)
            continue;
        kw_keyring_count_wraps(entry, 1);
        kw_keyring_refusal(entry);
        kw_keyring_release(source.ring, entry);
    }
    return NULL;
}

static void test_hammer(void **state)
{
    struct kw_keyring *ring = open_ring(100 * 500, 5, 0);
    pthread_t threads[4];
    KW_UNUSED(state);
    stop = false;
    for (size_t i = 0; i < KW_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, (void *)(i + 1)), 0);
    for (uint64_t i = 0; i < 2000; i++) {
        kw_keyring_drop(ring, 1 + i % 200, i % 3 == 0 ? KW_OK : KW_KEY_SUSPENDED);
        if (i % 50 == 0)
            kw_keyring_collect(ring);
        if (i % 400 == 0)
            kw_keyring_flush(ring);
        usleep(50);
    }
    stop = true;
    for (size_t i = 0; i < KW_COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(kw_keyring_stats(ring).loads, source.loads);
    kw_keyring_flush(ring);
    assert_int_equal(kw_keyring_stats(ring).bytes, 0);
    kw_keyring_free(ring);
    assert_true(source.wraps > 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, reset)
    const struct CMUnitTest tests[] = {
        T(test_loads_once),
        T(test_failure_is_not_kept),
        T(test_bounded),
        T(test_ttl),
        T(test_hard_ttl),
        T(test_no_hard_ttl_no_grace),
        T(test_drop),
        T(test_drop_without_refusal),
        T(test_drop_reaches_what_has_left),
        T(test_drop_during_load),
        T(test_stale_failure),
        T(test_single_flight),
        T(test_single_flight_fails),
        T(test_derived),
        T(test_counters),
        T(test_counters_carry_on),
        T(test_collect_lets_go),
        T(test_hints),
        T(test_short_key_refused),
        T(test_hammer),
    };
    kw_secret_allow_unlocked();
    return cmocka_run_group_tests_name("keyring", tests, NULL, NULL);
}
