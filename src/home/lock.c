#include "home/internal.h"

#include "base/encode.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

/* "PID\n", and "serving\n" after it. */
static const char serving_line[] = "serving\n";

static void read_note(int fd, char text[48])
{
    memset(text, 0, 48);
    (void)!pread(fd, text, 47, 0);
}

/* Who holds it, for the message. The file may be half written. */
static long holder_of(int fd)
{
    char text[48];
    uint64_t pid = 0;
    struct kw_error ignored;
    read_note(fd, text);
    if (kw_parse_u64(kw_bytes(text, strcspn(text, "\n")), 1U << 30, &pid, &ignored) != KW_OK)
        return 0;
    return (long)pid;
}

/* A full disk must not keep a home from opening, nor a closed one from being opened again: where
 * the note cannot be written, it says less. */
void kw_home_lock_note(int lock, bool serving)
{
    char text[48];
    int len = snprintf(text, sizeof text, "%ld\n%s", (long)getpid(), serving ? serving_line : "");
    if (ftruncate(lock, 0) == 0)
        (void)!pwrite(lock, text, (size_t)len, 0);
}

static KW_ERR refuse(int fd, const char *dir, struct kw_error *err)
{
    long pid = holder_of(fd);
    char who[48] = "another process";
    if (pid != 0)
        snprintf(who, sizeof who, "process %ld", pid);
    return kw_fail(
        err, KW_DATA_LOCKED,
        "%s holds %s: if that is a server, leave out --data and reach it by KEYWARD_ADDR "
        "(and KEYWARD_CACERT, KEYWARD_TOKEN or KEYWARD_CERT and KEYWARD_KEY)",
        who, dir);
}

KW_ERR kw_home_lock(const char *dir, int *out, bool *was_serving, struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    char note[48];
    KW_TRY(kw_path_format(path, err, "%s/lock", dir));
    KW_AUTO_FD fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return kw_fail_errno(err, errno, "cannot open %s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? refuse(fd, dir, err)
                                    : kw_fail_errno(err, errno, "cannot lock %s", path);
    read_note(fd, note);
    bool serving = strstr(note, serving_line) != NULL;
    kw_home_lock_note(fd, serving); /* until the store is closed in order */
    if (was_serving != NULL)
        *was_serving = serving;
    *out = fd;
    fd = -1;
    return KW_OK;
}
