#include "base/secret.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SLAB_SIZE = 64 * 1024, SIZE_CLASSES = 6, SMALLEST = 32 };

/* A free slot holds the link to the next; a used one holds the secret. */
struct slot {
    struct slot *next;
};

/* A slab lies at a multiple of its size, so that a slot finds it; the first slot's place is this.
 */
struct slab {
    uint64_t alive; /* 0 in a forked child: wiped, and not locked any more */
};

static struct {
    pthread_mutex_t lock;
    struct slot *free[SIZE_CLASSES]; /* 32, 64, 128, 256, 512, 1024 bytes */
    struct kw_secret_usage usage;
    bool unlocked_allowed;
    bool fork_watched;
} heap = {.lock = PTHREAD_MUTEX_INITIALIZER};

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t round_to_pages(size_t len)
{
    return (len + page_size() - 1) & ~(page_size() - 1);
}

/* A locked mapping of len bytes (whole pages) at a multiple of align (a page or more), between
 * inaccessible pages. */
static uint8_t *map_guarded(size_t len, size_t align, struct kw_error *err)
{
    size_t guard = page_size();
    size_t whole = len + guard + align;
    uint8_t *fence = mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (fence == MAP_FAILED) {
        kw_fail(err, KW_NO_SECURE_MEMORY, "cannot map %zu bytes for secrets", len);
        return NULL;
    }
    uint8_t *data = fence + guard;
    data += (align - (uintptr_t)data % align) % align;
    bool ok = mprotect(data, len, PROT_READ | PROT_WRITE) == 0 &&
              madvise(data, len, MADV_DONTDUMP) == 0 && madvise(data, len, MADV_WIPEONFORK) == 0;
    if (ok && mlock(data, len) != 0)
        ok = heap.unlocked_allowed;
    if (!ok) {
        munmap(fence, whole);
        kw_fail(err, KW_NO_SECURE_MEMORY,
                "cannot lock %zu bytes for secrets: raise the limit on locked memory "
                "(ulimit -l, systemd: LimitMEMLOCK=infinity)",
                len);
        return NULL;
    }
    return data;
}

/* Of a mapping that was aligned to a page. */
static void unmap_guarded(uint8_t *data, size_t len)
{
    munmap(data - page_size(), len + 2 * page_size());
}

static unsigned size_class(size_t len)
{
    unsigned cls = 0;
    while (((size_t)SMALLEST << cls) < len)
        cls++;
    return cls;
}

static struct slab *slab_of(const uint8_t *data)
{
    return (struct slab *)((uintptr_t)data & ~(uintptr_t)(SLAB_SIZE - 1));
}

static void give_back(uint8_t *data, unsigned cls)
{
    struct slot *slot = (struct slot *)(void *)data;
    slot->next = heap.free[cls];
    heap.free[cls] = slot;
}

/* A child has its parent's slabs zeroed (MADV_WIPEONFORK) and not locked (mlock(2)): it gives out
 * none of their slots and maps its own. A lock that another thread held at the fork would never be
 * opened. */
static void child_starts(void)
{
    heap.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    for (unsigned cls = 0; cls < SIZE_CLASSES; cls++)
        heap.free[cls] = NULL;
}

static bool watch_forks(void)
{
    if (!heap.fork_watched)
        heap.fork_watched = pthread_atfork(NULL, NULL, child_starts) == 0;
    return heap.fork_watched;
}

static KW_ERR add_slab(unsigned cls, struct kw_error *err)
{
    if (!watch_forks())
        return kw_fail_code(err, KW_NO_MEMORY);
    uint8_t *slab = map_guarded(SLAB_SIZE, SLAB_SIZE, err);
    if (slab == NULL)
        return KW_NO_SECURE_MEMORY;
    ((struct slab *)(void *)slab)->alive = 1;
    heap.usage.mapped += SLAB_SIZE;
    size_t step = (size_t)SMALLEST << cls;
    for (size_t at = step; at + step <= SLAB_SIZE; at += step)
        give_back(slab + at, cls);
    return KW_OK;
}

static KW_ERR alloc_small(struct kw_secret *secret, size_t len, struct kw_error *err)
{
    unsigned cls = size_class(len);
    kw_code code = KW_OK;
    pthread_mutex_lock(&heap.lock);
    if (heap.free[cls] == NULL)
        code = add_slab(cls, err);
    if (code == KW_OK) {
        struct slot *slot = heap.free[cls];
        heap.free[cls] = slot->next;
        slot->next = NULL;
        heap.usage.used += (size_t)SMALLEST << cls;
        secret->data = (uint8_t *)slot;
        secret->len = len;
    }
    pthread_mutex_unlock(&heap.lock);
    return code;
}

