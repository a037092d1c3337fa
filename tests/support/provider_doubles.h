/* Providers for tests. Each wraps in its own trivial way unless it stands before another.
 *
 * bad: breaks its contract in one chosen way. scripted: stands before another provider, counts its
 * calls, and can be slow or fail; several threads may change it while it is used. */
#ifndef KW_TESTS_PROVIDER_DOUBLES_H
#define KW_TESTS_PROVIDER_DOUBLES_H

#include "provider/provider.h"

#include <stdatomic.h>

enum kw_bad {
    KW_BAD_EMPTY,   /* OK and nothing: an empty copy, no plaintext */
    KW_BAD_PLAIN,   /* the copy holds the plaintext, and comes back as it is */
    KW_BAD_LARGE,   /* more than the dispatcher takes */
    KW_BAD_TOUCHED, /* fails, and leaves rubbish in the output */
    KW_BAD_CODE,    /* fails with an error that no provider may give */
    KW_BAD_SILENT,  /* fails without filling the error in */
};
KW_ERR kw_provider_bad_new(enum kw_bad how, struct kw_provider **out, struct kw_error *err);

/* The test's own; outlives the provider. Zero: passes all calls on. */
struct kw_script {
    _Atomic uint64_t wraps;
    _Atomic uint64_t unwraps;
    _Atomic uint64_t checks;
    _Atomic int fail_with;       /* a kw_code, for all calls; KW_OK: none fails */
    _Atomic uint64_t fail_first; /* so many calls from now fail with KW_PROVIDER_UNAVAILABLE */
    _Atomic int64_t delay_ms;    /* real time that each call takes */
    _Atomic int64_t skip_ms;     /* each call moves the clock of base/clock.h on by so much */
    _Atomic bool hold;           /* calls wait while it is set */
    _Atomic uint64_t inside;     /* calls that are in it now */
    /* Set before it is used, or NULL: sees each call before anything is done. Any thread. */
    void (*seen)(void *arg, const char *provider, const struct kw_provider_call *call);
    void *seen_arg;
};
/* Stands before behind and takes it over, also on failure. */
KW_ERR kw_provider_scripted_new(const char *name, struct kw_provider *behind,
                                struct kw_script *script, struct kw_provider **out,
                                struct kw_error *err);

/* Stands before another provider and is careless in one way. Takes behind over, also on failure. */
enum kw_lax {
    KW_LAX_NOT,         /* in none: it refuses the keys "off" (disabled) and "gone" (not there), and
                           makes the latter */
    KW_LAX_CONTEXT,     /* any context opens */
    KW_LAX_VERSION,     /* the context's last pair is not looked at */
    KW_LAX_FORBIDS,     /* another context is refused as a want of permission */
    KW_LAX_FIRST,       /* the copy's first byte is not looked at */
    KW_LAX_LAST,        /* nor its last */
    KW_LAX_CUT,         /* a copy may lack its end */
    KW_LAX_RETRYABLE,   /* what is altered fails as if it might pass */
    KW_LAX_DISABLED,    /* a disabled key wraps */
    KW_LAX_READS,       /* a disabled key does not wrap, but unwraps */
    KW_LAX_PLAIN,       /* the copy holds what is inside */
    KW_LAX_HEX,         /* the copy holds what is inside, in hexadecimal */
    KW_LAX_OTHER_BYTES, /* other bytes come out */
    KW_LAX_NO_MAKING    /* it lacks the permission to make keys */
};
KW_ERR kw_provider_lax_new(enum kw_lax how, struct kw_provider *behind, struct kw_provider **out,
                           struct kw_error *err);

/* A software provider over a root of 32 bytes of the value seed. */
KW_ERR kw_provider_test_new(const char *name, uint8_t seed, struct kw_provider **out,
                            struct kw_error *err);

#endif
