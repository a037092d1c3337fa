#include "web_double.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_SIZE = 65536, TALK_SIZE = 1 << 20 };

struct connection {
    struct web_double *server;
    int fd;
    int number; /* requests on it so far */
    char head[HEAD_SIZE];
};

static void say(const struct connection *c, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(c->fd, text, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        text += sent;
        len -= (size_t)sent;
    }
}

static void answer(const struct connection *c, int status, const char *more, const char *body,
                   size_t len)
{
    char head[512];
    int n = snprintf(
        head, sizeof head,
        "HTTP/1.1 %d X\r\nContent-Type: text/plain; charset=x\r\n%sContent-Length: %zu\r\n\r\n",
        status, more, len);
    say(c, head, (size_t)n);
    say(c, body, strstr(c->head, "HEAD ") == c->head ? 0 : len);
}

/* Reads a head and drops a body; false: the connection is over. */
static bool listen_to(struct connection *c)
{
    size_t len = 0;
    char *end = NULL;
    while (end == NULL) {
        ssize_t got = recv(c->fd, c->head + len, sizeof c->head - 1 - len, 0);
        if (got <= 0)
            return false;
        len += (size_t)got;
        c->head[len] = '\0';
        end = strstr(c->head, "\r\n\r\n");
    }
    const char *length = strcasestr(c->head, "Content-Length:");
    size_t body = length != NULL ? strtoul(length + 15, NULL, 10) : 0;
    size_t have = len - (size_t)(end + 4 - c->head);
    char drop[4096];
    while (have < body) {
        ssize_t got = recv(c->fd, drop, sizeof drop, 0);
        if (got <= 0)
            return false;
        have += (size_t)got;
    }
    return true;
}

/* Until the other side or the test ends it. */
static bool wait_for_the_end(const struct connection *c)
{
    char drop;
    while (recv(c->fd, &drop, 1, 0) > 0)
        ;
    return false;
}

static bool together(struct connection *c, int wanted)
{
    struct web_double *server = c->server;
    pthread_mutex_lock(&server->lock);
    server->together++;
    pthread_cond_broadcast(&server->changed);
    while (server->together < wanted && !server->ending)
        pthread_cond_wait(&server->changed, &server->lock);
    pthread_mutex_unlock(&server->lock);
    answer(c, 200, "", "all", 3);
    return true;
}

static bool later(struct connection *c, int wanted)
{
    pthread_mutex_lock(&c->server->lock);
    bool yet = c->server->together++ < wanted;
    pthread_mutex_unlock(&c->server->lock);
    answer(c, yet ? 503 : 200, yet ? "Retry-After: 0\r\n" : "", "later", 5);
    return true;
}

static bool trickle(struct connection *c)
{
    static const char head[] = "HTTP/1.1 200 X\r\nContent-Length: 1000000\r\n\r\n";
    say(c, head, sizeof head - 1);
    while (!c->server->ending && send(c->fd, "x", 1, MSG_NOSIGNAL) == 1)
        usleep(20000);
    return false;
}

static bool large(struct connection *c, bool in_head)
{
    static const char head[] = "HTTP/1.1 200 X\r\nLong: ";
    static const char end[] = "\r\nContent-Length: 0\r\n\r\n";
    char *talk = malloc(TALK_SIZE);
    memset(talk, 'x', TALK_SIZE);
    if (in_head) {
        say(c, head, sizeof head - 1);
        say(c, talk, 65536);
        say(c, end, sizeof end - 1);
    } else {
        answer(c, 200, "", talk, TALK_SIZE);
    }
    free(talk);
    return true;
}

static bool hints(struct connection *c)
{
    static const char early[] = "HTTP/1.1 103 Early\r\nEarly: yes\r\n\r\n";
    say(c, early, sizeof early - 1);
    answer(c, 200, "twice:  first \r\nTWICE: second\r\nEmpty:\r\n", "hints", 5);
    return true;
}

