/* keyward demo: the tour. Each step is told, done by the commands that its reader has, and checked.
 */
#include "cli/demo.h"

#include "cli/serve.h"

#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUN(demo, expected, ...)                                                                   \
    KW_TRY(kw_demo_run((demo), (expected), (const char *const[]){__VA_ARGS__, NULL}, err))

enum { DENIED = 4, INTEGRITY = 7 };

static double per_second(double amount, double seconds)
{
    return seconds > 0 ? amount / seconds : 0;
}

static KW_ERR begin(struct kw_demo *demo, struct kw_error *err)
{
    kw_demo_step(demo, "An authority of your own",
                 "A folder holds it all: database, root key, ledger, certificates.");
    RUN(demo, 0, "init");
    kw_demo_say(demo, "made in %.0f ms", demo->seconds * 1e3);
    kw_demo_step(demo, "Two customers, two jurisdictions",
                 "acme's key belongs to the EU, globex's to the US. Neither can stand in for the "
                 "other.");
    RUN(demo, 0, "tenant", "create", "acme", "--region", "eu");
    RUN(demo, 0, "tenant", "create", "globex", "--region", "us");
    kw_demo_say(demo, "each has a key of its own: suspending, rotating or destroying one touches "
                      "nobody else");
    return KW_OK;
}

/* One line of a file of the tour, cut to what a terminal shows. */
static void show_line(struct kw_demo *demo, const char *name, const char *label)
{
    char path[KW_PATH_SIZE];
    struct kw_error ignored;
    char line[1024] = "";
    if (kw_demo_path(demo, name, path, &ignored) != KW_OK)
        return;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    if (fgets(line, sizeof line, file) != NULL)
        printf("     %s %.110s…\n", label, line);
    fclose(file);
}

static KW_ERR seal_fields(struct kw_demo *demo, struct kw_error *err)
{
    struct kw_demo_input input;
    char count[32];
    KW_TRY(kw_demo_packages(demo, &input, err));
    kw_demo_step(demo, "Real records: only the personal field is sealed",
                 "Every record gets a fresh data key, and every data key an entry in the ledger, "
                 "before it is used.");
    printf("   %s records with names and mail addresses, from %s\n",
           kw_cli_count_text(input.records, count), input.source);
    RUN(demo, 0, "fields", "seal", "--tenant", "acme", "--region", "eu", "--class", "pii",
        "--fields", "$.maintainer", "-i", "packages.jsonl", "-o", "packages.sealed.jsonl");
    show_line(demo, "packages.jsonl", "before");
    show_line(demo, "packages.sealed.jsonl", "after ");
    kw_demo_say(demo, "%s records sealed in %.2f s, %.0f a second", count, demo->seconds,
                per_second((double)input.records, demo->seconds));
    RUN(demo, 0, "fields", "open", "--tenant", "acme", "--region", "eu", "--fields", "$.maintainer",
        "-i", "packages.sealed.jsonl", "-o", "packages.opened.jsonl");
    double opened = demo->seconds;
    KW_TRY(kw_demo_same(demo, "packages.jsonl", "packages.opened.jsonl", err));
    kw_demo_say(demo, "opened in %.2f s, %.0f a second; every byte is as it was", opened,
                per_second((double)input.records, opened));
    return KW_OK;
}

/* The large files have served their turn. */
static void remove_file(struct kw_demo *demo, const char *name)
{
    char path[KW_PATH_SIZE];
    struct kw_error ignored;
    if (kw_demo_path(demo, name, path, &ignored) == KW_OK)
        unlink(path);
}

