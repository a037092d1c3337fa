/* What every provider must do: one suite, run over each implementation. */
#ifndef KW_TESTS_PROVIDER_CONTRACT_H
#define KW_TESTS_PROVIDER_CONTRACT_H

#include "provider/provider.h"

struct kw_provider_subject {
    const char *name;
    kw_code (*fresh)(void *arg, struct kw_provider **out, struct kw_error *err);
    void *arg;
    const char *key;   /* a root key that works */
    const char *other; /* another one */
    /* Is each single bit of a copy authenticated by itself (an AEAD's output), or may some of a
     * service's own wrapping be malleable? */
    bool every_bit;
};

/* Returns the number of failures, like cmocka's run. */
int kw_provider_contract(const struct kw_provider_subject *subject);

#endif
