#include "cli/command.h"

#include "json/write.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static const struct {
    const char *title;
    const struct kw_command *commands;
} groups[] = {
    {"Start", kw_commands_demo},      {"Authority", kw_commands_setup},
    {"Tenants", kw_commands_tenant},  {"Tenant keys", kw_commands_key},
    {"Custody", kw_commands_custody}, {"Providers", kw_commands_provider},
    {"Cost", kw_commands_cost},       {"Data", kw_commands_data},
    {"Ledger", kw_commands_ledger},   {"Access", kw_commands_access},
    {"State", kw_commands_status},
};

/* ---- Help -------------------------------------------------------------------------------------
 */

static void print_overview(FILE *out)
{
    fputs("Keyward: every customer their own key, in their own jurisdiction, with a receipt for "
          "every use.\n\nusage: keyward COMMAND [OPERANDS] [OPTIONS]\n",
          out);
    for (size_t g = 0; g < KW_COUNT(groups); g++) {
        fprintf(out, "\n%s\n", groups[g].title);
        for (const struct kw_command *c = groups[g].commands; c->name != NULL; c++)
            fprintf(out, "  %-22s %s\n", c->name, c->summary);
    }
    fputs("\n'keyward COMMAND --help' says more of one. Without --data, commands go to the server "
          "at KEYWARD_ADDR.\nExit status: 0 done, 2 usage, 3 unauthenticated, 4 denied, 5 missing, "
          "6 conflict, 7 integrity,\n8 limited, 9 unavailable (try again), 10 internal.\n",
          out);
}

static void print_options(FILE *out, const struct kw_cli_option *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        char left[64];
        char letter[8] = "    ";
        if (options->letter != 0)
            snprintf(letter, sizeof letter, "-%c, ", options->letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, options->name,
                 options->value != NULL ? " " : "", options->value != NULL ? options->value : "");
        fprintf(out, "  %-30s %s\n", left, options->help);
    }
}

static void print_help(FILE *out, const struct kw_command *command)
{
    fprintf(out, "usage: keyward %s%s%s [OPTIONS]\n\n%s.\n", command->name,
            command->operands[0] != '\0' ? " " : "", command->operands, command->summary);
    if (command->details != NULL)
        fprintf(out, "\n%s\n", command->details);
    if (command->options != NULL) {
        fputs("\nOptions\n", out);
        print_options(out, command->options);
    }
    fputs("\nEvery command\n", out);
    print_options(out, kw_cli_common);
}

/* ---- Finding the command ----------------------------------------------------------------------
 */

static size_t words_of(const char *name)
{
    return strchr(name, ' ') != NULL ? 2 : 1;
}

static bool names(const struct kw_command *command, int argc, char **argv)
{
    char two[64];
    if (words_of(command->name) == 1)
        return strcmp(argv[1], command->name) == 0;
    if (argc < 3)
        return false;
    snprintf(two, sizeof two, "%s %s", argv[1], argv[2]);
    return strcmp(two, command->name) == 0;
}

static const struct kw_command *find(int argc, char **argv)
{
    for (size_t g = 0; g < KW_COUNT(groups); g++)
        for (const struct kw_command *c = groups[g].commands; c->name != NULL; c++)
            if (names(c, argc, argv))
                return c;
    return NULL;
}

/* The group's commands, for who gave only its first word; false if there is no such group. */
static bool print_group(FILE *out, const char *word)
{
    bool any = false;
    size_t len = strlen(word);
    for (size_t g = 0; g < KW_COUNT(groups); g++)
        for (const struct kw_command *c = groups[g].commands; c->name != NULL; c++)
            if (strncmp(c->name, word, len) == 0 && c->name[len] == ' ') {
                fprintf(out, "  keyward %-22s %s\n", c->name, c->summary);
                any = true;
            }
    return any;
}

/* ---- Parsing ----------------------------------------------------------------------------------
 */

static const struct kw_cli_option *option_in(const struct kw_cli_option *table, const char *name,
                                             size_t len, char letter)
{
    for (; table != NULL && table->name != NULL; table++)
        if (letter != 0 ? table->letter == letter
                        : strlen(table->name) == len && strncmp(table->name, name, len) == 0)
            return table;
    return NULL;
}

static const struct kw_cli_option *option_of(const struct kw_command *command, const char *name,
                                             size_t len, char letter)
{
    const struct kw_cli_option *own = option_in(command->options, name, len, letter);
    return own != NULL ? own : option_in(kw_cli_common, name, len, letter);
}

/* --name VALUE, --name=VALUE, -x VALUE. *at moves over a value that is a word of its own. */
static KW_ERR take_option(struct kw_invocation *in, int argc, char **argv, int *at,
                          struct kw_error *err)
{
    const char *word = argv[*at];
    bool is_long = word[1] == '-';
    const char *name = word + (is_long ? 2 : 1);
    size_t len = is_long ? strcspn(name, "=") : 1;
    const struct kw_cli_option *option = option_of(in->command, name, len, is_long ? 0 : name[0]);
    if (option == NULL || (!is_long && name[1] != '\0'))
        return kw_fail(err, KW_USAGE, "'%.60s' is not an option of 'keyward %s': try --help", word,
                       in->command->name);
    const char *value = is_long && name[len] == '=' ? name + len + 1 : NULL;
    if (option->value == NULL && value != NULL)
        return kw_fail(err, KW_USAGE, "--%s takes no value", option->name);
    if (option->value != NULL && value == NULL) {
        if (*at + 1 >= argc)
            return kw_fail(err, KW_USAGE, "--%s needs a value: %s", option->name, option->value);
        value = argv[++*at];
    }
    if (in->value_count == KW_CLI_VALUES_MAX)
        return kw_fail(err, KW_USAGE, "more than %d options", KW_CLI_VALUES_MAX);
    in->values[in->value_count].option = option;
    in->values[in->value_count++].value = value != NULL ? value : "";
    return KW_OK;
}

