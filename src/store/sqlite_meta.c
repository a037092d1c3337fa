#include "base/checksum.h"
#include "store/sqlite.h"

/* A value's checksum covers its name too. */
static int64_t meta_checksum(const char *name, struct kw_bytes value)
{
    uint32_t sum = kw_checksum(KW_CHECKSUM_INIT, name, strlen(name) + 1);
    return kw_checksum(sum, value.data, value.len);
}

kw_code sq_meta_put(void *state, const char *name, struct kw_bytes value, struct kw_error *err)
{
    struct sq_store *store = state;
    sqlite3_stmt *statement;
    KW_TRY(sq_statement(store, store->writer, SQ_META_PUT, &statement, err));
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_blob(statement, 2, value.len > 0 ? value.data : (const void *)"", (int)value.len,
                      SQLITE_STATIC);
    sqlite3_bind_int64(statement, 3, meta_checksum(name, value));
    return sq_step(store, store->writer, statement, "write to the database", err);
}

static KW_ERR take_value(struct sq_store *store, sqlite3_stmt *statement, const char *name,
                         struct kw_buf *out, struct kw_error *err)
{
    struct kw_bytes value = {sqlite3_column_blob(statement, 0),
                             (size_t)sqlite3_column_bytes(statement, 0)};
    if (sqlite3_column_int64(statement, 1) != meta_checksum(name, value))
        return sq_damaged(store, "meta", err);
    kw_buf_append(out, value.data, value.len);
    return kw_buf_status(out, err);
}

kw_code sq_meta_get(void *state, const char *name, bool inside, struct kw_buf *out,
                    struct kw_error *err)
{
    struct sq_store *store = state;
    struct sq_conn *conn;
    KW_TRY(sq_acquire(store, inside, &conn, err));
    sqlite3_stmt *statement;
    kw_code code = sq_statement(store, conn, SQ_META_GET, &statement, err);
    if (code == KW_OK) {
        sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
        int rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW)
            code = take_value(store, statement, name, out, err);
        else if (rc == SQLITE_DONE)
            code = kw_fail(err, KW_NOT_FOUND, "the store has no value %s", name);
        else
            code = sq_fail(store, conn->db, rc, "read the database", err);
        sqlite3_reset(statement);
        sqlite3_clear_bindings(statement);
    }
    sq_release(store, conn);
    return code;
}
