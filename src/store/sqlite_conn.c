#include "store/sqlite.h"

enum { BUSY_TIMEOUT_MS = 1000 };

/* synchronous=FULL: a commit is durable when it returns. mmap stays off: a file that shrinks or a
 * disk that fails must give an error, not a signal. */
static const char setup[] = "PRAGMA foreign_keys = ON;"
                            "PRAGMA secure_delete = ON;"
                            "PRAGMA synchronous = FULL;"
                            "PRAGMA trusted_schema = OFF;"
                            "PRAGMA cell_size_check = ON;"
                            "PRAGMA temp_store = MEMORY;"
                            "PRAGMA cache_size = -8192;"
                            "PRAGMA journal_size_limit = 4194304;";

static KW_ERR configure(struct sq_store *store, struct sq_conn *conn, struct kw_error *err)
{
    sqlite3_extended_result_codes(conn->db, 1);
    sqlite3_busy_timeout(conn->db, BUSY_TIMEOUT_MS);
    sqlite3_db_config(conn->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(conn->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(conn->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_db_config(conn->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return sq_exec(store, conn, setup, err);
}

KW_ERR sq_conn_open(struct sq_store *store, bool writer, struct sq_conn **out, struct kw_error *err)
{
    struct sq_conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
                (writer ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);
    int rc = sqlite3_open_v2(store->path, &conn->db, flags, NULL);
    kw_code code = rc == SQLITE_OK ? configure(store, conn, err)
                                   : sq_fail(store, conn->db, rc, "open the database", err);
    if (code != KW_OK) {
        sq_conn_close(store, conn);
        return code;
    }
    *out = conn;
    return KW_OK;
}

/* Nothing is written to a damaged file, not even by the checkpoint that closing would make. */
void sq_conn_close(struct sq_store *store, struct sq_conn *conn)
{
    if (conn == NULL)
        return;
    for (unsigned i = 0; i < SQ_STATEMENTS; i++)
        sqlite3_finalize(conn->statements[i]);
    if (atomic_load(&store->damaged))
        sqlite3_db_config(conn->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close(conn->db);
    free(conn);
}

/* A free reader, or room to open one (NULL), or the wait for one to come free. */
static struct sq_conn *take_reader(struct sq_store *store)
{
    pthread_mutex_lock(&store->pool_lock);
    while (store->readers == NULL && store->reader_count == SQ_READERS_MAX)
        pthread_cond_wait(&store->pool_free, &store->pool_lock);
    struct sq_conn *conn = store->readers;
    if (conn != NULL)
        store->readers = conn->next;
    else
        store->reader_count++;
    pthread_mutex_unlock(&store->pool_lock);
    return conn;
}

static void drop_reader(struct sq_store *store)
{
    pthread_mutex_lock(&store->pool_lock);
    store->reader_count--;
    pthread_cond_signal(&store->pool_free);
    pthread_mutex_unlock(&store->pool_lock);
}

KW_ERR sq_acquire(struct sq_store *store, bool inside, struct sq_conn **out, struct kw_error *err)
{
    *out = inside ? store->writer : take_reader(store);
    if (*out != NULL)
        return KW_OK;
    kw_code code = sq_conn_open(store, false, out, err);
    if (code != KW_OK)
        drop_reader(store);
    return code;
}

void sq_release(struct sq_store *store, struct sq_conn *conn)
{
    if (conn == store->writer)
        return;
    pthread_mutex_lock(&store->pool_lock);
    conn->next = store->readers;
    store->readers = conn;
    pthread_cond_signal(&store->pool_free);
    pthread_mutex_unlock(&store->pool_lock);
}

KW_ERR sq_statement(struct sq_store *store, struct sq_conn *conn, unsigned number,
                    sqlite3_stmt **out, struct kw_error *err)
{
    if (conn->statements[number] == NULL) {
        KW_AUTO(kw_buf) sql = KW_BUF_INIT;
        sq_sql(number, &sql);
        KW_TRY(kw_buf_status(&sql, err));
        int rc = sqlite3_prepare_v3(conn->db, kw_buf_str(&sql), -1, SQLITE_PREPARE_PERSISTENT,
                                    &conn->statements[number], NULL);
        if (rc != SQLITE_OK)
            return sq_fail(store, conn->db, rc, "read the database", err);
    }
    *out = conn->statements[number];
    return KW_OK;
}

KW_ERR sq_step(struct sq_store *store, struct sq_conn *conn, sqlite3_stmt *statement,
               const char *act, struct kw_error *err)
{
    int rc = sqlite3_step(statement);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? KW_OK : sq_fail(store, conn->db, rc, act, err);
}

KW_ERR sq_run(struct sq_store *store, struct sq_conn *conn, unsigned number, const char *act,
              struct kw_error *err)
{
    sqlite3_stmt *statement = NULL;
    KW_TRY(sq_statement(store, conn, number, &statement, err));
    return sq_step(store, conn, statement, act, err);
}

KW_ERR sq_exec(struct sq_store *store, struct sq_conn *conn, const char *sql, struct kw_error *err)
{
    int rc = sqlite3_exec(conn->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? KW_OK : sq_fail(store, conn->db, rc, "prepare the database", err);
}
