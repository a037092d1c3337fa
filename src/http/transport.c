#include "http/internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <sys/socket.h>

static long from_errno(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? KW_HTTP_BLOCKED
                                                                     : KW_HTTP_BROKEN;
}

/* The error queue is empty before each call: whatever a handler left there would otherwise be taken
 * for this call's. To look is a tenth of the work of clearing. */
static void forget_errors(void)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

/* A write that wants to read, or the reverse, cannot happen in TLS 1.3
 * beyond what the other direction's event resumes; renegotiation is off in TLS 1.2. */
static long from_ssl(struct kw_http_conn *conn, int rc)
{
    switch (SSL_get_error(conn->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return KW_HTTP_BLOCKED;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        /* No close_notify: an end all the same, but nothing may be sent after an SSL error. */
        return KW_HTTP_BROKEN;
    }
}

long kw_http_transport_read(struct kw_http_conn *conn, void *to, size_t size)
{
    if (conn->ssl == NULL) {
        ssize_t n = recv(conn->fd, to, size, 0);
        return n >= 0 ? (long)n : from_errno();
    }
    size_t n = 0;
    forget_errors();
    int rc = SSL_read_ex(conn->ssl, to, size, &n);
    return rc == 1 ? (long)n : from_ssl(conn, rc);
}

long kw_http_transport_write(struct kw_http_conn *conn, const void *from, size_t len)
{
    if (conn->ssl == NULL) {
        ssize_t n = send(conn->fd, from, len, MSG_NOSIGNAL);
        return n >= 0 ? (long)n : from_errno();
    }
    size_t n = 0;
    forget_errors();
    int rc = SSL_write_ex(conn->ssl, from, len, &n);
    if (rc == 1)
        return (long)n;
    long result = from_ssl(conn, rc);
    return result == 0 ? KW_HTTP_BROKEN : result;
}

/* With read_ahead OpenSSL may hold bytes of which the kernel knows nothing any more. */
bool kw_http_transport_pending(const struct kw_http_conn *conn)
{
    return conn->ssl != NULL && SSL_has_pending(conn->ssl) == 1;
}
