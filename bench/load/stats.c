#include "load.h"

#include <ctype.h>
#include <dirent.h>
#include <unistd.h>

uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

/* Below 32 each value has its bucket; above, each power of two has 32. */
static size_t bucket_of(uint64_t value)
{
    if (value < 32)
        return value;
    unsigned power = 63U - (unsigned)__builtin_clzll(value);
    return (power - 4) * 32 + ((value >> (power - 5)) & 31);
}

/* The upper end of a bucket. */
static uint64_t bucket_end(size_t bucket)
{
    if (bucket < 32)
        return bucket;
    unsigned power = (unsigned)(bucket / 32) + 4;
    return ((uint64_t)(32 + bucket % 32 + 1) << (power - 5)) - 1;
}

void stats_add(struct stats *stats, uint64_t latency_ns)
{
    stats->requests++;
    stats->latency_sum += latency_ns;
    if (latency_ns > stats->latency_max)
        stats->latency_max = latency_ns;
    stats->buckets[bucket_of(latency_ns)]++;
}

double stats_percentile_us(const struct stats *stats, double percent)
{
    double wanted = (double)stats->requests * percent / 100;
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_SIZE; i++) {
        seen += stats->buckets[i];
        if (seen > 0 && (double)seen >= wanted) {
            uint64_t end = bucket_end(i);
            return (double)(end < stats->latency_max ? end : stats->latency_max) / 1000;
        }
    }
    return 0;
}

/* Parent and CPU ticks of a process; false if it is gone. The name (second field) may hold
 * anything, so the fields are counted from its last parenthesis. */
static bool read_process(long pid, long *parent, uint64_t *ticks)
{
    char path[64];
    char line[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    size_t len = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[len] = '\0';
    const char *at = strrchr(line, ')');
    unsigned long user = 0;
    unsigned long system_ticks = 0;
    if (at == NULL || sscanf(at + 1, " %*c %ld %*s %*s %*s %*s %*s %*s %*s %*s %*s %lu %lu", parent,
                             &user, &system_ticks) != 3)
        return false;
    *ticks = user + system_ticks;
    return true;
}

static bool descends(long pid, long from)
{
    for (int depth = 0; depth < 64 && pid > 1; depth++) {
        long parent = 0;
        uint64_t ticks = 0;
        if (pid == from)
            return true;
        if (!read_process(pid, &parent, &ticks))
            return false;
        pid = parent;
    }
    return false;
}

double cpu_seconds_of_tree(pid_t pid)
{
    long parent = 0;
    uint64_t ticks = 0;
    uint64_t sum = 0;
    if (!read_process(pid, &parent, &ticks))
        return -1;
    DIR *dir = opendir("/proc");
    if (dir == NULL)
        return -1;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        long other = isdigit((unsigned char)entry->d_name[0]) ? strtol(entry->d_name, NULL, 10) : 0;
        if (other > 0 && descends(other, pid) && read_process(other, &parent, &ticks))
            sum += ticks;
    }
    closedir(dir);
    return (double)sum / (double)sysconf(_SC_CLK_TCK);
}

static void print_text(const char *name, const char *text)
{
    printf("  \"%s\": \"", name);
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            printf("\\%c", *c);
        else if (*c < 0x20 || *c >= 0x7f)
            printf("\\u%04x", *c);
        else
            putchar(*c);
    }
    printf("\",\n");
}

void report(const struct options *options, const struct stats *stats, const struct totals *totals)
{
    double n = stats->requests > 0 ? (double)stats->requests : 1;
    printf("{\n");
    print_text("url", options->url);
    printf("  \"connections\": %zu,\n", options->connections);
    printf("  \"seconds\": %.3f,\n", totals->seconds);
    printf("  \"requests\": %lu,\n", stats->requests);
    printf("  \"failures\": %lu,\n", stats->failures);
    if (stats->first_failure[0] != '\0')
        print_text("first_failure", stats->first_failure);
    printf("  \"reconnects\": %lu,\n", stats->reconnects);
    printf("  \"requests_per_second\": %.1f,\n", (double)stats->requests / totals->seconds);
    printf("  \"latency_us\": {\"mean\": %.1f, \"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, "
           "\"p999\": %.1f, \"max\": %.1f},\n",
           (double)stats->latency_sum / n / 1000, stats_percentile_us(stats, 50),
           stats_percentile_us(stats, 90), stats_percentile_us(stats, 99),
           stats_percentile_us(stats, 99.9), (double)stats->latency_max / 1000);
    printf("  \"bytes_in\": %lu,\n  \"bytes_out\": %lu,\n", stats->bytes_in, stats->bytes_out);
    if (totals->server_cpu_seconds >= 0) {
        printf("  \"server_cpu_seconds\": %.2f,\n", totals->server_cpu_seconds);
        printf("  \"server_cpu_us_per_request\": %.2f,\n", totals->server_cpu_seconds * 1e6 / n);
    }
    printf("  \"client_cpu_us_per_request\": %.2f\n}\n", totals->client_cpu_seconds * 1e6 / n);
}