static KW_ERR alloc_large(struct kw_secret *secret, size_t len, struct kw_error *err)
{
    size_t mapped = round_to_pages(len);
    pthread_mutex_lock(&heap.lock);
    uint8_t *data = map_guarded(mapped, page_size(), err);
    if (data != NULL) {
        heap.usage.used += mapped;
        heap.usage.mapped += mapped;
    }
    pthread_mutex_unlock(&heap.lock);
    if (data == NULL)
        return KW_NO_SECURE_MEMORY;
    secret->data = data;
    secret->len = len;
    return KW_OK;
}

KW_ERR kw_secret_alloc(struct kw_secret *secret, size_t len, struct kw_error *err)
{
    if (secret->data != NULL || len == 0)
        return kw_fail(err, KW_INTERNAL, "a secret is allocated over another or without a size");
    if (len > KW_SECRET_MAX)
        return kw_fail(err, KW_TOO_LARGE, "a secret has at most %d bytes", KW_SECRET_MAX);
    if (len <= KW_SECRET_SMALL)
        return alloc_small(secret, len, err);
    return alloc_large(secret, len, err);
}

KW_ERR kw_secret_copy(struct kw_secret *secret, const void *data, size_t len, struct kw_error *err)
{
    KW_TRY(kw_secret_alloc(secret, len, err));
    memcpy(secret->data, data, len);
    return KW_OK;
}

void kw_secret_wipe(struct kw_secret *secret)
{
    if (secret->data == NULL)
        return;
    if (secret->len <= KW_SECRET_SMALL) {
        unsigned cls = size_class(secret->len);
        kw_cleanse(secret->data, (size_t)SMALLEST << cls);
        pthread_mutex_lock(&heap.lock);
        if (slab_of(secret->data)->alive != 0)
            give_back(secret->data, cls);
        heap.usage.used -= (size_t)SMALLEST << cls;
        pthread_mutex_unlock(&heap.lock);
    } else {
        size_t mapped = round_to_pages(secret->len);
        kw_cleanse(secret->data, mapped);
        unmap_guarded(secret->data, mapped);
        pthread_mutex_lock(&heap.lock);
        heap.usage.used -= mapped;
        heap.usage.mapped -= mapped;
        pthread_mutex_unlock(&heap.lock);
    }
    *secret = (struct kw_secret)KW_SECRET_INIT;
}

void kw_secret_move(struct kw_secret *to, struct kw_secret *from)
{
    *to = *from;
    *from = (struct kw_secret)KW_SECRET_INIT;
}

bool kw_secret_equal(const struct kw_secret *a, const struct kw_secret *b)
{
    return a->len == b->len && kw_equal_ct(a->data, b->data, a->len);
}

bool kw_equal_ct(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

/* As OPENSSL_cleanse, which takes eight bytes at a time, but as fast as memset. */
void kw_cleanse(void *data, size_t len)
{
    explicit_bzero(data, len);
}

struct kw_secret_usage kw_secret_usage(void)
{
    pthread_mutex_lock(&heap.lock);
    struct kw_secret_usage usage = heap.usage;
    pthread_mutex_unlock(&heap.lock);
    return usage;
}

void kw_secret_allow_unlocked(void)
{
    heap.unlocked_allowed = true;
}

const char *kw_process_harden(bool lock_all)
{
    const char *lacking = NULL;
    struct rlimit no_core = {0, 0};
    if (setrlimit(RLIMIT_CORE, &no_core) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        lacking = "core dumps cannot be turned off";
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        lacking = "new privileges cannot be given up";
    if (!lock_all)
        return lacking;
    /* With a finite limit MCL_FUTURE would make later allocations fail; then only secrets are
     * locked. */
    struct rlimit locked;
    bool unlimited = getrlimit(RLIMIT_MEMLOCK, &locked) == 0 && locked.rlim_cur == RLIM_INFINITY;
    if (!unlimited && geteuid() != 0)
        return "memory outside the secret heap is not locked (LimitMEMLOCK=infinity would)";
    if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
        return "memory outside the secret heap could not be locked";
    return lacking;
}
