/* Random bytes from the kernel (getrandom), read ahead a thread in secret memory: each byte is
 * given out once and wiped behind; a forked child starts afresh. Aborts if the kernel has none:
 * there is no safe way on. Thread-safe. */
#ifndef KW_CRYPTO_RANDOM_H
#define KW_CRYPTO_RANDOM_H

#include "base/secret.h"

void kw_random(void *out, size_t len);

/* A fresh random secret of len bytes. */
KW_ERR kw_random_secret(struct kw_secret *out, size_t len, struct kw_error *err);

#endif
