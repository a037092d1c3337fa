#include "aws_double.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* A whole request: its head, and as much body as that announces. */
static void read_request(int fd, char *text, size_t size)
{
    size_t len = 0;
    size_t wanted = size - 1;
    while (len < wanted) {
        ssize_t got = recv(fd, text + len, wanted - len, 0);
        if (got <= 0)
            break;
        len += (size_t)got;
        text[len] = '\0';
        const char *end = strstr(text, "\r\n\r\n");
        const char *length = strstr(text, "Content-Length: ");
        if (end == NULL)
            continue;
        size_t body = length != NULL && length < end ? strtoul(length + 16, NULL, 10) : 0;
        wanted = (size_t)(end + 4 - text) + body;
    }
    text[len] = '\0';
}

static int fits(const struct aws_turn *turn, const char *request)
{
    for (size_t i = 0; i < 5 && turn->expect[i] != NULL; i++) {
        const char *found = strstr(request, turn->expect[i]);
        if (found == NULL || (i == 0 && found != request))
            return 0;
    }
    return 1;
}

static void send_all(int fd, const char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t sent = send(fd, text + at, len - at, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        at += (size_t)sent;
    }
}

static void play(int fd, const struct aws_turn *turn)
{
    char head[1024];
    size_t len = turn->body != NULL ? strlen(turn->body) : 0;
    if (turn->status == 0)
        return;
    snprintf(head, sizeof head,
             "HTTP/1.1 %d Played\r\nContent-Length: %zu\r\nConnection: close\r\n%s%s\r\n",
             turn->status, len + turn->missing, turn->header != NULL ? turn->header : "",
             turn->header != NULL ? "\r\n" : "");
    send_all(fd, head, strlen(head));
    send_all(fd, turn->body, len);
}

static void *serve(void *arg)
{
    struct aws_double *self = arg;
    static __thread char request[sizeof self->wrong];
    for (;;) {
        int fd = accept(self->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        read_request(fd, request, sizeof request);
        size_t turn = atomic_load(&self->played);
        if (turn >= self->count || !fits(&self->turns[turn], request)) {
            if (self->wrong[0] == '\0')
                snprintf(self->wrong, sizeof self->wrong, "turn %zu: %.16000s", turn, request);
        } else {
            play(fd, &self->turns[turn]);
        }
        atomic_store(&self->played, turn + 1);
        shutdown(fd, SHUT_WR);
        close(fd);
    }
}

void aws_double_start(struct aws_double *self, const struct aws_turn *turns, size_t count)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    memset(self, 0, sizeof *self);
    self->turns = turns;
    self->count = count;
    self->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(self->listener >= 0);
    assert_int_equal(bind(self->listener, (struct sockaddr *)&at, size), 0);
    assert_int_equal(getsockname(self->listener, (struct sockaddr *)&at, &size), 0);
    assert_int_equal(listen(self->listener, 16), 0);
    snprintf(self->address, sizeof self->address, "http://127.0.0.1:%d", ntohs(at.sin_port));
    assert_int_equal(pthread_create(&self->thread, NULL, serve, self), 0);
}

void aws_double_stop(struct aws_double *self)
{
    shutdown(self->listener, SHUT_RDWR);
    pthread_join(self->thread, NULL);
    close(self->listener);
    assert_string_equal(self->wrong, "");
    assert_int_equal(atomic_load(&self->played), self->count);
}
