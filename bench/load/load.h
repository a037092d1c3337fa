/* kw_load: one thread that keeps N connections over TLS 1.3 busy with HTTP/1.1 requests, one at a
 * time on each, and measures. For bench/run; it treats every server alike. Nothing here is
 * thread-safe. */
#ifndef KW_BENCH_LOAD_H
#define KW_BENCH_LOAD_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { MAX_HEADERS = 8, MAX_CONNECTIONS = 4096, HISTOGRAM_SIZE = 64 * 32 };

struct options {
    const char *url, *method, *body_file, *expect_file, *marker, *ca, *cert, *key;
    const char *headers[MAX_HEADERS];
    size_t header_count, connections;
    double warmup_seconds, seconds;
    uint64_t count; /* stop after so many requests; 0: after seconds */
    pid_t server_pid;
};

/* host, port and path of the URL, cut out of it. */
struct target {
    char host[256], port[8], path[1024];
};

/* What is sent, and what the answer's body must begin with ("": anything). */
struct request {
    char *data;
    size_t len;
    char *expected;
    size_t expected_len;
};

/* Times in nanoseconds. A bucket spans 1/32 of a power of two, so a percentile is right to 3%. */
struct stats {
    uint64_t requests, failures, reconnects, bytes_in, bytes_out, latency_sum, latency_max;
    uint64_t buckets[HISTOGRAM_SIZE];
    char first_failure[512]; /* status and body of the first answer that was not 2xx, or not the
                                expected one */
};

uint64_t now_ns(void);
void stats_add(struct stats *stats, uint64_t latency_ns);
double stats_percentile_us(const struct stats *stats, double percent);

/* CPU seconds used so far by pid and all its living descendants. Negative if there is no such pid.
 */
double cpu_seconds_of_tree(pid_t pid);

/* The report: one JSON object on standard output. */
struct totals {
    double seconds, client_cpu_seconds, server_cpu_seconds;
};
void report(const struct options *options, const struct stats *stats, const struct totals *totals);

/* Prints why, and ends the program with status 1. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Runs the load. before() is called when the warm-up has ended and stats is empty again. */
struct load {
    const struct options *options;
    const struct target *target;
    const struct request *requests;
    size_t request_count;
    SSL_CTX *tls;
    struct stats *stats;
    void (*before)(void *arg);
    void *arg;
};
void load_run(struct load *load);

/* One answer, fed piece by piece. Zeroed by the caller at its start. */
struct answer {
    char head[8192];
    size_t head_len;
    bool head_done, closes;
    int status;
    uint64_t body_left;
    const struct request *request;
    size_t body_seen;
    bool wrong; /* the body is not the expected one */
};

enum answer_state { ANSWER_MORE, ANSWER_DONE, ANSWER_BAD };

/* Takes up to len bytes; of an answer that is not 2xx, or wrong, what fits is kept in
 * stats->first_failure. */
enum answer_state answer_feed(struct answer *answer, const char *data, size_t len,
                              struct stats *stats);

#endif
