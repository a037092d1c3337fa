/* The SQLite store under the contract of every store, and the wrapper that fails, while it does
 * not. */
#include "store_contract.h"
#include "store_faulty.h"

#include "base/file.h"
#include "scratch.h"

#include <unistd.h>

static kw_code fresh(void *arg, struct kw_store **out, struct kw_error *err)
{
    return kw_store_sqlite_open(arg, true, out, err);
}

static kw_code again(void *arg, struct kw_store **out, struct kw_error *err)
{
    return kw_store_sqlite_open(arg, false, out, err);
}

static kw_code wrapped(void *arg, struct kw_store **out, struct kw_error *err)
{
    struct kw_store *behind;
    struct kw_faulty faulty;
    KW_TRY(kw_store_sqlite_open(arg, true, &behind, err));
    KW_TRY(kw_faulty_wrap(behind, &faulty, err));
    *out = faulty.store;
    return KW_OK;
}

static void clear(void *arg)
{
    unlink(arg);
}

int main(void)
{
    void *folder;
    char path[KW_PATH_SIZE];
    if (kw_scratch_make(&folder) != 0)
        return 1;
    if (kw_path_format(path, NULL, "%s/keyward.db", (char *)folder) != KW_OK)
        return 1;
    const struct kw_store_subject sqlite = {"sqlite", fresh, again, clear, path};
    const struct kw_store_subject faulty = {"faulty", wrapped, NULL, clear, path};
    int failed = kw_store_contract(&sqlite) + kw_store_contract(&faulty);
    return kw_scratch_remove(&folder) != 0 ? 1 : failed;
}
