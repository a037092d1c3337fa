/* What is looked at before it is known who is asking. */
#include "server/internal.h"

enum { LOG_LINES_A_SECOND = 10 };

KW_ERR kw_server_guard_new(struct kw_server *server, struct kw_error *err)
{
    return kw_rate_new(LOG_LINES_A_SECOND, 0, &server->log_rate, err);
}

/* "192.0.2.1:4711", "[2001:db8::1]:4711" without the port and the brackets. */
void kw_server_source(const char *remote, char out[KW_HTTP_REMOTE_SIZE])
{
    bool bracketed = remote[0] == '[';
    const char *end = strrchr(remote, bracketed ? ']' : ':');
    const char *start = remote + bracketed;
    size_t len = end != NULL ? (size_t)(end - start) : strlen(start);
    memcpy(out, start, len); /* remote has the same size */
    out[len] = '\0';
}

/* Whoever is not let in can still have lines written. From one address no more than a few a second,
 * so that it can neither fill the disk, on which the ledger lies, nor bury what others do. */
bool kw_server_may_log(struct kw_server *server, const char *remote)
{
    char source[KW_HTTP_REMOTE_SIZE];
    kw_server_source(remote, source);
    if (kw_rate_take(server->log_rate, kw_rate_key(source), 1))
        return true;
    atomic_fetch_add(&server->log_dropped, 1);
    return false;
}

static bool is_own_origin(const struct kw_http_request *req, const char *origin)
{
    static const char scheme[] = "https://";
    const char *host = kw_http_header(req, "host");
    return strncasecmp(origin, scheme, sizeof scheme - 1) == 0 && host != NULL &&
           strcasecmp(origin + sizeof scheme - 1, host) == 0;
}

/* A browser shows its user's certificate to whatever page asks for that, and sends a POST of plain
 * text from any site without asking anybody (Fetch, 4.10). Browsers say where a request comes from;
 * other programs send neither of these headers. */
KW_ERR kw_server_same_site(const struct kw_http_request *req, struct kw_error *err)
{
    const char *site = kw_http_header(req, "sec-fetch-site");
    const char *origin = kw_http_header(req, "origin");
    bool own = site != NULL ? strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0
                            : origin == NULL || is_own_origin(req, origin);
    return own ? KW_OK : kw_fail(err, KW_FORBIDDEN, "a page of another web site may not ask here");
}
