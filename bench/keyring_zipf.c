/* What the keyring saves under a realistic tenant mix: calls of the loader (each is one call of a
 * provider) against uses (each would be one without a keyring).
 *
 * 10,000 tenants are used after Zipf's law, 1,000,000 uses from cold and 1,000,000 more, at a
 * steady rate on a simulated clock: kw_clock_ms() shows the time of the simulation and no other.
 * ttl 300 s, hard maximum 3,600 s. Three ways: "plain", ttl alone; "ahead", with loads ahead of
 * time, each done as soon as it is asked for; "adaptive", that and the pressure of the load, target
 * 100 calls a second, as the authority sets it once a second. One thread: time is not measured. */
#include "authority/pace.h"
#include "base/clock.h"

#include "zipf.h"

#include <inttypes.h>
#include <stdio.h>

enum { TENANTS = 10000, USES = 1000000, TTL_S = 300, HARD_S = 3600, CALLS_TARGET = 100 };
enum way { PLAIN, AHEAD, ADAPTIVE };
static const char *const way_names[] = {"plain", "ahead", "adaptive"};

struct simulation {
    enum way way;
    uint64_t per_second;
    struct kw_keyring *ring;
    struct zipf zipf;
    int64_t began_ms; /* of the real clock */
    uint64_t uses_so_far;
    uint64_t calls, calls_before; /* the latter: when pressure was last set */
    unsigned load;
    bool wanted; /* a load ahead of time */
};

static KW_ERR load(void *arg, struct kw_keyring_facts *facts, struct kw_secret *key,
                   struct kw_error *err)
{
    struct simulation *sim = arg;
    sim->calls++;
    KW_TRY(kw_secret_alloc(key, KW_KEYRING_KEY_SIZE, err));
    memset(key->data, 1, key->len);
    facts->current_version = facts->version;
    memcpy(facts->region, "eu", sizeof "eu");
    return KW_OK;
}

static void stale(void *arg, uint64_t reference, uint32_t version)
{
    struct simulation *sim = arg;
    KW_UNUSED(reference);
    KW_UNUSED(version);
    sim->wanted = true;
}

static void set_clock(const struct simulation *sim, int64_t simulated_ms)
{
    kw_clock_test_offset(0);
    kw_clock_test_offset(sim->began_ms + simulated_ms - kw_clock_ms());
}

static void set_pressure(struct simulation *sim)
{
    sim->load = kw_pace_load(sim->load, sim->calls - sim->calls_before, CALLS_TARGET, 1000);
    sim->calls_before = sim->calls;
    if (sim->way == ADAPTIVE)
        kw_keyring_pressure(sim->ring, "eu", sim->load);
    kw_keyring_collect(sim->ring);
}

static KW_ERR use(struct simulation *sim, struct kw_error *err)
{
    struct kw_keyring_entry *entry = NULL;
    uint64_t reference = zipf_next(&sim->zipf) + 1;
    uint64_t n = sim->uses_so_far++;
    if (n % (sim->per_second / 100) == 0)
        set_clock(sim, (int64_t)(n * 1000 / sim->per_second));
    if (n % sim->per_second == 0)
        set_pressure(sim);
    KW_TRY(kw_keyring_get(sim->ring, reference, 1, NULL, &entry, err));
    kw_keyring_release(sim->ring, entry);
    if (!sim->wanted)
        return KW_OK;
    sim->wanted = false;
    return kw_keyring_refresh(sim->ring, reference, 1, err);
}

static KW_ERR run_million(struct simulation *sim, const char *name, struct kw_error *err)
{
    uint64_t before = sim->calls;
    for (int i = 0; i < USES; i++)
        KW_TRY(use(sim, err));
    uint64_t calls = sim->calls - before;
    printf("%-9s %6" PRIu64 "/s  %-6s  uses %d  calls %6" PRIu64 "  saved %.2f%%\n",
           way_names[sim->way], sim->per_second, name, USES, calls,
           100.0 * (double)(USES - calls) / USES);
    return KW_OK;
}

static KW_ERR simulate(enum way way, uint64_t per_second, struct kw_error *err)
{
    struct simulation sim = {.way = way, .per_second = per_second};
    struct kw_keyring_options options = {
        .age = {.ttl_ms = TTL_S * 1000, .hard_ttl_ms = HARD_S * 1000},
        .load = load,
        .stale = way != PLAIN ? stale : NULL,
        .arg = &sim,
    };
    kw_clock_test_offset(0);
    sim.began_ms = kw_clock_ms();
    if (!zipf_init(&sim.zipf, TENANTS, 42))
        return kw_fail_code(err, KW_NO_MEMORY);
    kw_code code = kw_keyring_new(&options, &sim.ring, err);
    if (code == KW_OK)
        code = run_million(&sim, "cold", err);
    if (code == KW_OK)
        code = run_million(&sim, "warm", err);
    kw_keyring_free(sim.ring);
    zipf_wipe(&sim.zipf);
    return code;
}

int main(void)
{
    static const uint64_t rates[] = {1000, 3000, 10000};
    struct kw_error err;
    kw_secret_allow_unlocked();
    for (size_t i = 0; i < KW_COUNT(rates); i++)
        for (enum way way = PLAIN; way <= ADAPTIVE; way++)
            if (simulate(way, rates[i], &err) != KW_OK) {
                fprintf(stderr, "keyring_zipf: %s\n", err.text);
                return 1;
            }
    return 0;
}
