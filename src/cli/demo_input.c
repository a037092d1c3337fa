/* The tour's input: real records with people's names and addresses, from this machine's package
 * index. */
#include "cli/demo.h"

#include "json/write.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE_MAX_SIZE = 1 << 20, COPY = 1 << 20 };

static const char installed[] = "/var/lib/dpkg/status";
static const char apt_helper[] = "/usr/lib/apt/apt-helper";

/* The paragraph that is being read: the fields that the tour wants, as they stand. */
struct paragraph {
    char package[256], version[256], section[128], maintainer[512], homepage[512];
};

static const struct {
    const char *label; /* in the index */
    const char *name;  /* in the record */
    size_t offset, size;
} wanted[] = {
    {"Package: ", "package", offsetof(struct paragraph, package), 256},
    {"Version: ", "version", offsetof(struct paragraph, version), 256},
    {"Section: ", "section", offsetof(struct paragraph, section), 128},
    {"Maintainer: ", "maintainer", offsetof(struct paragraph, maintainer), 512},
    {"Homepage: ", "homepage", offsetof(struct paragraph, homepage), 512},
};

static void take_line(struct paragraph *paragraph, const char *line)
{
    for (size_t i = 0; i < KW_COUNT(wanted); i++) {
        size_t len = strlen(wanted[i].label);
        if (strncmp(line, wanted[i].label, len) == 0)
            snprintf((char *)paragraph + wanted[i].offset, wanted[i].size, "%s", line + len);
    }
}

static KW_ERR write_record(const struct paragraph *paragraph, struct kw_buf *scratch, FILE *to,
                           struct kw_demo_input *input, struct kw_error *err)
{
    struct kw_json_writer w = kw_json_writer(scratch);
    if (paragraph->package[0] == '\0')
        return KW_OK;
    kw_buf_reset(scratch);
    kw_json_begin(&w, NULL, '{');
    for (size_t i = 0; i < KW_COUNT(wanted); i++) {
        const char *value = (const char *)paragraph + wanted[i].offset;
        if (value[0] != '\0')
            kw_json_str(&w, wanted[i].name, value);
    }
    kw_json_end(&w);
    kw_buf_append_byte(scratch, '\n');
    KW_TRY(kw_buf_status(scratch, err));
    if (fwrite(scratch->data, 1, scratch->len, to) != scratch->len)
        return kw_fail_errno(err, errno, "writing packages.jsonl");
    input->records++;
    input->bytes += scratch->len;
    return KW_OK;
}

/* Debian control files, 5.1: paragraphs of "Name: value" lines, empty lines between them. */
static KW_ERR convert(FILE *from, FILE *to, struct kw_demo_input *input, struct kw_error *err)
{
    KW_AUTO(kw_buf) scratch = KW_BUF_INIT;
    struct paragraph paragraph = {.package = ""};
    char *line = NULL;
    size_t room = 0;
    ssize_t len = 0;
    kw_code code = KW_OK;
    while (code == KW_OK && (len = getline(&line, &room, from)) >= 0) {
        if (len > 0 && line[len - 1] == '\n')
            line[--len] = '\0';
        if (len == 0) {
            code = write_record(&paragraph, &scratch, to, input, err);
            paragraph = (struct paragraph){.package = ""};
        } else {
            take_line(&paragraph, line);
        }
    }
    free(line);
    return code == KW_OK ? write_record(&paragraph, &scratch, to, input, err) : code;
}

