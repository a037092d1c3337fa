#include "load.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_SIZE = 64 * 1024, GRACE_SECONDS = 10 };

struct connection {
    struct loop *loop;
    int fd;
    SSL *ssl;
    bool connected, idle;
    uint32_t interest; /* epoll events asked for */
    const struct request *request;
    size_t sent;
    uint64_t begun_ns;
    struct answer answer;
};

struct loop {
    struct load *load;
    int epoll;
    struct addrinfo *address;
    struct connection *connections;
    uint64_t next, answers;  /* requests begun, answers since the start */
    uint64_t end_ns, finish; /* of the phase: when, or after how many answers (0: by time) */
    size_t busy;
    uint64_t broken_in_row; /* connections, since the last answer */
    char buffer[READ_SIZE];
};

static const char *tls_reason(void)
{
    unsigned long code = ERR_get_error();
    const char *text = code != 0 ? ERR_reason_error_string(code) : NULL;
    return text != NULL ? text : errno != 0 ? strerror(errno) : "closed by the server";
}

static void want(struct connection *c, uint32_t events)
{
    if (c->interest == events)
        return;
    struct epoll_event event = {.events = events, .data.ptr = c};
    int how = c->interest == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (epoll_ctl(c->loop->epoll, how, c->fd, &event) != 0)
        die("epoll_ctl: %s", strerror(errno));
    c->interest = events;
}

static void connection_close(struct connection *c)
{
    SSL_free(c->ssl);
    c->ssl = NULL;
    close(c->fd);
    c->interest = 0;
    c->connected = false;
}

static void set_peer(SSL *ssl, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1)
        return;
    if (SSL_set1_host(ssl, host) != 1 || SSL_set_tlsext_host_name(ssl, host) != 1)
        die("cannot use the host name %s", host);
}

static void connection_open(struct connection *c)
{
    const struct addrinfo *to = c->loop->address;
    int on = 1;
    c->fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket: %s", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, to->ai_addr, to->ai_addrlen) != 0 && errno != EINPROGRESS)
        die("cannot connect: %s", strerror(errno));
    c->ssl = SSL_new(c->loop->load->tls);
    if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1)
        die("cannot make a TLS connection: %s", tls_reason());
    set_peer(c->ssl, c->loop->load->target->host);
    SSL_set_connect_state(c->ssl);
    c->request = NULL;
    want(c, EPOLLIN | EPOLLOUT);
}

/* Is the phase over, so that no further request is begun? */
static bool phase_over(const struct loop *loop)
{
    return loop->finish > 0 ? loop->next >= loop->finish : now_ns() >= loop->end_ns;
}

static void begin_request(struct connection *c)
{
    struct loop *loop = c->loop;
    if (phase_over(loop)) {
        c->request = NULL;
        if (!c->idle)
            loop->busy--;
        c->idle = true;
        want(c, EPOLLIN);
        return;
    }
    if (c->idle)
        loop->busy++;
    c->idle = false;
    c->request = &loop->load->requests[loop->next++ % loop->load->request_count];
    c->sent = 0;
    c->answer.head_len = 0;
    c->answer.head_done = c->answer.closes = false;
    c->answer.status = 0;
    c->answer.body_left = 0;
    c->answer.body_seen = 0;
    c->answer.wrong = false;
    c->answer.request = c->request;
    c->begun_ns = now_ns();
}

/* The connection broke, or answered nonsense. Before the first answer that is a mistake of set-up.
 */
static void broken(struct connection *c, const char *why)
{
    struct stats *stats = c->loop->load->stats;
    if (c->loop->answers == 0 ||
        ++c->loop->broken_in_row > 100 + 4 * c->loop->load->options->connections)
        die("%s: %s", c->loop->load->options->url, why);
    if (c->request != NULL) {
        stats->failures++;
        if (stats->first_failure[0] == '\0')
            snprintf(stats->first_failure, sizeof stats->first_failure, "connection: %s", why);
    }
    stats->reconnects++;
    connection_close(c);
    connection_open(c);
}

/* 0: go on with what the last call asks for; 1: wait; after an error the connection is a new one.
 */
static int wait_or_break(struct connection *c, int result, const char *doing)
{
    int error = SSL_get_error(c->ssl, result);
    if (error == SSL_ERROR_WANT_READ) {
        want(c, EPOLLIN);
    } else if (error == SSL_ERROR_WANT_WRITE) {
        want(c, EPOLLIN | EPOLLOUT);
    } else {
        char why[256];
        snprintf(why, sizeof why, "%s: %s", doing, tls_reason());
        broken(c, why);
    }
    return 1;
}

