/* Prometheus text format 0.0.4: base units, bounded labels, never a key or a tenant. */
#include "server/internal.h"

#include "base/clock.h"

static const double bounds_s[KW_SERVER_BUCKETS - 1] = {
    .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10};

static const struct {
    const char *prefix;
    enum kw_server_route route;
} prefixes[] = {
    {"/v1/data-keys/", KW_ROUTE_DATA_KEYS},
    {"/v1/seal", KW_ROUTE_SEAL},
    {"/v1/open", KW_ROUTE_SEAL},
    {"/v1/ledger/", KW_ROUTE_LEDGER},
};

enum kw_server_route kw_server_route_of(const char *path)
{
    for (size_t i = 0; i < KW_COUNT(prefixes); i++)
        if (strncmp(path, prefixes[i].prefix, strlen(prefixes[i].prefix)) == 0)
            return prefixes[i].route;
    return KW_ROUTE_OTHER;
}

void kw_server_metrics_init(struct kw_server *server)
{
    static const char *const names[KW_ROUTES] = {"data_keys", "seal", "ledger", "other"};
    for (size_t i = 0; i < KW_ROUTES; i++)
        server->series[i].route = names[i];
}

void kw_server_measure(struct kw_server *server, enum kw_server_route route, int status, int64_t us)
{
    struct kw_server_series *series = &server->series[route];
    size_t bucket = 0;
    while (bucket < KW_SERVER_BUCKETS - 1 && (double)us > bounds_s[bucket] * 1e6)
        bucket++;
    atomic_fetch_add_explicit(&series->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&series->us_total, us > 0 ? (uint64_t)us : 0, memory_order_relaxed);
    size_t cls = (size_t)status / 100;
    atomic_fetch_add_explicit(&series->by_status[cls < 6 ? cls : 5], 1, memory_order_relaxed);
}

void kw_metric_head(struct kw_buf *out, const char *name, const char *type, const char *help)
{
    kw_buf_printf(out, "# HELP keyward_%s %s\n# TYPE keyward_%s %s\n", name, help, name, type);
}

void kw_metric_one(struct kw_buf *out, const char *name, const char *type, const char *help,
                   uint64_t value)
{
    kw_metric_head(out, name, type, help);
    kw_buf_printf(out, "keyward_%s %llu\n", name, (unsigned long long)value);
}

static void durations_of(struct kw_buf *out, struct kw_server_series *series)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < KW_SERVER_BUCKETS - 1; i++) {
        sum += atomic_load(&series->buckets[i]);
        kw_buf_printf(out,
                      "keyward_http_server_request_duration_seconds_bucket{route=\"%s\",le=\"%g\"} "
                      "%llu\n",
                      series->route, bounds_s[i], (unsigned long long)sum);
    }
    sum += atomic_load(&series->buckets[KW_SERVER_BUCKETS - 1]);
    kw_buf_printf(out,
                  "keyward_http_server_request_duration_seconds_bucket{route=\"%s\",le=\"+Inf\"} "
                  "%llu\n"
                  "keyward_http_server_request_duration_seconds_sum{route=\"%s\"} %.6f\n"
                  "keyward_http_server_request_duration_seconds_count{route=\"%s\"} %llu\n",
                  series->route, (unsigned long long)sum, series->route,
                  (double)atomic_load(&series->us_total) / 1e6, series->route,
                  (unsigned long long)sum);
}

static void requests(struct kw_server *server, struct kw_buf *out)
{
    kw_metric_head(out, "http_server_request_duration_seconds", "histogram",
                   "Time from a complete request to its answer.");
    for (size_t i = 0; i < KW_ROUTES; i++)
        durations_of(out, &server->series[i]);
    kw_metric_head(out, "http_server_responses_total", "counter",
                   "Answers by route and class of status.");
    for (size_t i = 0; i < KW_ROUTES; i++)
        for (size_t cls = 1; cls < 6; cls++)
            kw_buf_printf(
                out, "keyward_http_server_responses_total{route=\"%s\",status=\"%zuxx\"} %llu\n",
                server->series[i].route, cls,
                (unsigned long long)atomic_load(&server->series[i].by_status[cls]));
    kw_metric_one(out, "http_server_unauthenticated_total", "counter",
                  "Requests of unknown callers.", atomic_load(&server->unauthenticated));
    kw_metric_one(out, "http_server_rate_limited_total", "counter",
                  "Requests over a principal's rate.", atomic_load(&server->rate_limited));
    kw_metric_one(out, "log_lines_dropped_total", "counter",
                  "Log lines about refused callers not written.",
                  atomic_load(&server->log_dropped));
}

