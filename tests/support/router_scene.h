/* Providers with scripts, p0 to p7, to put into routers, and what a router is asked and tells.
 * Failures that should not be end the test that runs. */
#ifndef KW_TESTS_ROUTER_SCENE_H
#define KW_TESTS_ROUTER_SCENE_H

#include "provider_doubles.h"
#include "router/router.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { SCENE_PROVIDERS = 8, SCENE_TENANTS = 3, SCENE_COPIES = 8, SCENE_TEXT = 40 };

/* acme, globex, initech */
extern const char *const scene_tenants[SCENE_TENANTS];

/* What used() told, by provider. */
struct scene_uses {
    _Atomic uint64_t wraps, unwraps, failures, nano;
};

/* Copies as they were kept. */
struct scene_kept {
    char provider[SCENE_COPIES][SCENE_TEXT];
    char key[SCENE_COPIES][SCENE_TEXT];
    struct kw_buf blob[SCENE_COPIES];
    struct kw_router_copy copies[SCENE_COPIES];
    size_t count;
};

struct scene {
    struct kw_provider *providers[SCENE_PROVIDERS];
    struct kw_script scripts[SCENE_PROVIDERS];
    struct scene_uses uses[SCENE_PROVIDERS];
    char last_tenant[SCENE_TEXT]; /* of the use told last */
    char last_key[SCENE_TEXT];
    kw_code last_code;
    struct kw_router *router;   /* of scene_start: the one that scene_seal and scene_open ask, */
    struct kw_router_call call; /* how they ask it, */
    struct scene_kept kept;     /* and the copies that were made */
};

int scene_setup(void **state);
int scene_teardown(void **state);

extern _Thread_local struct kw_error scene_err;

#define ok(call)                                                                                   \
    do {                                                                                           \
        if ((call) != KW_OK)                                                                       \
            fail_msg("%s: %s", #call, scene_err.text);                                             \
    } while (0)

/* p<from> to p<to - 1>, each with the region's name as its key and 10 - i as its price. */
struct kw_router_region scene_region(struct scene *scene, const char *name, int from, int to);
/* A router that tells the scene its uses. options may be NULL; its regions are these. */
struct kw_router *scene_router(struct scene *scene, const struct kw_router_region *regions,
                               size_t count, const struct kw_router_options *options);

void scene_kept_wipe(struct scene_kept *kept);

/* A call with a context and ten seconds. */
struct kw_router_call scene_call(const char *region);
/* The same 32 bytes are wrapped, and accepted, each time. */
kw_code scene_wrap(struct kw_router *router, const struct kw_router_call *call,
                   struct scene_kept *kept, size_t *made);
kw_code scene_unwrap(struct kw_router *router, const struct kw_router_call *call,
                     const struct scene_kept *kept);

/* Most tests have one region, one call and one set of copies: a router over the region, and a call
 * to it. Both end with the test. */
void scene_start(struct scene *scene, const struct kw_router_region *region,
                 const struct kw_router_options *options);
/* The same over p0 to p<routes - 1> in eu, by the test's state. */
struct scene *scene_eu(void **state, int routes, const struct kw_router_options *options);
/* scene_wrap and scene_unwrap of what was started. made may be NULL. */
kw_code scene_seal(struct scene *scene, size_t *made);
kw_code scene_open(struct scene *scene);

/* Wraps and unwraps that the double has seen. */
uint64_t scene_calls(const struct scene *scene, int i);
/* Every call the doubles have seen was told to used(), and none else. */
void scene_uses_equal(const struct scene *scene);
/* Waits until so many calls are inside the provider. */
void scene_wait_inside(struct scene *scene, int i, uint64_t calls);

uint32_t scene_draw(uint32_t below);

#endif