static bool is_for(const struct connection *c, const char *path, int *number)
{
    const char *at = strchr(c->head, ' ') + 1;
    size_t len = strlen(path);
    if (strncmp(at, path, len) != 0)
        return false;
    *number = (int)strtol(at + len, NULL, 10);
    return true;
}

/* All that arrives from now on is dropped by the kernel before TCP sees it. */
static void go_deaf(const struct connection *c)
{
    struct sock_filter drop_all = BPF_STMT(BPF_RET | BPF_K, 0);
    const struct sock_fprog program = {.len = 1, .filter = &drop_all};
    if (setsockopt(c->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0)
        abort();
}

static bool vanish(struct connection *c)
{
    answer(c, 200, "", "once", 4);
    usleep(20000); /* until the answer's acknowledgement is here */
    go_deaf(c);
    while (!c->server->ending)
        usleep(10000);
    return false;
}

/* false: the connection is over. */
static bool serve(struct connection *c)
{
    static const char cut[] = "HTTP/1.1 200 X\r\nContent-Length: 10\r\n\r\nhalf";
    static const char open[] = "HTTP/1.1 200 X\r\n\r\nopen";
    int n = 0;
    if (is_for(c, "/status/", &n))
        return answer(c, n, "", "status", n == 204 ? 0 : 6), true;
    if (is_for(c, "/together/", &n))
        return together(c, n);
    if (is_for(c, "/later/", &n))
        return later(c, n);
    if (is_for(c, "/never", &n))
        return wait_for_the_end(c);
    if (is_for(c, "/trickle", &n))
        return trickle(c);
    if (is_for(c, "/second", &n) && c->number > 1)
        return false;
    if (is_for(c, "/vanish", &n))
        return vanish(c);
    if (is_for(c, "/cut", &n))
        return say(c, cut, sizeof cut - 1), false;
    if (is_for(c, "/open", &n))
        return say(c, open, sizeof open - 1), false;
    if (is_for(c, "/huge", &n) || is_for(c, "/heads", &n))
        return large(c, is_for(c, "/heads", &n));
    if (is_for(c, "/hints", &n))
        return hints(c);
    if (is_for(c, "/redirect", &n))
        return answer(c, 302, "Location: /echo\r\n", "", 0), true;
    return answer(c, 200, "", c->head, strlen(c->head)), true;
}

static void *talk(void *arg)
{
    struct connection *c = arg;
    struct web_double *server = c->server;
    bool goes_on = true;
    while (goes_on && listen_to(c)) {
        atomic_fetch_add(&server->requests, 1);
        c->number++;
        goes_on = serve(c);
    }
    close(c->fd);
    free(c);
    atomic_fetch_sub(&server->running, 1);
    return NULL;
}

static void *accept_all(void *arg)
{
    struct web_double *server = arg;
    int fd;
    while ((fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        struct connection *c = calloc(1, sizeof *c);
        pthread_t thread;
        int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        c->server = server;
        c->fd = fd;
        atomic_fetch_add(&server->connections, 1);
        atomic_fetch_add(&server->running, 1);
        if (pthread_create(&thread, NULL, talk, c) != 0)
            abort();
        pthread_detach(thread);
    }
    return NULL;
}

void web_double_start(struct web_double *self)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    *self = (struct web_double){0};
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    self->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (self->listener < 0 || bind(self->listener, (struct sockaddr *)&address, len) != 0 ||
        listen(self->listener, 512) != 0 ||
        getsockname(self->listener, (struct sockaddr *)&address, &len) != 0 ||
        pthread_create(&self->thread, NULL, accept_all, self) != 0)
        abort();
    snprintf(self->address, sizeof self->address, "http://127.0.0.1:%d", ntohs(address.sin_port));
}

/* After the client has closed its connections, so that each thread comes to its end. */
void web_double_stop(struct web_double *self)
{
    pthread_mutex_lock(&self->lock);
    self->ending = true;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
    shutdown(self->listener, SHUT_RDWR);
    pthread_join(self->thread, NULL);
    close(self->listener);
    while (atomic_load(&self->running) > 0)
        usleep(1000);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
}
