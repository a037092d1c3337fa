/* Trying again. */
#include "base/clock.h"
#include "crypto/random.h"
#include "web/web.h"

#include <errno.h>
#include <time.h>

/* Waits grow from FIRST to LONGEST ms. A server that cannot be reached at all is given less time
 * than one that is busy: a wrong address should be noticed. */
enum { FIRST_MS = 50, LONGEST_MS = 2000, TRIES = 8, TRIES_TO_CONNECT = 4 };

/* Between half and all of the wait of this try, so that many clients do not come back at once. */
static int64_t wait_ms(unsigned try, int64_t asked_ms)
{
    uint32_t draw = 0;
    int64_t most = (int64_t)FIRST_MS << (try < 6 ? try : 6);
    if (most > LONGEST_MS)
        most = LONGEST_MS;
    kw_random(&draw, sizeof draw);
    int64_t wait = most / 2 + (int64_t)draw % (most / 2 + 1);
    return asked_ms > 0 ? asked_ms + wait : wait;
}

static void sleep_ms(int64_t ms)
{
    struct timespec rest = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR)
        ;
}

static KW_ERR one_try(struct kw_web *web, const struct kw_web_request *request,
                      const struct kw_web_policy *policy, struct kw_web_response *response,
                      struct kw_error *err)
{
    kw_web_response_wipe(response);
    KW_TRY(kw_web_send(web, request, response, err));
    if (response->status >= 200 && response->status < 300)
        return KW_OK;
    return policy->judge(response, err);
}

/* These are said before anything has been done. */
static bool refused_at_the_door(kw_code code)
{
    return code == KW_RATE_LIMITED || code == KW_OVERLOADED || code == KW_SHUTTING_DOWN;
}

static bool worth_another(kw_code code, bool repeatable, const struct kw_web_response *response,
                          unsigned tries)
{
    if (!kw_code_retryable(code) || tries >= (code == KW_CONNECT_FAILED ? TRIES_TO_CONNECT : TRIES))
        return false;
    return repeatable || !response->reached || refused_at_the_door(code);
}

KW_ERR kw_web_ask(struct kw_web *web, const struct kw_web_request *request,
                  const struct kw_web_policy *policy, struct kw_web_response *response,
                  struct kw_error *err)
{
    struct kw_error last;
    struct kw_web_request mine = *request;
    mine.once = !policy->repeatable;
    for (unsigned tries = 0;; tries++) {
        kw_code code = one_try(web, &mine, policy, response, &last);
        if (code == KW_OK)
            return KW_OK;
        int64_t wait = wait_ms(tries, response->retry_after_ms);
        if (!worth_another(code, policy->repeatable, response, tries + 1) ||
            kw_clock_ms() + wait >= request->deadline_ms) {
            kw_web_response_wipe(response);
            return kw_fail(err, code, "%s", last.text);
        }
        sleep_ms(wait);
    }
}