static void finish_answer(struct connection *c)
{
    struct stats *stats = c->loop->load->stats;
    stats_add(stats, now_ns() - c->begun_ns);
    if (c->answer.status < 200 || c->answer.status > 299 || c->answer.wrong)
        stats->failures++;
    c->loop->answers++;
    c->loop->broken_in_row = 0;
    if (c->answer.closes) {
        stats->reconnects++;
        connection_close(c);
        connection_open(c);
        return;
    }
    begin_request(c);
}

static int send_some(struct connection *c)
{
    errno = 0;
    int n = SSL_write(c->ssl, c->request->data + c->sent, (int)(c->request->len - c->sent));
    if (n <= 0)
        return wait_or_break(c, n, "sending");
    c->sent += (size_t)n;
    c->loop->load->stats->bytes_out += (uint64_t)n;
    return 0;
}

static int receive_some(struct connection *c)
{
    errno = 0;
    int n = SSL_read(c->ssl, c->loop->buffer, READ_SIZE);
    if (n <= 0)
        return wait_or_break(c, n, "receiving");
    struct stats *stats = c->loop->load->stats;
    stats->bytes_in += (uint64_t)n;
    enum answer_state state = c->request == NULL
                                  ? ANSWER_BAD
                                  : answer_feed(&c->answer, c->loop->buffer, (size_t)n, stats);
    if (state == ANSWER_BAD)
        broken(c, "an answer without Content-Length, or that is no HTTP/1.1");
    else if (state == ANSWER_DONE)
        finish_answer(c);
    return state == ANSWER_BAD;
}

static int handshake(struct connection *c)
{
    errno = 0;
    int done = SSL_connect(c->ssl);
    if (done != 1)
        return wait_or_break(c, done, "TLS handshake");
    c->connected = true;
    begin_request(c);
    return 0;
}

static void advance(struct connection *c)
{
    int wait = 0;
    while (!wait) {
        if (!c->connected)
            wait = handshake(c);
        else if (c->request != NULL && c->sent < c->request->len)
            wait = send_some(c);
        else
            wait = receive_some(c);
    }
}

/* Until the phase is over and every answer that is under way has come. */
static void run_phase(struct loop *loop, double seconds, uint64_t count)
{
    struct epoll_event events[256];
    loop->end_ns = now_ns() + (uint64_t)(seconds * 1e9);
    loop->finish = count > 0 ? loop->next + count : 0;
    uint64_t limit = loop->end_ns + (uint64_t)GRACE_SECONDS * 1000000000U;
    for (size_t i = 0; i < loop->load->options->connections; i++) {
        struct connection *c = &loop->connections[i];
        if (c->connected && c->idle) {
            begin_request(c);
            advance(c);
        }
    }
    while (loop->busy > 0) {
        int n = epoll_wait(loop->epoll, events, 256, 100);
        for (int i = 0; i < n; i++)
            advance(events[i].data.ptr);
        if (count == 0 && now_ns() > limit)
            die("%zu requests had no answer %d s after the end", loop->busy, GRACE_SECONDS);
    }
}

static struct addrinfo *resolve(const struct target *target)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(target->host, target->port, &hints, &found);
    if (rc != 0)
        die("%s: %s", target->host, gai_strerror(rc));
    return found;
}

void load_run(struct load *load)
{
    static struct loop loop;
    const struct options *options = load->options;
    loop.load = load;
    loop.epoll = epoll_create1(EPOLL_CLOEXEC);
    loop.address = resolve(load->target);
    loop.connections = calloc(options->connections, sizeof *loop.connections);
    if (loop.epoll < 0 || loop.connections == NULL)
        die("out of memory or descriptors");
    loop.busy = options->connections;
    for (size_t i = 0; i < options->connections; i++) {
        loop.connections[i].loop = &loop;
        connection_open(&loop.connections[i]);
    }
    run_phase(&loop, options->warmup_seconds, 0);
    memset(load->stats, 0, sizeof *load->stats);
    load->before(load->arg);
    run_phase(&loop, options->seconds, options->count);
    for (size_t i = 0; i < options->connections; i++)
        connection_close(&loop.connections[i]);
    free(loop.connections);
    freeaddrinfo(loop.address);
    close(loop.epoll);
}
