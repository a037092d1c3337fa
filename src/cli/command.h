/* The command line: a table of commands, and what one invocation of one of them brings.
 *
 * A command is {name, operands, summary, options, run}; main.c has the table, cmd_*.c the commands.
 * The framework parses options strictly, prints help, opens the backend that --data or KEYWARD_ADDR
 * means, and turns a kw_code into one line on standard error and an exit status (keyward/error.h).
 *
 * Results go to standard output, as text for people or, with --json, as the API's JSON; everything
 * else goes to standard error. */
#ifndef KW_CLI_COMMAND_H
#define KW_CLI_COMMAND_H

#include "base/bytes.h"
#include "client/backend.h"
#include "json/json.h"

enum { KW_CLI_OPERANDS_MAX = 64, KW_CLI_VALUES_MAX = 128 };

struct kw_cli_option {
    const char *name;  /* without dashes; NULL ends a table */
    char letter;       /* -x, or 0 */
    const char *value; /* what it takes, for the help: FILE; NULL: a flag */
    const char *help;
};

struct kw_invocation;

struct kw_command {
    const char *name;     /* "tenant create": one or two words */
    const char *operands; /* for the help: TENANT/REGION; "" if none */
    unsigned operands_min, operands_max;
    const char *summary; /* one line */
    const char *details; /* more for --help, or NULL */
    const struct kw_cli_option *options;
    KW_ERR (*run)(struct kw_invocation *in, struct kw_error *err);
};

struct kw_invocation {
    const struct kw_command *command;
    const char *operands[KW_CLI_OPERANDS_MAX];
    unsigned operand_count;
    struct {
        const struct kw_cli_option *option;
        const char *value; /* "" for a flag */
    } values[KW_CLI_VALUES_MAX];
    unsigned value_count;
    bool json;
    struct kw_backend *backend; /* opened by kw_cli_backend */
};

/* The option's value (the last one given), or NULL. */
const char *kw_cli_value(const struct kw_invocation *in, const char *name);
bool kw_cli_flag(const struct kw_invocation *in, const char *name);
/* The i-th of an option that may be repeated, or NULL. */
const char *kw_cli_value_at(const struct kw_invocation *in, const char *name, unsigned i);
/* KW_USAGE names what is missing. */
KW_ERR kw_cli_required(const struct kw_invocation *in, const char *name, const char **out,
                       struct kw_error *err);
/* A decimal option; *out stays as it is if the option is absent. */
KW_ERR kw_cli_number(const struct kw_invocation *in, const char *name, uint64_t max, uint64_t *out,
                     struct kw_error *err);

/* The authority that this invocation works on: --data, or the server of --addr and KEYWARD_ADDR. */
KW_ERR kw_cli_backend(struct kw_invocation *in, struct kw_backend **out, struct kw_error *err);

/* The passphrase of --passphrase-file or KEYWARD_PASSPHRASE_FILE; left empty if neither is given.
 */
const char *kw_cli_passphrase_file(const struct kw_invocation *in);

/* Calls the API and parses its answer. out must be KW_JSON_DOC_INIT; answer keeps the text alive.
 */
KW_ERR kw_cli_call(struct kw_invocation *in, const char *method, const char *path,
                   const struct kw_buf *body, struct kw_answer *answer, struct kw_json_doc *out,
                   struct kw_error *err);

/* Prints an answer as it is, with a line end: for --json. */
void kw_cli_print_json(const struct kw_answer *answer);

/* Calls the API and shows its answer: as it is with --json, else by print. */
KW_ERR kw_cli_show(struct kw_invocation *in, const char *method, const char *path,
                   const struct kw_buf *body, void (*print)(const struct kw_json *answer),
                   struct kw_error *err);

/* POSTs a change with what --justification and --window-days say, and shows what it made. */
KW_ERR kw_cli_change(struct kw_invocation *in, const char *path,
                     void (*print)(const struct kw_json *answer), struct kw_error *err);

/* "acme/eu" taken apart into two texts. KW_USAGE. */
struct kw_key_name {
    char tenant[64];
    char region[17];
};
KW_ERR kw_cli_key_name(const char *text, struct kw_key_name *out, struct kw_error *err);

/* cmd_key.c: the address of the key that the operand names, and of what rest stands for there; a
 * key as it is shown. */
enum { KW_CLI_PATH_SIZE = 256 };
KW_ERR kw_cli_key_path(char out[KW_CLI_PATH_SIZE], const char *operand, const char *rest,
                       struct kw_error *err);
void kw_cli_print_key(const struct kw_json *key);

/* Members of an answer, "" or 0 if absent. */
const char *kw_cli_str(const struct kw_json *object, const char *name);
uint64_t kw_cli_uint(const struct kw_json *object, const char *name);

/* Is standard error (2) or output (1) a terminal? Colour and progress only then, and not with
 * NO_COLOR. */
bool kw_cli_is_terminal(int fd);

/* Progress of long work on a terminal's standard error; silent elsewhere. total 0: not known. */
struct kw_progress {
    const char *what;
    uint64_t total, done;
    int64_t started_us, shown_us;
    bool on;
    bool bytes; /* units are bytes, else records */
};
void kw_progress_start(struct kw_progress *progress, const char *what, uint64_t total, bool bytes);
void kw_progress_add(struct kw_progress *progress, uint64_t units);
void kw_progress_end(struct kw_progress *progress); /* wipes its line */

/* 1.5 GiB; 12,345. text has 32 bytes; returns it. */
const char *kw_cli_size_text(uint64_t bytes, char text[32]);
const char *kw_cli_count_text(uint64_t n, char text[32]);

/* The commands' tables: an array that ends with a NULL name. */
extern const struct kw_command kw_commands_setup[]; /* init, serve, config, version */
extern const struct kw_command kw_commands_tenant[];
extern const struct kw_command kw_commands_key[];
extern const struct kw_command kw_commands_custody[];  /* key import, attach, ... */
extern const struct kw_command kw_commands_provider[]; /* provider */
extern const struct kw_command kw_commands_cost[];     /* cost, cache */
extern const struct kw_command kw_commands_data[];     /* seal, open, fields, inspect, rewrap */
extern const struct kw_command kw_commands_ledger[];
extern const struct kw_command kw_commands_access[]; /* token, cert */
extern const struct kw_command kw_commands_status[]; /* status, flush */
extern const struct kw_command kw_commands_demo[];

/* provider_check.c */
KW_ERR kw_provider_check_run(struct kw_invocation *in, struct kw_error *err);

/* Options that every command takes. */
extern const struct kw_cli_option kw_cli_common[];

#endif
