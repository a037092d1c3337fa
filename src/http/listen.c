#include "base/encode.h"
#include "http/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ACCEPTS_AT_A_TIME = 64, UNSENT_MAX = 128 * 1024, HOST_SIZE = 256, PORT_SIZE = 6 };

/* host:port or [v6]:port into its parts. */
static KW_ERR split(const char *address, char host[HOST_SIZE], char port[PORT_SIZE],
                    struct kw_error *err)
{
    const char *colon = strrchr(address, ':');
    uint64_t number = 0;
    if (colon == NULL || kw_parse_u64(kw_bytes_str(colon + 1), 65535, &number, NULL) != KW_OK)
        return kw_fail(err, KW_BAD_CONFIG, "%s is not host:port", address);
    size_t len = (size_t)(colon - address);
    bool bracketed = len >= 2 && address[0] == '[' && address[len - 1] == ']';
    if (bracketed) {
        address++;
        len -= 2;
    }
    if (len == 0 || len >= HOST_SIZE || (!bracketed && memchr(address, ':', len) != NULL))
        return kw_fail(err, KW_BAD_CONFIG, "%s is not host:port or [IPv6 address]:port", address);
    memcpy(host, address, len);
    host[len] = '\0';
    snprintf(port, PORT_SIZE, "%u", (unsigned)number);
    return KW_OK;
}

static KW_ERR resolve(const char *address, struct sockaddr_storage *out, socklen_t *len,
                      struct kw_error *err)
{
    char host[HOST_SIZE];
    char port[PORT_SIZE];
    KW_TRY(split(address, host, port, err));
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    if (strcmp(host, "localhost") != 0)
        hints.ai_flags |= AI_NUMERICHOST;
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, port, &hints, &found);
    if (rc != 0)
        return kw_fail(err, KW_BAD_CONFIG, "%s: %s; give an IP address or localhost", address,
                       gai_strerror(rc));
    memcpy(out, found->ai_addr, found->ai_addrlen);
    *len = found->ai_addrlen;
    freeaddrinfo(found);
    return KW_OK;
}

static bool is_loopback(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)address;
        return (ntohl(v4->sin_addr.s_addr) >> 24) == 127;
    }
    const struct sockaddr_in6 *v6 = (const void *)address;
    return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static unsigned port_of(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
    /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): {0} and a cast hide that it is set */
    return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
}

/* TCP_NODELAY is inherited by what is accepted. Without it every answer that is split in two waits
 * for the client's delayed acknowledgement, 40 ms. */
static KW_ERR open_socket(const struct sockaddr_storage *address, socklen_t len, bool shared,
                          int *out, struct kw_error *err)
{
    int one = 1;
    int unsent = UNSENT_MAX;
    KW_AUTO_FD fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0) ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent) != 0)
        return kw_fail_errno(err, errno, "opening a listening socket");
    if (bind(fd, (const void *)address, len) != 0) {
        char text[KW_HTTP_REMOTE_SIZE];
        kw_http_remote_text(address, text);
        return kw_fail_errno(err, errno, "listening on %s", text);
    }
    *out = fd;
    fd = -1;
    return KW_OK;
}

/* SO_REUSEPORT would let a second server of the same user share the port without a word. A socket
 * without it can be bound only if nobody else's is there: that one asks, and also chooses the port
 * if any will do. It is closed before the real ones are bound; they cannot coexist. */
static KW_ERR probe(struct sockaddr_storage *address, socklen_t *len, struct kw_error *err)
{
    KW_AUTO_FD fd = -1;
    KW_TRY(open_socket(address, *len, false, &fd, err));
    if (listen(fd, 1) != 0)
        return kw_fail_errno(err, errno, "listening");
    if (getsockname(fd, (struct sockaddr *)address, len) != 0)
        return kw_fail_errno(err, errno, "asking for the port");
    return KW_OK;
}

KW_ERR kw_http_listen(const struct kw_http_options *options, int *fds, unsigned count,
                      unsigned *port, struct kw_error *err)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    KW_TRY(resolve(options->address, &address, &len, err));
    if (options->plain && !is_loopback(&address))
        return kw_fail(err, KW_BAD_CONFIG, "%s: without TLS only loopback addresses are served",
                       options->address);
    KW_TRY(probe(&address, &len, err));
    for (unsigned i = 0; i < count; i++) {
        KW_TRY(open_socket(&address, len, true, &fds[i], err));
        if (listen(fds[i], options->backlog) != 0)
            return kw_fail_errno(err, errno, "listening on %s", options->address);
    }
    *port = port_of(&address);
    return KW_OK;
}

void kw_http_remote_text(const struct sockaddr_storage *from, char out[KW_HTTP_REMOTE_SIZE])
{
    char text[INET6_ADDRSTRLEN] = "?";
    if (from->ss_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)from)->sin_addr, text,
                  sizeof text);
        snprintf(out, KW_HTTP_REMOTE_SIZE, "%s:%u", text, port_of(from));
    } else {
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, text,
                  sizeof text);
        snprintf(out, KW_HTTP_REMOTE_SIZE, "[%s]:%u", text, port_of(from));
    }
}

/* Out of descriptors or memory: the waiting connection would wake the loop for ever. It stays in
 * the kernel's queue while the listener rests. */
static void rest(struct kw_http_worker *worker, int errno_value)
{
    const struct kw_http_options *options = &worker->server->options;
    kw_http_count(&worker->counters.accept_failures, 1);
    if (worker->listening && worker->listener >= 0)
        epoll_ctl(worker->epoll, EPOLL_CTL_DEL, worker->listener, NULL);
    worker->listening = false;
    worker->listen_again_ms = worker->now_ms + KW_HTTP_ACCEPT_PAUSE_MS;
    if (options->on_connection_error != NULL)
        options->on_connection_error(options->arg,
                                     errno_value == EMFILE || errno_value == ENFILE
                                         ? "out of file descriptors: raise the limit (ulimit -n)"
                                         : "out of memory for new connections",
                                     "");
}

static void admit(struct kw_http_worker *worker, int fd, const struct sockaddr_storage *from)
{
    struct kw_http_server *server = worker->server;
    char remote[KW_HTTP_REMOTE_SIZE];
    if (atomic_fetch_add(&server->open, 1) >= server->options.limits.connections) {
        atomic_fetch_sub(&server->open, 1);
        kw_http_count(&worker->counters.refused, 1);
        close(fd);
        return;
    }
    kw_http_remote_text(from, remote);
    kw_http_conn_accept(worker, fd, remote);
}

void kw_http_accept(struct kw_http_worker *worker)
{
    for (int i = 0; i < ACCEPTS_AT_A_TIME; i++) {
        struct sockaddr_storage from = {0};
        socklen_t len = sizeof from;
        int fd =
            accept4(worker->listener, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            admit(worker, fd, &from);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            rest(worker, errno);
        if (fd < 0 && errno != ECONNABORTED && errno != EINTR)
            return;
    }
}
