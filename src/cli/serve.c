#include "cli/serve.h"

#include "base/file.h"
#include "base/log.h"
#include "cli/configuration.h"
#include "provider/root_file.h"
#include "server/server.h"

#include <ftw.h>
#include <signal.h>
#include <unistd.h>

const struct kw_cli_option kw_serve_options[] = {
    {"config", 0, "FILE", "configuration file (INI)"},
    {"set", 0, "NAME=VALUE", "one setting; repeat for several"},
    {"dev", 0, NULL, "a throw-away authority: prints address, CA file and root token"},
    {NULL, 0, NULL, NULL},
};

static void configure_log(const struct kw_config *config)
{
    kw_log_configure((enum kw_log_level)kw_config_u64(config, "log.level"), 2);
}

/* ---- From settings to options -----------------------------------------------------------------
 */

struct settings {
    struct kw_home_options home;
    struct kw_server_options server;
};

static const char *or_null(const struct kw_config *config, const char *name)
{
    return kw_config_is_set(config, name) ? kw_config_str(config, name) : NULL;
}

static unsigned milliseconds(const struct kw_config *config, const char *name)
{
    return (unsigned)kw_config_duration_ms(config, name);
}

static void take_server(const struct kw_config *config, struct settings *s)
{
    s->server = (struct kw_server_options){
        .address = kw_config_str(config, "server.address"),
        .workers = (unsigned)kw_config_u64(config, "server.workers"),
        .connections = (unsigned)kw_config_u64(config, "server.max_connections"),
        .header_ms = milliseconds(config, "server.header_timeout"),
        .request_ms = milliseconds(config, "server.request_timeout"),
        .idle_ms = milliseconds(config, "server.idle_timeout"),
        .drain_ms = milliseconds(config, "server.drain_timeout"),
        .body_bytes = kw_config_size(config, "server.max_body"),
        .cert_path = or_null(config, "server.tls_cert"),
        .key_path = or_null(config, "server.tls_key"),
        .ca_path = or_null(config, "server.client_ca"),
        .trust_domain = or_null(config, "server.trust_domain"),
        .rate_principal = (uint32_t)kw_config_u64(config, "server.rate_principal"),
    };
}

/* ---- A throw-away authority -------------------------------------------------------------------
 */

struct dev {
    char dir[64];
    char token_file[96];
};

static KW_ERR make_dev(struct dev *dev, const struct kw_config *config, struct kw_error *err)
{
    char template[] = "/tmp/keyward-dev-XXXXXX";
    if (mkdtemp(template) == NULL)
        return kw_fail(err, KW_IO, "no folder can be made in /tmp");
    snprintf(dev->dir, sizeof dev->dir, "%s", template);
    struct kw_home_init_options init = {.dir = dev->dir, .config = config};
    return kw_home_init(&init, NULL, err);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    KW_UNUSED(st);
    KW_UNUSED(type);
    KW_UNUSED(at);
    return remove(path);
}

