/* Runs a function in a forked child, says how the child ended, and takes rights from it. */
#ifndef KW_TESTS_CHILD_H
#define KW_TESTS_CHILD_H

#include <linux/capability.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/syscall.h>
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

/* For a child: no memory can be locked from here on, by root neither. false if it cannot be done.
 */
static inline bool kw_give_up_locked_memory(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {0};
    struct rlimit zero = {0, 0};
    return setrlimit(RLIMIT_MEMLOCK, &zero) == 0 && syscall(SYS_capset, &header, none) == 0;
}

#endif
