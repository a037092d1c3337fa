/* keyward init, serve, version. */
#include "cli/command.h"

#include "base/clock.h"
#include "cli/serve.h"
#include "home/home.h"
#include "provider/root_file.h"

static KW_ERR read_passphrase(struct kw_invocation *in, struct kw_secret *out, bool *have,
                              struct kw_error *err)
{
    const char *file = kw_cli_passphrase_file(in);
    *have = file != NULL;
    return file != NULL ? kw_passphrase_file_read(file, out, err) : KW_OK;
}

static void print_made(const char *dir, const struct kw_home_facts *facts, bool passphrase)
{
    printf("Authority %s in %s\n", facts->authority_id, dir);
    printf("  root key      %s/root.key (%s)\n", dir,
           passphrase
               ? "sealed by your passphrase"
               : "plain, mode 0600: keep a copy elsewhere; use --passphrase-file to seal it");
    printf("  ledger        %s/ledger, origin %s\n", dir, facts->origin);
    printf("  certificates  %s/tls: CA, server, and a client with every right "
           "(spiffe://%s/root/admin)\n",
           dir, facts->trust_domain);
    printf("Next\n  keyward tenant create acme --region eu --data %s\n"
           "  keyward serve --data %s\n",
           dir, dir);
}

static void print_made_json(const char *dir, const struct kw_home_facts *facts)
{
    printf("{\"authority_id\":\"%s\",\"origin\":\"%s\",\"trust_domain\":\"%s\"}\n",
           facts->authority_id, facts->origin, facts->trust_domain);
    (void)dir;
}

static KW_ERR run_init(struct kw_invocation *in, struct kw_error *err)
{
    KW_AUTO(kw_secret) passphrase = KW_SECRET_INIT;
    const char *hosts[16];
    size_t host_count = 0;
    bool have = false;
    struct kw_home_facts facts;
    struct kw_home_init_options options = {.origin = kw_cli_value(in, "origin"),
                                           .trust_domain = kw_cli_value(in, "trust-domain")};
    KW_TRY(kw_cli_required(in, "data", &options.dir, err));
    KW_TRY(read_passphrase(in, &passphrase, &have, err));
    const char *host = NULL;
    while (host_count < KW_COUNT(hosts) &&
           (host = kw_cli_value_at(in, "host", (unsigned)host_count)) != NULL)
        hosts[host_count++] = host;
    options.passphrase = have ? &passphrase : NULL;
    options.hosts = hosts;
    options.host_count = host_count;
    KW_TRY(kw_home_init(&options, &facts, err));
    if (in->json)
        print_made_json(options.dir, &facts);
    else
        print_made(options.dir, &facts, have);
    return KW_OK;
}

/* On the data folder itself: what is renewed are its own files. */
static KW_ERR run_cert_renew(struct kw_invocation *in, struct kw_error *err)
{
    KW_AUTO(kw_secret) passphrase = KW_SECRET_INIT;
    struct kw_home *home = NULL;
    bool have = false;
    int64_t not_after_ms = 0;
    char time[KW_TIME_TEXT_SIZE];
    const char *which = in->operand_count > 0 ? in->operands[0] : "server";
    struct kw_home_options options = {0};
    KW_TRY(kw_cli_required(in, "data", &options.dir, err));
    KW_TRY(read_passphrase(in, &passphrase, &have, err));
    options.passphrase = have ? &passphrase : NULL;
    KW_TRY(kw_home_open(&options, &home, err));
    kw_code code = kw_home_cert_renew(home, which, &not_after_ms, err);
    kw_code closed = kw_home_close(home, code == KW_OK ? err : NULL);
    KW_TRY(code != KW_OK ? code : closed);
    kw_time_text(not_after_ms, time);
    printf(in->json ? "{\"renewed\":\"%s\",\"not_after\":\"%s\"}\n"
                    : "%s certificate renewed, until %s\n",
           which, time);
    return KW_OK;
}

static KW_ERR run_version(struct kw_invocation *in, struct kw_error *err)
{
    KW_UNUSED(err);
    printf(in->json ? "{\"version\":\"%s\"}\n" : "keyward %s\n", KW_VERSION);
    return KW_OK;
}

static const struct kw_cli_option init_options[] = {
    {"origin", 0, "NAME", "the ledger's name, such as keys.example.com/audit"},
    {"trust-domain", 0, "NAME", "of SPIFFE ids in certificates [keyward.local]"},
    {"host", 0, "HOST", "a further name or address of the server; repeat for several"},
    {NULL, 0, NULL, NULL},
};

const struct kw_command kw_commands_setup[] = {
    {"init", "", 0, 0, "make an authority in a folder: --data DIR",
     "Without --passphrase-file (or KEYWARD_PASSPHRASE_FILE) the root key rests in DIR/root.key, "
     "readable by\nits owner alone.",
     init_options, run_init},
    {"serve", "", 0, 0, "serve an authority over HTTPS", kw_serve_details, kw_serve_options,
     kw_serve_run},
    {"cert renew", "[server|client]", 0, 1, "renew the data folder's own certificate: --data DIR",
     "With a fresh key and the same names. A server takes it up at its next start or on SIGHUP.",
     NULL, run_cert_renew},
    {"config show", "", 0, 0, "every setting, its value, and where that is from", NULL,
     kw_config_options, kw_config_show_run},
    {"config check", "", 0, 0, "check a configuration file", NULL, kw_config_options,
     kw_config_check_run},
    {"version", "", 0, 0, "print the version", NULL, NULL, run_version},
    {0},
};