static void remove_dev(struct dev *dev)
{
    if (dev->dir[0] != '\0')
        nftw(dev->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The token goes to a file, and to standard output, which is where --dev says that it will be. */
static KW_ERR announce_dev(struct dev *dev, struct kw_home *home, unsigned port,
                           struct kw_error *err)
{
    KW_AUTO(kw_secret) token = KW_SECRET_INIT;
    struct kw_caller local = {.principal = "local:dev",
                              .rights = ~0U,
                              .tenants = "*",
                              .source = "local",
                              .request_id = ""};
    KW_TRY(kw_authority_token_create(kw_home_authority(home), &local, "dev", "root", "*", 0, &token,
                                     NULL, err));
    snprintf(dev->token_file, sizeof dev->token_file, "%s/token", dev->dir);
    KW_TRY(kw_file_create(dev->token_file, 0600, token.data, token.len - 1, err));
    printf("export KEYWARD_ADDR=https://127.0.0.1:%u\n"
           "export KEYWARD_CACERT=%s/tls/ca.crt\n"
           "export KEYWARD_TOKEN=%s\n",
           port, dev->dir, (const char *)token.data);
    fflush(stdout);
    return KW_OK;
}

/* ---- Serving ----------------------------------------------------------------------------------
 */

struct serving {
    struct dev dev;
    struct kw_home *home;
    void (*announce)(void *arg, unsigned port); /* may be NULL */
    void *announce_arg;
};

static void on_ready(void *arg, struct kw_server *server)
{
    struct serving *serving = arg;
    struct kw_error err = {0};
    unsigned port = kw_server_port(server);
    if (serving->dev.dir[0] != '\0' &&
        announce_dev(&serving->dev, serving->home, port, &err) != KW_OK)
        kw_log(KW_LOG_ERROR, "no token", KW_LOG_STR("reason", err.text));
    if (serving->announce != NULL)
        serving->announce(serving->announce_arg, port);
    kw_log(KW_LOG_INFO, "listening", KW_LOG_INT("port", port),
           KW_LOG_STR("data", kw_home_dir(serving->home)),
           KW_LOG_STR("authority", kw_home_facts(serving->home)->authority_id));
}

/* The root key's provider does not answer: said once, and waited for, unless we are to stop, which
 * nobody has taken notice of yet. */
static bool on_waiting(void *arg, const char *why)
{
    bool *told = arg;
    sigset_t pending;
    if (!*told)
        kw_log(KW_LOG_WARN, "waiting", KW_LOG_STR("reason", why));
    *told = true;
    return sigpending(&pending) != 0 ||
           (sigismember(&pending, SIGTERM) != 1 && sigismember(&pending, SIGINT) != 1);
}

static KW_ERR open_and_run(struct serving *serving, struct settings *settings, struct kw_error *err)
{
    KW_AUTO_PTR(kw_server) server = NULL;
    KW_TRY(kw_home_open(&settings->home, &serving->home, err));
    settings->server.home = serving->home;
    kw_code code = kw_server_new(&settings->server, &server, err);
    if (code == KW_OK)
        code = kw_server_run(server, on_ready, serving, err);
    kw_server_free(server);
    server = NULL;
    kw_code closed = kw_home_close(serving->home, code == KW_OK ? err : NULL);
    return code != KW_OK ? code : closed;
}

static KW_ERR serve(struct kw_invocation *in, struct serving *serving, struct settings *settings,
                    struct kw_error *err)
{
    KW_AUTO_PTR(kw_config) config = NULL;
    KW_AUTO(kw_secret) passphrase = KW_SECRET_INIT;
    KW_TRY(kw_cli_config_load(in, &config, err));
    configure_log(config);
    if (kw_config_bool(config, "memory.allow_unlocked"))
        kw_secret_allow_unlocked();
    const char *lacking = kw_process_harden(true);
    if (lacking != NULL)
        kw_log(KW_LOG_WARN, "hardening", KW_LOG_STR("lacking", lacking));
    bool told = false;
    settings->home = (struct kw_home_options){.dir = kw_config_str(config, "data"),
                                              .config = config,
                                              .serving = true,
                                              .background = true,
                                              .waiting = on_waiting,
                                              .waiting_arg = &told};
    take_server(config, settings);
    if (kw_cli_flag(in, "dev")) {
        KW_TRY(make_dev(&serving->dev, config, err));
        settings->home.dir = serving->dev.dir;
    } else if (settings->home.dir[0] == '\0') {
        return kw_fail(err, KW_USAGE,
                       "--data DIR is missing (or 'data' in the configuration; or use --dev)");
    } else if (kw_cli_passphrase_file(in) != NULL) {
        KW_TRY(kw_passphrase_file_read(kw_cli_passphrase_file(in), &passphrase, err));
        settings->home.passphrase = &passphrase;
    }
    return open_and_run(serving, settings, err);
}

KW_ERR kw_serve_announced(struct kw_invocation *in, void (*announce)(void *arg, unsigned port),
                          void *arg, struct kw_error *err)
{
    struct serving serving = {.announce = announce, .announce_arg = arg};
    struct settings *settings = calloc(1, sizeof *settings);
    if (settings == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    kw_server_signals_block();
    kw_code code = serve(in, &serving, settings, err);
    remove_dev(&serving.dev);
    free(settings);
    return code;
}

KW_ERR kw_serve_run(struct kw_invocation *in, struct kw_error *err)
{
    return kw_serve_announced(in, NULL, NULL, err);
}
