/* A web server that plays a transcript: it takes requests one after the other, compares each with
 * what the script expects and gives the script's answer. Plain HTTP/1.1 on a free loopback port, a
 * connection a request. For AWS KMS, STS, metadata and container endpoints alike. */
#ifndef KW_TESTS_AWS_DOUBLE_H
#define KW_TESTS_AWS_DOUBLE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

struct aws_turn {
    const char *expect[5]; /* texts that the request holds; the first begins it */
    int status;            /* 0: the connection is closed without an answer */
    const char *header;    /* one more header line without its end, or NULL */
    const char *body;
    size_t missing; /* bytes that are announced and never come */
};

struct aws_double {
    int listener;
    char address[32]; /* http://127.0.0.1:PORT */
    pthread_t thread;
    const struct aws_turn *turns;
    size_t count;
    _Atomic size_t played;
    char wrong[16384]; /* the first request that was not as expected; "": none */
};

void aws_double_start(struct aws_double *self, const struct aws_turn *turns, size_t count);

/* Fails the test unless all turns were played as expected. */
void aws_double_stop(struct aws_double *self);

#endif