static KW_ERR seal_stream(struct kw_demo *demo, struct kw_error *err)
{
    char size[32];
    struct stat st;
    char path[KW_PATH_SIZE];
    kw_demo_step(demo, "A large file, as a stream",
                 "Backups and exports: constant memory, and a missing end is noticed.");
    KW_TRY(kw_demo_large_file(demo, "packages.jsonl", "export.jsonl", err));
    KW_TRY(kw_demo_path(demo, "export.jsonl", path, err));
    if (stat(path, &st) != 0)
        return kw_fail_errno(err, errno, "cannot look at %s", path);
    double mib = (double)st.st_size / (1 << 20);
    kw_cli_size_text((uint64_t)st.st_size, size);
    RUN(demo, 0, "seal", "--tenant", "acme", "--region", "eu", "--class", "pii", "-i",
        "export.jsonl", "-o", "export.sealed");
    kw_demo_say(demo, "%s sealed in %.2f s, %.0f MiB/s", size, demo->seconds,
                per_second(mib, demo->seconds));
    RUN(demo, 0, "open", "--tenant", "acme", "--region", "eu", "-i", "export.sealed", "-o",
        "export.opened");
    double seconds = demo->seconds;
    KW_TRY(kw_demo_same(demo, "export.jsonl", "export.opened", err));
    kw_demo_say(demo, "opened in %.2f s, %.0f MiB/s; every byte is as it was", seconds,
                per_second(mib, seconds));
    remove_file(demo, "export.jsonl");
    remove_file(demo, "export.opened");
    remove_file(demo, "export.sealed");
    return KW_OK;
}

static KW_ERR write_note(struct kw_demo *demo, const char *name, const char *text,
                         struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    KW_TRY(kw_demo_path(demo, name, path, err));
    return kw_file_create(path, 0600, text, strlen(text), err);
}

static KW_ERR seal_note(struct kw_demo *demo, const char *tenant, const char *region,
                        const char *from, const char *to, struct kw_error *err)
{
    RUN(demo, 0, "seal", "--tenant", tenant, "--region", region, "--context", "row=42", "-i", from,
        "-o", to);
    return KW_OK;
}

static KW_ERR open_note(struct kw_demo *demo, int expected, const char *tenant, const char *region,
                        const char *from, struct kw_error *err)
{
    RUN(demo, expected, "open", "--tenant", tenant, "--region", region, "--context", "row=42", "-i",
        from);
    return KW_OK;
}

static KW_ERR rotate(struct kw_demo *demo, struct kw_error *err)
{
    kw_demo_step(demo, "A key is rotated",
                 "A new version protects from now on; what was sealed before goes on opening.");
    KW_TRY(write_note(demo, "note.txt", "The quick brown fox.\n", err));
    KW_TRY(seal_note(demo, "acme", "eu", "note.txt", "old.kw", err));
    RUN(demo, 0, "key", "rotate", "acme/eu");
    double seconds = demo->seconds;
    KW_TRY(seal_note(demo, "acme", "eu", "note.txt", "new.kw", err));
    KW_TRY(open_note(demo, 0, "acme", "eu", "old.kw", err));
    KW_TRY(open_note(demo, 0, "acme", "eu", "new.kw", err));
    kw_demo_say(demo, "rotated in %.0f ms; the old and the new envelope both open", seconds * 1e3);
    return KW_OK;
}

/* The refusal that a command printed, without its prefix. */
static const char *refusal(struct kw_demo *demo)
{
    const char *text = kw_buf_str(&demo->err);
    static char line[200];
    const char *start = strncmp(text, "keyward: ", 9) == 0 ? text + 9 : text;
    snprintf(line, sizeof line, "%.*s", (int)strcspn(start, "\n"), start);
    return line[0] != '\0' ? line : "see above";
}

static KW_ERR suspend(struct kw_demo *demo, struct kw_error *err)
{
    kw_demo_step(demo, "One customer is suspended",
                 "Their data stops opening, at once. Nobody else notices.");
    KW_TRY(seal_note(demo, "globex", "us", "note.txt", "globex.kw", err));
    RUN(demo, 0, "tenant", "suspend", "acme", "--justification", "tour");
    KW_TRY(open_note(demo, DENIED, "acme", "eu", "new.kw", err));
    kw_demo_say(demo, "acme is refused: %s", refusal(demo));
    KW_TRY(open_note(demo, 0, "globex", "us", "globex.kw", err));
    kw_demo_say(demo, "globex opens as before");
    RUN(demo, 0, "tenant", "resume", "acme", "--justification", "tour");
    KW_TRY(open_note(demo, 0, "acme", "eu", "new.kw", err));
    kw_demo_say(demo, "acme, resumed, opens again");
    return KW_OK;
}

