#include "store/dispatch.h"

enum { BEGIN_WAIT_SECONDS = 5, META_NAME_MAX = 64, META_MAX = 64 * 1024 };

/* Its address tells one thread from another without a call. */
static _Thread_local struct {
    const struct kw_store *listing; /* whose each() is running */
} self;

KW_ERR kw_store_new(const struct kw_store_ops *ops, void *state, struct kw_store **out,
                    struct kw_error *err)
{
    struct kw_store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        ops->free(state);
        return kw_fail_code(err, KW_NO_MEMORY);
    }
    store->ops = ops;
    store->state = state;
    pthread_condattr_t monotonic; /* the wall clock may be set while somebody waits */
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&store->turn_over, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&store->turn_lock, NULL);
    *out = store;
    return KW_OK;
}

void kw_store_free(struct kw_store *store)
{
    if (store == NULL)
        return;
    kw_store_rollback(store);
    store->ops->free(store->state);
    pthread_cond_destroy(&store->turn_over);
    pthread_mutex_destroy(&store->turn_lock);
    free(store);
}

const struct kw_store_ops *kw_store_ops(const struct kw_store *store)
{
    return store->ops;
}

void *kw_store_state(const struct kw_store *store)
{
    return store->state;
}

bool kw_store_inside(const struct kw_store *store)
{
    return atomic_load_explicit(&store->owner, memory_order_relaxed) == &self;
}

KW_ERR kw_store_may_read(struct kw_store *store, struct kw_error *err)
{
    if (self.listing == store)
        return kw_fail(err, KW_INTERNAL, "a list's callback calls the store");
    return KW_OK;
}

KW_ERR kw_store_may_write(struct kw_store *store, struct kw_error *err)
{
    KW_TRY(kw_store_may_read(store, err));
    if (!kw_store_inside(store))
        return kw_fail(err, KW_INTERNAL, "a write outside a transaction");
    if (store->doomed != KW_OK)
        return kw_fail(err, store->doomed, "the transaction failed before: %s",
                       kw_code_message(store->doomed));
    return KW_OK;
}

/* A conflict or a missing row leaves the transaction as it was; anything worse may have taken part
 * of it away. */
KW_ERR kw_store_written(struct kw_store *store, kw_code code)
{
    kw_class cls = kw_code_class(code);
    if (code != KW_OK && cls != KW_CLASS_CONFLICT && cls != KW_CLASS_MISSING)
        store->doomed = code;
    return code;
}

static KW_ERR take_turn(struct kw_store *store, struct kw_error *err)
{
    struct timespec until;
    int rc = 0;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += BEGIN_WAIT_SECONDS;
    pthread_mutex_lock(&store->turn_lock);
    while (atomic_load(&store->owner) != NULL && rc == 0)
        rc = pthread_cond_timedwait(&store->turn_over, &store->turn_lock, &until);
    bool mine = atomic_load(&store->owner) == NULL;
    if (mine)
        atomic_store(&store->owner, &self);
    pthread_mutex_unlock(&store->turn_lock);
    if (!mine)
        return kw_fail(err, KW_STORE_UNAVAILABLE,
                       "the database is busy with another change: try again");
    store->doomed = KW_OK;
    return KW_OK;
}

static void end_turn(struct kw_store *store)
{
    pthread_mutex_lock(&store->turn_lock);
    atomic_store(&store->owner, NULL);
    pthread_cond_signal(&store->turn_over);
    pthread_mutex_unlock(&store->turn_lock);
}

KW_ERR kw_store_begin(struct kw_store *store, struct kw_error *err)
{
    KW_TRY(kw_store_may_read(store, err));
    if (kw_store_inside(store))
        return kw_fail(err, KW_INTERNAL, "a transaction within a transaction");
    KW_TRY(take_turn(store, err));
    kw_code code = store->ops->begin(store->state, err);
    if (code != KW_OK)
        end_turn(store);
    return code;
}

KW_ERR kw_store_commit(struct kw_store *store, struct kw_error *err)
{
    if (!kw_store_inside(store))
        return kw_fail(err, KW_INTERNAL, "a commit without a transaction");
    kw_code code = kw_store_may_write(store, err);
    if (code == KW_OK)
        code = store->ops->commit(store->state, err);
    else
        store->ops->rollback(store->state);
    end_turn(store);
    return code;
}

void kw_store_rollback(struct kw_store *store)
{
    if (!kw_store_inside(store))
        return;
    store->ops->rollback(store->state);
    end_turn(store);
}

