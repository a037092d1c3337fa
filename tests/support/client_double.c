#include "client_double.h"

#include "base/file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { ARGS_MAX = 64 };

static void become(const char *script, const char *folder, const char *mode, const char *steps)
{
    char *words = strdup(steps);
    const char *args[ARGS_MAX] = {"/usr/bin/python3", script, folder, mode};
    size_t count = 4;
    char *rest = words;
    for (char *word; (word = strsep(&rest, " ")) != NULL && count + 1 < ARGS_MAX;)
        args[count++] = word;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execv(args[0], (char *const *)(uintptr_t)args);
    _exit(127);
}

void client_double_start(struct client_double *self, const char *script, const char *folder,
                         const char *mode, const char *steps)
{
    int in[2];
    int out[2];
    char port[16] = "";
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    self->pid = fork();
    assert_true(self->pid >= 0);
    if (self->pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        become(script, folder, mode, steps);
    }
    close(in[0]);
    close(out[1]);
    self->in = in[1];
    for (size_t got = 0; strchr(port, '\n') == NULL; got++) {
        assert_true(got < sizeof port - 1);
        assert_int_equal(read(out[0], port + got, 1), 1);
    }
    close(out[0]);
    port[strcspn(port, "\n")] = '\0';
    snprintf(self->folder, sizeof self->folder, "%s", folder);
    snprintf(self->address, sizeof self->address, "%s://127.0.0.1:%s",
             strcmp(mode, "plain") == 0 ? "http" : "https", port);
    snprintf(self->ca, sizeof self->ca, "%s/ca.pem", folder);
    snprintf(self->other_ca, sizeof self->other_ca, "%s/other.pem", folder);
    snprintf(self->cert, sizeof self->cert, "%s/client.pem", folder);
    snprintf(self->key, sizeof self->key, "%s/client.key", folder);
}

void client_double_stop(struct client_double *self)
{
    close(self->in);
    kill(self->pid, SIGKILL);
    waitpid(self->pid, NULL, 0);
}

struct kw_remote_options client_double_options(const struct client_double *self)
{
    return (struct kw_remote_options){.address = self->address,
                                      .ca_file = self->ca,
                                      .token = "kwt_canary_of_the_token",
                                      .timeout_ms = 10000};
}

char *client_double_log(const struct client_double *self)
{
    struct kw_buf text = KW_BUF_INIT;
    char path[600];
    snprintf(path, sizeof path, "%s/log", self->folder);
    assert_int_equal(kw_file_read(path, 1 << 20, &text, NULL), KW_OK);
    kw_buf_str(&text);
    return (char *)text.data;
}

size_t client_double_requests(const struct client_double *self)
{
    size_t count = 0;
    char *log = client_double_log(self);
    for (const char *at = log; (at = strchr(at, '\n')) != NULL; at++)
        count++;
    free(log);
    return count;
}

void client_double_answer(const struct client_double *self, const char *json)
{
    char path[600];
    snprintf(path, sizeof path, "%s/answer", self->folder);
    assert_int_equal(kw_file_put(path, 0600, kw_bytes_str(json), NULL), KW_OK);
}
