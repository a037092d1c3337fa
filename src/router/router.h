/* The router: which provider wraps and unwraps a tenant key, within its region's wall.
 *
 * A region lists routes: a provider and the root key there. Nothing is ever asked of a provider
 * that is not among them; failover only moves along the list. Among the routes of a region the
 * router picks by what the caller requires (an HSM), by health (a circuit breaker a provider), and
 * then as the region prefers: in the order of the list, by latency (moving average) or by price.
 *
 * Breaker: after a run of retryable failures a provider is open and asked no more for a while,
 * which grows with each further failure; then one call at a time probes it (half-open) until one
 * succeeds. Final answers (wrong context, disabled key) are no failures of the provider; nor is a
 * time-out of a caller that came with less than a quarter of an attempt's time. A provider has at
 * most 64 calls in flight; one more is refused at once (KW_RATE_LIMITED), so that a provider that
 * hangs does not take every caller.
 *
 * By latency: a moving average of good calls, half of which is believed after each half minute in
 * which the provider was not asked, so that one that was slow once is tried anew.
 *
 * Guests are providers of customers: not among a region's routes, but allowed for the keys of some
 * tenants there. A call that names a guest goes to it and nowhere else.
 *
 * The router is the one place where a provider's failure is tried again: at other routes at once,
 * and then, if at least one call was made and failed in a way that may pass, after a jittered pause
 * (20 ms, doubled up to 500 ms) all over, until the deadline. A region all of whose breakers are
 * open answers at once, and tells when which is tried next. Every call is counted, and priced, by
 * route, and told to used(). Thread-safe; calls block up to their deadline. */
#ifndef KW_ROUTER_ROUTER_H
#define KW_ROUTER_ROUTER_H

#include "provider/provider.h"

struct kw_router;

enum {
    KW_ROUTES_MAX = 8,
    KW_GUESTS_MAX = 1024,
    KW_ROUTER_REGIONS_MAX = 32,
    KW_ROUTER_REGION_SIZE = 17
};

enum kw_preference { KW_PREFER_ORDER, KW_PREFER_LATENCY, KW_PREFER_PRICE };

struct kw_router_route {
    struct kw_provider *provider; /* borrowed, outlives the router */
    const char *key;              /* the root key there; copied */
    bool hsm;                     /* keys do not leave hardware */
    uint64_t price_nano;          /* a call's price, in billionths of the currency unit */
};

/* A customer's provider. The keys there are named by each call. */
struct kw_router_guest {
    struct kw_provider *provider; /* borrowed, outlives the router */
    const char *key;              /* what may be wrapped under alone; NULL or "": any; copied */
    const char *tenants;          /* comma-separated: whose keys it may hold; copied */
    bool hsm;
    uint64_t price_nano;
};

struct kw_router_region {
    const char *name; /* copied */
    enum kw_preference preference;
    size_t copies_min; /* a wrap is good with this many copies; 0: 1 */
    bool hsm;          /* every call is as if it asked for hardware */
    size_t route_count;
    struct kw_router_route routes[KW_ROUTES_MAX];
    size_t guest_count;
    const struct kw_router_guest *guests; /* copied */
};

/* One call of a provider, as it ended. Texts are borrowed for the call of used(). */
enum kw_router_act { KW_ROUTER_WRAP = 1, KW_ROUTER_UNWRAP, KW_ROUTER_CHECK };
struct kw_router_use {
    const char *region, *tenant; /* tenant "": of none */
    const char *provider, *key;
    enum kw_router_act act;
    kw_code code;
    int64_t us;
    uint64_t nano;
};

struct kw_router_options {
    const struct kw_router_region *regions;
    size_t region_count;
    unsigned failures_to_open; /* 0: 3 */
    int64_t open_ms;           /* first pause; doubled up to open_max_ms; 0: 1,000 */
    int64_t attempt_ms;        /* a provider that has not answered by then has failed; 0: 3,000 */
    int64_t open_max_ms;       /* 0: 30,000 */
    /* May be NULL: told of every call that left for a provider; any thread, must not block. */
    void (*used)(void *arg, const struct kw_router_use *use);
    void *used_arg;
};

/* KW_BAD_CONFIG: a region twice, a route twice, no route, fewer routes than copies_min, a guest
 * that is a route, a region for hardware alone with a route that is not. */
KW_ERR kw_router_new(const struct kw_router_options *options, struct kw_router **out,
                     struct kw_error *err);
void kw_router_free(struct kw_router *router);
KW_CLEANUP_FREE(kw_router)

