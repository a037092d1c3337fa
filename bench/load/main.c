#include "load.h"

#include <errno.h>
#include <getopt.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>

static const char usage[] =
    "kw_load --url https://HOST:PORT/PATH [option...]\n"
    "  --ca FILE               certificates that the server's is checked against (required)\n"
    "  --cert FILE --key FILE  client certificate\n"
    "  --header 'NAME: VALUE'  one more request header (up to 8)\n"
    "  --method M              POST if there is a body, else GET\n"
    "  --body FILE             the request's body\n"
    "  --marker TEXT           the file holds several bodies, each ended by this, used in turn\n"
    "  --expect FILE           what each answer's body must begin with; in the form of --body\n"
    "  --connections N         kept alive, one request at a time on each (32)\n"
    "  --warmup S --seconds S  not counted (1), counted (5)\n"
    "  --count N               stop after N requests instead of after a time\n"
    "  --server-pid PID        measure the CPU time of this process and its children\n"
    "Prints one JSON object. Exit status 1: not run; 2: run, with failures.\n";

void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("kw_load: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static double number(const char *name, const char *text, double min, double max)
{
    char *end = NULL;
    errno = 0;
    double value = strtod(text, &end);
    if (errno != 0 || end == text || *end != '\0' || value < min || value > max)
        die("--%s wants a number from %g to %g, not '%s'", name, min, max, text);
    return value;
}

static void set_option(struct options *o, const char *name, const char *value)
{
    const struct {
        const char *name, **text;
    } texts[] = {{"url", &o->url},       {"ca", &o->ca},
                 {"cert", &o->cert},     {"key", &o->key},
                 {"method", &o->method}, {"body", &o->body_file},
                 {"marker", &o->marker}, {"expect", &o->expect_file}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(name, texts[i].name) == 0)
            *texts[i].text = value;
    }
    if (strcmp(name, "header") == 0 && o->header_count < MAX_HEADERS)
        o->headers[o->header_count++] = value;
    else if (strcmp(name, "connections") == 0)
        o->connections = (size_t)number(name, value, 1, MAX_CONNECTIONS);
    else if (strcmp(name, "warmup") == 0)
        o->warmup_seconds = number(name, value, 0.1, 600);
    else if (strcmp(name, "seconds") == 0)
        o->seconds = number(name, value, 0.1, 3600);
    else if (strcmp(name, "count") == 0)
        o->count = (uint64_t)number(name, value, 1, 1e12);
    else if (strcmp(name, "server-pid") == 0)
        o->server_pid = (pid_t)number(name, value, 2, 1 << 22);
}

static struct options read_options(int argc, char **argv)
{
    static const char *const names[] = {"url",     "ca",    "cert",       "key",         "header",
                                        "method",  "body",  "marker",     "connections", "warmup",
                                        "seconds", "count", "server-pid", "expect"};
    enum { NAMES = sizeof names / sizeof *names };
    struct option longs[NAMES + 1] = {0};
    struct options options = {.connections = 32, .warmup_seconds = 1, .seconds = 5};
    for (int i = 0; i < NAMES; i++)
        longs[i] = (struct option){.name = names[i], .has_arg = required_argument};
    for (int index = 0, c; (c = getopt_long(argc, argv, "", longs, &index)) != -1;) {
        if (c != 0)
            die("wrong option\n%s", usage);
        set_option(&options, names[index], optarg);
    }
    if (options.url == NULL || options.ca == NULL || optind != argc)
        die("--url and --ca are needed\n%s", usage);
    return options;
}

static struct target read_url(const char *url)
{
    struct target t = {.port = "443", .path = "/"};
    char slash = '\0';
    if (sscanf(url, "https://%255[^:/]:%7[0-9]%c", t.host, t.port, &slash) < 1)
        die("--url wants https://HOST:PORT/PATH, not '%s'", url);
    const char *path = strchr(url + 8, '/');
    if (path != NULL && snprintf(t.path, sizeof t.path, "%s", path) >= (int)sizeof t.path)
        die("the path of --url is too long");
    return t;
}

static char *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "re");
    char *data = NULL;
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        die("%s: %s", path, strerror(errno));
    long size = ftell(file);
    rewind(file);
    if (size < 0 || (data = calloc((size_t)size + 1, 1)) == NULL ||
        fread(data, 1, (size_t)size, file) != (size_t)size)
        die("%s: cannot be read", path);
    fclose(file);
    *len = (size_t)size;
    return data;
}