static void authority_part(struct kw_authority *authority, struct kw_buf *out)
{
    struct kw_authority_stats stats = kw_authority_stats(authority);
    kw_metric_head(out, "data_keys_total", "counter", "Data keys by operation.");
    kw_buf_printf(out,
                  "keyward_data_keys_total{operation=\"generate\"} %llu\n"
                  "keyward_data_keys_total{operation=\"unwrap\"} %llu\n"
                  "keyward_data_keys_total{operation=\"rewrap\"} %llu\n"
                  "keyward_data_keys_total{operation=\"refused\"} %llu\n",
                  (unsigned long long)stats.generated, (unsigned long long)stats.unwrapped,
                  (unsigned long long)stats.rewrapped, (unsigned long long)stats.refused);
    kw_metric_one(out, "messages_signed_total", "counter", "Messages signed by tenant keys.",
                  stats.signed_messages);
    kw_metric_one(out, "keys_rotated_total", "counter", "Tenant keys rotated.", stats.rotated_keys);
    kw_metric_one(out, "keys_destroyed_total", "counter", "Tenant keys destroyed.",
                  stats.destroyed_keys);
    kw_metric_one(out, "copies_lacking", "gauge",
                  "Copies of key versions that should be and are not.", stats.lacking_copies);
    kw_metric_one(out, "copies_repaired_total", "counter", "Copies that were made up for.",
                  stats.repaired_copies);
    kw_metric_one(out, "scheduler_failures_total", "counter",
                  "Rounds of the scheduler that failed.", stats.tick_failures);
}

static void keyring_part(struct kw_authority *authority, struct kw_buf *out)
{
    struct kw_keyring_stats ring = kw_authority_keyring_stats(authority);
    struct kw_secret_usage secret = kw_secret_usage();
    kw_metric_one(out, "keyring_entries", "gauge", "Key versions held unwrapped.", ring.entries);
    kw_metric_one(out, "keyring_bytes", "gauge", "Memory that they take.", ring.bytes);
    kw_metric_one(out, "keyring_hits_total", "counter", "Look-ups answered from memory.",
                  ring.hits);
    kw_metric_one(out, "keyring_misses_total", "counter", "Look-ups that were not.", ring.misses);
    kw_metric_one(out, "keyring_loads_total", "counter", "Versions unwrapped by a provider.",
                  ring.loads);
    kw_metric_one(out, "keyring_load_failures_total", "counter", "Loads that failed.",
                  ring.load_failures);
    kw_metric_one(out, "keyring_evictions_total", "counter", "Entries that made room.",
                  ring.evictions);
    kw_metric_one(out, "keyring_refreshes_total", "counter", "Loads ahead of time.",
                  ring.refreshes);
    kw_metric_one(out, "keyring_outlived_total", "counter",
                  "Uses of a key past its time, as its provider did not answer.", ring.outlived);
    kw_metric_one(out, "keyring_strict", "gauge", "1 while every use is validated by a provider.",
                  ring.strict_until_ms > kw_clock_ms());
    kw_metric_head(out, "keyring_pressure_ratio", "gauge",
                   "Trouble with providers, 0 to 1: keys are kept longer, the higher it is.");
    kw_buf_printf(out, "keyward_keyring_pressure_ratio %.3f\n", (double)ring.pressure / 1000);
    kw_metric_one(out, "secret_memory_bytes", "gauge", "Secret memory in use.", secret.used);
    kw_metric_one(out, "secret_memory_mapped_bytes", "gauge", "Secret memory mapped and locked.",
                  secret.mapped);
}

static void ledger_part(struct kw_authority *authority, struct kw_buf *out)
{
    struct kw_ledger_stats stats = kw_ledger_stats(kw_authority_ledger(authority));
    kw_metric_one(out, "ledger_size", "gauge", "Durable entries.", stats.size);
    kw_metric_one(out, "ledger_published_size", "gauge", "Entries under the checkpoint.",
                  stats.published_size);
    kw_metric_one(out, "ledger_commits_total", "counter", "Syncs of the write-ahead file.",
                  stats.commits);
    kw_metric_head(out, "ledger_commit_seconds_total", "counter", "Time spent in them.");
    kw_buf_printf(out, "keyward_ledger_commit_seconds_total %.6f\n",
                  (double)stats.commit_us_total / 1e6);
    kw_metric_head(out, "ledger_commit_seconds_max", "gauge", "The slowest.");
    kw_buf_printf(out, "keyward_ledger_commit_seconds_max %.6f\n",
                  (double)stats.commit_us_max / 1e6);
    kw_metric_one(out, "ledger_failures_total", "counter", "Batches refused or failed.",
                  stats.failures);
    kw_metric_one(out, "ledger_up", "gauge", "1 if the last write succeeded.",
                  stats.state == KW_OK);
}

/* Of the HTTP layer's figures, these say how much there is now; the others only grow. */
static bool is_gauge(const char *name)
{
    return strcmp(name, "open") == 0 || strcmp(name, "in_flight") == 0;
}

static void http_part(struct kw_server *server, struct kw_buf *out)
{
    struct kw_http_stats stats;
    kw_http_server_stats(server->http, &stats);
#define KW_X(name, help)                                                                           \
    kw_metric_one(out, is_gauge(#name) ? "http_" #name : "http_" #name "_total",                   \
                  is_gauge(#name) ? "gauge" : "counter", help, stats.name);
    KW_HTTP_STATS(KW_X)
#undef KW_X
}

void kw_server_metrics(struct kw_server *server, struct kw_buf *out)
{
    struct kw_authority *authority = kw_home_authority(server->options.home);
    kw_metric_head(out, "build_info", "gauge", "Version of this program.");
    kw_buf_printf(out, "keyward_build_info{version=\"%s\"} 1\n", KW_VERSION);
    requests(server, out);
    http_part(server, out);
    authority_part(authority, out);
    keyring_part(authority, out);
    kw_server_metrics_providers(authority, out);
    ledger_part(authority, out);
}
