#include "ledger/tilefile.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static KW_ERR note_folder(struct kw_tile_files *files, const char *path, size_t len,
                          struct kw_error *err)
{
    for (size_t i = files->folder_count; i-- > 0;)
        if (strlen(files->folder[i]) == len && memcmp(files->folder[i], path, len) == 0)
            return KW_OK;
    if (files->folder_count == KW_TILE_FILES)
        return kw_fail(err, KW_INTERNAL, "too many folders of tiles at once");
    memcpy(files->folder[files->folder_count], path, len);
    files->folder[files->folder_count++][len] = '\0';
    return KW_OK;
}

/* Makes the folders in which path lies, and notes those that have got a new one. */
static KW_ERR make_folders(struct kw_tile_files *files, const char *path, struct kw_error *err)
{
    char full[KW_PATH_SIZE];
    size_t parent = 0;
    for (const char *slash = path; (slash = strchr(slash, '/')) != NULL; slash++) {
        size_t len = (size_t)(slash - path);
        KW_TRY(kw_path_format(full, err, "%s/%.*s", files->dir, (int)len, path));
        if (files->io->make_dir(files->io, full, 0755) == 0)
            KW_TRY(note_folder(files, path, parent, err));
        else if (errno != EEXIST)
            return kw_ledger_io_fail(err, errno, "create", full);
        parent = len;
    }
    return KW_OK;
}

static KW_ERR create(struct kw_tile_files *files, const char *path, int *out, struct kw_error *err)
{
    char full[KW_PATH_SIZE];
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
    KW_TRY(kw_path_format(full, err, "%s/%s.new", files->dir, path));
    int fd = files->io->open(files->io, full, flags, 0644);
    if (fd < 0 && errno == ENOENT) {
        KW_TRY(make_folders(files, path, err));
        fd = files->io->open(files->io, full, flags, 0644);
    }
    if (fd < 0)
        return kw_ledger_io_fail(err, errno, "create", full);
    *out = fd;
    return KW_OK;
}

KW_ERR kw_tile_files_put(struct kw_tile_files *files, struct kw_tlog_tile tile,
                         struct kw_bytes content, struct kw_error *err)
{
    /* the folders of one tile, three or four, fit with those noted already */
    if (files->open_count == KW_TILE_FILES || files->folder_count + 8 > KW_TILE_FILES) {
        KW_TRY(kw_tile_files_flush(files, err));
        KW_TRY(kw_tile_files_sync_folders(files, err));
    }
    char *path = files->open[files->open_count].path;
    int *fd = &files->open[files->open_count].fd;
    kw_tlog_tile_path(tile, path);
    KW_TRY(create(files, path, fd, err));
    files->open_count++;
    KW_TRY(note_folder(files, path, (size_t)(strrchr(path, '/') - path), err));
    return kw_ledger_io_write(files->io, *fd, content, 0, path, err);
}

static KW_ERR sync_contents(struct kw_tile_files *files, struct kw_error *err)
{
    /* All are sent on their way before the first is waited for: so the file system can take them in
     * one transaction. */
    for (size_t i = 0; i < files->open_count; i++)
        sync_file_range(files->open[i].fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    for (size_t i = 0; i < files->open_count; i++)
        KW_TRY(kw_ledger_io_sync(files->io, files->open[i].fd, files->open[i].path, err));
    return KW_OK;
}

static KW_ERR give_names(struct kw_tile_files *files, struct kw_error *err)
{
    char from[KW_PATH_SIZE];
    char to[KW_PATH_SIZE];
    for (size_t i = 0; i < files->open_count; i++) {
        KW_TRY(kw_path_format(from, err, "%s/%s.new", files->dir, files->open[i].path));
        KW_TRY(kw_path_format(to, err, "%s/%s", files->dir, files->open[i].path));
        if (files->io->rename(files->io, from, to) != 0)
            return kw_ledger_io_fail(err, errno, "create", to);
    }
    return KW_OK;
}

static void close_all(struct kw_tile_files *files)
{
    for (size_t i = 0; i < files->open_count; i++)
        close(files->open[i].fd);
    files->open_count = 0;
}

KW_ERR kw_tile_files_flush(struct kw_tile_files *files, struct kw_error *err)
{
    KW_TRY(sync_contents(files, err));
    KW_TRY(give_names(files, err));
    close_all(files);
    return KW_OK;
}

KW_ERR kw_tile_files_sync_folders(struct kw_tile_files *files, struct kw_error *err)
{
    char full[KW_PATH_SIZE];
    for (size_t i = 0; i < files->folder_count; i++) {
        KW_TRY(kw_path_format(full, err, "%s/%s", files->dir, files->folder[i]));
        KW_TRY(kw_ledger_io_sync_dir(files->io, full, err));
    }
    files->folder_count = 0;
    return KW_OK;
}

void kw_tile_files_drop(struct kw_tile_files *files)
{
    char path[KW_PATH_SIZE];
    for (size_t i = 0; i < files->open_count; i++)
        if (kw_path_format(path, NULL, "%s/%s.new", files->dir, files->open[i].path) == KW_OK)
            files->io->unlink(files->io, path);
    close_all(files);
    files->folder_count = 0;
}

void kw_tile_files_remove_partial(struct kw_tile_files *files, int level, uint64_t index)
{
    char path[KW_TLOG_PATH_SIZE];
    char folder[KW_PATH_SIZE];
    char full[KW_PATH_SIZE];
    struct kw_tlog_tile tile = {.level = level, .index = index, .width = KW_TLOG_TILE_WIDTH};
    kw_tlog_tile_path(tile, path);
    if (kw_path_format(folder, NULL, "%s/%s.p", files->dir, path) != KW_OK)
        return;
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return;
    for (struct dirent *item; (item = readdir(dir)) != NULL;)
        if (item->d_name[0] != '.' &&
            kw_path_format(full, NULL, "%s/%s", folder, item->d_name) == KW_OK)
            files->io->unlink(files->io, full);
    closedir(dir);
    rmdir(folder);
}
