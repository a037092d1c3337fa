/* A small blocking HTTP client for tests, over plain TCP or TLS, that can also misbehave: it sends
 * any bytes and reads at its own pace. Every wait ends after 30 seconds with a failed test. */
#ifndef KW_TESTS_SUPPORT_HTTP_CLIENT_H
#define KW_TESTS_SUPPORT_HTTP_CLIENT_H

#include "base/bytes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

struct test_client {
    int fd;
    SSL *ssl;
    struct kw_buf in; /* received and not used */
};

struct test_answer {
    int status;
    struct kw_buf head;
    struct kw_buf body;
};

static inline struct test_client test_connect(unsigned port)
{
    struct test_client c = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 30};
    assert_true(c.fd >= 0);
    setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(c.fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(c.fd, (const void *)&to, sizeof to), 0);
    return c;
}

/* The TLS handshake; false if it fails. ctx is the caller's. */
static inline bool test_handshake(struct test_client *c, SSL_CTX *ctx)
{
    c->ssl = SSL_new(ctx);
    SSL_set_fd(c->ssl, c->fd);
    return SSL_connect(c->ssl) == 1;
}

static inline void test_disconnect(struct test_client *c)
{
    SSL_free(c->ssl);
    if (c->fd >= 0)
        close(c->fd);
    kw_buf_wipe(&c->in);
    *c = (struct test_client){.fd = -1};
}

/* false if the other side no longer takes it. */
static inline bool test_send(struct test_client *c, const void *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = c->ssl != NULL ? SSL_write(c->ssl, (const char *)data + at, (int)(len - at))
                                   : send(c->fd, (const char *)data + at, len - at, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

static inline bool test_send_str(struct test_client *c, const char *text)
{
    return test_send(c, text, strlen(text));
}

/* Reads once into c->in; false at the end of the connection. */
static inline bool test_more(struct test_client *c)
{
    char data[16384];
    ssize_t n =
        c->ssl != NULL ? SSL_read(c->ssl, data, sizeof data) : recv(c->fd, data, sizeof data, 0);
    if (n < 0 && c->ssl == NULL && (errno == EAGAIN || errno == EWOULDBLOCK))
        fail_msg("nothing came for 30 seconds");
    if (n <= 0)
        return false;
    kw_buf_append(&c->in, data, (size_t)n);
    return true;
}

/* Waits until the server has closed; what came is in c->in. */
static inline void test_until_closed(struct test_client *c)
{
    while (test_more(c))
        ;
}

static inline bool test_take_line(struct test_client *c, struct kw_buf *line)
{
    const uint8_t *lf;
    while (c->in.len == 0 || (lf = memchr(c->in.data, '\n', c->in.len)) == NULL)
        if (!test_more(c))
            return false;
    size_t len = (size_t)(lf - c->in.data) + 1;
    kw_buf_append(line, c->in.data, len);
    kw_buf_consume(&c->in, len);
    return true;
}

static inline bool test_take(struct test_client *c, size_t len, struct kw_buf *out)
{
    while (c->in.len < len)
        if (!test_more(c))
            return false;
    kw_buf_append(out, c->in.data, len);
    kw_buf_consume(&c->in, len);
    return true;
}

static inline bool test_take_chunks(struct test_client *c, struct kw_buf *body)
{
    for (;;) {
        KW_AUTO(kw_buf) line = KW_BUF_INIT;
        KW_AUTO(kw_buf) end = KW_BUF_INIT;
        if (!test_take_line(c, &line))
            return false;
        size_t len = strtoul(kw_buf_str(&line), NULL, 16);
        if (!test_take(c, len, body) || !test_take(c, 2, &end))
            return false;
        if (len == 0)
            return true;
    }
}

/* The value of a header of the answer, in out; false if it is not there. name as sent. */
static inline bool test_header(struct test_answer *a, const char *name, char *out, size_t size)
{
    const char *at = strcasestr(kw_buf_str(&a->head), name);
    if (at == NULL || at[strlen(name)] != ':')
        return false;
    at += strlen(name) + 2;
    snprintf(out, size, "%.*s", (int)strcspn(at, "\r\n"), at);
    return true;
}

/* Reads one answer (its body too, unless bodiless). false if the connection ended before. */
static inline bool test_receive(struct test_client *c, struct test_answer *a, bool bodiless)
{
    char value[64];
    size_t before;
    *a = (struct test_answer){0};
    do {
        before = a->head.len;
        if (!test_take_line(c, &a->head))
            return false;
    } while (a->head.len - before > 2);
    const char *head = kw_buf_str(&a->head);
    assert_memory_equal(head, "HTTP/1.1 ", 9);
    a->status = (int)strtol(head + 9, NULL, 10);
    if (bodiless || a->status < 200)
        return true;
    if (test_header(a, "Transfer-Encoding", value, sizeof value))
        return test_take_chunks(c, &a->body);
    if (test_header(a, "Content-Length", value, sizeof value))
        return test_take(c, strtoul(value, NULL, 10), &a->body);
    return true;
}

static inline void test_answer_wipe(struct test_answer *a)
{
    kw_buf_wipe(&a->head);
    kw_buf_wipe(&a->body);
}

/* Sends text, expects an answer with this status and, unless NULL, a body that contains part. */
static inline void test_exchange(struct test_client *c, const char *text, int status,
                                 const char *part)
{
    struct test_answer a;
    if (text != NULL)
        assert_true(test_send_str(c, text));
    assert_true(test_receive(c, &a, false));
    assert_int_equal(a.status, status);
    if (part != NULL && strstr(kw_buf_str(&a.body), part) == NULL)
        fail_msg("%s is not in %s", part, kw_buf_str(&a.body));
    test_answer_wipe(&a);
}

#endif
