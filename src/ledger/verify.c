#include "ledger/verify.h"

#include "crypto/hash.h"
#include "ledger/folder.h"
#include "ledger/wal.h"

#include <fcntl.h>
#include <unistd.h>

enum { VKEY_FILE_MAX = 1024, TRIES = 5 };

static KW_ERR read_vkey(const char *dir, struct kw_note_key *out, struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    KW_AUTO(kw_buf) line = KW_BUF_INIT;
    KW_TRY(kw_path_format(path, err, "%s/vkey", dir));
    KW_TRY(kw_file_read(path, VKEY_FILE_MAX, &line, err));
    if (kw_note_key_parse(out, kw_buf_bytes(&line), NULL) != KW_OK)
        return kw_fail(err, KW_LEDGER_CORRUPT, "%s is not a verification key", path);
    return KW_OK;
}

static KW_ERR choose_key(const struct kw_ledger_verify *how, struct kw_ledger_verified *result,
                         struct kw_tlog_fault *fault, struct kw_error *err)
{
    struct kw_note_key own = {0};
    snprintf(fault->path, sizeof fault->path, "vkey");
    kw_code code = read_vkey(how->dir, &own, err);
    result->trusts_folder = how->vkey.len == 0;
    if (result->trusts_folder) {
        if (code == KW_NOT_FOUND)
            return kw_fail(err, KW_LEDGER_MISSING,
                           "%s has no vkey: give the ledger's verification key", how->dir);
        result->key = own;
        return code;
    }
    if (code != KW_NOT_FOUND)
        KW_TRY(code);
    KW_TRY(kw_note_key_parse(&result->key, how->vkey, err));
    if (code == KW_OK && !kw_note_key_equal(&own, &result->key))
        return kw_fail(err, KW_LEDGER_CORRUPT, "%s/vkey is another key than the one given",
                       how->dir);
    return KW_OK;
}

static bool in_use(const char *dir)
{
    char path[KW_PATH_SIZE];
    if (kw_path_format(path, NULL, "%s/wal/lock", dir) != KW_OK)
        return false;
    KW_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    struct flock whole = {.l_type = F_RDLCK, .l_whence = SEEK_SET}; /* asked about, not taken */
    return fd >= 0 && fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
}

static KW_ERR count_tail(const char *dir, const struct kw_note_key *key, uint64_t published,
                         uint64_t *unpublished, struct kw_error *err)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct kw_wal wal = {.lock = &lock};
    uint64_t size = 0;
    KW_AUTO(kw_buf) line = KW_BUF_INIT;
    KW_TRY(kw_path_format(wal.dir, err, "%s/wal", dir));
    kw_note_key_format(key, &line);
    KW_TRY(kw_buf_status(&line, err));
    kw_sha256_one(wal.log.bytes, kw_buf_bytes(&line));
    kw_code code = kw_wal_recover(&wal, published, &size, err);
    kw_wal_wipe(&wal);
    if (code == KW_OK)
        *unpublished = size - published;
    return code;
}

/* The write-ahead files of a ledger in use change while they are read: what looks wrong once is
 * looked at again, and then left to the process that holds them. */
static KW_ERR check_tail(const struct kw_ledger_verify *how, struct kw_ledger_verified *result,
                         struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    kw_code code = KW_OK;
    KW_TRY(kw_path_format(path, err, "%s/wal", how->dir));
    if (!kw_path_exists(path))
        return KW_OK;
    for (int i = 0; i < TRIES; i++) {
        result->in_use = in_use(how->dir);
        code = count_tail(how->dir, &result->key, result->log.tree.size, &result->unpublished, err);
        if (code == KW_OK || !result->in_use)
            return code;
        usleep(20000);
    }
    return KW_OK;
}

KW_ERR kw_ledger_verify(const struct kw_ledger_verify *how, struct kw_ledger_verified *out,
                        struct kw_tlog_fault *fault, struct kw_error *err)
{
    struct kw_ledger_verified result = {0};
    struct kw_tlog_fault ignored = {0};
    struct kw_tlog_source folder = kw_ledger_folder(how->dir);
    if (fault == NULL)
        fault = &ignored;
    KW_TRY(choose_key(how, &result, fault, err));
    const struct kw_tlog_verify log = {
        .key = &result.key,
        .old_checkpoint = how->old_checkpoint,
        .old_partials = true,
        .progress = how->progress,
        .progress_arg = how->progress_arg,
    };
    KW_TRY(kw_tlog_verify(&folder, &log, &result.log, fault, err));
    snprintf(fault->path, sizeof fault->path, "wal");
    KW_TRY(check_tail(how, &result, err));
    *out = result;
    return KW_OK;
}
