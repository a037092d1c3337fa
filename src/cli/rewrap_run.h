/* One run of 'keyward rewrap files'. Private to rewrap_run.c, rewrap_records.c and cmd_rewrap.c. */
#ifndef KW_CLI_REWRAP_RUN_H
#define KW_CLI_REWRAP_RUN_H

#include "cli/rewrap.h"

struct kw_rewrap_run {
    struct kw_data_scope scope; /* its context */
    struct kw_backend *backend; /* NULL in a dry run */
    bool dry;
    uint64_t per_second; /* files; 0: no limit */
    struct kw_progress progress;
    int64_t started_us;
    uint64_t paced;

    struct kw_sealed_file pending[KW_KEY_BATCH_MAX];
    size_t pending_count;
    struct kw_census census; /* by key and version, before and after */
    struct kw_census newest; /* version 0 rows: after is the newest version that was answered */

    uint64_t files, sealed, other, changed_files, failed_files, recovered;
    uint64_t heads, changed_heads;
    struct kw_error first_error;
};

/* Adds a file; asks the authority when a round is full. A file that fails is named on standard
 * error and counted; only what concerns all of them ends the run. */
KW_ERR kw_rewrap_add(struct kw_rewrap_run *run, const char *path, struct kw_error *err);

/* Does what is pending. */
KW_ERR kw_rewrap_flush(struct kw_rewrap_run *run, struct kw_error *err);
void kw_rewrap_run_wipe(struct kw_rewrap_run *run);

/* JSON with sealed fields. */
KW_ERR kw_rewrap_records(struct kw_rewrap_run *run, const char *path, struct kw_error *err);

/* Names a file that failed. Passes on what concerns the whole run. */
KW_ERR kw_rewrap_file_failed(struct kw_rewrap_run *run, const char *path, kw_code code,
                             const struct kw_error *why, struct kw_error *err);

/* Is the head known to be of its key's newest version? And learning it. */
bool kw_rewrap_is_newest(struct kw_rewrap_run *run, const struct kw_wrapped_key *head);
KW_ERR kw_rewrap_learn(struct kw_rewrap_run *run, const struct kw_wrapped_key *head,
                       struct kw_error *err);

/* Counts a sealed thing under what it was and what it is now. */
KW_ERR kw_rewrap_count(struct kw_rewrap_run *run, const struct kw_wrapped_key *was,
                       const struct kw_wrapped_key *is, struct kw_error *err);

/* Waits as --rate demands, before a file is changed. */
void kw_rewrap_pace(struct kw_rewrap_run *run);

#endif
