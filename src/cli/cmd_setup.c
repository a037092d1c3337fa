/* keyward init, serve, version. */
#include "cli/command.h"

#include "base/clock.h"
#include "cli/configuration.h"
#include "cli/serve.h"
#include "home/home.h"
#include "home/settings.h"
#include "provider/root_file.h"

static KW_ERR read_passphrase(struct kw_invocation *in, struct kw_secret *out, bool *have,
                              struct kw_error *err)
{
    const char *file = kw_cli_passphrase_file(in);
    *have = file != NULL;
    return file != NULL ? kw_passphrase_file_read(file, out, err) : KW_OK;
}

/* How the root key rests. */
static void print_root(const char *dir, const struct kw_config *config, bool passphrase)
{
    const char *provider = kw_config_str(config, "root.provider");
    printf("  root key      %s/root.key (", dir);
    if (provider[0] != '\0')
        printf("held by provider %s, key %s: nobody opens it without that one)\n", provider,
               kw_config_str(config, "root.key"));
    else
        puts(passphrase
                 ? "sealed by your passphrase)"
                 : "plain, mode 0600: keep a copy elsewhere; use --passphrase-file to seal it)");
}

static void print_made(const char *dir, const struct kw_home_facts *facts,
                       const struct kw_config *config, bool passphrase)
{
    printf("Authority %s in %s\n", facts->authority_id, dir);
    print_root(dir, config, passphrase);
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
    KW_AUTO_PTR(kw_config) config = NULL;
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
    KW_TRY(kw_cli_config_load(in, &config, err));
    options.config = config;
    options.hosts = hosts;
    options.host_count = host_count;
    KW_TRY(kw_home_init(&options, &facts, err));
    if (in->json)
        print_made_json(options.dir, &facts);
    else
        print_made(options.dir, &facts, config, have);
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
    KW_AUTO_PTR(kw_config) config = NULL;
    struct kw_home_options options = {0};
    KW_TRY(kw_cli_required(in, "data", &options.dir, err));
    KW_TRY(kw_home_config_load(options.dir, &config, err));
    KW_TRY(read_passphrase(in, &passphrase, &have, err));
    options.config = config;
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

static const char *kept_now(const struct kw_config *config, bool passphrase)
{
    return kw_config_is_set(config, "root.provider") ? "held by its provider"
           : passphrase                              ? "sealed by the new passphrase"
                                                     : "plain";
}

/* Plain is asked for in so many words. */
static KW_ERR run_root_rewrap(struct kw_invocation *in, struct kw_error *err)
{
    KW_AUTO(kw_secret) old = KW_SECRET_INIT;
    KW_AUTO(kw_secret) fresh = KW_SECRET_INIT;
    KW_AUTO_PTR(kw_config) config = NULL;
    bool have_old = false;
    const char *file = kw_cli_value(in, "new-passphrase-file");
    struct kw_home_options options = {0};
    KW_TRY(kw_cli_required(in, "data", &options.dir, err));
    KW_TRY(kw_cli_config_load(in, &config, err));
    bool held = kw_config_is_set(config, "root.provider");
    if ((int)held + (int)(file != NULL) + (int)kw_cli_flag(in, "plain") != 1)
        return kw_fail(err, KW_USAGE,
                       "name one new keeper: [root] provider and key in the configuration, "
                       "--new-passphrase-file FILE or --plain");
    KW_TRY(read_passphrase(in, &old, &have_old, err));
    if (file != NULL)
        KW_TRY(kw_passphrase_file_read(file, &fresh, err));
    options.config = config;
    options.passphrase = have_old ? &old : NULL;
    KW_TRY(kw_home_root_rewrap(&options, file != NULL ? &fresh : NULL, err));
    printf(in->json ? "{\"root\":\"%s\"}\n"
                    : "The root key is now %s. Copies of root.key from before still open this "
                      "authority: destroy them.\n",
           kept_now(config, file != NULL));
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
    {"config", 0, "FILE", "configuration file (INI), for [root]"},
    {"set", 0, "NAME=VALUE", "one setting; repeat for several"},
    {NULL, 0, NULL, NULL},
};

static const struct kw_cli_option rewrap_options[] = {
    {"new-passphrase-file", 0, "FILE", "the passphrase that seals the root key from now on"},
    {"plain", 0, NULL, "let the root key rest as it is, readable by its owner alone"},
    {"config", 0, "FILE", "configuration file (INI)"},
    {"set", 0, "NAME=VALUE", "one setting; repeat for several"},
    {NULL, 0, NULL, NULL},
};

const struct kw_command kw_commands_setup[] = {
    {"init", "", 0, 0, "make an authority in a folder: --data DIR",
     "Without --passphrase-file (or KEYWARD_PASSPHRASE_FILE) the root key rests in DIR/root.key, "
     "readable by\nits owner alone. Where the configuration (DIR/keyward.conf may lie there "
     "already) has [root] with\nprovider and key, that provider holds it, and no passphrase is "
     "needed.",
     init_options, run_init},
    {"root rewrap", "", 0, 0, "give the root key another keeper: --data DIR",
     "By [root] of the configuration, or one of the options. --passphrase-file opens a key that "
     "is sealed now;\na provider that holds it must still be configured. The key itself stays, "
     "and so does all that is sealed.",
     rewrap_options, run_root_rewrap},
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
