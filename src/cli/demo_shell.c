/* Running keyward from within keyward: the tour uses what its reader will use. */
#include "cli/demo.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

void kw_demo_step(struct kw_demo *demo, const char *title, const char *text)
{
    demo->step++;
    printf("\n%s%u. %s%s\n   %s\n", demo->colour ? "\033[1m" : "", demo->step, title,
           demo->colour ? "\033[0m" : "", text);
    fflush(stdout);
}

void kw_demo_say(const struct kw_demo *demo, const char *format, ...)
{
    va_list args;
    printf("   %s✓%s ", demo->colour ? "\033[32m" : "", demo->colour ? "\033[0m" : "");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

KW_ERR kw_demo_path(const struct kw_demo *demo, const char *name, char out[KW_PATH_SIZE],
                    struct kw_error *err)
{
    return kw_path_format(out, err, "%s/%s", demo->dir, name);
}

/* As one would type it: words with anything but plain characters are quoted. */
static void show_command(const struct kw_demo *demo, const char *const *args)
{
    printf("   %s$ keyward", demo->colour ? "\033[2m" : "");
    for (; *args != NULL; args++) {
        bool plain = strspn(*args, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                   "-_./=:,") == strlen(*args);
        printf(plain ? " %s" : " '%s'", *args);
    }
    printf("%s\n", demo->colour ? "\033[0m" : "");
    fflush(stdout);
}

/* The child. Its standard error stays the terminal's while there is one, for the progress bar. */
static void become(const struct kw_demo *demo, char *const *argv, int out, int err)
{
    if (chdir(demo->dir) != 0 || dup2(out, 1) < 0)
        _exit(126);
    if (err >= 0 && dup2(err, 2) < 0)
        _exit(126);
    execv("/proc/self/exe", argv);
    _exit(127);
}

static void drain(int fd, struct kw_buf *into)
{
    uint8_t bytes[4096];
    ssize_t got = 0;
    while ((got = read(fd, bytes, sizeof bytes)) > 0 || (got < 0 && errno == EINTR))
        if (got > 0)
            kw_buf_append(into, bytes, (size_t)got);
}

/* The outputs are files, not pipes, so that neither can fill up while the other is read. */
static int scratch_file(void)
{
    char template[] = "/tmp/keyward-demo-out-XXXXXX";
    int fd = mkostemp(template, O_CLOEXEC);
    if (fd >= 0)
        unlink(template);
    return fd;
}

static KW_ERR wait_for(pid_t child, int *status, struct kw_error *err)
{
    int raw = 0;
    while (waitpid(child, &raw, 0) < 0)
        if (errno != EINTR)
            return kw_fail_errno(err, errno, "waiting for a command");
    *status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
    return KW_OK;
}

static KW_ERR run(struct kw_demo *demo, char *const *argv, struct kw_error *err)
{
    KW_AUTO_FD out = scratch_file();
    KW_AUTO_FD errors = scratch_file();
    if (out < 0 || errors < 0)
        return kw_fail_errno(err, errno, "making a temporary file");
    fflush(stdout);
    int64_t start_us = kw_clock_us();
    pid_t child = fork();
    if (child < 0)
        return kw_fail_errno(err, errno, "starting a command");
    if (child == 0)
        become(demo, argv, out, kw_cli_is_terminal(2) ? -1 : errors);
    KW_TRY(wait_for(child, &demo->exit_status, err));
    demo->seconds = (double)(kw_clock_us() - start_us) / 1e6;
    kw_buf_reset(&demo->out);
    kw_buf_reset(&demo->err);
    lseek(out, 0, SEEK_SET);
    lseek(errors, 0, SEEK_SET);
    drain(out, &demo->out);
    drain(errors, &demo->err);
    return KW_OK;
}

KW_ERR kw_demo_run(struct kw_demo *demo, int expected, const char *const *args,
                   struct kw_error *err)
{
    char *argv[KW_DEMO_ARGS + 4] = {NULL};
    char words[KW_DEMO_ARGS][KW_PATH_SIZE > 512 ? 512 : KW_PATH_SIZE];
    char program[] = "keyward";
    char data_option[] = "--data";
    size_t count = 0;
    argv[count++] = program;
    for (size_t i = 0; args[i] != NULL && i < KW_DEMO_ARGS; i++) {
        snprintf(words[i], sizeof words[i], "%s", args[i]);
        argv[count++] = words[i];
    }
    argv[count++] = data_option;
    argv[count] = demo->data;
    show_command(demo, args);
    KW_TRY(run(demo, argv, err));
    if (demo->exit_status != expected)
        return kw_fail(err, KW_INTERNAL, "'keyward %s %s' ended with status %d: %s", args[0],
                       args[1] != NULL ? args[1] : "", demo->exit_status, kw_buf_str(&demo->err));
    return KW_OK;
}
