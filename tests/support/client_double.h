/* The scripted server of client_double.py, for tests of the client. */
#ifndef KW_TESTS_CLIENT_DOUBLE_H
#define KW_TESTS_CLIENT_DOUBLE_H

#include "client/backend.h"

#include <sys/types.h>

struct client_double {
    pid_t pid;
    int in; /* its standard input: it ends when this is closed */
    char folder[512];
    char address[64];
    char ca[600], other_ca[600], cert[600], key[600];
};

/* Starts it in folder, with mode and steps ("reset reset ok") as client_double.py describes them.
 * Fails the test if it does not come up. script is the path of client_double.py. */
void client_double_start(struct client_double *self, const char *script, const char *folder,
                         const char *mode, const char *steps);
void client_double_stop(struct client_double *self);

/* Options that reach it: trusting its CA, a short timeout. */
struct kw_remote_options client_double_options(const struct client_double *self);

/* Its log so far: a line a request. Freed by the caller. */
char *client_double_log(const struct client_double *self);
size_t client_double_requests(const struct client_double *self);

/* What it answers to a GET. */
void client_double_answer(const struct client_double *self, const char *json);

#endif
