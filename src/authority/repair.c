/* Copies that are missing: a provider was down when a version was made, or has been added to the
 * region since, or works with another root key now. A search goes along the routes of all regions
 * and looks for versions that lack a copy there; it stops for a while after some repairs or some
 * time, and goes on where it was in the next round. */
#include "authority/change.h"

#include "base/clock.h"
#include "json/write.h"

enum {
    PAGE = 50,        /* versions read at a time */
    REPAIRS_MAX = 50, /* in one round */
    ROUND_MS = 500,   /* and no new one after so long */
    TARGETS_MAX = KW_ROUTER_REGIONS_MAX * KW_ROUTES_MAX,
    SOON_MS = 30000,   /* to the next search, while something is lacking: doubled each time */
    PERIOD_MS = 600000 /* otherwise */
};

/* ---- The routes -------------------------------------------------------------------------------
 */

struct targets {
    struct kw_route_status routes[TARGETS_MAX];
    size_t count;
};

static void keep_target(void *arg, const struct kw_route_status *route)
{
    struct targets *targets = arg;
    if (route->tenants == NULL && targets->count < TARGETS_MAX)
        targets->routes[targets->count++] = *route;
}

/* ---- One version ------------------------------------------------------------------------------
 */

struct repair {
    struct kw_authority *authority;
    const struct targets *targets;
    struct kw_key_row key;
    struct kw_version_row version;
    struct kw_fresh_version made;
    bool there[TARGETS_MAX]; /* which routes have a copy, under the root key that they have now */
};

static bool see_copy(void *arg, const struct kw_copy_row *copy)
{
    struct repair *repair = arg;
    for (size_t i = 0; i < repair->targets->count; i++) {
        const struct kw_route_status *route = &repair->targets->routes[i];
        if (strcmp(route->region, repair->key.region) == 0 &&
            strcmp(route->provider, copy->provider) == 0)
            repair->there[i] = strcmp(route->key, copy->provider_key) == 0;
    }
    return true;
}

static bool has_copy(void *arg, const char *provider)
{
    const struct repair *repair = arg;
    for (size_t i = 0; i < repair->targets->count; i++) {
        const struct kw_route_status *route = &repair->targets->routes[i];
        if (strcmp(route->region, repair->key.region) == 0 &&
            strcmp(route->provider, provider) == 0)
            return repair->there[i];
    }
    return false;
}

/* A key that may not be used is not unwrapped for this either, and what was sealed while it was
 * held stays with the customer. */
static bool may_repair(const struct kw_key_row *key, const struct kw_version_row *version)
{
    return kw_gate_key(key->tenant_state, key->state) == KW_OK &&
           kw_gate_version(version->state, false) == KW_OK && key->provider[0] == '\0' &&
           !kw_version_is_batch(version) &&
           (version->expires_ms == 0 || version->expires_ms > kw_clock_wall_ms());
}

static KW_ERR read_again(struct kw_change *change, struct repair *repair, struct kw_error *err)
{
    struct kw_store *store = change->authority->store;
    KW_TRY(kw_store_key_by_reference(store, repair->key.reference, &repair->key, err));
    KW_TRY(kw_store_version_get(store, repair->version.reference, repair->version.version,
                                &repair->version, err));
    if (!may_repair(&repair->key, &repair->version))
        return kw_fail(err, KW_STATE_CONFLICT, "the key has changed while it was being copied");
    return KW_OK;
}

/* What is held of the key is loaded anew: it says whether every copy is in hardware. */
static KW_ERR apply_repair(struct kw_change *change, struct kw_error *err)
{
    struct repair *repair = change->arg;
    KW_TRY(read_again(change, repair, err));
    KW_TRY(kw_version_put_copies(change->authority, &repair->made, err));
    change->reference = repair->version.reference;
    change->version = repair->version.version;
    kw_change_drop(change, change->reference);
    struct kw_json_writer w = kw_json_writer(&change->detail);
    kw_json_begin(&w, NULL, '{');
    kw_json_begin(&w, "providers", '[');
    for (size_t i = 0; i < repair->made.copy_count; i++)
        kw_json_str(&w, NULL, repair->made.copies[i].provider);
    kw_json_end(&w);
    kw_json_end(&w);
    return kw_buf_status(&change->detail, err);
}

static KW_ERR write_copies(struct repair *repair, struct kw_error *err)
{
    struct kw_change change = {.authority = repair->authority,
                               .caller = &kw_caller_system,
                               .operation = "RepairCopies",
                               .activity = KW_ACTIVITY_UPDATE,
                               .right = KW_RIGHT_MANAGE_KEYS,
                               .tenant = repair->key.tenant,
                               .region = repair->key.region,
                               .apply = apply_repair,
                               .arg = repair};
    KW_TRY(kw_change_run(&change, err));
    atomic_fetch_add(&repair->authority->repaired_copies, repair->made.copy_count);
    return KW_OK;
}

static KW_ERR make_copies(struct repair *repair, struct kw_error *err)
{
    struct kw_authority *authority = repair->authority;
    const struct kw_version_row *version = &repair->version;
    KW_AUTO(kw_secret) tenant_key = KW_SECRET_INIT;
    KW_TRY(kw_version_open(authority, &repair->key, version, &tenant_key, err));
    return kw_version_wrap(authority, &repair->key, version->version, &tenant_key, has_copy, repair,
                           &repair->made, err);
}

enum outcome {
    MENDED,  /* it has a copy by this route now */
    LEFT,    /* it has none, for reasons of its own */
    HOPELESS /* nor has another a chance: the route gives none, or nothing can be opened now */
};

