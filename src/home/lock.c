#include "home/internal.h"

#include "base/encode.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

/* Who holds it, for the message: the file has the holder's process id. It may be gone or half
 * written. */
static long holder_of(int fd)
{
    char text[24] = {0};
    uint64_t pid = 0;
    struct kw_error ignored;
    ssize_t len = pread(fd, text, sizeof text - 1, 0);
    if (len <= 1 ||
        kw_parse_u64(kw_bytes(text, (size_t)len - 1), 1U << 30, &pid, &ignored) != KW_OK)
        return 0;
    return (long)pid;
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

KW_ERR kw_home_lock(const char *dir, int *out, struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    char pid[24];
    KW_TRY(kw_path_format(path, err, "%s/lock", dir));
    KW_AUTO_FD fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return kw_fail_errno(err, errno, "cannot open %s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? refuse(fd, dir, err)
                                    : kw_fail_errno(err, errno, "cannot lock %s", path);
    int len = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    /* Only for the message above: a full disk must not keep a home from opening. */
    if (ftruncate(fd, 0) == 0)
        (void)!pwrite(fd, pid, (size_t)len, 0);
    *out = fd;
    fd = -1;
    return KW_OK;
}
