/* A web server for tests of web/ and of what asks through it: plain HTTP/1.1 on a free loopback
 * port, a thread a connection. What it does is in the path of the request:
 *
 *     /echo           200, the request's head as body
 *     /status/N       status N, body "status"
 *     /together/N     200 once N such requests have arrived and not before
 *     /never          nothing, until the connection ends
 *     /trickle        an answer without end, a byte at a time
 *     /second         200 to a connection's first request; the connection is closed at its next
 *     /vanish         200 to a connection's first request; then it takes in nothing any more, and
 *                     acknowledges nothing, as a machine that is gone
 *     /cut            half of the body that was announced
 *     /open           200, with no length: until the connection closes
 *     /huge           a body of 1 MiB
 *     /heads          a header of 64 KiB
 *     /hints          103, then 200 with two headers named Twice
 *     /later/N        503 with Retry-After: 0 to the first N requests for it, then 200
 *     /redirect       302 to /echo
 */
#ifndef KW_TESTS_WEB_DOUBLE_H
#define KW_TESTS_WEB_DOUBLE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct web_double {
    int listener;
    char address[32]; /* http://127.0.0.1:PORT */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int together;
    _Atomic bool ending;
    _Atomic int connections;
    _Atomic int requests;
    _Atomic int running; /* threads */
};

void web_double_start(struct web_double *self);
void web_double_stop(struct web_double *self);

#endif
