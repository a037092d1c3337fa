/* An authority whose root key is far away, as the measurements of bench/providers share it: SQLite
 * store, ledger on disk, meter, router, and a provider that answers after a while and counts what
 * it is asked. Tenants stay in the folder when the parts are closed and opened anew with other
 * options. What goes wrong ends the program. Results are lines of JSON. */
#ifndef KW_BENCH_PROVIDERS_H
#define KW_BENCH_PROVIDERS_H

#include "authority/authority.h"
#include "authority/cost.h"
#include "authority/datakey.h"

#include <stdatomic.h>

enum { TENANTS_MAX = 20000 };

/* The provider: the software root behind a distance. */
struct far_root {
    _Atomic int64_t delay_us; /* of each call; 0: it is here */
    _Atomic uint64_t wraps, unwraps;
};

struct known_key {
    uint8_t wrapped[KW_HEAD_SIZE];
    uint8_t plaintext[KW_DK_SIZE];
};

struct parts {
    char dir[480];
    struct far_root far_root;
    struct kw_store *store;
    struct kw_provider *provider;
    struct kw_meter *meter;
    struct kw_router *router;
    struct kw_ledger *ledger;
    struct kw_authority *authority;
    size_t tenants;
    struct known_key *keys; /* a data key of each tenant */
};

struct parts_options {
    struct kw_keyring_age age; /* 0: 300 s, and an hour under pressure, as a server has it */
    size_t keyring_bytes;      /* 0: 64 MiB */
};

extern const struct kw_caller bench_caller;

void must(kw_code code, const struct kw_error *err);
int64_t now_us(void);
double cpu_s(void); /* of all threads */

/* parts->dir is there. create: the folder is new. */
void parts_open(struct parts *parts, const struct parts_options *options, bool create);
void parts_close(struct parts *parts);
/* So many tenants with a data key each, made without delay; delay_us afterwards. */
void parts_fill(struct parts *parts, size_t tenants, int64_t delay_us);
void parts_wipe(struct parts *parts); /* what parts_fill allocated */
void parts_flush(struct parts *parts);

/* An unwrap of tenant's key as item i of a batch, and the check that it gave the right one. */
void item_ask(struct kw_dk_batch *batch, size_t i, const struct parts *parts, size_t tenant);
void item_check(struct kw_dk_batch *batch, size_t i, const struct parts *parts, size_t tenant);

/* Uses one at a time each, `outstanding` of them under way: begun on one thread as the server's
 * workers do, and what may have to wait is given to `hands` others. */
enum { OUTSTANDING_MAX = 3000, HANDS_MAX = 64 };
struct drive {
    struct parts *parts;
    size_t (*next)(void *arg); /* whose key is used */
    void *arg;
    uint64_t uses;
    size_t outstanding, hands;
};
struct drive_report {
    double seconds, cpu_us; /* the latter: of all threads, a use */
    uint64_t calls;         /* of the provider, to unwrap */
    double p50_us, p99_us, max_us;
};
void drive_run(const struct drive *drive, struct drive_report *out);

/* One line of JSON. */
void report_print(const char *name, uint64_t uses, const struct drive_report *report);

struct settings {
    const char *folder;
    uint64_t uses; /* of the larger runs */
    int64_t delay_us;
};
void measure_cache(const struct settings *settings);
void measure_warm(const struct settings *settings);
void measure_cold(const struct settings *settings);

/* A new folder within settings->folder. */
void folder_make(struct parts *parts, const struct settings *settings);

#endif
