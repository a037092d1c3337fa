#include "crypto/random.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/random.h>

/* A thread's read-ahead, one page of secret memory. The kernel zeroes that page in a forked child,
 * and a zeroed pool reads as empty and not alive, so a child never gives out what its parent does.
 */
enum { POOL_SIZE = 4096, POOL_BYTES = POOL_SIZE - 16 };

struct pool {
    uint64_t alive; /* 0: wiped by a fork, and not locked any more */
    uint64_t left;  /* bytes[0..left) are still to be given out */
    uint8_t bytes[POOL_BYTES];
};
_Static_assert(sizeof(struct pool) == POOL_SIZE, "a pool is one page of the usual size");

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool key_made;
static _Thread_local struct kw_secret mine;

static void thread_ends(void *secret)
{
    kw_secret_wipe(secret);
}

static void process_starts(void)
{
    key_made = pthread_key_create(&key, thread_ends) == 0;
}

static void from_kernel(uint8_t *out, size_t len)
{
    while (len > 0) {
        ssize_t got = getrandom(out, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            abort();
        out += got;
        len -= (size_t)got;
    }
}

/* NULL if there is no secret memory: then every draw asks the kernel, which is slower and as good.
 */
static struct pool *pool_new(void)
{
    pthread_once(&once, process_starts);
    kw_secret_wipe(&mine);
    if (!key_made || kw_secret_alloc(&mine, POOL_SIZE, NULL) != KW_OK)
        return NULL;
    if (pthread_setspecific(key, &mine) != 0) {
        kw_secret_wipe(&mine);
        return NULL;
    }
    struct pool *pool = (struct pool *)(void *)mine.data;
    pool->alive = 1;
    return pool;
}

void kw_random(void *out, size_t len)
{
    struct pool *pool = (struct pool *)(void *)mine.data;
    if (len > POOL_BYTES / 4) {
        from_kernel(out, len);
        return;
    }
    if (pool == NULL || pool->alive == 0)
        pool = pool_new();
    if (pool == NULL) {
        from_kernel(out, len);
        return;
    }
    if (pool->left < len) {
        from_kernel(pool->bytes, POOL_BYTES);
        pool->left = POOL_BYTES;
    }
    pool->left -= len;
    memcpy(out, pool->bytes + pool->left, len);
    kw_cleanse(pool->bytes + pool->left, len);
}

KW_ERR kw_random_secret(struct kw_secret *out, size_t len, struct kw_error *err)
{
    KW_TRY(kw_secret_alloc(out, len, err));
    kw_random(out->data, len);
    return KW_OK;
}