static KW_ERR move_envelope(struct kw_demo *demo, struct kw_error *err)
{
    kw_demo_step(demo, "An envelope is moved to the other customer",
                 "As a bug in a query, or an attacker in the database, would do.");
    KW_TRY(open_note(demo, DENIED, "globex", "us", "new.kw", err));
    kw_demo_say(demo, "refused: %s", refusal(demo));
    RUN(demo, INTEGRITY, "open", "--tenant", "acme", "--region", "eu", "--context", "row=43", "-i",
        "new.kw");
    kw_demo_say(demo, "moved to another row, refused: %s", refusal(demo));
    return KW_OK;
}

static KW_ERR verify(struct kw_demo *demo, struct kw_error *err)
{
    kw_demo_step(demo, "The ledger is verified, and a forgery found",
                 "Every use of a key is in a Merkle tree that nobody can rewrite unseen, not even "
                 "its owner.");
    RUN(demo, 0, "ledger", "verify", "--key", "authority/ledger/vkey");
    printf("     %.*s\n", (int)strcspn(kw_buf_str(&demo->out), "\n"), kw_buf_str(&demo->out));
    kw_demo_say(demo, "verified in %.2f s", demo->seconds);
    KW_TRY(kw_demo_forge_ledger(demo, "forged-ledger", err));
    RUN(demo, INTEGRITY, "ledger", "verify", "forged-ledger", "--key", "authority/ledger/vkey");
    kw_demo_say(demo, "one bit of a copy changed, and found: %s", refusal(demo));
    return KW_OK;
}

static void print_next_heading(const struct kw_demo *demo)
{
    printf("\n%sWhat to try next%s\n", demo->colour ? "\033[1m" : "",
           demo->colour ? "\033[0m" : "");
}

static void print_next(const struct kw_demo *demo)
{
    print_next_heading(demo);
    printf("   keyward key show acme/eu --data %s\n"
           "   keyward inspect -i %s/new.kw\n"
           "   keyward ledger report --tenant globex --data %s\n",
           demo->data, demo->dir, demo->data);
}

/* Once the server listens. */
static void print_next_serving(void *arg, unsigned port)
{
    const struct kw_demo *demo = arg;
    print_next_heading(demo);
    printf("   In another terminal, with this server (https://127.0.0.1:%u, until Ctrl-C):\n"
           "   export KEYWARD_ADDR=https://127.0.0.1:%u KEYWARD_CACERT=%s/tls/ca.crt\n"
           "   export KEYWARD_CERT=%s/tls/client.crt KEYWARD_KEY=%s/tls/client.key\n"
           "   keyward status\n"
           "   keyward key show acme/eu\n"
           "   keyward ledger report --tenant globex\n"
           "   curl --cacert $KEYWARD_CACERT --cert $KEYWARD_CERT --key $KEYWARD_KEY "
           "$KEYWARD_ADDR/v1/tenants\n",
           port, port, demo->data, demo->data, demo->data);
    fflush(stdout);
}

static KW_ERR tour(struct kw_demo *demo, struct kw_error *err)
{
    KW_TRY(begin(demo, err));
    KW_TRY(seal_fields(demo, err));
    KW_TRY(seal_stream(demo, err));
    KW_TRY(rotate(demo, err));
    KW_TRY(suspend(demo, err));
    KW_TRY(move_envelope(demo, err));
    return verify(demo, err);
}

/* ---- Where ------------------------------------------------------------------------------------
 */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    KW_UNUSED(st);
    KW_UNUSED(type);
    KW_UNUSED(at);
    return remove(path);
}

