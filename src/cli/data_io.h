/* Where the data commands read from and write to: files, pipes, standard input and output.
 *
 * Input can be looked at before it is read, and decodes the text form (kw1.) on its way. Output
 * into a file goes to a temporary name beside it and gets its own name only when it is finished, so
 * that a failure, a signal or a crash leaves the old file or none, never a part. Both work in
 * constant memory. One output at a time; not thread-safe. */
#ifndef KW_CLI_DATA_IO_H
#define KW_CLI_DATA_IO_H

#include "base/file.h"

#include <sys/stat.h>

/* ---- Input ---- */

struct kw_input {
    int fd;
    bool owned;
    const char *name; /* for messages */
    struct stat st;
    bool is_text; /* bytes are decoded from the text form */
    bool ended;
    struct kw_buf raw;     /* looked at, not read yet */
    struct kw_buf decoded; /* of text */
};
#define KW_INPUT_INIT                                                                              \
    {                                                                                              \
        .fd = -1, .raw = KW_BUF_SECRET, .decoded = KW_BUF_SECRET                                   \
    }

/* path NULL or "-": standard input. */
KW_ERR kw_input_open(struct kw_input *in, const char *path, struct kw_error *err);
void kw_input_wipe(struct kw_input *in);
KW_CLEANUP_WIPE(kw_input)

/* A regular file's size in bytes as they lie there; 0 if it is not known. */
uint64_t kw_input_size(const struct kw_input *in);

/* The first bytes, at most len (65,536), fewer only if there are no more. They stay to be read. */
KW_ERR kw_input_peek(struct kw_input *in, size_t len, struct kw_bytes *out, struct kw_error *err);

/* If the text form is there, from now on what it decodes to is read; line ends at its end are no
 * part of it. */
KW_ERR kw_input_expect_text(struct kw_input *in, struct kw_error *err);

/* Fills out with len bytes; fewer only at the end. */
KW_ERR kw_input_read(struct kw_input *in, uint8_t *out, size_t len, size_t *got,
                     struct kw_error *err);

/* Appends up to len bytes to a buffer; *got as in kw_input_read. */
KW_ERR kw_input_append(struct kw_input *in, struct kw_buf *out, size_t len, size_t *got,
                       struct kw_error *err);

/* ---- Output ---- */

struct kw_output {
    int fd;
    bool owned;
    bool is_terminal;
    bool as_text;     /* set before the first write: the text form comes out */
    bool replaces;    /* a file is there already: its content must not be lost in a crash */
    const char *name; /* for messages */
    char path[KW_PATH_SIZE];
    char temporary[KW_PATH_SIZE]; /* "" if written to directly */
    struct kw_buf text;
    uint8_t carry[3];
    size_t carried;
    uint64_t written; /* bytes that came in */
};
#define KW_OUTPUT_INIT                                                                             \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

/* path NULL or "-": standard output. What is no regular file (a device, a pipe) is written to
 * directly. KW_USAGE if it is the file that input reads. */
KW_ERR kw_output_open(struct kw_output *out, const char *path, const struct kw_input *input,
                      struct kw_error *err);

/* To take the place of a file, with its owner and mode. The temporary name is always the same
 * (KW_OUTPUT_NEW appended), so that what a crash left is found: the caller holds a lock. */
#define KW_OUTPUT_NEW ".keyward-new"
KW_ERR kw_output_replace(struct kw_output *out, const char *path, const struct stat *st,
                         struct kw_error *err);

/* KW_USAGE if bytes that are no text would go to a terminal. */
KW_ERR kw_output_write(struct kw_output *out, struct kw_bytes bytes, struct kw_error *err);

/* Gives the file its name. Without it, nothing is left. */
KW_ERR kw_output_finish(struct kw_output *out, struct kw_error *err);
void kw_output_wipe(struct kw_output *out);
KW_CLEANUP_WIPE(kw_output)

/* Have bytes gone out already that the reader may have used? */
bool kw_output_escaped(const struct kw_output *out);

/* Where a summary goes: not where the data go. */
FILE *kw_output_report(const struct kw_output *out);

#endif
