/* Structured log: one JSON object a line on standard error (or another descriptor), for programs
 * only.
 *
 * Library code never logs; it returns errors. Only server/ and cli/ call this. Values are escaped,
 * so that nothing from outside can forge a line; there is deliberately no call that takes a struct
 * kw_secret or raw bytes. A line has at most 2 KiB: a longer one is cut
 * and says so by "cut":true. Thread-safe; a line is one write. */
#ifndef KW_BASE_LOG_H
#define KW_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum kw_log_level { KW_LOG_DEBUG, KW_LOG_INFO, KW_LOG_WARN, KW_LOG_ERROR };

/* Lines below level are dropped. fd defaults to 2. */
void kw_log_configure(enum kw_log_level level, int fd);
bool kw_log_wanted(enum kw_log_level level);

/* A field of a line: a name and a string or a number. */
struct kw_log_field {
    const char *name;
    const char *text; /* NULL: number holds the value */
    int64_t number;
};

#define KW_LOG_STR(name, value) ((struct kw_log_field){(name), (value), 0})
#define KW_LOG_INT(name, value) ((struct kw_log_field){(name), NULL, (value)})

/* kw_log(KW_LOG_INFO, "listening", KW_LOG_STR("address", text), KW_LOG_INT("workers", 2)); */
#define kw_log(level, event, ...)                                                                  \
    kw_log_fields((level), (event), (const struct kw_log_field[]){__VA_ARGS__, {0}})

/* fields ends with one whose name is NULL. */
void kw_log_fields(enum kw_log_level level, const char *event, const struct kw_log_field *fields);

#endif
