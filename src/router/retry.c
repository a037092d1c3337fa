/* Rounds: whether there is another, and what is told after the last. */
#include "router/internal.h"

#include "base/clock.h"
#include "crypto/random.h"

#include <time.h>

enum { PAUSE_MS = 20, PAUSE_MAX_MS = 500, PAUSE_DOUBLINGS = 5 };

void kw_round_failed(struct kw_round *round, const struct kw_error *why, bool asked)
{
    bool retryable = kw_code_retryable(why->code);
    if (round->tried++ == 0 || (retryable && !kw_code_retryable(round->worst.code)))
        round->worst = *why;
    if (asked && retryable)
        round->asked++;
    if (!asked && why->code == KW_PROVIDER_UNAVAILABLE)
        round->refused++;
}

/* Between half and all of the pause of this round, so that callers that failed together do not come
 * back together. */
static int64_t pause_ms(unsigned round)
{
    uint32_t draw = 0;
    int64_t most = (int64_t)PAUSE_MS << (round < PAUSE_DOUBLINGS ? round : PAUSE_DOUBLINGS);
    if (most > PAUSE_MAX_MS)
        most = PAUSE_MAX_MS;
    kw_random(&draw, sizeof draw);
    return most / 2 + (int64_t)draw % (most / 2 + 1);
}

bool kw_round_again(struct kw_round *round, int64_t deadline_ms)
{
    if (round->asked == 0)
        return false;
    int64_t ms = pause_ms(round->number);
    if (kw_clock_ms() + ms >= deadline_ms)
        return false;
    struct timespec rest = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&rest, NULL);
    *round = (struct kw_round){.number = round->number + 1, .last = round->worst};
    return true;
}

/* "aws-eu in 1.2 s, gcp-eu is being tried" */
static void list_due(const struct kw_choice *choice, char *text, size_t size)
{
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < choice->count && len < size; i++) {
        struct kw_breaker_view view = kw_breaker_look(choice->routes[i]->breaker);
        const char *name = kw_provider_name(choice->routes[i]->provider);
        const char *comma = i == 0 ? "" : ", ";
        int64_t tenths = (view.due_ms + 99) / 100;
        int made = tenths > 0
                       ? snprintf(text + len, size - len, "%s%s in %lld.%lld s", comma, name,
                                  (long long)tenths / 10, (long long)tenths % 10)
                       : snprintf(text + len, size - len, "%s%s is being tried", comma, name);
        len += made > 0 ? (size_t)made : 0;
    }
}

kw_code kw_round_tell(const struct kw_round *round, const struct kw_choice *choice,
                      struct kw_error *err)
{
    char due[160];
    const struct kw_error *worst = &round->worst;
    if (round->refused < round->tried)
        return kw_fail(err, worst->code, "%s", worst->text);
    list_due(choice, due, sizeof due);
    return kw_fail(err, KW_PROVIDER_UNAVAILABLE,
                   "no provider of region %s answers; next tries: %s%s%.120s", choice->region->name,
                   due, round->number > 0 ? "; the last said: " : "", round->last.text);
}
