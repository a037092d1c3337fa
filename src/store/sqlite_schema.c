#include "store/sqlite.h"

/* Each step takes the schema from the version of its index to the next, in one transaction. Never
 * change a step that has been released: add one. row_check is the checksum of sqlite_row.c; a new
 * column goes behind the others of its column table. */
static const char *const migrations[] = {
    "CREATE TABLE meta(name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL,"
    " row_check INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE tenants(id TEXT NOT NULL PRIMARY KEY, state INTEGER NOT NULL,"
    " tier INTEGER NOT NULL, labels TEXT NOT NULL, created_ms INTEGER NOT NULL,"
    " epoch INTEGER NOT NULL, row_check INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE keys(reference INTEGER NOT NULL PRIMARY KEY,"
    " tenant TEXT NOT NULL REFERENCES tenants(id), region TEXT NOT NULL, state INTEGER NOT NULL,"
    " state_before INTEGER NOT NULL, suite INTEGER NOT NULL, custody TEXT NOT NULL,"
    " current_version INTEGER NOT NULL, created_ms INTEGER NOT NULL,"
    " destroy_at_ms INTEGER NOT NULL, epoch INTEGER NOT NULL, row_check INTEGER NOT NULL,"
    " UNIQUE(tenant, region)) STRICT;"
    "CREATE INDEX keys_due ON keys(destroy_at_ms, reference) WHERE state = 6;"
    "CREATE TABLE versions(reference INTEGER NOT NULL REFERENCES keys(reference),"
    " version INTEGER NOT NULL, state INTEGER NOT NULL, commitment BLOB NOT NULL,"
    " sign_public BLOB NOT NULL, created_ms INTEGER NOT NULL, deactivated_ms INTEGER NOT NULL,"
    " wraps INTEGER NOT NULL, unwraps INTEGER NOT NULL, row_check INTEGER NOT NULL,"
    " PRIMARY KEY(reference, version)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE copies(place INTEGER PRIMARY KEY, reference INTEGER, version INTEGER,"
    " provider TEXT NOT NULL, provider_key TEXT NOT NULL, blob BLOB NOT NULL,"
    " row_check INTEGER NOT NULL, UNIQUE(reference, version, provider),"
    " FOREIGN KEY(reference, version) REFERENCES versions(reference, version)) STRICT;"
    "CREATE TABLE tokens(id TEXT NOT NULL PRIMARY KEY, hash BLOB NOT NULL,"
    " principal TEXT NOT NULL, roles TEXT NOT NULL, tenants TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, revoked INTEGER NOT NULL,"
    " row_check INTEGER NOT NULL) STRICT, WITHOUT ROWID;",

    "ALTER TABLE keys ADD COLUMN provider TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE keys ADD COLUMN provider_key TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE versions ADD COLUMN imported INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE versions ADD COLUMN expires_ms INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX keys_of_region ON keys(region, reference);"
    "CREATE INDEX versions_expiring ON versions(expires_ms) WHERE expires_ms > 0;"
    "CREATE TABLE costs(day INTEGER NOT NULL, tenant TEXT NOT NULL, region TEXT NOT NULL,"
    " provider TEXT NOT NULL, wraps INTEGER NOT NULL, unwraps INTEGER NOT NULL,"
    " failures INTEGER NOT NULL, nano INTEGER NOT NULL, row_check INTEGER NOT NULL,"
    " PRIMARY KEY(day, tenant, region, provider)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX costs_of_tenant ON costs(tenant, day);",
};

static KW_ERR read_number(struct sq_store *store, const char *sql, int64_t *out,
                          struct kw_error *err)
{
    sqlite3_stmt *statement;
    int rc = sqlite3_prepare_v2(store->writer->db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
        *out = rc == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
        sqlite3_finalize(statement);
    }
    if (rc != SQLITE_ROW)
        return sq_fail(store, store->writer->db, rc, "read the database", err);
    return KW_OK;
}

