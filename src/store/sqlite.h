/* Private to the SQLite store: connections, the table-driven binder, and errors.
 *
 * One connection writes, under the dispatcher's turn; a pool of others reads. Every connection
 * belongs to one thread at a time and keeps its prepared statements. Rows go in and out of SQLite
 * by column tables (sqlite_tables.c): no statement has code of its own. */
#ifndef KW_STORE_SQLITE_H
#define KW_STORE_SQLITE_H

#include "base/file.h"
#include "store/ops.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

enum { SQ_READERS_MAX = 16, SQ_PAGE_SIZE = 4096, SQ_APPLICATION_ID = 0x4b657977 /* Keyw */ };

/* Members named in each statement, in sqlite_tables.c's order. */
enum sq_statement {
    SQ_FIND = 0,                      /* + enum kw_store_find */
    SQ_ADD = SQ_FIND + KW_FIND_COUNT, /* + enum kw_store_table */
    SQ_SET = SQ_ADD + KW_TABLE_COUNT, /* + enum kw_store_table */
    SQ_DESTROY = SQ_SET + KW_TABLE_COUNT,
    SQ_RETIRE, /* empties one copy */
    SQ_META_GET,
    SQ_META_PUT,
    SQ_COUNTS,
    SQ_CENSUS,
    SQ_BEGIN_READ,
    SQ_BEGIN,
    SQ_COMMIT,
    SQ_ROLLBACK,
    SQ_STATEMENTS,
};

enum sq_kind { SQ_TEXT, SQ_U64, SQ_U32, SQ_U8, SQ_STATE, SQ_BOOL, SQ_FIXED, SQ_BLOB };

/* A column and the member of the row that holds it. */
struct sq_column {
    const char *name;
    enum sq_kind kind;
    bool settable; /* else it stays as added */
    uint16_t offset;
    uint16_t size;       /* of the member; texts are terminated within it */
    uint16_t len_offset; /* SQ_BLOB: of the size_t beside it */
};

/* A table: its key columns come first. joined is a column of another table, read with a row and not
 * part of it. */
struct sq_table {
    const char *name;
    const struct sq_column *columns;
    uint16_t count;
    uint16_t keys;
    kw_code belongs_to; /* what is missing when a foreign key fails */
    const struct sq_column *joined;
    const char *join;
};
extern const struct sq_table sq_tables[KW_TABLE_COUNT];

/* Room for a row of any table. */
union sq_row {
    struct kw_tenant_row tenant;
    struct kw_key_row key;
    struct kw_version_row version;
    struct kw_copy_row copy;
    struct kw_token_row token;
    struct kw_cost_row cost;
};

struct sq_conn {
    sqlite3 *db;
    sqlite3_stmt *statements[SQ_STATEMENTS];
    struct sq_conn *next;
};

struct sq_store {
    char path[KW_PATH_SIZE];
    struct sq_conn *writer;
    atomic_bool damaged;  /* found corrupt: read-only from then on */
    bool destroyed;       /* the transaction destroys copies */
    atomic_bool to_purge; /* the log may still hold destroyed copies */
    pthread_mutex_t pool_lock;
    pthread_cond_t pool_free;
    struct sq_conn *readers; /* free ones, the last used first */
    unsigned reader_count;
};

/* Errors. rc is SQLite's extended code. */
kw_code sq_fail(struct sq_store *store, sqlite3 *db, int rc, const char *act, struct kw_error *err);
kw_code sq_damaged(struct sq_store *store, const char *what, struct kw_error *err);

/* Connections (sqlite_conn.c). A reader is given back with sq_release. */
KW_ERR sq_conn_open(struct sq_store *store, bool writer, struct sq_conn **out,
                    struct kw_error *err);
void sq_conn_close(struct sq_store *store, struct sq_conn *conn);
KW_ERR sq_acquire(struct sq_store *store, bool inside, struct sq_conn **out, struct kw_error *err);
void sq_release(struct sq_store *store, struct sq_conn *conn);

/* The statement, prepared on first use. */
KW_ERR sq_statement(struct sq_store *store, struct sq_conn *conn, unsigned number,
                    sqlite3_stmt **out, struct kw_error *err);
/* Runs a statement that gives no rows. */
KW_ERR sq_step(struct sq_store *store, struct sq_conn *conn, sqlite3_stmt *statement,
               const char *act, struct kw_error *err);
KW_ERR sq_run(struct sq_store *store, struct sq_conn *conn, unsigned number, const char *act,
              struct kw_error *err);
KW_ERR sq_exec(struct sq_store *store, struct sq_conn *conn, const char *sql, struct kw_error *err);

/* The text of a statement (sqlite_sql.c). */
void sq_sql(unsigned number, struct kw_buf *out);

/* Rows to and from statements (sqlite_row.c). Parameters and columns are in the table's order, with
 * the checksum behind them. */
int sq_row_bind(sqlite3_stmt *statement, const struct sq_table *table, const void *row);
KW_ERR sq_row_read(struct sq_store *store, sqlite3_stmt *statement, const struct sq_table *table,
                   void *row, struct kw_error *err);
/* Copies the columns that may not be set from one row to another. */
void sq_row_keep(const struct sq_table *table, void *row, const void *old);

/* Operations (sqlite_write.c, sqlite_read.c). */
kw_code sq_begin(void *state, struct kw_error *err);
kw_code sq_commit(void *state, struct kw_error *err);
void sq_rollback(void *state);
kw_code sq_add(void *state, enum kw_store_table table, const void *row, struct kw_error *err);
kw_code sq_set(void *state, enum kw_store_table table, const void *row, struct kw_error *err);
kw_code sq_use(void *state, const struct kw_version_row *added, struct kw_error *err);
kw_code sq_spend(void *state, const struct kw_cost_row *added, struct kw_error *err);
kw_code sq_destroy(void *state, uint64_t reference, uint32_t version, uint64_t *destroyed,
                   struct kw_error *err);
kw_code sq_meta_put(void *state, const char *name, struct kw_bytes value, struct kw_error *err);
kw_code sq_find(void *state, const struct kw_store_query *query, kw_store_each *each, void *arg,
                struct kw_error *err);
kw_code sq_meta_get(void *state, const char *name, bool inside, struct kw_buf *out,
                    struct kw_error *err);
kw_code sq_counts(void *state, bool inside, struct kw_store_counts *out, struct kw_error *err);
kw_code sq_census(void *state, bool inside, kw_store_each *each, void *arg, struct kw_error *err);
kw_code sq_purge(void *state, struct kw_error *err);
kw_code sq_check(void *state, struct kw_error *err);

/* The schema (sqlite_schema.c): reads the version, refuses what is not ours or newer, migrates. */
KW_ERR sq_schema_prepare(struct sq_store *store, bool create, struct kw_error *err);

/* For tests: the database may not grow beyond so many pages, as if the disk were full. 0: no limit.
 */
KW_ERR kw_store_sqlite_test_limit(struct kw_store *store, unsigned pages, struct kw_error *err);

#endif
