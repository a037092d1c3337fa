/* A provider, driven from outside: by the contract suite, or by lines.
 *
 *     provider_shell contract KIND KEY OTHER [every-bit|some-bits] [SETTING=VALUE...]
 *     provider_shell lines KIND [SETTING=VALUE...]
 *
 * contract runs the suite of tests/support/provider_contract.h over a provider of these settings.
 * lines reads commands, a line each, and answers each with a line:
 *
 *     check KEY MS                          ok
 *     create KEY MS                         ok
 *     wrap KEY MS HEX [NAME=VALUE...]       ok HEX
 *     unwrap KEY MS HEX [NAME=VALUE...]     ok HEX
 *
 * or, on failure, with the code's name and the text. MS is the deadline from now; 0: none. */
#include "provider_contract.h"

#include "base/clock.h"
#include "base/encode.h"
#include "providers/providers.h"

enum { SETTINGS_MAX = 32, WORDS_MAX = 16, LINE_SIZE = 65536 };

struct given {
    const char *kind;
    char **settings; /* NAME=VALUE, up to a NULL */
};

static const char *get(void *arg, const char *option)
{
    size_t len = strlen(option);
    for (char **at = ((struct given *)arg)->settings; *at != NULL; at++)
        if (strncmp(*at, option, len) == 0 && (*at)[len] == '=')
            return *at + len + 1;
    return NULL;
}

static kw_code make(void *arg, struct kw_provider **out, struct kw_error *err)
{
    struct given *given = arg;
    const struct kw_provider_settings settings = {.name = "shell", .get = get, .arg = arg};
    const struct kw_provider_place place = {0};
    kw_code code = kw_provider_make(given->kind, &settings, &place, out, err);
    if (code != KW_OK)
        fprintf(stderr, "%s\n", err->text);
    return code;
}

static int contract(int argc, char **argv)
{
    struct given given = {.kind = argv[2], .settings = argv + 6};
    const struct kw_provider_subject subject = {
        .name = argv[2],
        .fresh = make,
        .arg = &given,
        .key = argv[3],
        .other = argv[4],
        .every_bit = strcmp(argv[5], "every-bit") == 0,
    };
    KW_UNUSED(argc);
    return kw_provider_contract(&subject);
}

/* ---- Lines ---- */

struct command {
    char *words[WORDS_MAX];
    size_t count;
    struct kw_provider_pair pairs[WORDS_MAX];
    struct kw_provider_call call;
};

static void split(char *line, struct command *out)
{
    *out = (struct command){0};
    line[strcspn(line, "\n")] = '\0';
    for (char *word; out->count < WORDS_MAX && (word = strsep(&line, " ")) != NULL;)
        out->words[out->count++] = word;
    int64_t ms = out->count > 2 ? strtoll(out->words[2], NULL, 10) : 0;
    for (size_t i = 4; i < out->count; i++) {
        struct kw_provider_pair *pair = &out->pairs[i - 4];
        pair->name = strsep(&out->words[i], "=");
        pair->value = out->words[i] != NULL ? out->words[i] : "";
    }
    out->call = (struct kw_provider_call){
        .key = out->count > 1 ? out->words[1] : "",
        .context = out->pairs,
        .context_count = out->count > 4 ? out->count - 4 : 0,
        .deadline_ms = ms != 0 ? kw_clock_ms() + ms : 0,
    };
}

static KW_ERR wrap(struct kw_provider *provider, const struct command *command, struct kw_buf *out,
                   struct kw_error *err)
{
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    size_t len = strlen(command->words[3]);
    KW_TRY(kw_secret_alloc(&plaintext, len / 2, err));
    KW_TRY(
        kw_hex_decode_exact(plaintext.data, plaintext.len, kw_bytes(command->words[3], len), err));
    return kw_provider_wrap(provider, &command->call, &plaintext, out, err);
}

static KW_ERR unwrap(struct kw_provider *provider, const struct command *command,
                     struct kw_buf *out, struct kw_error *err)
{
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    KW_TRY(kw_hex_decode(&wrapped, kw_bytes_str(command->words[3]), err));
    KW_TRY(kw_provider_unwrap(provider, &command->call, kw_buf_bytes(&wrapped), &plaintext, err));
    kw_buf_append(out, plaintext.data, plaintext.len); /* a test's */
    return KW_OK;
}

static KW_ERR perform(struct kw_provider *provider, const struct command *command,
                      struct kw_buf *out, struct kw_error *err)
{
    const char *act = command->words[0];
    if (strcmp(act, "check") == 0 && command->count == 3)
        return kw_provider_check(provider, command->call.key, command->call.deadline_ms, err);
    if (strcmp(act, "create") == 0 && command->count == 3)
        return kw_provider_create(provider, command->call.key, command->call.deadline_ms, err);
    if (strcmp(act, "wrap") == 0 && command->count >= 4)
        return wrap(provider, command, out, err);
    if (strcmp(act, "unwrap") == 0 && command->count >= 4)
        return unwrap(provider, command, out, err);
    return kw_fail(err, KW_USAGE, "no such command");
}

static void answer(struct kw_provider *provider, char *line)
{
    KW_AUTO(kw_buf) out = KW_BUF_SECRET;
    KW_AUTO(kw_buf) text = KW_BUF_SECRET;
    struct command command;
    struct kw_error err;
    split(line, &command);
    kw_code code = perform(provider, &command, &out, &err);
    if (code == KW_OK) {
        kw_hex_encode(&text, kw_buf_bytes(&out));
        printf("ok %s\n", kw_buf_str(&text));
    } else {
        printf("%s %s\n", kw_code_name(code), err.text);
    }
    fflush(stdout);
}

static int lines(char **argv)
{
    struct given given = {.kind = argv[2], .settings = argv + 3};
    KW_AUTO_PTR(kw_provider) provider = NULL;
    struct kw_error err;
    char *line = malloc(LINE_SIZE);
    if (line == NULL || make(&given, &provider, &err) != KW_OK) {
        free(line);
        return 1;
    }
    while (fgets(line, LINE_SIZE, stdin) != NULL)
        answer(provider, line);
    free(line);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 6 && argc < SETTINGS_MAX && strcmp(argv[1], "contract") == 0)
        return contract(argc, argv) == 0 ? 0 : 1;
    if (argc >= 3 && argc < SETTINGS_MAX && strcmp(argv[1], "lines") == 0)
        return lines(argv);
    fprintf(stderr, "usage: provider_shell contract KIND KEY OTHER every-bit|some-bits "
                    "[SETTING=VALUE...] | lines KIND [SETTING=VALUE...]\n");
    return 2;
}