static enum outcome outcome_of(const struct repair *repair, const struct kw_route_status *route)
{
    for (size_t i = 0; i < repair->made.copy_count; i++)
        if (strcmp(repair->made.copies[i].provider, route->provider) == 0)
            return MENDED;
    return HOPELESS;
}

/* What providers say is not the round's failure. */
static KW_ERR repair_version(struct repair *repair, const struct kw_route_status *route,
                             enum outcome *outcome, struct kw_error *err)
{
    struct kw_store *store = repair->authority->store;
    struct kw_error why = {0};
    *outcome = LEFT;
    KW_TRY(kw_store_key_by_reference(store, repair->version.reference, &repair->key, err));
    if (!may_repair(&repair->key, &repair->version))
        return KW_OK;
    KW_TRY(kw_store_copies(store, repair->version.reference, repair->version.version, see_copy,
                           repair, err));
    kw_code code = make_copies(repair, &why);
    if (kw_code_class(code) == KW_CLASS_INTERNAL)
        return kw_fail(err, code, "%s", why.text);
    if (code != KW_OK) {
        *outcome = kw_code_retryable(code) ? HOPELESS : LEFT;
        return KW_OK;
    }
    if (repair->made.copy_count > 0)
        code = write_copies(repair, &why);
    if (code != KW_OK && kw_code_class(code) != KW_CLASS_DENIED && code != KW_STATE_CONFLICT)
        return kw_fail(err, code, "%s", why.text);
    if (code == KW_OK)
        *outcome = outcome_of(repair, route);
    return KW_OK;
}

/* ---- The search -------------------------------------------------------------------------------
 */

struct page {
    struct kw_version_row rows[PAGE];
    size_t count;
};

static bool keep_version(void *arg, const struct kw_version_row *row)
{
    struct page *page = arg;
    page->rows[page->count++] = *row;
    return page->count < PAGE;
}

/* A route that gives no copy now is not asked for another: what it lacks is only counted. */
static KW_ERR visit(struct kw_authority *authority, const struct targets *targets,
                    const struct kw_version_row *version, struct kw_error *err)
{
    struct kw_repair *search = &authority->repair;
    enum outcome outcome = HOPELESS;
    kw_code code = KW_OK;
    search->place = (struct kw_store_place){version->reference, version->version};
    if (!search->hopeless) {
        struct repair repair = {.authority = authority, .targets = targets, .version = *version};
        code = repair_version(&repair, &targets->routes[search->route], &outcome, err);
        kw_fresh_version_wipe(&repair.made);
    }
    search->hopeless = outcome == HOPELESS;
    search->repairs += outcome == MENDED;
    search->lacking += outcome != MENDED;
    return code;
}

static KW_ERR visit_page(struct kw_authority *authority, const struct targets *targets,
                         int64_t until_ms, size_t *left, struct kw_error *err)
{
    struct kw_repair *search = &authority->repair;
    const struct kw_route_status *route = &targets->routes[search->route];
    struct kw_store_lack lack = {
        .region = route->region, .provider = route->provider, .provider_key = route->key};
    struct page page = {.count = 0};
    KW_TRY(kw_store_versions_lacking(authority->store, &lack, &search->place, PAGE, keep_version,
                                     &page, err));
    for (size_t i = 0; i<page.count && * left> 0; i++) {
        *left -= !search->hopeless;
        KW_TRY(visit(authority, targets, &page.rows[i], err));
        if (kw_clock_ms() >= until_ms || kw_scheduler_stopping(authority))
            *left = 0;
    }
    if (page.count<PAGE && * left> 0) {
        search->route++;
        search->place = (struct kw_store_place){0, 0};
        search->hopeless = false;
    }
    return KW_OK;
}

static void begin_search(struct kw_repair *search)
{
    search->place = (struct kw_store_place){0, 0};
    search->route = 0;
    search->lacking = search->repairs = 0;
    search->hopeless = false;
    search->searching = true;
}

/* The less comes of it the longer it rests. */
static void end_search(struct kw_authority *authority)
{
    struct kw_repair *search = &authority->repair;
    bool better = search->repairs > 0 || search->pause_ms == 0;
    search->pause_ms = better ? SOON_MS : 2 * search->pause_ms;
    if (search->lacking == 0 || search->pause_ms > PERIOD_MS)
        search->pause_ms = PERIOD_MS;
    search->ended_ms = kw_clock_ms();
    search->again_at_ms = search->ended_ms + search->pause_ms;
    search->searching = false;
    if (search->lacking == 0)
        search->pause_ms = 0;
    atomic_store(&authority->lacking_copies, search->lacking);
}

/* A version that was just made with too few copies is reason enough, if not every second. */
static bool is_time(struct kw_authority *authority, int64_t now_ms)
{
    struct kw_repair *search = &authority->repair;
    if (search->searching || now_ms >= search->again_at_ms)
        return true;
    return (search->ended_ms == 0 || now_ms >= search->ended_ms + SOON_MS) &&
           atomic_load(&authority->repair_wanted);
}

KW_ERR kw_copies_repair(struct kw_authority *authority, struct kw_error *err)
{
    struct kw_repair *search = &authority->repair;
    int64_t now_ms = kw_clock_ms();
    size_t left = REPAIRS_MAX;
    if (!is_time(authority, now_ms))
        return KW_OK;
    if (!search->searching) {
        atomic_store(&authority->repair_wanted, false);
        begin_search(search);
    }
    struct targets *targets = calloc(1, sizeof *targets);
    if (targets == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    kw_router_each(authority->router, keep_target, targets);
    kw_code code = KW_OK;
    while (code == KW_OK && left > 0 && search->route < targets->count)
        code = visit_page(authority, targets, now_ms + ROUND_MS, &left, err);
    if (code == KW_OK && search->route >= targets->count)
        end_search(authority);
    free(targets);
    return code;
}
