/* Re-wrapping sealed files where they lie: only the wrapped data key at their front is replaced,
 * the payload stays as it is.
 *
 * Small files are written anew beside themselves and renamed. Large ones (and files with several
 * names) are changed in place, so that a backup of a terabyte is not copied: a journal beside the
 * file holds the bytes before and after until the new ones are on disk, and who comes next finishes
 * what a crash has cut off. Either way the file opens after every crash, once its journal has been
 * seen to. Two runs at a time exclude each other file by file (flock). */
#ifndef KW_CLI_REWRAP_H
#define KW_CLI_REWRAP_H

#include "cli/data.h"

#define KW_REWRAP_JOURNAL ".keyward-rewrap"

enum {
    KW_PATCH_MAX = 128,
    KW_REWRAP_COPY_MAX = 1 << 20, /* larger files are changed in place */
};

/* A few bytes of a file that are to be replaced by as many others. */
struct kw_patch {
    uint64_t offset;
    size_t len;
    uint8_t before[KW_PATCH_MAX];
    uint8_t after[KW_PATCH_MAX];
};

/* A sealed file as it was found. */
struct kw_sealed_file {
    char *path;                  /* the owner's, freed by kw_sealed_file_wipe */
    uint64_t size;               /* bytes of the file */
    bool is_text;                /* text form */
    size_t head_at;              /* in the sealed bytes */
    uint8_t front[KW_PATCH_MAX]; /* the sealed bytes around the head, from front_at on */
    size_t front_at, front_len;
    struct kw_wrapped_key head;
};
void kw_sealed_file_wipe(struct kw_sealed_file *file);
KW_CLEANUP_WIPE(kw_sealed_file)

enum kw_file_kind { KW_FILE_OTHER, KW_FILE_SEALED, KW_FILE_JSON };

/* What the file is. A JSON file has been looked at no further than its beginning. out must be zero.
 * Fails if the file cannot be read, or begins as text of ours and is none. */
KW_ERR kw_sealed_file_look(const char *path, struct kw_sealed_file *out, enum kw_file_kind *kind,
                           struct kw_error *err);

/* Puts head in the place of the file's own. KW_STATE_CONFLICT if the file is not what it was. */
KW_ERR kw_sealed_file_rewrap(const struct kw_sealed_file *file, const struct kw_wrapped_key *head,
                             struct kw_error *err);

/* Opens and locks the file under its name; it stays that until fd is closed. KW_STATE_CONFLICT if
 * another run holds it. */
KW_ERR kw_rewrap_lock(const char *path, int *fd, struct stat *st, struct kw_error *err);

/* Changes the open file in place. */
KW_ERR kw_patch_in_place(int fd, const char *path, const struct kw_patch *patch,
                         struct kw_error *err);

/* Finishes what a crash has cut off, if path has a journal; *found says whether it had. A journal
 * that does not fit the file is left, KW_STATE_CONFLICT. */
KW_ERR kw_patch_recover(const char *path, bool *found, struct kw_error *err);

/* Is this the name of a journal or of an unfinished copy? */
bool kw_rewrap_own_name(const char *path);

#endif
