/* A round trip with one root key of a provider: does it do what a root key must do, and refuse what
 * it must refuse? For people who set one up, against the real thing. About twenty calls, with 32
 * random bytes as what is wrapped. Thread-safe.
 *
 * Steps: find (the key is there and can be used), create (if asked for), wrap, sealed (the copy
 * does not show what is inside), unwrap (the same bytes come back), other-context, altered, cut
 * (each must be refused), disabled (a key that is switched off must refuse all; if one is named),
 * time (of some more round trips). */
#ifndef KW_PROVIDER_PROBE_H
#define KW_PROVIDER_PROBE_H

#include "provider/provider.h"

struct kw_probe {
    const char *key;
    const char *disabled; /* a key that is switched off; NULL: left out */
    bool create;          /* make the key unless it is there */
    int64_t deadline_ms;  /* kw_clock_ms(), of the whole */
};

enum { KW_PROBE_STEPS_MAX = 12 };

enum kw_probe_verdict { KW_PROBE_PASSED = 1, KW_PROBE_FAILED, KW_PROBE_LEFT_OUT };
const char *kw_probe_verdict_name(enum kw_probe_verdict verdict);

struct kw_probe_step {
    const char *name;
    enum kw_probe_verdict verdict;
    kw_code code; /* what the provider answered */
    int64_t us;
    char found[KW_ERROR_TEXT_SIZE]; /* one line: what was seen, and the remedy where it failed */
};

struct kw_probe_report {
    struct kw_probe_step steps[KW_PROBE_STEPS_MAX];
    size_t count;
    bool passed; /* no step failed */
    size_t wrapped_bytes;
};

/* Every step that can still tell something is taken; the others are left out, and say why. KW_OK
 * whatever was found; a failure is one of memory. */
KW_ERR kw_provider_probe(struct kw_provider *provider, const struct kw_probe *probe,
                         struct kw_probe_report *out, struct kw_error *err);

#endif