static struct request make_request(const struct options *o, const struct target *t,
                                   const char *body, size_t len)
{
    struct request request = {0};
    FILE *out = open_memstream(&request.data, &request.len);
    if (out == NULL)
        die("out of memory");
    const char *method = o->method != NULL ? o->method : o->body_file != NULL ? "POST" : "GET";
    fprintf(out, "%s %s HTTP/1.1\r\nHost: %s:%s\r\n", method, t->path, t->host, t->port);
    for (size_t i = 0; i < o->header_count; i++)
        fprintf(out, "%s\r\n", o->headers[i]);
    if (o->body_file != NULL)
        fprintf(out, "Content-Type: application/json\r\nContent-Length: %zu\r\n", len);
    fputs("\r\n", out);
    fwrite(body, 1, len, out);
    if (fclose(out) != 0 || request.len > INT32_MAX)
        die("out of memory, or a request larger than 2 GiB");
    return request;
}

/* The texts of a file that stays in memory, one after the other. */
struct texts {
    char *data;
    const char *at, *end;
};

static struct texts open_texts(const char *path)
{
    struct texts texts = {0};
    size_t len = 0;
    texts.data = path != NULL ? read_file(path, &len) : NULL;
    texts.at = texts.data != NULL ? texts.data : "";
    texts.end = texts.at + len;
    return texts;
}

static const char *next_text(struct texts *texts, const char *marker, size_t *len)
{
    const char *text = texts->at;
    const char *stop = marker != NULL ? strstr(text, marker) : NULL;
    *len = (size_t)((stop != NULL ? stop : texts->end) - text);
    texts->at = stop != NULL ? stop + strlen(marker) : texts->end;
    texts->at += stop != NULL && *texts->at == '\n';
    return text;
}

static void take_expected(struct request *request, const char *text, size_t len)
{
    request->expected = strndup(text, len);
    request->expected_len = len;
    if (request->expected == NULL)
        die("out of memory");
}

/* One request for each body of the file. */
static struct request *make_requests(const struct options *o, const struct target *t, size_t *count)
{
    struct texts bodies = open_texts(o->body_file);
    struct texts expected = open_texts(o->expect_file);
    struct request *requests = NULL;
    *count = 0;
    do {
        size_t len;
        struct request *more = realloc(requests, (*count + 1) * sizeof *requests);
        if (more == NULL)
            die("out of memory");
        requests = more;
        const char *body = next_text(&bodies, o->marker, &len);
        requests[*count] = make_request(o, t, body, len);
        const char *text = next_text(&expected, o->marker, &len);
        take_expected(&requests[*count], text, len);
        (*count)++;
    } while (bodies.at < bodies.end);
    free(bodies.data);
    free(expected.data);
    return requests;
}

static SSL_CTX *make_tls(const struct options *o)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (tls == NULL || SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) != 1)
        die("TLS 1.3 is not available");
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_load_verify_locations(tls, o->ca, NULL) != 1)
        die("%s: not a file of certificates", o->ca);
    if (o->cert != NULL &&
        (SSL_CTX_use_certificate_chain_file(tls, o->cert) != 1 || o->key == NULL ||
         SSL_CTX_use_PrivateKey_file(tls, o->key, SSL_FILETYPE_PEM) != 1))
        die("--cert %s and --key do not go together: %s", o->cert,
            ERR_reason_error_string(ERR_get_error()));
    return tls;
}

struct clocks {
    pid_t server_pid;
    uint64_t begun_ns;
    double client, server;
};

static double own_cpu_seconds(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static void read_clocks(void *arg)
{
    struct clocks *clocks = arg;
    clocks->server = clocks->server_pid > 0 ? cpu_seconds_of_tree(clocks->server_pid) : -1;
    if (clocks->server_pid > 0 && clocks->server < 0)
        die("there is no process %d", (int)clocks->server_pid);
    clocks->client = own_cpu_seconds();
    clocks->begun_ns = now_ns();
}

int main(int argc, char **argv)
{
    static struct stats stats;
    struct options options = read_options(argc, argv);
    struct target target = read_url(options.url);
    struct clocks before = {.server_pid = options.server_pid};
    struct load load = {.options = &options,
                        .target = &target,
                        .tls = make_tls(&options),
                        .stats = &stats,
                        .before = read_clocks,
                        .arg = &before};
    struct request *requests = make_requests(&options, &target, &load.request_count);
    load.requests = requests;
    load_run(&load);

    struct clocks after = {.server_pid = options.server_pid};
    read_clocks(&after);
    struct totals totals = {.seconds = (double)(after.begun_ns - before.begun_ns) / 1e9,
                            .client_cpu_seconds = after.client - before.client,
                            .server_cpu_seconds =
                                after.server >= 0 ? after.server - before.server : -1};
    report(&options, &stats, &totals);
    for (size_t i = 0; i < load.request_count; i++) {
        free(requests[i].data);
        free(requests[i].expected);
    }
    free(requests);
    SSL_CTX_free(load.tls);
    return stats.failures > 0 ? 2 : 0;
}
