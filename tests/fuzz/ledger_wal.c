/* Recovery of write-ahead files: the input is one segment file, or, cut at "--\n", several.
 * Whatever is found, it is found twice, and it has no gap. */
#include "crypto/hash.h"
#include "ledger/wal.h"

#include <fcntl.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILES = 3 };

static char dir[64];

static void put(unsigned number, struct kw_bytes content)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%016x.wal", dir, number);
    unlink(path);
    if (content.data == NULL)
        return;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, content.data, content.len) != (ssize_t)content.len)
        abort();
    close(fd);
}

static kw_code recover(uint64_t published, uint64_t *size)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct kw_wal wal = {.lock = &lock, .log = {{'t', 'e', 's', 't'}}, .generation = 1};
    snprintf(wal.dir, sizeof wal.dir, "%s", dir);
    kw_code code = kw_wal_recover(&wal, published, size, NULL);
    for (uint64_t i = published; code == KW_OK && i < *size && i < published + 64; i++) {
        struct kw_segment *segment = kw_wal_find(&wal, i);
        if (segment == NULL)
            abort();
        kw_wal_unref(&wal, segment);
    }
    kw_wal_wipe(&wal);
    return code;
}

static void remove_dir(void)
{
    for (unsigned i = 0; i < FILES; i++)
        put(i, kw_bytes(NULL, 0));
    rmdir(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t first = 0;
    uint64_t second = 0;
    if (dir[0] == '\0') {
        const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
        snprintf(dir, sizeof dir, "%s/keyward-fuzz-XXXXXX", base);
        if (mkdtemp(dir) == NULL)
            abort();
        atexit(remove_dir);
    }
    struct kw_bytes rest = kw_bytes(data, size);
    for (unsigned i = 0; i < FILES; i++) {
        const uint8_t *cut = rest.len > 0 ? memmem(rest.data, rest.len, "--\n", 3) : NULL;
        size_t len = cut != NULL ? (size_t)(cut - rest.data) : rest.len;
        put(i, rest.len > 0 ? kw_bytes(rest.data, len) : kw_bytes(NULL, 0));
        rest = cut != NULL ? kw_bytes(cut + 3, rest.len - len - 3) : kw_bytes(NULL, 0);
    }
    kw_code code = recover(2, &first);
    if (recover(2, &second) != code || first != second || (code == KW_OK && first < 2))
        abort();
    return 0;
}
