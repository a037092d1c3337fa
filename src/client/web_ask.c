/* Trying again, and where: addresses and the patience for them. */
#include "base/clock.h"
#include "client/internal.h"
#include "client/web.h"
#include "crypto/random.h"

#include <curl/curl.h>
#include <errno.h>

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
                      struct kw_web_response *response, struct kw_error *err)
{
    kw_web_response_wipe(response);
    KW_TRY(kw_web_send(web, request, response, err));
    if (response->status >= 200 && response->status < 300)
        return KW_OK;
    return kw_answer_error(response->status, kw_buf_bytes(&response->body), err);
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

KW_ERR kw_web_ask(struct kw_web *web, const struct kw_web_request *request, bool repeatable,
                  struct kw_web_response *response, struct kw_error *err)
{
    struct kw_error last;
    for (unsigned tries = 0;; tries++) {
        kw_code code = one_try(web, request, response, &last);
        if (code == KW_OK)
            return KW_OK;
        int64_t wait = wait_ms(tries, response->retry_after_ms);
        if (!worth_another(code, repeatable, response, tries + 1) ||
            kw_clock_ms() + wait >= request->deadline_ms) {
            kw_web_response_wipe(response);
            return kw_fail(err, code, "%s", last.text);
        }
        sleep_ms(wait);
    }
}

/* ---- Addresses ---- */

static KW_ERR bad_address(struct kw_error *err, const char *address, const char *why)
{
    return kw_fail(err, KW_USAGE, "the address %.100s %s: it looks like https://host:8443", address,
                   why);
}

/* part is NULL where the URL has none. */
static char *part(CURLU *url, CURLUPart what)
{
    char *text = NULL;
    return curl_url_get(url, what, &text, 0) == CURLUE_OK ? text : NULL;
}

static KW_ERR check_parts(CURLU *url, const char *address, bool plain, struct kw_error *err)
{
    static const CURLUPart surplus[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY,
                                        CURLUPART_FRAGMENT};
    char *scheme = part(url, CURLUPART_SCHEME);
    bool fits =
        scheme != NULL && (strcmp(scheme, "https") == 0 || (plain && strcmp(scheme, "http") == 0));
    curl_free(scheme);
    if (!fits)
        return bad_address(err, address, "is not https");
    for (size_t i = 0; i < KW_COUNT(surplus); i++) {
        char *text = part(url, surplus[i]);
        bool there = text != NULL;
        curl_free(text);
        if (there) /* may hold a password, so it is not repeated */
            return kw_fail(err, KW_USAGE,
                           "an address has no user, password, query or fragment: it "
                           "looks like https://host:8443");
    }
    return KW_OK;
}

static KW_ERR write_parts(CURLU *url, const char *address, bool with_path, struct kw_buf *out,
                          struct kw_error *err)
{
    char *path = part(url, CURLUPART_PATH);
    size_t len = path != NULL ? strlen(path) : 0;
    while (len > 0 && path[len - 1] == '/')
        len--;
    kw_code code = len > 0 && !with_path ? bad_address(err, address, "has a path") : KW_OK;
    char *scheme = part(url, CURLUPART_SCHEME);
    char *host = part(url, CURLUPART_HOST);
    char *port = part(url, CURLUPART_PORT);
    if (code == KW_OK) {
        kw_buf_printf(out, "%s://%s", scheme != NULL ? scheme : "", host != NULL ? host : "");
        if (port != NULL)
            kw_buf_printf(out, ":%s", port);
        kw_buf_append(out, path, len);
        code = kw_buf_status(out, err);
    }
    curl_free(path);
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    return code;
}

KW_ERR kw_web_address(const char *address, bool plain, bool with_path, struct kw_buf *out,
                      struct kw_error *err)
{
    CURLU *url = curl_url();
    if (url == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    kw_code code = curl_url_set(url, CURLUPART_URL, address, 0) == CURLUE_OK
                       ? check_parts(url, address, plain, err)
                       : bad_address(err, address, "is not a URL");
    if (code == KW_OK)
        code = write_parts(url, address, with_path, out, err);
    curl_url_cleanup(url);
    return code;
}
