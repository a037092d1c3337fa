/* Runs a function in a forked child and says how the child ended. */
#ifndef KW_TESTS_CHILD_H
#define KW_TESTS_CHILD_H

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child's status as of waitpid; -1 if there was none. A sanitizer's own handling of signals is
 * put aside in the child, and it leaves no core. The child ends by _exit(function's result). */
static inline int kw_in_child(int (*function)(void *), void *arg)
{
    pid_t pid = fork();
    if (pid < 0)
        return -1;
    if (pid == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGSEGV, SIG_DFL);
        signal(SIGABRT, SIG_DFL);
        _exit(function(arg));
    }
    int status = -1;
    return waitpid(pid, &status, 0) == pid ? status : -1;
}

static inline int kw_child_exit(int status)
{
    return status != -1 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline int kw_child_signal(int status)
{
    return status != -1 && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

#endif
