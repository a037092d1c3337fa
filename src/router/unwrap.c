/* Unwrapping: any of the copies, by the best route that has one. */
#include "router/internal.h"

static const struct kw_router_copy *copy_of(const struct kw_router_unwrapping *unwrapping,
                                            const struct kw_route *route)
{
    for (size_t i = 0; i < unwrapping->count; i++)
        if (strcmp(unwrapping->copies[i].provider, kw_provider_name(route->provider)) == 0)
            return &unwrapping->copies[i];
    return NULL;
}

static KW_ERR unwrap_one(struct kw_attempt *attempt, struct kw_bytes blob,
                         const struct kw_router_unwrapping *unwrapping, struct kw_secret *out,
                         struct kw_error *err)
{
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    KW_TRY(kw_attempt_unwrap(attempt, blob, &plaintext, err));
    KW_TRY(unwrapping->accept(unwrapping->arg, &plaintext, err));
    kw_secret_move(out, &plaintext);
    return KW_OK;
}

/* Once along the routes: true if one opened it. */
static bool try_all(const struct kw_choice *choice, const struct kw_router_call *call,
                    const struct kw_router_unwrapping *unwrapping, struct kw_secret *out,
                    struct kw_round *round)
{
    for (size_t i = 0; i < choice->count; i++) {
        struct kw_error why = {0};
        struct kw_attempt attempt = {.asked = false};
        struct kw_route *route = choice->routes[i];
        const struct kw_router_copy *copy = copy_of(unwrapping, route);
        if (copy == NULL)
            continue;
        kw_code code = kw_attempt_admit(route, call, copy->provider_key, &attempt, &why);
        if (code == KW_OK)
            code = unwrap_one(&attempt, copy->blob, unwrapping, out, &why);
        if (code == KW_OK)
            return true;
        kw_round_failed(round, &why, attempt.asked);
    }
    return false;
}

KW_ERR kw_router_unwrap(struct kw_router *router, const struct kw_router_call *call,
                        const struct kw_router_unwrapping *unwrapping, struct kw_secret *out,
                        struct kw_error *err)
{
    struct kw_choice choice;
    struct kw_round round = {.number = 0};
    do {
        KW_TRY(kw_router_choose(router, call, &choice, err)); /* health may have changed */
        if (try_all(&choice, call, unwrapping, out, &round))
            return KW_OK;
        if (round.tried == 0)
            return kw_fail(err, KW_REGION_WALL, "no provider of region %s has a copy of this key",
                           choice.region->name);
    } while (kw_round_again(&round, call->deadline_ms));
    return kw_round_tell(&round, &choice, err);
}
