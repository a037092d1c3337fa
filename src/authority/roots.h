/* The providers of root keys, as an operator looks at them. Needs KW_RIGHT_READ; a check, which
 * makes calls, KW_RIGHT_MANAGE_KEYS. A caller of some tenants sees no provider of others' and no
 * sums, and checks only what serves those tenants alone. */
#ifndef KW_AUTHORITY_ROOTS_H
#define KW_AUTHORITY_ROOTS_H

#include "authority/authority.h"
#include "provider/probe.h"

/* One route or guest of a region. */
struct kw_root_status {
    struct kw_route_status route;
    uint64_t copies;                  /* of tenant key versions, in the store */
    uint64_t month_nano, month_calls; /* of this month, all tenants */
};
struct kw_root_report {
    struct kw_root_status *roots; /* region by region, in the order of the routes, then guests */
    size_t count;
    uint64_t lacking; /* copies that should be and are not, by the last search */
};
void kw_root_report_wipe(struct kw_root_report *report);
KW_CLEANUP_WIPE(kw_root_report)
/* with_copies: counts the copies in the store, which reads them all. */
KW_ERR kw_authority_roots(struct kw_authority *authority, const struct kw_caller *caller,
                          bool with_copies, struct kw_root_report *out, struct kw_error *err);

/* A round trip with a root key of a region's provider (provider/probe.h), recorded in the ledger as
 * CheckProvider. Its calls are not counted as costs. KW_REGION_WALL: the provider is none of this
 * region. KW_UNKNOWN_REGION; KW_NOT_FOUND, also for a provider of others' customers; KW_USAGE where
 * a key must be named. */
struct kw_root_check {
    const char *region; /* NULL: the first that has the provider */
    const char *provider;
    const char *key;      /* NULL: the route's */
    const char *disabled; /* a key that is switched off there; NULL: that step is left out */
    bool create;          /* make the key if it is not there */
};
KW_ERR kw_authority_root_check(struct kw_authority *authority, const struct kw_caller *caller,
                               const struct kw_root_check *check, struct kw_probe_report *out,
                               struct kw_error *err);

#endif
