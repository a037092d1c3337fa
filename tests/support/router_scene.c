#include "router_scene.h"

#include "base/clock.h"
#include "crypto/random.h"

#include <pthread.h>
#include <unistd.h>

#define MATERIAL "0123456789abcdef0123456789abcdef"

enum { PATIENCE_MS = 10000 };

const char *const scene_tenants[SCENE_TENANTS] = {"acme", "globex", "initech"};
_Thread_local struct kw_error scene_err;

static pthread_mutex_t last_lock = PTHREAD_MUTEX_INITIALIZER;

int scene_setup(void **state)
{
    kw_clock_test_offset(0);
    struct scene *scene = calloc(1, sizeof *scene);
    for (int i = 0; i < SCENE_PROVIDERS; i++) {
        struct kw_provider *behind = NULL;
        char name[8];
        snprintf(name, sizeof name, "p%d", i);
        ok(kw_provider_test_new(name, (uint8_t)(i + 1), &behind, &scene_err));
        ok(kw_provider_scripted_new(name, behind, &scene->scripts[i], &scene->providers[i],
                                    &scene_err));
    }
    *state = scene;
    return 0;
}

int scene_teardown(void **state)
{
    struct scene *scene = *state;
    kw_router_free(scene->router);
    scene_kept_wipe(&scene->kept);
    for (int i = 0; i < SCENE_PROVIDERS; i++)
        kw_provider_free(scene->providers[i]);
    free(scene);
    kw_clock_test_offset(0);
    return 0;
}

struct kw_router_region scene_region(struct scene *scene, const char *name, int from, int to)
{
    struct kw_router_region region = {.name = name};
    for (int i = from; i < to; i++)
        region.routes[region.route_count++] = (struct kw_router_route){
            .provider = scene->providers[i], .key = name, .price_nano = (uint64_t)(10 - i)};
    return region;
}

static void used(void *arg, const struct kw_router_use *use)
{
    struct scene *scene = arg;
    struct scene_uses *uses = &scene->uses[use->provider[1] - '0'];
    if (use->act != KW_ROUTER_CHECK)
        atomic_fetch_add(use->act == KW_ROUTER_WRAP ? &uses->wraps : &uses->unwraps, 1);
    atomic_fetch_add(&uses->failures, use->code != KW_OK);
    atomic_fetch_add(&uses->nano, use->nano);
    pthread_mutex_lock(&last_lock);
    snprintf(scene->last_tenant, sizeof scene->last_tenant, "%s", use->tenant);
    snprintf(scene->last_key, sizeof scene->last_key, "%s", use->key);
    scene->last_code = use->code;
    pthread_mutex_unlock(&last_lock);
}

struct kw_router *scene_router(struct scene *scene, const struct kw_router_region *regions,
                               size_t count, const struct kw_router_options *options)
{
    struct kw_router *router = NULL;
    struct kw_router_options with = {.region_count = 0};
    if (options != NULL)
        with = *options;
    with.regions = regions;
    with.region_count = count;
    with.used = used;
    with.used_arg = scene;
    ok(kw_router_new(&with, &router, &scene_err));
    return router;
}

static const struct kw_provider_pair pairs[] = {{"tenant", "acme"}};

struct kw_router_call scene_call(const char *region)
{
    return (struct kw_router_call){.region = region,
                                   .context = pairs,
                                   .context_count = KW_COUNT(pairs),
                                   .deadline_ms = kw_clock_ms() + PATIENCE_MS};
}

static KW_ERR keep(void *arg, const struct kw_router_copy *copy, struct kw_error *err)
{
    struct scene_kept *kept = arg;
    size_t i = kept->count++;
    snprintf(kept->provider[i], sizeof kept->provider[i], "%s", copy->provider);
    snprintf(kept->key[i], sizeof kept->key[i], "%s", copy->provider_key);
    kw_buf_append(&kept->blob[i], copy->blob.data, copy->blob.len);
    kept->copies[i] = (struct kw_router_copy){.provider = kept->provider[i],
                                              .provider_key = kept->key[i],
                                              .blob = kw_buf_bytes(&kept->blob[i])};
    return kw_buf_status(&kept->blob[i], err);
}

void scene_kept_wipe(struct scene_kept *kept)
{
    for (size_t i = 0; i < kept->count; i++)
        kw_buf_wipe(&kept->blob[i]);
    kept->count = 0;
}

kw_code scene_wrap(struct kw_router *router, const struct kw_router_call *call,
                   struct scene_kept *kept, size_t *made)
{
    KW_AUTO(kw_secret) key = KW_SECRET_INIT;
    ok(kw_secret_copy(&key, MATERIAL, strlen(MATERIAL), &scene_err));
    struct kw_router_wrapping wrapping = {.plaintext = &key, .keep = keep, .arg = kept};
    return kw_router_wrap(router, call, &wrapping, made, &scene_err);
}

static KW_ERR accept_material(void *arg, const struct kw_secret *plaintext, struct kw_error *err)
{
    KW_UNUSED(arg);
    return plaintext->len == strlen(MATERIAL) &&
                   kw_equal_ct(plaintext->data, MATERIAL, strlen(MATERIAL))
               ? KW_OK
               : kw_fail_code(err, KW_COMMITMENT);
}

kw_code scene_unwrap(struct kw_router *router, const struct kw_router_call *call,
                     const struct scene_kept *kept)
{
    KW_AUTO(kw_secret) out = KW_SECRET_INIT;
    struct kw_error err;
    struct kw_router_unwrapping unwrapping = {
        .copies = kept->copies, .count = kept->count, .accept = accept_material};
    kw_code code = kw_router_unwrap(router, call, &unwrapping, &out, &err);
    if (code != KW_OK)
        scene_err = err;
    return code;
}

void scene_start(struct scene *scene, const struct kw_router_region *region,
                 const struct kw_router_options *options)
{
    scene->router = scene_router(scene, region, 1, options);
    scene->call = scene_call(region->name);
}

struct scene *scene_eu(void **state, int routes, const struct kw_router_options *options)
{
    struct scene *scene = *state;
    struct kw_router_region region = scene_region(scene, "eu", 0, routes);
    scene_start(scene, &region, options);
    return scene;
}

kw_code scene_seal(struct scene *scene, size_t *made)
{
    return scene_wrap(scene->router, &scene->call, &scene->kept, made);
}

kw_code scene_open(struct scene *scene)
{
    return scene_unwrap(scene->router, &scene->call, &scene->kept);
}

uint64_t scene_calls(const struct scene *scene, int i)
{
    return scene->scripts[i].wraps + scene->scripts[i].unwraps;
}

void scene_uses_equal(const struct scene *scene)
{
    for (int i = 0; i < SCENE_PROVIDERS; i++) {
        assert_int_equal(scene->uses[i].wraps, scene->scripts[i].wraps);
        assert_int_equal(scene->uses[i].unwraps, scene->scripts[i].unwraps);
    }
}

void scene_wait_inside(struct scene *scene, int i, uint64_t calls)
{
    for (int waited = 0; atomic_load(&scene->scripts[i].inside) != calls; waited++) {
        if (waited > 300000)
            fail_msg("%llu calls are inside p%d, not %llu",
                     (unsigned long long)scene->scripts[i].inside, i, (unsigned long long)calls);
        usleep(100);
    }
}

uint32_t scene_draw(uint32_t below)
{
    uint32_t value = 0;
    kw_random(&value, sizeof value);
    return value % below;
}