KW_ERR kw_store_purge(struct kw_store *store, struct kw_error *err)
{
    KW_TRY(kw_store_may_read(store, err));
    if (kw_store_inside(store))
        return kw_fail(err, KW_INTERNAL, "a purge inside a transaction");
    KW_TRY(take_turn(store, err));
    kw_code code = store->ops->purge(store->state, err);
    end_turn(store);
    return code;
}

KW_ERR kw_store_check(struct kw_store *store, struct kw_error *err)
{
    KW_TRY(kw_store_may_read(store, err));
    return store->ops->check(store->state, err);
}

struct seen {
    enum kw_store_table table;
    kw_store_each *each;
    void *arg;
    kw_code code;
    struct kw_error *err;
};

/* A row that breaks the rules was not written by us. */
static bool check_and_pass(void *arg, const void *row)
{
    struct seen *seen = arg;
    struct kw_error why;
    if (kw_row_check(seen->table, row, &why) != KW_OK) {
        seen->code =
            kw_fail(seen->err, KW_STORE_CORRUPT,
                    "the database holds a damaged row (%s): restore the last backup", why.text);
        return false;
    }
    return seen->each(seen->arg, row);
}

KW_ERR kw_store_find(struct kw_store *store, struct kw_store_query *query, kw_store_each *each,
                     void *arg, struct kw_error *err)
{
    KW_TRY(kw_store_may_read(store, err));
    query->inside = kw_store_inside(store);
    struct seen seen = {kw_find_table(query->find), each, arg, KW_OK, err};
    const struct kw_store *before = self.listing;
    self.listing = store;
    kw_code code = store->ops->find(store->state, query, check_and_pass, &seen, err);
    self.listing = before;
    return code != KW_OK ? code : seen.code;
}

struct counted {
    bool (*each)(void *arg, const struct kw_copy_census *row);
    void *arg;
    kw_code code;
    struct kw_error *err;
};

static bool check_and_count(void *arg, const void *any)
{
    const struct kw_copy_census *row = any;
    struct counted *counted = arg;
    struct kw_error why;
    if (kw_name_check(row->region, KW_REGION_MAX, "region", &why) != KW_OK ||
        kw_name_check(row->provider, KW_PROVIDER_MAX, "provider name", &why) != KW_OK) {
        counted->code =
            kw_fail(counted->err, KW_STORE_CORRUPT,
                    "the database holds a damaged row (%s): restore the last backup", why.text);
        return false;
    }
    return counted->each(counted->arg, row);
}

KW_ERR kw_store_copies_census(struct kw_store *store,
                              bool (*each)(void *arg, const struct kw_copy_census *row), void *arg,
                              struct kw_error *err)
{
    KW_TRY(kw_store_may_read(store, err));
    struct counted counted = {each, arg, KW_OK, err};
    self.listing = store;
    kw_code code =
        store->ops->census(store->state, kw_store_inside(store), check_and_count, &counted, err);
    self.listing = NULL;
    return code != KW_OK ? code : counted.code;
}

struct one {
    void *out;
    size_t size;
    bool found;
};

static bool keep(void *arg, const void *row)
{
    struct one *one = arg;
    memcpy(one->out, row, one->size);
    one->found = true;
    return false;
}

KW_ERR kw_store_find_one(struct kw_store *store, struct kw_store_query *query, void *out,
                         kw_code missing, struct kw_error *err)
{
    struct one one = {out, kw_table_row_size(kw_find_table(query->find)), false};
    KW_TRY(kw_store_find(store, query, keep, &one, err));
    return one.found ? KW_OK : kw_fail_code(err, missing);
}

KW_ERR kw_store_meta_get(struct kw_store *store, const char *name, struct kw_buf *out,
                         struct kw_error *err)
{
    KW_TRY(kw_store_may_read(store, err));
    KW_TRY(kw_name_check(name, META_NAME_MAX, "value's name", err));
    return store->ops->meta_get(store->state, name, kw_store_inside(store), out, err);
}

KW_ERR kw_store_meta_put(struct kw_store *store, const char *name, struct kw_bytes value,
                         struct kw_error *err)
{
    KW_TRY(kw_store_may_write(store, err));
    KW_TRY(kw_name_check(name, META_NAME_MAX, "value's name", err));
    if (value.len > META_MAX)
        return kw_fail(err, KW_TOO_LARGE, "the value %s is larger than %d bytes", name, META_MAX);
    return kw_store_written(store, store->ops->meta_put(store->state, name, value, err));
}

KW_ERR kw_store_counts(struct kw_store *store, struct kw_store_counts *out, struct kw_error *err)
{
    KW_TRY(kw_store_may_read(store, err));
    return store->ops->counts(store->state, kw_store_inside(store), out, err);
}
