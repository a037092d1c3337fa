#include "store/sqlite.h"

kw_code sq_begin(void *state, struct kw_error *err)
{
    struct sq_store *store = state;
    if (atomic_load(&store->damaged))
        return sq_damaged(store, "found before", err);
    store->destroyed = false;
    return sq_run(store, store->writer, SQ_BEGIN, "write to the database", err);
}

void sq_rollback(void *state)
{
    struct sq_store *store = state;
    /* Some failures have ended the transaction already. A rollback that fails leaves it to be
     * rolled back by the next opening. */
    if (!sqlite3_get_autocommit(store->writer->db))
        (void)!sq_run(store, store->writer, SQ_ROLLBACK, "write to the database", NULL);
}

kw_code sq_commit(void *state, struct kw_error *err)
{
    struct sq_store *store = state;
    kw_code code = sq_run(store, store->writer, SQ_COMMIT, "write to the database", err);
    if (code != KW_OK) {
        sq_rollback(store);
        return code;
    }
    if (store->destroyed)
        atomic_store(&store->to_purge, true);
    if (atomic_load(&store->to_purge))
        (void)!sq_purge(store,
                        NULL); /* what fails now is tried with the next commit, or by the caller */
    return KW_OK;
}

static kw_code constraint(struct kw_error *err, int rc, const struct sq_table *table)
{
    if (rc == SQLITE_CONSTRAINT_FOREIGNKEY)
        return kw_fail_code(err, table->belongs_to);
    if (rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_UNIQUE ||
        rc == SQLITE_CONSTRAINT_ROWID)
        return kw_fail(err, KW_EXISTS, "it exists already (%s)", table->name);
    return kw_fail(err, KW_INTERNAL, "a rule of the table %s refuses the row", table->name);
}

/* Binds row to an ADD or SET statement and runs it. */
static KW_ERR put(struct sq_store *store, unsigned number, enum kw_store_table which,
                  const void *row, struct kw_error *err)
{
    const struct sq_table *table = &sq_tables[which];
    sqlite3_stmt *statement;
    KW_TRY(sq_statement(store, store->writer, number + which, &statement, err));
    int rc = sq_row_bind(statement, table, row);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if ((rc & 0xff) == SQLITE_CONSTRAINT)
        return constraint(err, rc, table);
    if (rc != SQLITE_DONE)
        return sq_fail(store, store->writer->db, rc, "write to the database", err);
    return KW_OK;
}

/* A copy takes the place of the one that its provider held before. */
static KW_ERR retire(struct sq_store *store, const struct kw_copy_row *row, struct kw_error *err)
{
    sqlite3_stmt *statement;
    KW_TRY(sq_statement(store, store->writer, SQ_RETIRE, &statement, err));
    sqlite3_bind_int64(statement, 1, (int64_t)row->reference);
    sqlite3_bind_int64(statement, 2, row->version);
    sqlite3_bind_text(statement, 3, row->provider, -1, SQLITE_STATIC);
    KW_TRY(sq_step(store, store->writer, statement, "write to the database", err));
    if (sqlite3_changes64(store->writer->db) > 0)
        store->destroyed = true;
    return KW_OK;
}

kw_code sq_add(void *state, enum kw_store_table table, const void *row, struct kw_error *err)
{
    if (table == KW_TABLE_COPIES)
        KW_TRY(retire(state, row, err));
    return put(state, SQ_ADD, table, row, err);
}

struct found {
    union sq_row row;
    size_t size;
    bool any;
};

static bool keep(void *arg, const void *row)
{
    struct found *found = arg;
    memcpy(&found->row, row, found->size);
    found->any = true;
    return false;
}

/* The stored row with the key of row. Copies are only ever replaced. */
static KW_ERR stored(struct sq_store *store, enum kw_store_table table, const union sq_row *row,
                     struct found *found, struct kw_error *err)
{
    struct kw_store_query query = {.inside = true};
    switch (table) {
    case KW_TABLE_TENANTS:
        query.find = KW_FIND_TENANT;
        query.text[0] = row->tenant.id;
        break;
    case KW_TABLE_KEYS:
        query.find = KW_FIND_KEY_BY_REFERENCE;
        query.reference = row->key.reference;
        break;
    case KW_TABLE_VERSIONS:
        query.find = KW_FIND_VERSION;
        query.reference = row->version.reference;
        query.version = row->version.version;
        break;
    case KW_TABLE_TOKENS:
        query.find = KW_FIND_TOKEN;
        query.text[0] = row->token.id;
        break;
    case KW_TABLE_COSTS:
        query.find = KW_FIND_COST;
        query.text[0] = row->cost.tenant;
        query.text[1] = row->cost.region;
        query.text[2] = row->cost.provider;
        query.from = row->cost.day;
        break;
    default:
        return kw_fail(err, KW_INTERNAL, "rows of this table are not set");
    }
    found->size = kw_table_row_size(table);
    KW_TRY(sq_find(store, &query, keep, found, err));
    return found->any ? KW_OK : kw_fail_code(err, kw_table_missing(table));
}

kw_code sq_set(void *state, enum kw_store_table table, const void *row, struct kw_error *err)
{
    struct found old = {.any = false};
    KW_TRY(stored(state, table, row, &old, err));
    union sq_row merged;
    memcpy(&merged, row, old.size);
    sq_row_keep(&sq_tables[table], &merged, &old.row);
    return put(state, SQ_SET, table, &merged, err);
}

kw_code sq_use(void *state, const struct kw_version_row *added, struct kw_error *err)
{
    union sq_row key = {.version = *added};
    struct found old = {.any = false};
    KW_TRY(stored(state, KW_TABLE_VERSIONS, &key, &old, err));
    old.row.version.wraps += added->wraps;
    old.row.version.unwraps += added->unwraps;
    return put(state, SQ_SET, KW_TABLE_VERSIONS, &old.row, err);
}

/* Sums stop at the largest number rather than begin anew. */
static void add_up(uint64_t *sum, uint64_t more)
{
    if (__builtin_add_overflow(*sum, more, sum))
        *sum = UINT64_MAX;
}

kw_code sq_spend(void *state, const struct kw_cost_row *added, struct kw_error *err)
{
    union sq_row key = {.cost = *added};
    struct found old = {.any = false};
    kw_code code = stored(state, KW_TABLE_COSTS, &key, &old, err);
    if (code == kw_table_missing(KW_TABLE_COSTS) && !old.any)
        return put(state, SQ_ADD, KW_TABLE_COSTS, added, err);
    if (code != KW_OK)
        return code;
    struct kw_cost_row *row = &old.row.cost;
    add_up(&row->wraps, added->wraps);
    add_up(&row->unwraps, added->unwraps);
    add_up(&row->failures, added->failures);
    add_up(&row->nano, added->nano);
    return put(state, SQ_SET, KW_TABLE_COSTS, row, err);
}

kw_code sq_destroy(void *state, uint64_t reference, uint32_t version, uint64_t *destroyed,
                   struct kw_error *err)
{
    struct sq_store *store = state;
    sqlite3_stmt *statement;
    KW_TRY(sq_statement(store, store->writer, SQ_DESTROY, &statement, err));
    sqlite3_bind_int64(statement, 1, (int64_t)reference);
    sqlite3_bind_int64(statement, 2, version);
    KW_TRY(sq_step(store, store->writer, statement, "write to the database", err));
    *destroyed = (uint64_t)sqlite3_changes64(store->writer->db);
    store->destroyed = true;
    return KW_OK;
}