/* A folder of its own, made here; one that exists is taken only if an earlier tour made it. */
static KW_ERR make_dir(struct kw_demo *demo, const char *given, struct kw_error *err)
{
    char marker[KW_PATH_SIZE];
    char template[] = "/tmp/keyward-demo-XXXXXX";
    if (given == NULL) {
        if (mkdtemp(template) == NULL)
            return kw_fail_errno(err, errno, "cannot make a folder in /tmp");
        KW_TRY(kw_path_format(demo->dir, err, "%s", template));
    } else {
        KW_TRY(kw_path_format(marker, err, "%s/.keyward-demo", given));
        if (kw_path_exists(marker))
            nftw(given, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        if (kw_path_exists(given))
            return kw_fail(err, KW_EXISTS, "%s exists and is not of an earlier tour", given);
        KW_TRY(kw_dir_make(given, 0700, err));
        if (realpath(given, demo->dir) == NULL)
            return kw_fail_errno(err, errno, "cannot find %s", given);
    }
    KW_TRY(kw_path_format(marker, err, "%s/.keyward-demo", demo->dir));
    KW_TRY(kw_file_create(marker, 0600, "", 0, err));
    return kw_path_format(demo->data, err, "%s/authority", demo->dir);
}

/* On the usual port if it is free, else on any: the tour is not to fail at its end. */
static KW_ERR serve(struct kw_demo *demo, struct kw_invocation *in, struct kw_error *err)
{
    static const struct kw_cli_option data = {"data", 0, "DIR", ""};
    static const struct kw_cli_option set = {"set", 0, "NAME=VALUE", ""};
    struct kw_invocation serving = {.command = in->command};
    serving.values[0].option = &data;
    serving.values[0].value = demo->data;
    serving.values[1].option = &set;
    serving.values[1].value = "log.level=warn";
    serving.values[2].option = &set;
    serving.values[2].value = "server.address=127.0.0.1:0";
    serving.value_count = 2;
    kw_code code = kw_serve_announced(&serving, print_next_serving, demo, err);
    if (code != KW_ADDRESS_IN_USE)
        return code;
    serving.value_count = 3;
    return kw_serve_announced(&serving, print_next_serving, demo, err);
}

static KW_ERR run(struct kw_demo *demo, struct kw_invocation *in, struct kw_error *err)
{
    uint64_t mib = 256;
    KW_TRY(kw_cli_number(in, "mib", 1 << 20, &mib, err));
    demo->file_size = mib << 20;
    KW_TRY(make_dir(demo, kw_cli_value(in, "data"), err));
    printf("%sA tour of Keyward%s\n   Everything it makes is in %s\n",
           demo->colour ? "\033[1m" : "", demo->colour ? "\033[0m" : "", demo->dir);
    KW_TRY(tour(demo, err));
    if (!kw_cli_flag(in, "once"))
        return serve(demo, in, err);
    print_next(demo);
    return KW_OK;
}

static KW_ERR run_demo(struct kw_invocation *in, struct kw_error *err)
{
    struct kw_demo *demo = calloc(1, sizeof *demo);
    if (demo == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    demo->colour = kw_cli_is_terminal(1) && getenv("NO_COLOR") == NULL;
    kw_code code = run(demo, in, err);
    kw_buf_wipe(&demo->out);
    kw_buf_wipe(&demo->err);
    free(demo);
    return code;
}

static const struct kw_cli_option demo_options[] = {
    {"once", 0, NULL, "end after the tour instead of serving"},
    {"mib", 0, "N", "size of the large file [256]"},
    {NULL, 0, NULL, NULL},
};

const struct kw_command kw_commands_demo[] = {
    {"demo", "", 0, 0, "a tour in two minutes, on this machine's own data",
     "Makes an authority in a new folder (--data DIR, or one in /tmp), seals the machine's Debian "
     "package\nindex and a large file, rotates, suspends, forges, verifies; then serves.",
     demo_options, run_demo},
    {0},
};