static KW_ERR migrate(struct sq_store *store, size_t step, struct kw_error *err)
{
    char mark[128];
    snprintf(mark, sizeof mark, "PRAGMA application_id = %d; PRAGMA user_version = %zu;",
             SQ_APPLICATION_ID, step + 1);
    KW_TRY(sq_run(store, store->writer, SQ_BEGIN, "change the database", err));
    kw_code code = sq_exec(store, store->writer, migrations[step], err);
    if (code == KW_OK)
        code = sq_exec(store, store->writer, mark, err);
    if (code == KW_OK)
        code = sq_run(store, store->writer, SQ_COMMIT, "change the database", err);
    if (code != KW_OK)
        sqlite3_exec(store->writer->db, "ROLLBACK", NULL, NULL, NULL);
    return code;
}

/* Whose is it, and of which version? A file without anything in it is what an interrupted creation
 * leaves, or a truncation. */
static KW_ERR identify(struct sq_store *store, bool create, int64_t *version, struct kw_error *err)
{
    int64_t application = 0;
    int64_t objects = 0;
    KW_TRY(read_number(store, "PRAGMA application_id", &application, err));
    KW_TRY(read_number(store, "PRAGMA user_version", version, err));
    KW_TRY(read_number(store, "SELECT count(*) FROM sqlite_schema", &objects, err));
    bool fresh = application == 0 && *version == 0 && objects == 0;
    if (fresh && create)
        return KW_OK;
    if (fresh)
        return sq_damaged(store, "it is empty", err);
    if (application != SQ_APPLICATION_ID || *version < 1)
        return sq_damaged(store, "it is not a database of Keyward", err);
    if (*version > (int64_t)KW_COUNT(migrations))
        return kw_fail(err, KW_BAD_CONFIG,
                       "%s has schema %lld, newer than this program's %zu: use the newer Keyward",
                       store->path, (long long)*version, KW_COUNT(migrations));
    return KW_OK;
}

/* The root page of every table and index can be read: cheap, and finds a file that was cut or
 * overwritten before anything is written to it. */
static KW_ERR probe(struct sq_store *store, struct kw_error *err)
{
    int64_t sum;
    return read_number(store,
                       "SELECT (SELECT count(*) FROM (SELECT 1 FROM meta LIMIT 1))"
                       " + (SELECT count(*) FROM (SELECT 1 FROM tenants LIMIT 1))"
                       " + (SELECT count(*) FROM (SELECT 1 FROM keys ORDER BY reference LIMIT 1))"
                       " + (SELECT count(*) FROM (SELECT 1 FROM keys ORDER BY tenant LIMIT 1))"
                       " + (SELECT count(*) FROM (SELECT 1 FROM versions LIMIT 1))"
                       " + (SELECT count(*) FROM (SELECT 1 FROM copies LIMIT 1))"
                       " + (SELECT count(*) FROM (SELECT 1 FROM tokens LIMIT 1))"
                       " + (SELECT count(*) FROM (SELECT 1 FROM keys WHERE region > '' LIMIT 1))"
                       " + (SELECT count(*) FROM (SELECT 1 FROM versions WHERE expires_ms > 0"
                       " LIMIT 1))"
                       " + (SELECT count(*) FROM (SELECT 1 FROM costs ORDER BY day LIMIT 1))"
                       " + (SELECT count(*) FROM (SELECT 1 FROM costs ORDER BY tenant LIMIT 1))",
                       &sum, err);
}

KW_ERR sq_schema_prepare(struct sq_store *store, bool create, struct kw_error *err)
{
    int64_t version = 0;
    KW_TRY(identify(store, create, &version, err));
    if (version == 0)
        KW_TRY(sq_exec(store, store->writer, "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL",
                       err));
    for (size_t step = (size_t)version; step < KW_COUNT(migrations); step++)
        KW_TRY(migrate(store, step, err));
    return probe(store, err);
}
