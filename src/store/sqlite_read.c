#include "store/sqlite.h"

static KW_ERR bind_query(struct sq_store *store, struct sq_conn *conn, sqlite3_stmt *statement,
                         const struct kw_store_query *query, struct kw_error *err)
{
    const int64_t numbers[] = {(int64_t)query->reference,
                               query->version,
                               query->now_ms,
                               query->limit,
                               query->from,
                               query->to};
    const int texts = KW_COUNT(query->text);
    int parameters = sqlite3_bind_parameter_count(statement);
    int rc = SQLITE_OK;
    for (int i = 1; i <= parameters && rc == SQLITE_OK; i++) {
        if (i <= texts)
            rc = sqlite3_bind_text(statement, i, query->text[i - 1], -1, SQLITE_STATIC);
        else
            rc = sqlite3_bind_int64(statement, i, numbers[i - texts - 1]);
    }
    return rc == SQLITE_OK ? KW_OK : sq_fail(store, conn->db, rc, "read the database", err);
}

/* Where the rows of a query go. */
struct sink {
    const struct sq_table *table;
    size_t row_size;
    kw_store_each *each;
    void *arg;
};

static KW_ERR each_row(struct sq_store *store, struct sq_conn *conn, sqlite3_stmt *statement,
                       const struct sink *sink, struct kw_error *err)
{
    union sq_row row;
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        memset(&row, 0, sink->row_size);
        KW_TRY(sq_row_read(store, statement, sink->table, &row, err));
        if (!sink->each(sink->arg, &row))
            return KW_OK;
    }
    return rc == SQLITE_DONE ? KW_OK : sq_fail(store, conn->db, rc, "read the database", err);
}

kw_code sq_find(void *state, const struct kw_store_query *query, kw_store_each *each, void *arg,
                struct kw_error *err)
{
    struct sq_store *store = state;
    enum kw_store_table table = kw_find_table(query->find);
    const struct sink sink = {&sq_tables[table], kw_table_row_size(table), each, arg};
    struct sq_conn *conn;
    KW_TRY(sq_acquire(store, query->inside, &conn, err));
    sqlite3_stmt *statement;
    kw_code code = sq_statement(store, conn, SQ_FIND + query->find, &statement, err);
    if (code == KW_OK) {
        code = bind_query(store, conn, statement, query, err);
        if (code == KW_OK)
            code = each_row(store, conn, statement, &sink, err);
        sqlite3_reset(statement);
        sqlite3_clear_bindings(statement);
    }
    sq_release(store, conn);
    return code;
}

kw_code sq_counts(void *state, bool inside, struct kw_store_counts *out, struct kw_error *err)
{
    struct sq_store *store = state;
    struct sq_conn *conn;
    KW_TRY(sq_acquire(store, inside, &conn, err));
    sqlite3_stmt *statement;
    kw_code code = sq_statement(store, conn, SQ_COUNTS, &statement, err);
    if (code == KW_OK) {
        int rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW)
            *out = (struct kw_store_counts){(uint64_t)sqlite3_column_int64(statement, 0),
                                            (uint64_t)sqlite3_column_int64(statement, 1),
                                            (uint64_t)sqlite3_column_int64(statement, 2)};
        else
            code = sq_fail(store, conn->db, rc, "read the database", err);
        sqlite3_reset(statement);
    }
    sq_release(store, conn);
    return code;
}

static bool read_text(sqlite3_stmt *statement, int i, char *out, size_t size)
{
    const char *text = (const char *)sqlite3_column_text(statement, i);
    size_t len = (size_t)sqlite3_column_bytes(statement, i);
    if (text == NULL || len >= size)
        return false;
    memcpy(out, text, len + 1);
    return true;
}

static KW_ERR each_count(struct sq_store *store, struct sq_conn *conn, sqlite3_stmt *statement,
                         const struct sink *sink, struct kw_error *err)
{
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        struct kw_copy_census row = {.copies = (uint64_t)sqlite3_column_int64(statement, 2)};
        if (!read_text(statement, 0, row.region, sizeof row.region) ||
            !read_text(statement, 1, row.provider, sizeof row.provider))
            return sq_damaged(store, "copies", err);
        if (!sink->each(sink->arg, &row))
            return KW_OK;
    }
    return rc == SQLITE_DONE ? KW_OK : sq_fail(store, conn->db, rc, "read the database", err);
}

kw_code sq_census(void *state, bool inside, kw_store_each *each, void *arg, struct kw_error *err)
{
    struct sq_store *store = state;
    const struct sink sink = {.each = each, .arg = arg};
    struct sq_conn *conn;
    KW_TRY(sq_acquire(store, inside, &conn, err));
    sqlite3_stmt *statement;
    kw_code code = sq_statement(store, conn, SQ_CENSUS, &statement, err);
    if (code == KW_OK) {
        code = each_count(store, conn, statement, &sink, err);
        sqlite3_reset(statement);
    }
    sq_release(store, conn);
    return code;
}
