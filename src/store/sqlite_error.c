#include "store/sqlite.h"

#include <errno.h>

#define REMEDY "stop Keyward and restore the last backup"

static kw_code code_of(sqlite3 *db, int rc)
{
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
        return KW_STORE_UNAVAILABLE;
    case SQLITE_FULL:
        return KW_DISK_FULL;
    case SQLITE_ERROR: /* our statements are constant: the schema is not what they expect */
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return KW_STORE_CORRUPT;
    case SQLITE_NOMEM:
        return KW_NO_MEMORY;
    case SQLITE_IOERR:
        if (rc == SQLITE_IOERR_SHORT_READ || rc == SQLITE_IOERR_DATA ||
            rc == SQLITE_IOERR_CORRUPTFS)
            return KW_STORE_CORRUPT;
        if (rc == SQLITE_IOERR_NOMEM)
            return KW_NO_MEMORY;
        int cause = db != NULL ? sqlite3_system_errno(db) : 0;
        return cause == ENOSPC || cause == EDQUOT ? KW_DISK_FULL : KW_STORE_UNAVAILABLE;
    default:
        return KW_INTERNAL;
    }
}

kw_code sq_fail(struct sq_store *store, sqlite3 *db, int rc, const char *act, struct kw_error *err)
{
    kw_code code = code_of(db, rc);
    if (code == KW_STORE_CORRUPT)
        atomic_store(&store->damaged, true);
    const char *remedy = code == KW_STORE_CORRUPT ? "; " REMEDY
                         : code == KW_DISK_FULL   ? "; make room and try again"
                                                  : "";
    return kw_fail(err, code, "cannot %s %s: %s%s", act, store->path, sqlite3_errstr(rc), remedy);
}

kw_code sq_damaged(struct sq_store *store, const char *what, struct kw_error *err)
{
    atomic_store(&store->damaged, true);
    return kw_fail(err, KW_STORE_CORRUPT, "the database %s is damaged (%s); " REMEDY, store->path,
                   what);
}
