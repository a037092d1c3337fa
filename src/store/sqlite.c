#include "store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void sq_free(void *state)
{
    struct sq_store *store = state;
    while (store->readers != NULL) {
        struct sq_conn *conn = store->readers;
        store->readers = conn->next;
        sq_conn_close(store, conn);
    }
    sq_conn_close(store, store->writer); /* the last one: it checkpoints and removes the log */
    pthread_mutex_destroy(&store->pool_lock);
    pthread_cond_destroy(&store->pool_free);
    free(store);
}

static const struct kw_store_ops ops = {
    .name = "sqlite",
    .begin = sq_begin,
    .commit = sq_commit,
    .rollback = sq_rollback,
    .add = sq_add,
    .set = sq_set,
    .use = sq_use,
    .spend = sq_spend,
    .destroy = sq_destroy,
    .meta_put = sq_meta_put,
    .find = sq_find,
    .meta_get = sq_meta_get,
    .counts = sq_counts,
    .census = sq_census,
    .purge = sq_purge,
    .check = sq_check,
    .free = sq_free,
};

/* SQLite would make the file with the process's mask; it holds token hashes and wrapped keys. The
 * log and its index take over the mode. */
static KW_ERR make_file(const char *path, struct kw_error *err)
{
    kw_code code = kw_file_create(path, 0600, "", 0, err);
    return code == KW_EXISTS ? KW_OK : code;
}

static off_t log_size(struct sq_store *store)
{
    char log[KW_PATH_SIZE + 8];
    struct stat info;
    snprintf(log, sizeof log, "%s-wal", store->path);
    return stat(log, &info) == 0 ? info.st_size : 0;
}

/* Without a log the file is whole pages: SQLite would take the missing end of the last for zeros.
 */
static KW_ERR check_file(struct sq_store *store, bool create, struct kw_error *err)
{
    struct stat info;
    if (stat(store->path, &info) != 0) {
        if (errno == ENOENT && create)
            return make_file(store->path, err);
        if (errno == ENOENT)
            return kw_fail(err, KW_DATA_MISSING,
                           "there is no database %s: make one with 'keyward init --data DIR'",
                           store->path);
        return kw_fail(err, KW_STORE_UNAVAILABLE, "cannot open the database %s: errno %d",
                       store->path, errno);
    }
    if (!S_ISREG(info.st_mode))
        return kw_fail(err, KW_BAD_CONFIG, "%s is not a file", store->path);
    if (info.st_size == 0 && !create)
        return sq_damaged(store, "it is empty", err);
    if (info.st_size % SQ_PAGE_SIZE != 0 && log_size(store) == 0)
        return sq_damaged(store, "it is cut off", err);
    return KW_OK;
}

/* What a crash left in the log may be pages of destroyed copies: now is the time to be rid of them.
 * A reader elsewhere can prevent it; then the next commit tries. */
static void tidy_log(struct sq_store *store)
{
    if (log_size(store) > 0) {
        atomic_store(&store->to_purge, true);
        (void)!sq_purge(store, NULL);
    }
}

static KW_ERR open_all(struct sq_store *store, bool create, struct kw_error *err)
{
    KW_TRY(check_file(store, create, err));
    KW_TRY(sq_conn_open(store, true, &store->writer, err));
    KW_TRY(sq_schema_prepare(store, create, err));
    sqlite3_db_config(store->writer->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    tidy_log(store);
    return KW_OK;
}

KW_ERR kw_store_sqlite_open(const char *path, bool create, struct kw_store **out,
                            struct kw_error *err)
{
    struct sq_store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    pthread_mutex_init(&store->pool_lock, NULL);
    pthread_cond_init(&store->pool_free, NULL);
    kw_code code = kw_path_format(store->path, err, "%s", path);
    if (code == KW_OK)
        code = open_all(store, create, err);
    if (code != KW_OK) {
        sq_free(store);
        return code;
    }
    return kw_store_new(&ops, store, out, err);
}

KW_ERR kw_store_sqlite_test_limit(struct kw_store *store, unsigned pages, struct kw_error *err)
{
    struct sq_store *state = kw_store_state(store);
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA max_page_count = %u", pages == 0 ? 0xfffffffeU : pages);
    return sq_exec(state, state->writer, sql, err);
}
