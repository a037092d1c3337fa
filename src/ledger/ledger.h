/* The ledger: an append-only Merkle log (C2SP tlog-tiles) on a local folder, written by one
 * process.
 *
 * Entries are appended in batches. A batch is durable when done() says KW_OK: its bytes are in the
 * write-ahead file and that file is synced. Batches that arrive while one is being synced are
 * written together (group commit). About once a second, and on close, full and partial tiles are
 * published and a checkpoint over them is signed; the order on disk is such that after a crash at
 * any moment no acknowledged entry is lost and the published log verifies.
 *
 * A ledger that cannot write fails each batch with KW_LEDGER_UNAVAILABLE or KW_DISK_FULL (both
 * retryable), within the deadline, and recovers by itself when the disk does; it never drops an
 * entry that it has acknowledged and never waits without end. It notices that its files were
 * deleted or replaced under it.
 *
 * All functions are thread-safe but open, close and free. docs/spec/ledger.md; c2sp.org/tlog-tiles,
 * c2sp.org/signed-note, c2sp.org/tlog-checkpoint. */
#ifndef KW_LEDGER_LEDGER_H
#define KW_LEDGER_LEDGER_H

#include "base/bytes.h"
#include "base/secret.h"

enum {
    KW_LEDGER_ENTRY_MAX = 65535,
    KW_LEDGER_HASH_SIZE = 32,
    KW_LEDGER_NAME_MAX = 127,
};

struct kw_ledger;

struct kw_ledger_options {
    const char *dir;    /* holds checkpoint, tile/, vkey and the write-ahead files */
    const char *origin; /* checkpoint origin and key name, such as keyward.example/audit */
    const struct kw_secret *seed; /* Ed25519 seed of the checkpoint key; copied */
    uint64_t size_at_least; /* what the caller knows it holds: a smaller log was rolled back */
    uint32_t publish_interval_ms; /* 0: 1000 */
    uint32_t append_deadline_ms;  /* a batch that is not durable by then fails; 0: 5000 */
    size_t pending_max;           /* bytes waiting; above it appends fail at once; 0: 64 MiB */
};

/* Makes an empty ledger: folder, vkey, and a signed checkpoint of size 0. KW_EXISTS if there is
 * one. */
KW_ERR kw_ledger_create(const struct kw_ledger_options *options, struct kw_error *err);

/* Opens it, replays the write-ahead files, and starts the commit thread. KW_LEDGER_MISSING if it is
 * gone or smaller than size_at_least, KW_LEDGER_CORRUPT if what is there does not fit together. */
KW_ERR kw_ledger_open(const struct kw_ledger_options *options, struct kw_ledger **out,
                      struct kw_error *err);

/* Publishes what is durable, stops, and frees. NULL is left alone. The code tells whether the last
 * publication succeeded; everything is freed either way. */
KW_ERR kw_ledger_close(struct kw_ledger *ledger, struct kw_error *err);

/* A batch: the caller's, alive until done() has been called. Fill it by kw_ledger_batch_add, which
 * hashes the entry on the caller's thread. */
struct kw_ledger_batch {
    struct kw_buf entries; /* big-endian u16 length + entry, repeated */
    struct kw_buf hashes;  /* RFC 6962 leaf hashes, 32 bytes each */
    uint32_t count;
    bool more;            /* others follow at once, and then kw_ledger_kick: see there */
    uint64_t first_index; /* result: the index of the first entry */
    void (*done)(struct kw_ledger_batch *batch, kw_code code); /* on the commit thread: be brief */
    void *arg;                                                 /* the caller's */
    struct kw_ledger_batch *next;                              /* private */
    int64_t deadline_ms;                                       /* private */
};

/* KW_TOO_LARGE above KW_LEDGER_ENTRY_MAX. */
KW_ERR kw_ledger_batch_add(struct kw_ledger_batch *batch, struct kw_bytes entry,
                           struct kw_error *err);
/* Empties it for reuse and keeps its memory. */
void kw_ledger_batch_reset(struct kw_ledger_batch *batch);
void kw_ledger_batch_wipe(struct kw_ledger_batch *batch);
KW_CLEANUP_WIPE(kw_ledger_batch)

/* Takes the batch. KW_OK: done() will be called exactly once. Otherwise it will not be called:
 * KW_OVERLOADED when pending_max is reached, KW_SHUTTING_DOWN when closing. An empty batch is
 * KW_INTERNAL. */
KW_ERR kw_ledger_append(struct kw_ledger *ledger, struct kw_ledger_batch *batch,
                        struct kw_error *err);

/* What was appended with batch->more is written now, together with all else that waits. Who works
 * through many requests in a row so gets them into one write and one sync. A batch whose kick never
 * comes is written by the next one's, or by the watchdog within a fraction of the deadline. */
void kw_ledger_kick(struct kw_ledger *ledger);

/* Appends and waits. */
KW_ERR kw_ledger_append_wait(struct kw_ledger *ledger, struct kw_ledger_batch *batch,
                             struct kw_error *err);

/* Publishes now all that is durable and waits for it: the checkpoint covers it afterwards. */
KW_ERR kw_ledger_publish(struct kw_ledger *ledger, struct kw_error *err);

struct kw_ledger_stats {
    uint64_t size;            /* durable entries */
    uint64_t published_size;  /* entries under the published checkpoint */
    uint64_t commits;         /* write-ahead syncs */
    uint64_t commit_us_total; /* time spent in them */
    uint64_t commit_us_max;
    uint64_t failures; /* batches refused or failed */
    kw_code state;     /* KW_OK, or why the last commit or publication failed */
};
struct kw_ledger_stats kw_ledger_stats(struct kw_ledger *ledger);

/* The verification key line, name+hex+base64; lives as long as the ledger. */
const char *kw_ledger_vkey(const struct kw_ledger *ledger);

#endif
