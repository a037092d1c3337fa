/* What is written into the ledger: one event, one entry, as OCSF 1.8 API Activity (class 6003) in
 * one deterministic JSON form. The log hashes bytes and nobody writes them anew.
 *
 * An entry never holds a key, plaintext or ciphertext, and names people by pseudonymous ids only:
 * it outlives their erasure. docs/spec/ledger.md says which member holds what. Thread-safe. */
#ifndef KW_LEDGER_EVENT_H
#define KW_LEDGER_EVENT_H

#include "base/bytes.h"

/* OCSF activity_id of class 6003. */
enum kw_activity {
    KW_ACTIVITY_CREATE = 1,
    KW_ACTIVITY_READ = 2,
    KW_ACTIVITY_UPDATE = 3,
    KW_ACTIVITY_DELETE = 4,
    KW_ACTIVITY_OTHER = 99,
};

struct kw_event {
    int64_t time_ms;       /* wall clock */
    uint8_t uid[16];       /* metadata.uid: unique to the event */
    const char *operation; /* api.operation: GenerateDataKey, UnwrapDataKey, SuspendTenant, ... */
    enum kw_activity activity;
    kw_code outcome;        /* KW_OK: status Success; else Failure with the code's name */
    const char *request_id; /* api.request.uid */
    const char *principal;  /* actor.user.uid */
    const char *source;     /* src_endpoint.ip, or "local" for an embedded authority */
    const char *tenant;     /* metadata.tenant_uid; the following may be NULL or 0 where unknown */
    const char *region;
    const char *data_class;
    uint64_t key_reference; /* resources[0].uid, 16 hex digits; 0: no resource */
    uint32_t key_version;
    const uint8_t *context_digest; /* 32 bytes */
    const char *justification;     /* why the caller says it needs this */
    struct kw_bytes detail;        /* a JSON object with more of the operation, or empty */
};

/* Appends the entry to out (see kw_buf_status). */
void kw_event_encode(struct kw_buf *out, const struct kw_event *event);

#endif
