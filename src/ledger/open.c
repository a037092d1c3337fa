/* Creating and opening a ledger. */
#include "crypto/hash.h"
#include "ledger/state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

enum {
    DEFAULT_PUBLISH_MS = 1000,
    DEFAULT_DEADLINE_MS = 5000,
    DEFAULT_PENDING = 64 << 20,
    VKEY_FILE_MAX = 1024,
};

static KW_ERR make_key(const struct kw_ledger_options *options, struct kw_note_key *out,
                       struct kw_error *err)
{
    uint8_t public_key[KW_SIGN_PUBLIC_SIZE];
    if (options->seed == NULL || options->seed->len != KW_SIGN_SEED_SIZE)
        return kw_fail(err, KW_INTERNAL, "the ledger's signing seed must be 32 bytes");
    KW_TRY(kw_sign_public(options->seed->data, public_key, err));
    return kw_note_key_init(out, options->origin, public_key, err);
}

/* --- create --- */

static KW_ERR check_absent(const char *dir, struct kw_error *err)
{
    char checkpoint[KW_PATH_SIZE];
    char tile[KW_PATH_SIZE];
    KW_TRY(kw_path_format(checkpoint, err, "%s/checkpoint", dir));
    KW_TRY(kw_path_format(tile, err, "%s/tile", dir));
    if (kw_path_exists(checkpoint))
        return kw_fail(err, KW_EXISTS, "%s holds a ledger already", dir);
    if (kw_path_exists(tile))
        return kw_fail(err, KW_EXISTS, "%s holds a ledger's entries, but no checkpoint", dir);
    return KW_OK;
}

static KW_ERR create_files(const char *dir, const struct kw_note_key *key,
                           const struct kw_secret *seed, struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    KW_AUTO(kw_buf) vkey = KW_BUF_INIT;
    KW_AUTO(kw_buf) checkpoint = KW_BUF_INIT;
    const struct kw_tlog_tree tree = {.size = 0, .root = kw_tlog_empty()};
    kw_note_key_format(key, &vkey);
    kw_buf_append_byte(&vkey, '\n');
    KW_TRY(kw_buf_status(&vkey, err));
    KW_TRY(kw_tlog_checkpoint_sign(&checkpoint, &tree, key, seed, err));
    KW_TRY(kw_path_format(path, err, "%s/wal", dir));
    KW_TRY(kw_dir_make(path, 0700, err));
    KW_TRY(kw_path_format(path, err, "%s/vkey", dir));
    KW_TRY(kw_file_put(path, 0644, kw_buf_bytes(&vkey), err));
    KW_TRY(kw_path_format(path, err, "%s/checkpoint", dir));
    return kw_file_replace(path, 0644, kw_buf_bytes(&checkpoint), err);
}

KW_ERR kw_ledger_create(const struct kw_ledger_options *options, struct kw_error *err)
{
    char parent[KW_PATH_SIZE];
    struct kw_note_key key;
    KW_TRY(make_key(options, &key, err));
    KW_TRY(check_absent(options->dir, err));
    KW_TRY(kw_dir_make(options->dir, 0755, err));
    KW_TRY(create_files(options->dir, &key, options->seed, err));
    KW_TRY(kw_path_format(parent, err, "%s/..", options->dir));
    return kw_dir_sync(parent, err);
}

/* --- open --- */

static KW_ERR lock_folder(struct kw_ledger *ledger, struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    KW_TRY(kw_path_format(path, err, "%s/lock", ledger->wal.dir));
    ledger->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (ledger->lock_fd < 0 && errno == ENOENT)
        return kw_fail(
            err, KW_LEDGER_MISSING,
            "there is no ledger in %s, or its folder wal is gone: put it back from a copy",
            ledger->dir);
    if (ledger->lock_fd < 0)
        return kw_ledger_io_fail(err, errno, "open", path);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(ledger->lock_fd, F_OFD_SETLK, &whole) != 0)
        return kw_fail(err, KW_DATA_LOCKED, "another process writes the ledger in %s", ledger->dir);
    return KW_OK;
}

static KW_ERR check_vkey(const struct kw_ledger *ledger, struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    struct kw_note_key key;
    KW_AUTO(kw_buf) line = KW_BUF_INIT;
    KW_TRY(kw_path_format(path, err, "%s/vkey", ledger->dir));
    kw_code code = kw_file_read(path, VKEY_FILE_MAX, &line, err);
    if (code == KW_NOT_FOUND)
        return kw_fail(err, KW_LEDGER_MISSING, "the ledger's verification key %s is gone", path);
    KW_TRY(code);
    if (kw_note_key_parse(&key, kw_buf_bytes(&line), NULL) != KW_OK ||
        !kw_note_key_equal(&key, &ledger->key))
        return kw_fail(err, KW_LEDGER_CORRUPT,
                       "%s is not the verification key of this authority's ledger (%s)", path,
                       ledger->vkey);
    return KW_OK;
}

static void set_options(struct kw_ledger *ledger, const struct kw_ledger_options *options)
{
    ledger->publish_interval_ms =
        options->publish_interval_ms != 0 ? options->publish_interval_ms : DEFAULT_PUBLISH_MS;
    ledger->append_deadline_ms =
        options->append_deadline_ms != 0 ? options->append_deadline_ms : DEFAULT_DEADLINE_MS;
    ledger->pending_max = options->pending_max != 0 ? options->pending_max : DEFAULT_PENDING;
}

