/* How often versions are used: counted in the keyring, gathered here, told to the store by the
 * tick. */
#include "authority/internal.h"

static struct kw_usage *usage_of(struct kw_authority *authority, uint64_t reference,
                                 uint32_t version)
{
    if (authority->usage_count == authority->usage_capacity) {
        size_t capacity = authority->usage_capacity == 0 ? 256 : authority->usage_capacity * 2;
        struct kw_usage *grown = realloc(authority->usage, capacity * sizeof *grown);
        if (grown == NULL)
            return NULL;
        authority->usage = grown;
        authority->usage_capacity = capacity;
    }
    struct kw_usage *usage = &authority->usage[authority->usage_count++];
    *usage = (struct kw_usage){.reference = reference, .version = version};
    return usage;
}

void kw_usage_add(void *arg, const struct kw_keyring_facts *facts, uint64_t wraps, uint64_t unwraps)
{
    struct kw_authority *authority = arg;
    pthread_mutex_lock(&authority->usage_lock);
    struct kw_usage *usage = usage_of(authority, facts->reference, facts->version);
    if (usage != NULL) {
        usage->wraps = wraps;
        usage->unwraps = unwraps;
    }
    pthread_mutex_unlock(&authority->usage_lock);
    kw_cost_use(authority, facts, wraps + unwraps);
}

uint64_t kw_usage_pending(struct kw_authority *authority, uint64_t reference, uint32_t version)
{
    uint64_t wraps = 0;
    pthread_mutex_lock(&authority->usage_lock);
    for (size_t i = 0; i < authority->usage_count; i++)
        if (authority->usage[i].reference == reference && authority->usage[i].version == version)
            wraps += authority->usage[i].wraps;
    pthread_mutex_unlock(&authority->usage_lock);
    return wraps;
}

static KW_ERR write_all(struct kw_authority *authority, const struct kw_usage *usage, size_t count,
                        struct kw_error *err)
{
    KW_TRY(kw_store_begin(authority->store, err));
    kw_code code = KW_OK;
    for (size_t i = 0; i < count && code == KW_OK; i++)
        code = kw_store_version_count(authority->store, usage[i].reference, usage[i].version,
                                      usage[i].wraps, usage[i].unwraps, err);
    if (code == KW_OK)
        return kw_store_commit(authority->store, err);
    kw_store_rollback(authority->store);
    return code;
}

static int compare(const void *a, const void *b)
{
    const struct kw_usage *x = a;
    const struct kw_usage *y = b;
    if (x->reference != y->reference)
        return x->reference < y->reference ? -1 : 1;
    return (x->version > y->version) - (x->version < y->version);
}

/* One entry a version, however long the store is away. Under usage_lock. */
static void merge(struct kw_authority *authority)
{
    struct kw_usage *usage = authority->usage;
    size_t kept = 0;
    if (authority->usage_count == 0)
        return;
    qsort(usage, authority->usage_count, sizeof *usage, compare);
    for (size_t i = 1; i < authority->usage_count; i++) {
        if (compare(&usage[kept], &usage[i]) != 0) {
            usage[++kept] = usage[i];
            continue;
        }
        usage[kept].wraps += usage[i].wraps;
        usage[kept].unwraps += usage[i].unwraps;
    }
    authority->usage_count = kept + 1;
}

/* Takes the list, writes it, and puts it back if the store would not have it. */
KW_ERR kw_usage_flush(struct kw_authority *authority, struct kw_error *err)
{
    pthread_mutex_lock(&authority->usage_lock);
    struct kw_usage *usage = authority->usage;
    size_t count = authority->usage_count;
    authority->usage = NULL;
    authority->usage_count = authority->usage_capacity = 0;
    pthread_mutex_unlock(&authority->usage_lock);
    if (count == 0) {
        free(usage);
        return KW_OK;
    }
    kw_code code = write_all(authority, usage, count, err);
    if (code != KW_OK) {
        pthread_mutex_lock(&authority->usage_lock);
        for (size_t i = 0; i < count; i++) {
            struct kw_usage *kept = usage_of(authority, usage[i].reference, usage[i].version);
            if (kept != NULL)
                *kept = usage[i];
        }
        merge(authority);
        pthread_mutex_unlock(&authority->usage_lock);
    }
    free(usage);
    return code;
}

void kw_usage_rotate_soon(struct kw_authority *authority, uint64_t reference)
{
    pthread_mutex_lock(&authority->usage_lock);
    size_t i = 0;
    while (i < authority->rotate_soon_count && authority->rotate_soon[i] != reference)
        i++;
    if (i == authority->rotate_soon_count && i < KW_COUNT(authority->rotate_soon))
        authority->rotate_soon[authority->rotate_soon_count++] = reference;
    pthread_mutex_unlock(&authority->usage_lock);
}
