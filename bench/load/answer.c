#include "load.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* The value of a header line "name: value", or NULL if it is another header. */
static const char *header_value(const char *line, const char *name)
{
    size_t len = strlen(name);
    if (strncasecmp(line, name, len) != 0 || line[len] != ':')
        return NULL;
    line += len + 1;
    return line + strspn(line, " \t");
}

static bool read_head(struct answer *a)
{
    if (strncmp(a->head, "HTTP/1.1 ", 9) != 0 || a->head_len < 12)
        return false;
    a->status = (int)strtol(a->head + 9, NULL, 10);
    bool has_length = a->status == 204 || a->status == 304;
    for (char *line = strstr(a->head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        const char *length = header_value(line, "content-length");
        const char *connection = header_value(line, "connection");
        if (length != NULL) {
            errno = 0;
            a->body_left = strtoull(length, NULL, 10);
            has_length = errno == 0;
        }
        if (connection != NULL && strncasecmp(connection, "close", 5) == 0)
            a->closes = true;
    }
    return has_length;
}

/* Keeps the first answer that failed, cut to what fits. */
static void keep_failure(const struct answer *a, const char *body, size_t len, struct stats *stats)
{
    bool good = a->status >= 200 && a->status < 300 && !a->wrong;
    if (stats->first_failure[0] != '\0' || good)
        return;
    snprintf(stats->first_failure, sizeof stats->first_failure, "%d %.*s", a->status, (int)len,
             body);
}

static void compare(struct answer *a, const char *data, size_t len)
{
    size_t left = a->request->expected_len - a->body_seen;
    size_t n = len < left ? len : left;
    if (memcmp(a->request->expected + a->body_seen, data, n) != 0 || a->body_left < left)
        a->wrong = true;
    a->body_seen += n;
}

static enum answer_state feed_body(struct answer *a, const char *data, size_t len,
                                   struct stats *stats)
{
    if (len > a->body_left)
        return ANSWER_BAD;
    compare(a, data, len);
    keep_failure(a, data, len, stats);
    a->body_left -= len;
    return a->body_left == 0 ? ANSWER_DONE : ANSWER_MORE;
}

enum answer_state answer_feed(struct answer *a, const char *data, size_t len, struct stats *stats)
{
    if (a->head_done)
        return feed_body(a, data, len, stats);
    size_t room = sizeof a->head - 1 - a->head_len;
    size_t take = len < room ? len : room;
    memcpy(a->head + a->head_len, data, take);
    a->head[a->head_len + take] = '\0';
    char *end = strstr(a->head, "\r\n\r\n");
    if (end == NULL) {
        a->head_len += take;
        return take == len ? ANSWER_MORE : ANSWER_BAD;
    }
    size_t used = (size_t)(end + 4 - a->head) - a->head_len; /* of data */
    *end = '\0';
    a->head_len = (size_t)(end - a->head);
    a->head_done = true;
    if (!read_head(a))
        return ANSWER_BAD;
    if (a->body_left == 0) {
        compare(a, "", 0);
        keep_failure(a, "", 0, stats);
        return used == len ? ANSWER_DONE : ANSWER_BAD;
    }
    return used == len ? ANSWER_MORE : feed_body(a, data + used, len - used, stats);
}
