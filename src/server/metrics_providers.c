/* Metrics of providers, a series for each that is configured in a region, and of what they cost. */
#include "server/internal.h"

#include "authority/cost.h"
#include "base/encode.h"

static void route_calls(void *arg, const struct kw_route_status *route)
{
    kw_buf_printf(
        arg,
        "keyward_provider_calls_total{region=\"%s\",provider=\"%s\",operation=\"wrap\"} "
        "%llu\n"
        "keyward_provider_calls_total{region=\"%s\",provider=\"%s\",operation=\"unwrap\"} "
        "%llu\n",
        route->region, route->provider, (unsigned long long)route->wraps, route->region,
        route->provider, (unsigned long long)route->unwraps);
}

static void route_failures(void *arg, const struct kw_route_status *route)
{
    kw_buf_printf(arg, "keyward_provider_failures_total{region=\"%s\",provider=\"%s\"} %llu\n",
                  route->region, route->provider, (unsigned long long)route->failures);
}

static void route_latency(void *arg, const struct kw_route_status *route)
{
    if (route->latency_us > 0)
        kw_buf_printf(arg, "keyward_provider_latency_seconds{region=\"%s\",provider=\"%s\"} %.6f\n",
                      route->region, route->provider, (double)route->latency_us / 1e6);
}

static void route_breaker(void *arg, const struct kw_route_status *route)
{
    static const enum kw_breaker_state states[] = {KW_BREAKER_CLOSED, KW_BREAKER_HALF_OPEN,
                                                   KW_BREAKER_OPEN};
    for (size_t i = 0; i < KW_COUNT(states); i++)
        kw_buf_printf(arg,
                      "keyward_provider_breaker{region=\"%s\",provider=\"%s\",state=\"%s\"} %d\n",
                      route->region, route->provider, kw_breaker_state_name(states[i]),
                      route->breaker == states[i]);
}

static void route_spent(void *arg, const struct kw_route_status *route)
{
    char amount[KW_NANO_TEXT_SIZE];
    kw_buf_printf(arg, "keyward_provider_spent_total{region=\"%s\",provider=\"%s\"} %s\n",
                  route->region, route->provider, kw_nano_text(route->spent_nano, amount));
}

static void provider_part(struct kw_authority *authority, struct kw_buf *out)
{
    static const struct {
        const char *name, *type, *help;
        void (*each)(void *arg, const struct kw_route_status *route);
    } series[] = {
        {"provider_calls_total", "counter", "Calls of providers.", route_calls},
        {"provider_failures_total", "counter", "Those that failed.", route_failures},
        {"provider_latency_seconds", "gauge", "Moving average of good calls.", route_latency},
        {"provider_breaker", "gauge", "1 for the state that it is in.", route_breaker},
        {"provider_spent_total", "counter", "Price of the calls, in the configured currency.",
         route_spent},
    };
    for (size_t i = 0; i < KW_COUNT(series); i++) {
        kw_metric_head(out, series[i].name, series[i].type, series[i].help);
        kw_router_each(kw_authority_router(authority), series[i].each, out);
    }
}

static void amount(struct kw_buf *out, const char *name, const char *help, uint64_t nano)
{
    char text[KW_NANO_TEXT_SIZE];
    kw_metric_head(out, name, "gauge", help);
    kw_buf_printf(out, "keyward_%s %s\n", name, kw_nano_text(nano, text));
}

static void cost_part(struct kw_authority *authority, struct kw_buf *out)
{
    struct kw_cost_sums sums = kw_authority_cost_sums(authority);
    amount(out, "month_spent", "Price of this month's provider calls, in the configured currency.",
           sums.spent_nano);
    amount(out, "month_saved", "What the calls that the keyring saved would have cost.",
           sums.saved_nano);
    if (sums.budget_nano != 0)
        amount(out, "month_budget", "The limit that is set.", sums.budget_nano);
    kw_metric_one(out, "month_provider_calls", "gauge", "Of this month.", sums.calls);
    kw_metric_one(out, "month_key_uses", "gauge",
                  "Of this month: without a keyring each is a call.", sums.uses);
    kw_metric_one(out, "budget_events_total", "counter", "Budget thresholds that were passed.",
                  kw_authority_stats(authority).budget_events);
}

void kw_server_metrics_providers(struct kw_authority *authority, struct kw_buf *out)
{
    provider_part(authority, out);
    cost_part(authority, out);
}