/* apt keeps its lists compressed on some machines; its own helper reads them in any form. */
static FILE *open_list(const char *path, pid_t *helper)
{
    int ends[2];
    *helper = 0;
    if (access(apt_helper, X_OK) != 0)
        return fopen(path, "re");
    if (pipe2(ends, O_CLOEXEC) != 0)
        return NULL;
    *helper = fork();
    if (*helper == 0) {
        if (dup2(ends[1], 1) >= 0)
            execl(apt_helper, apt_helper, "cat-file", path, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    if (*helper < 0) {
        close(ends[0]);
        return NULL;
    }
    return fdopen(ends[0], "r");
}

static KW_ERR convert_list(const char *path, FILE *to, struct kw_demo_input *input,
                           struct kw_error *err)
{
    pid_t helper = 0;
    FILE *from = open_list(path, &helper);
    if (from == NULL)
        return kw_fail_errno(err, errno, "cannot read %s", path);
    kw_code code = convert(from, to, input, err);
    fclose(from);
    if (helper > 0)
        waitpid(helper, NULL, 0);
    return code;
}

static KW_ERR convert_all(FILE *to, struct kw_demo_input *input, struct kw_error *err)
{
    glob_t lists;
    kw_code code = KW_OK;
    if (glob("/var/lib/apt/lists/*_Packages*", 0, NULL, &lists) == 0) {
        for (size_t i = 0; i < lists.gl_pathc && code == KW_OK; i++)
            code = convert_list(lists.gl_pathv[i], to, input, err);
        globfree(&lists);
    }
    snprintf(input->source, sizeof input->source, "/var/lib/apt/lists");
    if (code != KW_OK || input->records > 0)
        return code;
    snprintf(input->source, sizeof input->source,
             "%s (there are no package lists: 'apt-get update' would bring more)", installed);
    return convert_list(installed, to, input, err);
}

KW_ERR kw_demo_packages(struct kw_demo *demo, struct kw_demo_input *out, struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    KW_TRY(kw_demo_path(demo, "packages.jsonl", path, err));
    FILE *to = fopen(path, "wxe");
    if (to == NULL)
        return kw_fail_errno(err, errno, "cannot write %s", path);
    *out = (struct kw_demo_input){.records = 0};
    kw_code code = convert_all(to, out, err);
    if (fclose(to) != 0 && code == KW_OK)
        code = kw_fail_errno(err, errno, "cannot write %s", path);
    if (code == KW_OK && out->records == 0)
        code = kw_fail(err, KW_NOT_FOUND,
                       "this machine has no Debian package index: run 'apt-get update'");
    return code;
}

/* ---- Files ------------------------------------------------------------------------------------
 */

static KW_ERR open_file(const struct kw_demo *demo, const char *name, const char *mode, FILE **out,
                        struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    KW_TRY(kw_demo_path(demo, name, path, err));
    *out = fopen(path, mode);
    return *out != NULL ? KW_OK : kw_fail_errno(err, errno, "cannot open %s", path);
}

/* Both or neither. */
static KW_ERR open_pair(const struct kw_demo *demo, const char *const names[2], const char *mode,
                        FILE *files[2], struct kw_error *err)
{
    KW_TRY(open_file(demo, names[0], "re", &files[0], err));
    kw_code code = open_file(demo, names[1], mode, &files[1], err);
    if (code != KW_OK)
        fclose(files[0]);
    return code;
}

static bool copy_once(FILE *from, FILE *to, char *bytes, uint64_t *size)
{
    size_t got = 0;
    rewind(from);
    while ((got = fread(bytes, 1, COPY, from)) > 0) {
        if (fwrite(bytes, 1, got, to) != got)
            return false;
        *size += got;
    }
    return ferror(from) == 0;
}

KW_ERR kw_demo_large_file(struct kw_demo *demo, const char *from, const char *to,
                          struct kw_error *err)
{
    FILE *files[2] = {NULL, NULL};
    char *bytes = malloc(COPY);
    if (bytes == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    kw_code code = open_pair(demo, (const char *const[]){from, to}, "we", files, err);
    if (code == KW_OK) {
        uint64_t size = 0;
        bool ok = true;
        while (ok && size < demo->file_size)
            ok = copy_once(files[0], files[1], bytes, &size) && size > 0;
        fclose(files[0]);
        if (fclose(files[1]) != 0 || !ok)
            code = kw_fail_errno(err, errno, "cannot write %s", to);
    }
    free(bytes);
    return code;
}

KW_ERR kw_demo_same(const struct kw_demo *demo, const char *a, const char *b, struct kw_error *err)
{
    FILE *files[2] = {NULL, NULL};
    static char bytes[2][65536];
    KW_TRY(open_pair(demo, (const char *const[]){a, b}, "re", files, err));
    size_t got = 0;
    bool same = true;
    do {
        got = fread(bytes[0], 1, sizeof bytes[0], files[0]);
        size_t other = fread(bytes[1], 1, sizeof bytes[1], files[1]);
        same = got == other && memcmp(bytes[0], bytes[1], got) == 0;
    } while (same && got > 0);
    fclose(files[0]);
    fclose(files[1]);
    return same ? KW_OK : kw_fail(err, KW_SEAL_BROKEN, "%s and %s differ", a, b);
}

/* ---- A forged ledger --------------------------------------------------------------------------
 */

static KW_ERR copy_tree(const char *from, const char *to, struct kw_error *err)
{
    pid_t child = fork();
    int status = -1;
    if (child == 0) {
        execl("/bin/cp", "cp", "-r", from, to, (char *)NULL);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0)
        return kw_fail(err, KW_IO, "cannot copy %s", from);
    return KW_OK;
}

/* In the first bundle: the first letter of the second entry's first text. */
KW_ERR kw_demo_forge_ledger(const struct kw_demo *demo, const char *to, struct kw_error *err)
{
    char from[KW_PATH_SIZE];
    char copy[KW_PATH_SIZE];
    char path[KW_PATH_SIZE];
    KW_TRY(kw_path_format(from, err, "%s/ledger", demo->data));
    KW_TRY(kw_demo_path(demo, to, copy, err));
    KW_TRY(copy_tree(from, copy, err));
    KW_TRY(kw_path_format(path, err, "%s/tile/entries/000", copy));
    KW_AUTO_FD fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte = 0;
    off_t at = 700;
    if (fd < 0 || pread(fd, &byte, 1, at) != 1)
        return kw_fail_errno(err, errno, "cannot read %s", path);
    byte ^= 1;
    if (pwrite(fd, &byte, 1, at) != 1)
        return kw_fail_errno(err, errno, "cannot write %s", path);
    return KW_OK;
}