static KW_ERR parse(struct kw_invocation *in, int argc, char **argv, struct kw_error *err)
{
    bool options_end = false;
    for (int i = 1 + (int)words_of(in->command->name); i < argc; i++) {
        if (!options_end && strcmp(argv[i], "--") == 0) {
            options_end = true;
        } else if (!options_end && argv[i][0] == '-' && argv[i][1] != '\0') {
            KW_TRY(take_option(in, argc, argv, &i, err));
        } else if (in->operand_count == KW_CLI_OPERANDS_MAX) {
            return kw_fail(err, KW_USAGE, "more than %d operands", KW_CLI_OPERANDS_MAX);
        } else {
            in->operands[in->operand_count++] = argv[i];
        }
    }
    in->json = kw_cli_flag(in, "json");
    return KW_OK;
}

static KW_ERR check_operands(const struct kw_invocation *in, struct kw_error *err)
{
    const struct kw_command *command = in->command;
    if (in->operand_count < command->operands_min)
        return kw_fail(err, KW_USAGE, "usage: keyward %s %s [OPTIONS]", command->name,
                       command->operands);
    if (in->operand_count > command->operands_max)
        return kw_fail(err, KW_USAGE, "'%.60s' is one operand too many: keyward %s %s",
                       in->operands[command->operands_max], command->name, command->operands);
    return KW_OK;
}

/* ---- Running ----------------------------------------------------------------------------------
 */

static int report(const struct kw_invocation *in, kw_code code, const struct kw_error *err)
{
    if (in->json) {
        KW_AUTO(kw_buf) text = KW_BUF_INIT;
        struct kw_json_writer w = kw_json_writer(&text);
        kw_json_begin(&w, NULL, '{');
        kw_json_begin(&w, "error", '{');
        kw_json_str(&w, "code", kw_code_name(code));
        kw_json_str(&w, "class", kw_class_name(kw_code_class(code)));
        kw_json_str(&w, "message", err->text);
        kw_json_bool(&w, "retryable", kw_code_retryable(code));
        kw_json_end(&w);
        kw_json_end(&w);
        fprintf(stderr, "%s\n", kw_buf_str(&text));
    } else {
        fprintf(stderr, "keyward: %s (%s)\n", err->text, kw_code_name(code));
    }
    return kw_code_exit_status(code);
}

/* Output that did not get out is a failure, too: a full disk must not look like success. */
static KW_ERR flush_output(struct kw_error *err)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        return kw_fail(err, KW_IO, "standard output could not be written");
    return KW_OK;
}

static KW_ERR run(struct kw_invocation *in, struct kw_error *err)
{
    KW_TRY(check_operands(in, err));
    kw_code code = in->command->run(in, err);
    if (in->backend != NULL) {
        kw_code closed = kw_backend_close(in->backend, code == KW_OK ? err : NULL);
        in->backend = NULL;
        code = code != KW_OK ? code : closed;
    }
    kw_code flushed = flush_output(code == KW_OK ? err : NULL);
    return code != KW_OK ? code : flushed;
}

static KW_ERR unknown_command(const char *word, struct kw_error *err)
{
    bool is_group = print_group(stderr, word);
    return kw_fail(err, KW_USAGE, "there is no command '%.40s'%s", word,
                   is_group ? ": see above" : ": try 'keyward help'");
}

/* What needs no command: *done tells whether that was it. */
static KW_ERR inform(int argc, char **argv, bool *done, struct kw_error *err)
{
    const char *word = argv[1];
    bool wants_help = argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0);
    *done = true;
    if (strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        print_overview(stdout);
    else if (strcmp(word, "--version") == 0)
        puts("keyward " KW_VERSION);
    else if (find(argc, argv) != NULL)
        *done = false;
    else if (!wants_help || !print_group(stdout, word))
        return unknown_command(word, err);
    return *done ? flush_output(err) : KW_OK;
}

static KW_ERR run_or_help(struct kw_invocation *in, int argc, char **argv, struct kw_error *err)
{
    KW_TRY(parse(in, argc, argv, err));
    if (!kw_cli_flag(in, "help"))
        return run(in, err);
    print_help(stdout, in->command);
    return flush_output(err);
}

static int dispatch(int argc, char **argv)
{
    struct kw_error err = {0};
    struct kw_invocation in = {.command = find(argc, argv)};
    bool done = false;
    kw_code code = inform(argc, argv, &done, &err);
    if (code == KW_OK && !done)
        code = run_or_help(&in, argc, argv, &err);
    return code == KW_OK ? 0 : report(&in, code, &err);
}

/* A program started without standard input, output or error would open its database under such a
 * number, and its messages would be written into it. The place is taken by something on which the
 * wrong use fails. */
static void hold_standard_files(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
            abort();
}

int main(int argc, char **argv)
{
    hold_standard_files();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file at its size limit fails to grow, and that is told */
    const char *lacking = kw_process_harden(false);
    if (lacking != NULL)
        fprintf(stderr, "keyward: %s\n", lacking);
    if (argc < 2) {
        print_overview(stderr);
        return kw_code_exit_status(KW_USAGE);
    }
    return dispatch(argc, argv);
}
