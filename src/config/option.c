#include "config/option.h"

/* The provider.* options are in option_provider.c. */
#define SECOND     UINT64_C(1000)
#define MINUTE     (60 * SECOND)
#define HOUR       (60 * MINUTE)
#define DAY        (24 * HOUR)
#define KIB        UINT64_C(1024)
#define MIB        (1024 * KIB)
#define GIB        (1024 * MIB)
#define AMOUNT_MAX (UINT64_C(1000000000) * KW_AMOUNT_UNIT)

static const struct kw_option options[] = {
    {"class.*.hard_ttl", KW_OPTION_DURATION, "", 0, 7 * DAY, NULL,
     "As keyring.hard_ttl, for tenant keys that serve this class. Not set: the class's ttl if it "
     "sets one, else keyring.hard_ttl."},
    {"class.*.held_batch", KW_OPTION_NUMBER, "1", 1, 1024, NULL,
     "Under a held key: how many data keys of one request share a call of the customer's KMS."},
    {"class.*.held_keep", KW_OPTION_DURATION, "0", 0, HOUR, NULL,
     "Under a held key: how long what such a call gave may be kept for reading. 0: not at all."},
    {"class.*.hsm", KW_OPTION_BOOL, "false", 0, 1, NULL,
     "Data of this class only under tenant keys all of whose copies are kept in hardware."},
    {"class.*.ttl", KW_OPTION_DURATION, "", 1, DAY, NULL,
     "As keyring.ttl, for tenant keys that serve this class. Not set: keyring.ttl."},
    {"classes", KW_OPTION_LIST, "", 0, 0, NULL,
     "Names of data classes besides the built-in default, pii, financial, health and secret."},
    {"cost.budget", KW_OPTION_AMOUNT, "", 0, AMOUNT_MAX, NULL,
     "What the calls of all providers may cost in a month, in cost.currency. Past each of "
     "cost.thresholds an event is recorded; nothing is refused."},
    {"cost.currency", KW_OPTION_TEXT, "USD", 0, 0, NULL,
     "The unit of all prices and budgets: a word for people, nothing is converted."},
    {"cost.tenant_budget", KW_OPTION_AMOUNT, "", 0, AMOUNT_MAX, NULL,
     "As cost.budget, for each tenant."},
    {"cost.thresholds", KW_OPTION_LIST, "50,80,100", 0, 0, NULL,
     "Per cent of a budget at which an event is recorded: up to seven numbers, rising."},
    {"data", KW_OPTION_PATH, "", 0, 0, NULL,
     "The data folder: database, ledger, certificates and root key."},
    {"destruction.window_days", KW_OPTION_NUMBER, "7", 7, 90, NULL,
     "Days between the scheduling of a key's destruction and the destruction, during which it can "
     "be cancelled, where the request names none."},
    {"keyring.attached_hard_ttl", KW_OPTION_DURATION, "30s", 0, HOUR, NULL,
     "As keyring.hard_ttl, for keys under a customer's own KMS: so long may they be used while it "
     "does not answer."},
    {"keyring.attached_ttl", KW_OPTION_DURATION, "1s", 1, HOUR, NULL,
     "As keyring.ttl, for keys under a customer's own KMS: so soon is a revocation there obeyed."},
    {"keyring.bytes", KW_OPTION_SIZE, "64MiB", MIB, 64 * GIB, NULL,
     "Memory for unwrapped tenant keys. When it is full, those used least recently leave."},
    {"keyring.calls_target", KW_OPTION_NUMBER, "100", 1, 1000000, NULL,
     "Provider calls a second above which tenant keys are kept longer, up to their hard time."},
    {"keyring.hard_ttl", KW_OPTION_DURATION, "1h", 0, 7 * DAY, NULL,
     "How long an unwrapped tenant key may be used at most: while its providers do not answer, or "
     "are asked more often than keyring.calls_target. At least keyring.ttl. A suspension here acts "
     "at once, whatever this says."},
    {"keyring.ttl", KW_OPTION_DURATION, "300s", SECOND, DAY, NULL,
     "How long an unwrapped tenant key is used before it is unwrapped anew by its provider."},
    {"ledger.append_deadline", KW_OPTION_DURATION, "5s", 100, HOUR, NULL,
     "A request whose ledger entry is not on disk by then fails and releases no key."},
    {"ledger.publish_interval", KW_OPTION_DURATION, "1s", 50, HOUR, NULL,
     "How often a checkpoint over the newest entries is signed and published."},
    {"log.level", KW_OPTION_CHOICE, "info", 0, 0, "debug,info,warn,error",
     "The least severity that is written to the log."},
    {"memory.allow_unlocked", KW_OPTION_BOOL, "false", 0, 1, NULL,
     "Lets the program run where memory for secrets cannot be locked into RAM. Keys may then reach "
     "the "
     "swap space."},
    {"region.*.copies_min", KW_OPTION_NUMBER, "1", 1, 8, NULL,
     "How many providers of the region must wrap a new key version, at least."},
    {"region.*.hsm", KW_OPTION_BOOL, "false", 0, 1, NULL,
     "Every provider of the region must keep its keys in hardware."},
    {"region.*.prefer", KW_OPTION_CHOICE, "order", 0, 0, "order,latency,price",
     "Which of the region's healthy providers unwraps: the first of the list, the quickest or the "
     "cheapest."},
    {"region.*.providers", KW_OPTION_ROUTES, "software", 0, 0, NULL,
     "The providers that may hold the region's keys, in order of preference, each as NAME or as "
     "NAME=KEY with its root key there. The region's keys never go elsewhere."},
    {"regions", KW_OPTION_LIST, "eu,us", 0, 0, NULL, "The jurisdictions of this authority."},
    {"root.key", KW_OPTION_TEXT, "", 0, 0, NULL,
     "The root key at root.provider. Set together with it."},
    {"root.provider", KW_OPTION_TEXT, "", 0, 0, NULL,
     "The provider that holds the data folder's root key: it is asked at each start, in place of a "
     "passphrase. Not set: root.key rests plain or under a passphrase."},
    {"router.attempt_timeout", KW_OPTION_DURATION, "3s", 10, MINUTE, NULL,
     "A provider that has not answered by then has failed, and another is asked."},
    {"router.failures_to_open", KW_OPTION_NUMBER, "3", 1, 100, NULL,
     "Failures in a row after which a provider is left alone for a while."},
    {"router.pause", KW_OPTION_DURATION, "1s", 10, MINUTE, NULL,
     "How long at first; each further failure doubles it."},
    {"router.pause_max", KW_OPTION_DURATION, "30s", 10, HOUR, NULL,
     "How long at most a provider is left alone before it is tried again."},
    {"server.address", KW_OPTION_ADDRESS, "127.0.0.1:8443", 0, 0, NULL,
     "Where the server listens: an IP address or localhost, and a port. Port 0: any that is free."},
    {"server.api_threads", KW_OPTION_NUMBER, "0", 0, 1024, NULL,
     "Threads for what may block, such as calls of providers. 0: 4 with the software root alone, "
     "else 32."},
    {"server.client_ca", KW_OPTION_PATH, "", 0, 0, NULL,
     "PEM file of the authorities whose client certificates are accepted. Not set: the data "
     "folder's "
     "own."},
    {"server.drain_timeout", KW_OPTION_DURATION, "10s", 0, HOUR, NULL,
     "How long requests under way may take to end when the server stops."},
    {"server.header_timeout", KW_OPTION_DURATION, "10s", 100, HOUR, NULL,
     "From the first byte of a request to the end of its header."},
    {"server.idle_timeout", KW_OPTION_DURATION, "60s", 100, DAY, NULL,
     "A connection without a request is closed after this time."},
    {"server.max_body", KW_OPTION_SIZE, "1MiB", KIB, 64 * MIB, NULL,
     "The largest request body that is read."},
    {"server.max_connections", KW_OPTION_NUMBER, "10000", 1, 1000000, NULL,
     "Connections at one time, over all workers; more are closed at once."},
    {"server.rate_principal", KW_OPTION_NUMBER, "0", 0, 10000000, NULL,
     "Requests a second that one principal may make. 0: no limit."},
    {"server.rate_tenant", KW_OPTION_NUMBER, "0", 0, 10000000, NULL,
     "Requests a second that may concern one tenant. 0: no limit."},
    {"server.request_timeout", KW_OPTION_DURATION, "30s", 100, HOUR, NULL,
     "From the first byte of a request to its last."},
    {"server.tls_cert", KW_OPTION_PATH, "", 0, 0, NULL,
     "PEM file of the server's certificate chain. Not set: the data folder's own. The file is read "
     "anew "
     "on reload."},
    {"server.tls_key", KW_OPTION_PATH, "", 0, 0, NULL,
     "PEM file of the certificate's private key. Set together with server.tls_cert."},
    {"server.trust_domain", KW_OPTION_TEXT, "", 0, 0, NULL,
     "The trust domain of the SPIFFE ids in client certificates. Not set: the data folder's own."},
    {"server.workers", KW_OPTION_NUMBER, "0", 0, 1024, NULL,
     "Worker threads. 0: one for each processor."},
};

/* In alphabetical order the provider options stand before the first of these that follows them. */
static size_t before_providers(void)
{
    size_t i = 0;
    while (i < KW_COUNT(options) && strcmp(options[i].name, "provider.") < 0)
        i++;
    return i;
}

const struct kw_option *kw_option_at(size_t index)
{
    size_t before = before_providers();
    size_t count = kw_provider_option_count();
    if (index < before)
        return &options[index];
    if (index < before + count)
        return kw_provider_option_at(index - before);
    index -= count;
    return index < KW_COUNT(options) ? &options[index] : NULL;
}
