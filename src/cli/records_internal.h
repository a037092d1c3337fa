/* One round of records. Private to records*.c. */
#ifndef KW_CLI_RECORDS_INTERNAL_H
#define KW_CLI_RECORDS_INTERNAL_H

#include "cli/records.h"

#include <pthread.h>

enum {
    KW_ROUND_RECORDS = 1000,
    KW_ROUND_BYTES = 4 << 20,   /* no more is read ahead than that, unless one record has more */
    KW_RECORD_BYTES = 64 << 20, /* the longest record */
};

struct kw_line {
    size_t start, len, whole; /* whole: with its line end */
    size_t first_key;         /* in the round's batch */
    size_t keys;              /* 0: passes as it is */
};

struct kw_round {
    struct kw_buf text; /* lines of this round, and behind them the beginning of the next */
    size_t used;        /* bytes that are this round's */
    bool at_end;        /* no more comes after text */
    uint64_t first_line;
    struct kw_line line[KW_ROUND_RECORDS];
    struct kw_record record[KW_ROUND_RECORDS];
    struct kw_bound_context context[KW_ROUND_RECORDS]; /* with context fields only */
    size_t count;
    struct kw_key_batch batch;
    struct kw_backend *backend;
    enum kw_records_act act;
    pthread_t thread;
    bool asking; /* the thread runs */
    kw_code code;
    struct kw_error error;
};

KW_ERR kw_round_new(struct kw_round **out, const struct kw_records_job *job, struct kw_error *err);
void kw_round_free(struct kw_round *round); /* waits for its thread first */
KW_CLEANUP_FREE(kw_round)

/* Reads and parses what one round can take; left is what the round before read too much, and the
 * line number that follows it. count is 0 at the end. whole: one JSON text, not lines. */
struct kw_leftover {
    struct kw_bytes text;
    uint64_t next_line;
    bool whole;
};
KW_ERR kw_round_fill(struct kw_round *round, struct kw_records_job *job,
                     const struct kw_leftover *left, struct kw_error *err);

/* What the round has read and not used. Valid until it is filled again. */
struct kw_leftover kw_round_leftover(const struct kw_round *round, bool whole);

/* Asks the authority for the round's data keys, on a thread; wait for it before anything else. */
KW_ERR kw_round_ask(struct kw_round *round, struct kw_error *err);
KW_ERR kw_round_wait(struct kw_round *round, struct kw_error *err);

/* Finishes all records of the round and appends them to out. */
KW_ERR kw_round_finish(struct kw_round *round, struct kw_records_job *job, struct kw_buf *out,
                       struct kw_error *err);

/* The same error with the record's line in front. */
kw_code kw_round_blame(const struct kw_round *round, size_t index, kw_code code,
                       struct kw_error *err);

#endif
