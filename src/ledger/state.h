/* Inside of an open ledger: three threads around one lock. Private to the folder.
 *
 *   commit    takes all that is queued, writes it as one frame, syncs, answers
 *   publish   once an interval: tiles and a checkpoint; prepares and removes write-ahead files
 *   watchdog  answers batches whose deadline has passed, also while the commit thread hangs in the
 * disk
 *
 * A batch belongs to the ledger from append until done() is called; the commit thread copies its
 * bytes (copying is true meanwhile) and from then on does not touch them, so that the watchdog may
 * give it back at any time. */
#ifndef KW_LEDGER_STATE_H
#define KW_LEDGER_STATE_H

#include "ledger/ledger.h"
#include "ledger/publisher.h"

#include <pthread.h>

/* So many entries are published at once, without waiting for the interval. */
enum { KW_LEDGER_BACKLOG = 32768, KW_LEDGER_THREADS = 3 };

struct kw_ledger_queue {
    struct kw_ledger_batch *first;
    struct kw_ledger_batch *last;
};

struct kw_ledger {
    pthread_mutex_t lock;
    pthread_cond_t to_commit;  /* something is queued, or closing */
    pthread_cond_t to_publish; /* something is to be published, or closing */
    pthread_cond_t to_watch;   /* something may expire, or closing */
    pthread_cond_t settled;    /* a publication or a thread has ended */

    char dir[KW_PATH_SIZE];
    char vkey[KW_NOTE_NAME_MAX + 64];
    struct kw_note_key key;
    struct kw_secret seed;
    uint32_t publish_interval_ms;
    uint32_t append_deadline_ms;
    size_t pending_max;
    int lock_fd;
    struct kw_ledger_io *io;
    struct kw_wal wal;
    struct kw_publisher publisher; /* the publishing thread's, once it runs */

    /* all below under lock */
    struct kw_ledger_queue queued;
    struct kw_ledger_queue inflight; /* being written */
    bool due; /* what is queued is to be written: more was not said, or a kick has come */
    bool copying;
    size_t pending; /* bytes of both */
    uint64_t size;
    uint64_t published;
    struct kw_error commit_error;  /* of the last commit; code KW_OK if it succeeded */
    struct kw_error publish_error; /* of the last publication */
    bool tampered;                 /* publishing found files that are not ours: commits fail too */
    bool publish_now;
    bool publisher_idle; /* waits until it is woken */
    bool spare_asked;
    uint64_t publish_started; /* attempts */
    uint64_t publish_ended;
    bool watching;
    bool closing;
    unsigned running; /* threads */
    bool commit_ended;
    unsigned refs; /* threads and the owner */
    struct kw_ledger_stats stats;
    pthread_t threads[KW_LEDGER_THREADS];
};

void *kw_ledger_commit_thread(void *ledger);
void *kw_ledger_watch_thread(void *ledger);
void *kw_ledger_publish_thread(void *ledger);

/* Waits for a condition for at most ms milliseconds; the lock is held. */
void kw_ledger_wait(struct kw_ledger *ledger, pthread_cond_t *condition, int64_t ms);

/* Patience with a disk: for as long as the ledger gets on, and append_deadline_ms longer. */
struct kw_ledger_patience {
    uint64_t seen;
    int64_t until_ms;
};
/* Waits for settled; false when nothing has moved for too long. The lock is held. */
bool kw_ledger_wait_patiently(struct kw_ledger *ledger, struct kw_ledger_patience *patience);

/* A thread or the owner is done with it; the last one frees it. */
void kw_ledger_unref(struct kw_ledger *ledger);

/* As kw_ledger_open, through io. */
KW_ERR kw_ledger_open_io(const struct kw_ledger_options *options, struct kw_ledger_io *io,
                         struct kw_ledger **out, struct kw_error *err);

#endif
