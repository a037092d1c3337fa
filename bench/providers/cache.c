/* What the keyring saves: provider calls of a mix of 10,000 tenants after Zipf's law, by uses one
 * at a time, 64 under way. "strict": every use is validated by a call, as without a keyring. The
 * times are the machine's: no clock is moved. A ttl of 5 s with 60 s under pressure is to the
 * 20 s that a run takes what 300 s and an hour are to 20 minutes. */
#include "bench.h"

#include "zipf.h"

enum { TENANTS = 10000, OUTSTANDING = 64, HANDS = 32, STRICT_SHARE = 50, SMALL_SHARE = 4 };

static size_t next(void *arg)
{
    return zipf_next(arg);
}

static void one_run(struct parts *parts, struct zipf *zipf, const char *name, uint64_t uses)
{
    struct drive_report report;
    struct drive drive = {.parts = parts,
                          .next = next,
                          .arg = zipf,
                          .uses = uses,
                          .outstanding = OUTSTANDING,
                          .hands = HANDS};
    drive_run(&drive, &report);
    report_print(name, uses, &report);
}

static void strictly(struct parts *parts, struct zipf *zipf, uint64_t uses)
{
    struct kw_error err;
    must(kw_authority_cache_strict(parts->authority, &bench_caller, NULL, 3600 * 1000, &err), &err);
    one_run(parts, zipf, "strict", uses / STRICT_SHARE);
    must(kw_authority_cache_strict(parts->authority, &bench_caller, NULL, 0, &err), &err);
    parts_flush(parts);
}

static size_t entry_bytes(struct parts *parts)
{
    struct kw_keyring_stats stats = kw_authority_keyring_stats(parts->authority);
    return (size_t)(stats.bytes / (stats.entries != 0 ? stats.entries : 1));
}

/* The same tenants under other options. */
static void again(struct parts *parts, struct zipf *zipf, const char *name,
                  const struct parts_options *options, uint64_t uses)
{
    parts_close(parts);
    parts_open(parts, options, false);
    one_run(parts, zipf, name, uses);
}

void measure_cache(const struct settings *settings)
{
    static struct parts parts;
    struct zipf zipf;
    struct parts_options usual = {0};
    struct parts_options plain = {.age = {.ttl_ms = 5000, .hard_ttl_ms = 5000}};
    struct parts_options brief = {.age = {.ttl_ms = 5000, .hard_ttl_ms = 60000}};
    if (!zipf_init(&zipf, TENANTS, 42))
        exit(1);
    folder_make(&parts, settings);
    parts_open(&parts, &usual, true);
    parts_fill(&parts, TENANTS, settings->delay_us);
    strictly(&parts, &zipf, settings->uses);
    one_run(&parts, &zipf, "cold", settings->uses);
    one_run(&parts, &zipf, "warm", settings->uses);
    struct parts_options small = {.keyring_bytes = entry_bytes(&parts) * TENANTS / 10};
    again(&parts, &zipf, "brief", &brief, settings->uses);
    one_run(&parts, &zipf, "brief_warm", settings->uses);
    again(&parts, &zipf, "plain", &plain, settings->uses);
    one_run(&parts, &zipf, "plain_warm", settings->uses);
    again(&parts, &zipf, "small", &small, settings->uses / SMALL_SHARE);
    one_run(&parts, &zipf, "small_warm", settings->uses / SMALL_SHARE);
    parts_close(&parts);
    parts_wipe(&parts);
    zipf_wipe(&zipf);
}
