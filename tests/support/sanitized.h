/* KW_SANITIZED: 1 in a build with the address or thread sanitizer. What they change is skipped by
 * name: they make mlock do nothing, and they fill the address space. */
#ifndef KW_TESTS_SANITIZED_H
#define KW_TESTS_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KW_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define KW_SANITIZED 1
#endif
#endif
#ifndef KW_SANITIZED
#define KW_SANITIZED 0
#endif

/* KW_SANITIZED_THREADS: 1 with the thread sanitizer, under which a forked child may have no
 * threads. */
#if defined(__SANITIZE_THREAD__)
#define KW_SANITIZED_THREADS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define KW_SANITIZED_THREADS 1
#endif
#endif
#ifndef KW_SANITIZED_THREADS
#define KW_SANITIZED_THREADS 0
#endif

#define KW_SKIP_IF_NO_THREADS_AFTER_FORK(name)                                                     \
    do {                                                                                           \
        if (KW_SANITIZED_THREADS) {                                                                \
            print_message("skipped under the thread sanitizer: %s\n", name);                       \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

/* Leaves the test where a sanitizer stands in its way. */
#define KW_SKIP_IF_SANITIZED(reason)                                                               \
    do {                                                                                           \
        if (KW_SANITIZED) {                                                                        \
            print_message("skipped under a sanitizer: %s\n", reason);                              \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

#endif
