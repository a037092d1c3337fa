#include "client/log_url.h"

#include "base/clock.h"
#include "client/site.h"

enum { TIMEOUT_MS = 30000, CHECKPOINT_MAX = 65536 };

struct kw_log_url {
    struct kw_site site;
    struct kw_buf base; /* without a slash at the end */
    uint32_t timeout_ms;
};

void kw_log_url_free(struct kw_log_url *log)
{
    if (log == NULL)
        return;
    kw_site_wipe(&log->site);
    kw_buf_wipe(&log->base);
    free(log);
}

static KW_ERR fetch(void *arg, const char *path, size_t max, struct kw_buf *out,
                    struct kw_error *err)
{
    struct kw_log_url *log = arg;
    KW_AUTO(kw_buf) url = KW_BUF_INIT;
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    kw_buf_append(&url, log->base.data, log->base.len);
    kw_buf_append_byte(&url, '/');
    kw_buf_append_str(&url, path);
    KW_TRY(kw_buf_status(&url, err));
    struct kw_web_request request = {
        .method = "GET",
        .url = kw_buf_str(&url),
        .max = max,
        .deadline_ms = kw_clock_ms() + log->timeout_ms,
    };
    KW_TRY(kw_site_ask(&log->site, &request, true, &response, err));
    kw_buf_append(out, response.body.data, response.body.len);
    return kw_buf_status(out, err);
}

/* Is url at the address of one's own authority? Only then does it see who is asking. */
static bool is_own(const struct kw_buf *url, const char *address)
{
    KW_AUTO(kw_buf) own = KW_BUF_INIT;
    if (kw_web_address(address, false, false, &own, NULL) != KW_OK || url->len < own.len)
        return false;
    return memcmp(url->data, own.data, own.len) == 0 &&
           (url->len == own.len || url->data[own.len] == '/');
}

/* A server's address alone stands for the log that it serves. */
static KW_ERR find_checkpoint(struct kw_log_url *log, struct kw_error *err)
{
    static const char place[] = "/v1/ledger";
    KW_AUTO(kw_buf) checkpoint = KW_BUF_INIT;
    const uint8_t *host = memmem(log->base.data, log->base.len, "://", 3);
    size_t before = log->base.len;
    bool has_path = memchr(host + 3, '/', (size_t)(log->base.data + before - host) - 3) != NULL;
    if (!has_path) {
        kw_buf_append_str(&log->base, place);
        KW_TRY(kw_buf_status(&log->base, err));
        kw_code code = fetch(log, "checkpoint", CHECKPOINT_MAX, &checkpoint, err);
        if (code != KW_NOT_FOUND)
            return code;
        log->base.len = before;
    }
    return fetch(log, "checkpoint", CHECKPOINT_MAX, &checkpoint, err);
}

KW_ERR kw_log_url_open(const char *url, const struct kw_remote_options *access,
                       struct kw_log_url **out, struct kw_error *err)
{
    KW_AUTO_PTR(kw_log_url) log = calloc(1, sizeof *log);
    if (log == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    KW_TRY(kw_web_address(url, true, true, &log->base, err));
    bool own = is_own(&log->base, access->address != NULL ? access->address : KW_DEFAULT_ADDRESS);
    log->timeout_ms = access->timeout_ms != 0 ? access->timeout_ms : TIMEOUT_MS;
    KW_TRY(kw_site_init(&log->site, access, own, true, err));
    KW_TRY(find_checkpoint(log, err));
    *out = log;
    log = NULL;
    return KW_OK;
}

struct kw_tlog_source kw_log_url_source(struct kw_log_url *log)
{
    return (struct kw_tlog_source){.fetch = fetch, .arg = log};
}