struct kw_router_call {
    const char *region;
    const struct kw_provider_pair *context;
    size_t context_count;
    bool hsm;              /* only routes whose keys stay in hardware */
    int64_t deadline_ms;   /* kw_clock_ms(); 0: none, and nothing is tried twice */
    const char *tenant;    /* whose key; NULL: nobody's */
    const char *guest;     /* the customer's provider that holds it; NULL: the region's own routes.
                              KW_REGION_WALL unless it is a guest of the region for this tenant,
                              and for wraps under another key than it is for */
    const char *guest_key; /* for wraps; a copy that is unwrapped names its own */
};

struct kw_router_copy {
    const char *provider; /* name, as configured */
    const char *provider_key;
    struct kw_bytes blob;
};

/* Wraps plaintext by every healthy route, side by side, and calls keep() for each copy, in this
 * thread; a failure of keep() ends it. Tried once more, only if fewer than copies_min were made.
 * KW_OK if copies_min were made, *made says how many; fewer than the region has routes is
 * under-replication, to be mended by a later call with skip. skip (may be NULL) tells which
 * providers have a copy already; they count. KW_REGION_WALL: no route fulfils what is required. */
typedef KW_ERR kw_router_keep(void *arg, const struct kw_router_copy *copy, struct kw_error *err);
struct kw_router_wrapping {
    const struct kw_secret *plaintext;
    kw_router_keep *keep;
    bool (*skip)(void *arg, const char *provider);
    void *arg;
};
KW_ERR kw_router_wrap(struct kw_router *router, const struct kw_router_call *call,
                      const struct kw_router_wrapping *wrapping, size_t *made,
                      struct kw_error *err);

/* Unwraps by any of the copies: the best route first, then the others. accept() judges what came
 * out (the pinned commitment); a refused one is as bad as a failure. Copies of providers that are
 * not in the region are not looked at. Where none opens, a retryable failure is the answer before a
 * final one; it is tried again, with jittered pauses, until the deadline. */
struct kw_router_unwrapping {
    const struct kw_router_copy *copies;
    size_t count;
    KW_ERR (*accept)(void *arg, const struct kw_secret *plaintext, struct kw_error *err);
    void *arg;
};
KW_ERR kw_router_unwrap(struct kw_router *router, const struct kw_router_call *call,
                        const struct kw_router_unwrapping *unwrapping, struct kw_secret *out,
                        struct kw_error *err);

/* Checks each provider of a region's own that was left alone and is due to be asked again, so that
 * one that is preferred comes back although others serve in its place. Blocks for an attempt's time
 * each at most: call it every second or so on a thread that may wait. A guest is found again by the
 * calls that need it. */
void kw_router_heal(struct kw_router *router);

enum kw_breaker_state { KW_BREAKER_CLOSED, KW_BREAKER_HALF_OPEN, KW_BREAKER_OPEN };
const char *kw_breaker_state_name(enum kw_breaker_state state);

struct kw_route_status {
    char region[KW_ROUTER_REGION_SIZE];
    const char *provider;
    const char *kind;
    const char *key; /* of a guest: the one that it is for, or "" */
    bool hsm;
    enum kw_breaker_state breaker;
    int64_t latency_us; /* moving average of good calls; 0: none yet */
    uint64_t wraps, unwraps, failures;
    uint64_t spent_nano, price_nano;
    const char *tenants; /* of a guest: for whom, with commas between, no spaces; NULL: a route of
                            the region's own */
};

/* Every route, region by region, in the order of the lists, then its guests. */
void kw_router_each(struct kw_router *router,
                    void (*each)(void *arg, const struct kw_route_status *status), void *arg);

/* How many routes a region has; 0: no such region. */
size_t kw_router_routes(const struct kw_router *router, const char *region);

/* Per mille of trouble in a region. 1000: every route is open, or has said within five seconds that
 * there are too many calls. Else the greater of: the share of routes that are so and would be
 * preferred to the best that is well; and 100 for each time that this one is slower than usual,
 * from twice on, to 900. 0: all is well, or there is no such region. */
unsigned kw_router_trouble(struct kw_router *router, const char *region);

/* Does a wrap under this root key count as kept in hardware? provider is a route or guest of the
 * region; false if it is neither. */
bool kw_router_in_hardware(struct kw_router *router, const char *region, const char *provider);

/* The provider of a route or guest of the region; NULL if it is neither. For checks by hand. */
struct kw_provider *kw_router_provider(struct kw_router *router, const char *region,
                                       const char *provider);

#endif
