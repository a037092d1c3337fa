#include "base/utf8.h"
#include "pki/internal.h"

#include <arpa/inet.h>

enum { DNS_NAME_MAX = 253, DNS_LABEL_MAX = 63, COMMON_NAME_MAX = 64 };

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z');
}

/* The length of the label at text, 0 if it is malformed. */
static size_t label_len(const char *text)
{
    size_t len = 0;

    while (is_alnum(text[len]) || text[len] == '-')
        len++;
    if (len > DNS_LABEL_MAX || (len > 0 && (text[0] == '-' || text[len - 1] == '-')))
        return 0;
    return len;
}

static bool is_dns_name(const char *host)
{
    const char *label = host;
    bool letters = false; /* in the last label: without one it is a mistyped address */
    size_t len;

    if (strlen(host) > DNS_NAME_MAX)
        return false;
    while ((len = label_len(label)) > 0) {
        letters = false;
        for (size_t i = 0; i < len; i++)
            letters |= !is_digit(label[i]);
        if (label[len] == 0)
            return letters;
        if (label[len] != '.')
            return false;
        label += len + 1;
    }
    return false;
}

KW_ERR kw_pki_host_check(const char *host, bool *is_address, struct kw_error *err)
{
    uint8_t address[16];

    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1) {
        *is_address = true;
        return KW_OK;
    }
    if (!is_dns_name(host))
        return kw_fail(err, KW_BAD_NAME, "'%.80s' is neither a DNS name nor an IP address", host);
    *is_address = false;
    return KW_OK;
}

static size_t span(const char *text, bool upper)
{
    size_t len = 0;

    while (is_lower(text[len]) || is_digit(text[len]) || text[len] == '.' || text[len] == '-' ||
           text[len] == '_' || (upper && text[len] >= 'A' && text[len] <= 'Z'))
        len++;
    return len;
}

/* "SPIFFE-ID" 2.1 and 2.2: the trust domain in lower case, path segments that are not empty and
 * mean no folder. */
static bool is_spiffe_path(const char *path)
{
    do {
        size_t len = span(++path, true);

        if (len == 0 || (len <= 2 && path[0] == '.' && path[len - 1] == '.'))
            return false;
        path += len;
    } while (*path == '/');
    return *path == 0;
}

KW_ERR kw_pki_spiffe_check(const char *id, struct kw_error *err)
{
    static const char scheme[] = "spiffe://";
    size_t start = sizeof scheme - 1;
    size_t len = 0;

    if (strncmp(id, scheme, start) == 0)
        len = span(id + start, false);
    if (len == 0 || id[start + len] != '/' || strlen(id) > KW_PKI_NAME_MAX ||
        !is_spiffe_path(id + start + len))
        return kw_fail(err, KW_BAD_NAME,
                       "'%.80s' is not a SPIFFE id such as spiffe://example.org/service", id);
    return KW_OK;
}

KW_ERR kw_pki_common_name_check(const char *name, struct kw_error *err)
{
    size_t len = name != NULL ? strlen(name) : 0;
    bool good = len > 0 && len <= COMMON_NAME_MAX && kw_utf8_valid(kw_bytes(name, len));

    for (size_t i = 0; good && i < len; i++)
        good = (uint8_t)name[i] >= 0x20 && name[i] != 0x7f;
    if (!good)
        return kw_fail(err, KW_BAD_NAME,
                       "a certificate's name has 1 to %d bytes of UTF-8 without control characters",
                       COMMON_NAME_MAX);
    return KW_OK;
}
