/* Inside the tour: its state, running commands as a user would, and its input. */
#ifndef KW_CLI_DEMO_H
#define KW_CLI_DEMO_H

#include "base/file.h"
#include "cli/command.h"

enum { KW_DEMO_ARGS = 24 };

struct kw_demo {
    char dir[KW_PATH_SIZE];  /* all that the tour makes */
    char data[KW_PATH_SIZE]; /* the authority in it */
    bool colour;
    unsigned step;
    uint64_t file_size;
    /* Of the command that was run last. */
    double seconds;
    int exit_status;
    struct kw_buf out, err;
};

/* A numbered heading and a paragraph. */
void kw_demo_step(struct kw_demo *demo, const char *title, const char *text);
/* A finding, with a tick. */
void kw_demo_say(const struct kw_demo *demo, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Runs this program with args (NULL-terminated), --data added, from within demo->dir. Shows the
 * command as it would be typed. What it prints is kept, but for its progress on a terminal. Its
 * exit status must be expected, else KW_INTERNAL with what it said. */
KW_ERR kw_demo_run(struct kw_demo *demo, int expected, const char *const *args,
                   struct kw_error *err);

/* The path of a file of the tour. */
KW_ERR kw_demo_path(const struct kw_demo *demo, const char *name, char out[KW_PATH_SIZE],
                    struct kw_error *err);

/* demo_input.c: the machine's Debian package index as JSON lines in packages.jsonl; and a file of
 * at least demo->file_size bytes made of it. */
struct kw_demo_input {
    uint64_t records;
    uint64_t bytes;
    char source[256]; /* where it came from, for people */
};
KW_ERR kw_demo_packages(struct kw_demo *demo, struct kw_demo_input *out, struct kw_error *err);
KW_ERR kw_demo_large_file(struct kw_demo *demo, const char *from, const char *to,
                          struct kw_error *err);

/* KW_OK if both files of the tour have the same bytes; KW_INTEGRITY class if not. */
KW_ERR kw_demo_same(const struct kw_demo *demo, const char *a, const char *b, struct kw_error *err);

/* A copy of the ledger of which one byte of one entry was changed. */
KW_ERR kw_demo_forge_ledger(const struct kw_demo *demo, const char *to, struct kw_error *err);

#endif
