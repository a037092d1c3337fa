/* The mark of a home whose making is under way: the file DIR/unfinished, made before anything else
 * and removed once the store says "ready". While it is there and the store does not say so, nothing
 * has been sealed under this home, and it may be removed. */
#include "home/internal.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <unistd.h>

static const char mark[] =
    "This authority is being made. If 'keyward init' broke off, run it again.\n";

static KW_ERR path_of(char out[KW_PATH_SIZE], const char *dir, struct kw_error *err)
{
    return kw_path_format(out, err, "%s/unfinished", dir);
}

KW_ERR kw_home_unfinished_begin(const char *dir, struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    KW_TRY(path_of(path, dir, err));
    return kw_file_create(path, 0600, mark, sizeof mark - 1, err);
}

bool kw_home_unfinished(const char *dir)
{
    char path[KW_PATH_SIZE];
    struct kw_error ignored;
    return path_of(path, dir, &ignored) == KW_OK && kw_path_exists(path);
}

/* A mark that stays is harmless as long as the store says "ready". */
void kw_home_unfinished_end(const char *dir)
{
    char path[KW_PATH_SIZE];
    struct kw_error ignored;
    if (path_of(path, dir, &ignored) == KW_OK && unlink(path) == 0)
        (void)!kw_dir_sync(dir, &ignored);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    KW_UNUSED(st);
    KW_UNUSED(type);
    KW_UNUSED(at);
    return remove(path);
}

static bool is_ours(const char *name)
{
    static const char *const made[] = {"root.key", "keyward.db", "ledger", "tls"};
    for (size_t i = 0; i < KW_COUNT(made); i++)
        if (strncmp(name, made[i], strlen(made[i])) == 0)
            return true;
    return false;
}

/* The mark goes last, so that an undoing that breaks off can be begun again. */
KW_ERR kw_home_unfinished_undo(const char *dir, struct kw_error *err)
{
    DIR *open_dir = opendir(dir);
    kw_code code = KW_OK;
    if (open_dir == NULL)
        return kw_fail_errno(err, errno, "cannot list %s", dir);
    for (struct dirent *at = readdir(open_dir); at != NULL && code == KW_OK;
         at = readdir(open_dir)) {
        char path[KW_PATH_SIZE];
        if (!is_ours(at->d_name))
            continue;
        code = kw_path_format(path, err, "%s/%s", dir, at->d_name);
        if (code == KW_OK && nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
            code = kw_fail_errno(err, errno, "cannot remove %s, which is unfinished", path);
    }
    closedir(open_dir);
    if (code == KW_OK)
        kw_home_unfinished_end(dir);
    return code;
}
