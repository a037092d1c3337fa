/* A ledger as a command names it: a folder, a URL, or the one of --data or of the server. */
#ifndef KW_CLI_LEDGER_AT_H
#define KW_CLI_LEDGER_AT_H

#include "cli/command.h"
#include "tlog/note.h"
#include "tlog/source.h"
#include "tlog/verify.h"

struct kw_log_url;

struct kw_ledger_at {
    char dir[4096]; /* "" unless it is a folder */
    struct kw_tlog_source source;
    struct kw_buf vkey; /* the line that verifies it */
    struct kw_note_key key;
    bool trusts_source;        /* no --key was given: the key came with the log */
    bool in_use;               /* after verify, of a folder: another process writes it */
    uint64_t unpublished;      /* after verify, of a folder */
    struct kw_log_url *remote; /* private */
};

#define KW_LEDGER_AT_INIT                                                                          \
    {                                                                                              \
        .trusts_source = true                                                                      \
    }

/* The first operand, else --data, else the server. Reads --key, which here is the verification key.
 */
KW_ERR kw_ledger_at_open(struct kw_invocation *in, struct kw_ledger_at *out, struct kw_error *err);
void kw_ledger_at_wipe(struct kw_ledger_at *at);
KW_CLEANUP_WIPE(kw_ledger_at)

KW_ERR kw_ledger_at_verify(struct kw_ledger_at *at, struct kw_bytes old_checkpoint,
                           void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
                           struct kw_tlog_verified *out, struct kw_error *err);

/* A verification key line, or the path of a file that holds one. */
KW_ERR kw_ledger_key_option(const char *text, struct kw_note_key *out, struct kw_error *err);

#endif