static void init_parts(struct kw_ledger *ledger, struct kw_ledger_io *io)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&ledger->lock, NULL);
    pthread_cond_init(&ledger->to_commit, &monotonic);
    pthread_cond_init(&ledger->to_publish, &monotonic);
    pthread_cond_init(&ledger->to_watch, &monotonic);
    pthread_cond_init(&ledger->settled, &monotonic);
    pthread_condattr_destroy(&monotonic);
    ledger->refs = 1;
    ledger->lock_fd = -1;
    ledger->io = io;
    ledger->wal.io = io;
    ledger->wal.lock = &ledger->lock;
    ledger->wal.generation = 1;
    ledger->publisher.io = io;
    ledger->publisher.dir = ledger->dir;
    ledger->publisher.key = &ledger->key;
    ledger->publisher.seed = &ledger->seed;
    ledger->publisher.wal = &ledger->wal;
    ledger->publisher.files.io = io;
    ledger->publisher.files.dir = ledger->dir;
}

static KW_ERR set_identity(struct kw_ledger *ledger, const struct kw_ledger_options *options,
                           struct kw_error *err)
{
    KW_AUTO(kw_buf) line = {.max = sizeof ledger->vkey - 1};
    KW_TRY(kw_path_format(ledger->dir, err, "%s", options->dir));
    KW_TRY(kw_path_format(ledger->wal.dir, err, "%s/wal", options->dir));
    KW_TRY(make_key(options, &ledger->key, err));
    KW_TRY(kw_secret_copy(&ledger->seed, options->seed->data, options->seed->len, err));
    kw_note_key_format(&ledger->key, &line);
    KW_TRY(kw_buf_status(&line, err));
    memcpy(ledger->vkey, line.data, line.len);
    kw_sha256_one(ledger->wal.log.bytes, kw_buf_bytes(&line));
    return KW_OK;
}

/* What a crash left in the write-ahead files is published before anything else is written: so no
 * new entry ever depends on an old file whose bytes may be in memory only. */
static KW_ERR recover(struct kw_ledger *ledger, uint64_t size_at_least, struct kw_error *err)
{
    struct kw_publisher *publisher = &ledger->publisher;
    KW_TRY(kw_publisher_load(publisher, err));
    KW_TRY(kw_wal_recover(&ledger->wal, publisher->published.edge.size, &ledger->size, err));
    if (ledger->size < size_at_least)
        return kw_fail(err, KW_LEDGER_MISSING,
                       "the ledger in %s was rolled back: it has %llu entries, and had %llu",
                       ledger->dir, (unsigned long long)ledger->size,
                       (unsigned long long)size_at_least);
    while (publisher->published.edge.size < ledger->size)
        KW_TRY(kw_publisher_step(publisher, ledger->size, err));
    ledger->published = ledger->size;
    if (ledger->wal.first == NULL)
        return KW_OK;
    KW_TRY(kw_ledger_io_sync_dir(ledger->io, ledger->dir, err));
    publisher->unsynced = false;
    kw_wal_adopt(&ledger->wal);
    return KW_OK;
}

static KW_ERR start_threads(struct kw_ledger *ledger, struct kw_error *err)
{
    void *(*const body[KW_LEDGER_THREADS])(void *) = {
        kw_ledger_commit_thread, kw_ledger_watch_thread, kw_ledger_publish_thread};
    sigset_t all;
    sigset_t before;
    int failed = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the program's own threads' */
    pthread_mutex_lock(&ledger->lock);
    while (ledger->running < KW_LEDGER_THREADS && failed == 0) {
        failed =
            pthread_create(&ledger->threads[ledger->running], NULL, body[ledger->running], ledger);
        if (failed == 0) {
            ledger->running++;
            ledger->refs++;
        }
    }
    pthread_mutex_unlock(&ledger->lock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed == 0 ? KW_OK : kw_fail_errno(err, failed, "cannot start the ledger's threads");
}

static KW_ERR open_parts(struct kw_ledger *ledger, const struct kw_ledger_options *options,
                         struct kw_error *err)
{
    set_options(ledger, options);
    KW_TRY(set_identity(ledger, options, err));
    KW_TRY(lock_folder(ledger, err));
    KW_TRY(check_vkey(ledger, err));
    return recover(ledger, options->size_at_least, err);
}

KW_ERR kw_ledger_open_io(const struct kw_ledger_options *options, struct kw_ledger_io *io,
                         struct kw_ledger **out, struct kw_error *err)
{
    struct kw_ledger *ledger = calloc(1, sizeof *ledger);
    if (ledger == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    init_parts(ledger, io);
    kw_code code = open_parts(ledger, options, err);
    if (code != KW_OK) {
        kw_ledger_unref(ledger);
        return code;
    }
    code = start_threads(ledger, err);
    if (code != KW_OK) {
        kw_code ignored = kw_ledger_close(ledger, NULL);
        KW_UNUSED(ignored);
        return code;
    }
    *out = ledger;
    return KW_OK;
}

KW_ERR kw_ledger_open(const struct kw_ledger_options *options, struct kw_ledger **out,
                      struct kw_error *err)
{
    return kw_ledger_open_io(options, kw_ledger_io_system(), out, err);
}
