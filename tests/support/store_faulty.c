#include "store_faulty.h"

#include "store/ops.h"

#include <stdatomic.h>

struct kw_faulty_state {
    struct kw_store *behind;
    const struct kw_store_ops *ops;
    void *state;
    _Atomic uint64_t calls;
    _Atomic uint64_t fail_at;
    _Atomic int code;
    atomic_bool lasting;
};

static KW_ERR pass(struct kw_faulty_state *to, struct kw_error *err)
{
    uint64_t call = atomic_fetch_add(&to->calls, 1) + 1;
    uint64_t at = atomic_load(&to->fail_at);
    if (at == 0 || call < at || (call > at && !atomic_load(&to->lasting)))
        return KW_OK;
    kw_code code = (kw_code)atomic_load(&to->code);
    return kw_fail(err, code, "call %llu was made to fail", (unsigned long long)call);
}

static kw_code begin(void *state, struct kw_error *err)
{
    struct kw_faulty_state *to = state;
    KW_TRY(pass(to, err));
    return to->ops->begin(to->state, err);
}

static kw_code commit(void *state, struct kw_error *err)
{
    struct kw_faulty_state *to = state;
    kw_code code = pass(to, err);
    if (code == KW_OK)
        return to->ops->commit(to->state, err);
    to->ops->rollback(to->state);
    return code;
}

static void rollback(void *state)
{
    struct kw_faulty_state *to = state;
    to->ops->rollback(to->state);
}

static kw_code add(void *state, enum kw_store_table table, const void *row, struct kw_error *err)
{
    struct kw_faulty_state *to = state;
    KW_TRY(pass(to, err));
    return to->ops->add(to->state, table, row, err);
}

static kw_code set(void *state, enum kw_store_table table, const void *row, struct kw_error *err)
{
    struct kw_faulty_state *to = state;
    KW_TRY(pass(to, err));
    return to->ops->set(to->state, table, row, err);
}

static kw_code use(void *state, const struct kw_version_row *added, struct kw_error *err)
{
    struct kw_faulty_state *to = state;
    KW_TRY(pass(to, err));
    return to->ops->use(to->state, added, err);
}

static kw_code spend(void *state, const struct kw_cost_row *added, struct kw_error *err)
{
    struct kw_faulty_state *to = state;
    KW_TRY(pass(to, err));
    return to->ops->spend(to->state, added, err);
}

static kw_code destroy(void *state, uint64_t reference, uint32_t version, uint64_t *destroyed,
                       struct kw_error *err)
{
    struct kw_faulty_state *to = state;
    KW_TRY(pass(to, err));
    return to->ops->destroy(to->state, reference, version, destroyed, err);
}

static kw_code meta_put(void *state, const char *name, struct kw_bytes value, struct kw_error *err)
{
    struct kw_faulty_state *to = state;
    KW_TRY(pass(to, err));
    return to->ops->meta_put(to->state, name, value, err);
}

static kw_code find(void *state, const struct kw_store_query *query, kw_store_each *each, void *arg,
                    struct kw_error *err)
{
    struct kw_faulty_state *to = state;
    KW_TRY(pass(to, err));
    return to->ops->find(to->state, query, each, arg, err);
}

static kw_code meta_get(void *state, const char *name, bool inside, struct kw_buf *out,
                        struct kw_error *err)
{
    struct kw_faulty_state *to = state;
    KW_TRY(pass(to, err));
    return to->ops->meta_get(to->state, name, inside, out, err);
}

static kw_code counts(void *state, bool inside, struct kw_store_counts *out, struct kw_error *err)
{
    struct kw_faulty_state *to = state;
    KW_TRY(pass(to, err));
    return to->ops->counts(to->state, inside, out, err);
}

static kw_code census(void *state, bool inside, kw_store_each *each, void *arg,
                      struct kw_error *err)
{
    struct kw_faulty_state *to = state;
    KW_TRY(pass(to, err));
    return to->ops->census(to->state, inside, each, arg, err);
}

static kw_code purge(void *state, struct kw_error *err)
{
    struct kw_faulty_state *to = state;
    KW_TRY(pass(to, err));
    return to->ops->purge(to->state, err);
}

static kw_code check(void *state, struct kw_error *err)
{
    struct kw_faulty_state *to = state;
    KW_TRY(pass(to, err));
    return to->ops->check(to->state, err);
}

static void end(void *state)
{
    struct kw_faulty_state *to = state;
    kw_store_free(to->behind);
    free(to);
}

static const struct kw_store_ops faulty_ops = {
    .name = "faulty",
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .add = add,
    .set = set,
    .use = use,
    .spend = spend,
    .destroy = destroy,
    .meta_put = meta_put,
    .find = find,
    .meta_get = meta_get,
    .counts = counts,
    .census = census,
    .purge = purge,
    .check = check,
    .free = end,
};

KW_ERR kw_faulty_wrap(struct kw_store *behind, struct kw_faulty *out, struct kw_error *err)
{
    struct kw_faulty_state *state = calloc(1, sizeof *state);
    if (state == NULL) {
        kw_store_free(behind);
        return kw_fail_code(err, KW_NO_MEMORY);
    }
    state->behind = behind;
    state->ops = kw_store_ops(behind);
    state->state = kw_store_state(behind);
    out->state = state;
    return kw_store_new(&faulty_ops, state, &out->store, err);
}

void kw_faulty_fail(struct kw_faulty *faulty, uint64_t n, kw_code code, bool lasting)
{
    atomic_store(&faulty->state->code, (int)code);
    atomic_store(&faulty->state->lasting, lasting);
    atomic_store(&faulty->state->calls, 0);
    atomic_store(&faulty->state->fail_at, n);
}

uint64_t kw_faulty_calls(const struct kw_faulty *faulty)
{
    return atomic_load(&faulty->state->calls);
}
