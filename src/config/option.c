#include "config/option.h"

#define SECOND UINT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define KIB    UINT64_C(1024)
#define MIB    (1024 * KIB)
#define GIB    (1024 * MIB)

static const struct kw_option options[] = {
    {"classes", KW_OPTION_LIST, "", false, 0, 0, NULL,
     "Names of data classes besides the built-in default, pii, financial, health and secret."},
    {"data", KW_OPTION_PATH, "", false, 0, 0, NULL,
     "The data folder: database, ledger, certificates and root key."},
    {"destruction.window_days", KW_OPTION_NUMBER, "7", false, 7, 90, NULL,
     "Days between the scheduling of a key's destruction and the destruction, during which it can "
     "be cancelled, where the request names none."},
    {"keyring.bytes", KW_OPTION_SIZE, "64MiB", false, MIB, 64 * GIB, NULL,
     "Memory for unwrapped tenant keys. When it is full, those used least recently leave."},
    {"keyring.hard_ttl", KW_OPTION_DURATION, "", false, 0, 7 * DAY, NULL,
     "How long an unwrapped tenant key may still be used while its providers do not answer; at "
     "least "
     "keyring.ttl. Not set: keyring.ttl."},
    {"keyring.ttl", KW_OPTION_DURATION, "300s", false, SECOND, DAY, NULL,
     "How long an unwrapped tenant key is used before it is unwrapped anew by its provider."},
    {"ledger.append_deadline", KW_OPTION_DURATION, "5s", false, 100, HOUR, NULL,
     "A request whose ledger entry is not on disk by then fails and releases no key."},
    {"ledger.publish_interval", KW_OPTION_DURATION, "1s", false, 50, HOUR, NULL,
     "How often a checkpoint over the newest entries is signed and published."},
    {"log.level", KW_OPTION_CHOICE, "info", false, 0, 0, "debug,info,warn,error",
     "The least severity that is written to the log."},
    {"memory.allow_unlocked", KW_OPTION_BOOL, "false", false, 0, 1, NULL,
     "Lets the program run where memory for secrets cannot be locked into RAM. Keys may then reach "
     "the "
     "swap space."},
    {"region.*.copies_min", KW_OPTION_NUMBER, "1", false, 1, 8, NULL,
     "How many providers of the region must wrap a new key version, at least."},
    {"region.*.providers", KW_OPTION_LIST, "software", false, 0, 0, NULL,
     "The providers that may hold the region's keys, in order of preference. Its keys never go "
     "elsewhere."},
    {"regions", KW_OPTION_LIST, "eu,us", false, 0, 0, NULL, "The jurisdictions of this authority."},
    {"server.address", KW_OPTION_ADDRESS, "127.0.0.1:8443", false, 0, 0, NULL,
     "Where the server listens: an IP address or localhost, and a port. Port 0: any that is free."},
    {"server.client_ca", KW_OPTION_PATH, "", false, 0, 0, NULL,
     "PEM file of the authorities whose client certificates are accepted. Not set: the data "
     "folder's "
     "own."},
    {"server.drain_timeout", KW_OPTION_DURATION, "10s", false, 0, HOUR, NULL,
     "How long requests under way may take to end when the server stops."},
    {"server.header_timeout", KW_OPTION_DURATION, "10s", false, 100, HOUR, NULL,
     "From the first byte of a request to the end of its header."},
    {"server.idle_timeout", KW_OPTION_DURATION, "60s", false, 100, DAY, NULL,
     "A connection without a request is closed after this time."},
    {"server.max_body", KW_OPTION_SIZE, "1MiB", false, KIB, 64 * MIB, NULL,
     "The largest request body that is read."},
    {"server.max_connections", KW_OPTION_NUMBER, "10000", false, 1, 1000000, NULL,
     "Connections at one time, over all workers; more are closed at once."},
    {"server.rate_principal", KW_OPTION_NUMBER, "0", false, 0, 10000000, NULL,
     "Requests a second that one principal may make. 0: no limit."},
    {"server.rate_tenant", KW_OPTION_NUMBER, "0", false, 0, 10000000, NULL,
     "Requests a second that may concern one tenant. 0: no limit."},
    {"server.request_timeout", KW_OPTION_DURATION, "30s", false, 100, HOUR, NULL,
     "From the first byte of a request to its last."},
    {"server.tls_cert", KW_OPTION_PATH, "", false, 0, 0, NULL,
     "PEM file of the server's certificate chain. Not set: the data folder's own. The file is read "
     "anew "
     "on reload."},
    {"server.tls_key", KW_OPTION_PATH, "", false, 0, 0, NULL,
     "PEM file of the certificate's private key. Set together with server.tls_cert."},
    {"server.trust_domain", KW_OPTION_TEXT, "", false, 0, 0, NULL,
     "The trust domain of the SPIFFE ids in client certificates. Not set: the data folder's own."},
    {"server.workers", KW_OPTION_NUMBER, "0", false, 0, 1024, NULL,
     "Worker threads. 0: one for each processor."},
};

const struct kw_option *kw_options(size_t *count)
{
    *count = KW_COUNT(options);
    return options;
}

/* Does name have the pattern's form? "*" is any text but the empty one, without a dot. */
static bool matches(const char *pattern, const char *name)
{
    const char *star = strchr(pattern, '*');
    if (star == NULL)
        return strcmp(pattern, name) == 0;
    size_t before = (size_t)(star - pattern);
    if (strncmp(pattern, name, before) != 0)
        return false;
    size_t middle = strcspn(name + before, ".");
    return middle > 0 && strcmp(name + before + middle, star + 1) == 0;
}

const struct kw_option *kw_option_find(const char *name)
{
    for (size_t i = 0; i < KW_COUNT(options); i++)
        if (matches(options[i].name, name) && strchr(name, '*') == NULL)
            return &options[i];
    return NULL;
}

enum { NAME_MAX_LEN = 64, NEAR = 4 };

/* Insertions, deletions and replacements that make a of b (Levenshtein); texts up to NAME_MAX_LEN.
 */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[NAME_MAX_LEN + 1];
    size_t len = strlen(b);
    for (unsigned j = 0; j <= len; j++)
        row[j] = j;
    for (unsigned i = 1; a[i - 1] != '\0'; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= len; j++) {
            unsigned replaced = diagonal + (a[i - 1] != b[j - 1]);
            unsigned least = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = least < replaced ? least : replaced;
        }
    }
    return row[len];
}

/* A name that only lacks its section is near too. */
static unsigned difference(const char *wrong, const char *name)
{
    const char *last = strrchr(name, '.');
    if (last != NULL && strcmp(last + 1, wrong) == 0)
        return 1;
    return distance(wrong, name);
}

const char *kw_option_nearest(const char *name)
{
    const char *nearest = NULL;
    unsigned least = NEAR;
    if (strlen(name) > NAME_MAX_LEN)
        return NULL;
    for (size_t i = 0; i < KW_COUNT(options); i++) {
        unsigned found = difference(name, options[i].name);
        if (found < least) {
            least = found;
            nearest = options[i].name;
        }
    }
    return nearest;
}
