#include "store/sqlite.h"

/* TRUNCATE waits (busy timeout) for readers, copies every page of the log into the database, syncs
 * it, and cuts the log to nothing. */
kw_code sq_purge(void *state, struct kw_error *err)
{
    struct sq_store *store = state;
    if (atomic_load(&store->damaged))
        return sq_damaged(store, "found before", err);
    int rc =
        sqlite3_wal_checkpoint_v2(store->writer->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (rc != SQLITE_OK)
        return sq_fail(store, store->writer->db, rc, "purge the log of", err);
    atomic_store(&store->to_purge, false);
    return KW_OK;
}

/* Runs a PRAGMA that reports findings; want is its answer when there is none (NULL: no row). */
static KW_ERR no_finding(struct sq_store *store, struct sq_conn *conn, const char *sql,
                         const char *want, struct kw_error *err)
{
    sqlite3_stmt *statement;
    int rc = sqlite3_prepare_v2(conn->db, sql, -1, &statement, NULL);
    if (rc != SQLITE_OK)
        return sq_fail(store, conn->db, rc, "check the database", err);
    rc = sqlite3_step(statement);
    kw_code code = KW_OK;
    if (rc == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(statement, 0);
        if (want == NULL || text == NULL || strcmp(text, want) != 0)
            code = sq_damaged(store, text != NULL ? text : "check failed", err);
    } else if (rc != SQLITE_DONE) {
        code = sq_fail(store, conn->db, rc, "check the database", err);
    }
    sqlite3_finalize(statement);
    return code;
}

static KW_ERR read_all(struct sq_store *store, struct sq_conn *conn, enum kw_store_table which,
                       struct kw_error *err)
{
    static const enum kw_store_find any[KW_TABLE_COUNT] = {
        [KW_TABLE_TENANTS] = KW_FIND_TENANT,   [KW_TABLE_KEYS] = KW_FIND_KEY,
        [KW_TABLE_VERSIONS] = KW_FIND_VERSION, [KW_TABLE_COPIES] = KW_FIND_COPIES,
        [KW_TABLE_TOKENS] = KW_FIND_TOKEN,     [KW_TABLE_COSTS] = KW_FIND_COST,
    };
    KW_AUTO(kw_buf) sql = KW_BUF_INIT;
    sq_sql(SQ_FIND + any[which], &sql);
    KW_TRY(kw_buf_status(&sql, err));
    (void)kw_buf_str(&sql);
    char *where = strstr((char *)sql.data, " WHERE ");
    sql.len = (size_t)(where - (char *)sql.data);
    /* The same columns, of every row that is in use. */
    kw_buf_printf(&sql, " WHERE t.%s IS NOT NULL", sq_tables[which].columns[0].name);
    KW_TRY(kw_buf_status(&sql, err));
    sqlite3_stmt *statement;
    int rc = sqlite3_prepare_v2(conn->db, kw_buf_str(&sql), -1, &statement, NULL);
    if (rc != SQLITE_OK)
        return sq_fail(store, conn->db, rc, "check the database", err);
    kw_code code = KW_OK;
    union sq_row row;
    while (code == KW_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        memset(&row, 0, sizeof row);
        code = sq_row_read(store, statement, &sq_tables[which], &row, err);
    }
    if (code == KW_OK && rc != SQLITE_DONE)
        code = sq_fail(store, conn->db, rc, "check the database", err);
    sqlite3_finalize(statement);
    return code;
}

kw_code sq_check(void *state, struct kw_error *err)
{
    struct sq_store *store = state;
    struct sq_conn *conn;
    KW_TRY(sq_acquire(store, false, &conn, err));
    kw_code code = no_finding(store, conn, "PRAGMA integrity_check(1)", "ok", err);
    if (code == KW_OK)
        code = no_finding(store, conn, "PRAGMA foreign_key_check", NULL, err);
    for (unsigned table = 0; table < KW_TABLE_COUNT && code == KW_OK; table++)
        code = read_all(store, conn, table, err);
    sq_release(store, conn);
    return code;
}
