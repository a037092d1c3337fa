/* Raising and passing on errors, and cleanup on leaving a scope.
 *
 *     KW_ERR kw_thing_load(struct kw_thing *out, const char *path, struct kw_error *err)
 *     {
 *         KW_AUTO(kw_buf) text = KW_BUF_INIT;
 *         KW_TRY(kw_file_read(path, 1 << 20, &text, err));
 *         if (text.len == 0)
 *             return kw_fail(err, KW_BAD_CONFIG, "%s is empty", path);
 *         ...
 *
 * KW_AUTO(kw_x) declares a struct kw_x that kw_x_wipe() ends when the scope is left;
 * KW_AUTO_PTR(kw_x) a pointer that kw_x_free() frees. Both need a KW_CLEANUP_... line in the type's
 * header. */
#ifndef KW_BASE_ERROR_H
#define KW_BASE_ERROR_H

#include <keyward/error.h>

/* Fills err (may be NULL) with code and a one-line text, and returns code. Thread-safe. */
kw_code kw_fail(struct kw_error *err, kw_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Fills err with the code's own message. */
kw_code kw_fail_code(struct kw_error *err, kw_code code);

/* Fills err from errno_value: ENOSPC, EDQUOT -> KW_DISK_FULL, ENOMEM -> KW_NO_MEMORY, ENOENT ->
 * KW_NOT_FOUND, EADDRINUSE -> KW_ADDRESS_IN_USE, else KW_IO. what names the act and its object. */
kw_code kw_fail_errno(struct kw_error *err, int errno_value, const char *what, ...)
    __attribute__((format(printf, 3, 4)));

/* The static analyser sees one source file at a time: this tells it that failing is not KW_OK. */
#ifdef __clang_analyzer__
#define kw_fail(err, code, ...)        (kw_fail((err), (code), __VA_ARGS__), (code))
#define kw_fail_code(err, code)        (kw_fail_code((err), (code)), (code))
#define kw_fail_errno(err, value, ...) (kw_fail_errno((err), (value), __VA_ARGS__), KW_IO)
#endif

#define KW_TRY(expression)                                                                         \
    do {                                                                                           \
        kw_code kw_try_ = (expression);                                                            \
        if (kw_try_ != KW_OK)                                                                      \
            return kw_try_;                                                                        \
    } while (0)

#define KW_AUTO(type)     __attribute__((cleanup(type##_auto_wipe))) struct type
#define KW_AUTO_PTR(type) __attribute__((cleanup(type##_auto_free))) struct type *
#define KW_AUTO_FD        __attribute__((cleanup(kw_fd_auto_close))) int

#define KW_CLEANUP_WIPE(type)                                                                      \
    static inline void type##_auto_wipe(struct type *x)                                            \
    {                                                                                              \
        type##_wipe(x);                                                                            \
    }
#define KW_CLEANUP_FREE(type)                                                                      \
    static inline void type##_auto_free(struct type **x)                                           \
    {                                                                                              \
        type##_free(*x);                                                                           \
    }

void kw_fd_auto_close(int *fd);

#define KW_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define KW_UNUSED(x)    ((void)(x))

#endif
