/* Addresses: what is accepted as one. */
#include "web/web.h"

#include <curl/curl.h>

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

/* The host of what kw_web_address has written. */
static bool is_local(const char *address)
{
    static const char *const hosts[] = {"localhost", "127.", "[::1]"};
    const char *host = strstr(address, "://") + 3;
    size_t len = strcspn(host, ":/");
    if (host[0] == '[')
        len = strcspn(host, "]") + 1;
    if (strncmp(host, hosts[1], 4) == 0)
        return strspn(host, "0123456789.") == len;
    return (len == strlen(hosts[0]) && strncasecmp(host, hosts[0], len) == 0) ||
           (len == strlen(hosts[2]) && strncmp(host, hosts[2], len) == 0);
}

KW_ERR kw_web_endpoint(const char *address, struct kw_buf *out, struct kw_error *err)
{
    KW_AUTO(kw_buf) whole = KW_BUF_INIT;
    KW_TRY(kw_web_address(address, true, true, &whole, err));
    if (strncmp(kw_buf_str(&whole), "http:", 5) == 0 && !is_local(kw_buf_str(&whole)))
        return bad_address(err, address, "is not https, and leaves this machine");
    kw_buf_append(out, whole.data, whole.len);
    return kw_buf_status(out, err);
}
