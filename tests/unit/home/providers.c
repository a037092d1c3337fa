/* From the configuration to providers and routes; whom the table of settings serves. */
#include "home/providers.h"

#include "base/file.h"
#include "config/section.h"
#include "crypto/random.h"
#include "home/options.h"
#include "home/settings.h"
#include "providers/providers.h"
#include "scratch.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct kw_error err;

#define ok(call)                                                                                   \
    do {                                                                                           \
        if ((call) != KW_OK)                                                                       \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

static struct kw_config *read_config(const char *text)
{
    struct kw_config *config = NULL;
    ok(kw_config_new(&config, &err));
    ok(kw_config_text(config, kw_bytes_str(text), "k.conf", &err));
    ok(kw_config_check(config, &err));
    return config;
}

/* A home's providers and router, of one configuration. */
struct made {
    struct kw_config *config;
    struct kw_home_providers providers;
    struct kw_router *router;
};

static void make(struct made *made, const char *text)
{
    KW_AUTO(kw_secret) root = KW_SECRET_INIT;
    *made = (struct made){.config = read_config(text)};
    ok(kw_random_secret(&root, 32, &err));
    ok(kw_home_providers_make(made->config, &made->providers, &err));
    ok(kw_home_providers_add_software(made->config, &root, &made->providers, &err));
    ok(kw_home_router_new(made->config, &made->providers, NULL, &made->router, &err));
}

static void unmake(struct made *made)
{
    kw_router_free(made->router);
    kw_home_providers_wipe(&made->providers);
    kw_config_free(made->config);
}

static void note_route(void *arg, const struct kw_route_status *status)
{
    kw_buf_printf(arg, "%s:%s(%s)=%s%s%s%s@%llu ", status->region, status->provider, status->kind,
                  status->key != NULL ? status->key : "", status->hsm ? "!" : "",
                  status->tenants != NULL ? " for " : "",
                  status->tenants != NULL ? status->tenants : "",
                  (unsigned long long)status->price_nano);
}

static void routes_are_as_configured(void **state)
{
    struct made made;
    KW_AUTO(kw_buf) routes = KW_BUF_INIT;
    KW_UNUSED(state);
    make(&made, "regions = eu,us\n[provider.peer]\nkind = keyward\naddress = https://h\n"
                "token_file = /t\nkey = root/eu\nprice = 0.000003\nhsm = yes\n"
                "[provider.soft-b]\nkind = software\nkey = other\n"
                "[provider.theirs]\nkind = vault\naddress = https://v\ntoken_file = /t\n"
                "tenants = acme, globex\nregions = us\nprice = 1\nkey = only\n"
                "[region.eu]\nproviders = peer, software, soft-b\ncopies_min = 2\n"
                "[region.us]\nproviders = soft-b=mine, peer=root/us\nprefer = price\n");
    kw_router_each(made.router, note_route, &routes);
    assert_string_equal(kw_buf_str(&routes), "eu:peer(keyward)=root/eu!@3000 "
                                             "eu:software(software)=eu@0 "
                                             "eu:soft-b(software)=other@0 "
                                             "us:soft-b(software)=mine@0 "
                                             "us:peer(keyward)=root/us!@3000 "
                                             "us:theirs(vault)=only for acme,globex@1000000000 ");
    assert_true(kw_home_providers_remote(&made.providers));
    assert_null(kw_home_providers_find(&made.providers, "nobody"));
    unmake(&made);
    make(&made, "[provider.soft-b]\nkind = software\n[region.eu]\nproviders = soft-b\n");
    assert_false(kw_home_providers_remote(&made.providers));
    unmake(&made);
}

static void mistakes_show_without_a_start(void **state)
{
    static const struct {
        const char *text;
        const char *said;
    } wrong[] = {
        {"[provider.v]\nkind = vault\n", "provider v: address"},
        {"[provider.v]\nkind = vault\naddress = https://h\ntoken_file = /t\nca_file = /nowhere\n",
         "/nowhere"},
        {"[provider.h]\nkind = pkcs11\nmodule = /nowhere.so\ntoken = t\n", "/nowhere.so"},
        {"[provider.a]\nkind = aws\n", "provider a: "},
        {"[provider.g]\nkind = azure\nvault = https://v.vault.azure.net\n", "provider g: "},
        {"[region.eu]\nhsm = yes\n[provider.software]\nhsm = yes\n[provider.v]\nkind = vault\n"
         "address = https://h\ntoken_file = /t\ntenants = acme\nregions = eu\n",
         "provider v"},
    };
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(wrong); i++) {
        KW_AUTO_PTR(kw_config) config = read_config(wrong[i].text);
        assert_int_equal(kw_home_config_try(config, &err), KW_BAD_CONFIG);
        if (strstr(err.text, wrong[i].said) == NULL)
            fail_msg("%s: says: %s", wrong[i].text, err.text);
    }
    KW_AUTO_PTR(kw_config)
    config = read_config("[provider.v]\nkind = vault\n"
                         "address = https://h\ntoken_file = /t\n");
    ok(kw_home_config_try(config, &err));
}

/* ---- Rules ---- */

static const struct kw_class_rules *rules_of(const struct kw_authority_options *options,
                                             const char *name)
{
    for (size_t i = 0; i < options->class_count; i++)
        if (strcmp(options->classes[i].name, name) == 0)
            return &options->classes[i];
    fail_msg("no rules of %s", name);
    return NULL;
}

static void rules_are_as_configured(void **state)
{
    KW_UNUSED(state);
    struct kw_authority_options options;
    KW_AUTO_PTR(kw_home_rules) rules = NULL;
    KW_AUTO_PTR(kw_config)
    config = read_config("regions = eu,ap\nclasses = pci,log\n[keyring]\nttl = 10s\nhard_ttl = 1m\n"
                         "attached_ttl = 2s\ncalls_target = 7\n[class.pci]\nttl = 1s\nhsm = yes\n"
                         "[class.pii]\nhard_ttl = 30s\nheld_batch = 16\nheld_keep = 5s\n"
                         "[cost]\nbudget = 12.5\nthresholds = 10,200\n");
    ok(kw_home_rules_new(config, &rules, &options, &err));
    assert_int_equal(options.region_count, 2);
    assert_string_equal(options.regions[1], "ap");
    assert_int_equal(options.class_count, 3);
    const struct kw_class_rules *pci = rules_of(&options, "pci");
    assert_true(pci->hsm);
    assert_int_equal(pci->age.ttl_ms, 1000);
    assert_int_equal(pci->age.hard_ttl_ms, 1000);
    assert_int_equal(pci->held_batch, 1);
    const struct kw_class_rules *pii = rules_of(&options, "pii");
    assert_int_equal(pii->age.ttl_ms, 10000);
    assert_int_equal(pii->age.hard_ttl_ms, 30000);
    assert_int_equal(pii->held_batch, 16);
    assert_int_equal(pii->held_keep_ms, 5000);
    assert_int_equal(rules_of(&options, "log")->age.ttl_ms, 0);
    assert_int_equal(options.age.ttl_ms, 10000);
    assert_int_equal(options.age.hard_ttl_ms, 60000);
    assert_int_equal(options.attached_age.ttl_ms, 2000);
    assert_int_equal(options.attached_age.hard_ttl_ms, 30000);
    assert_int_equal(options.calls_target, 7);
    assert_true(options.budget.month_nano == UINT64_C(12500000000));
    assert_true(options.budget.tenant_month_nano == 0);
    assert_int_equal(options.budget.thresholds[0], 10);
    assert_int_equal(options.budget.thresholds[1], 200);
    assert_int_equal(options.budget.thresholds[2], 0);
}

/* ---- The table of settings and the constructors ---- */

static const char *const given[][8] = {
    {"aws", "region=eu-central-1", "credentials=keys", "access_key_id=A",
     "secret_access_key_file=/s", NULL},
    {"aws", "region=eu-central-1", "credentials=environment", NULL},
    {"aws", "region=eu-central-1", "credentials=web_identity", "role_arn=arn:aws:iam::1:role/r",
     "web_identity_token_file=/t", NULL},
    {"aws", "region=eu-central-1", "credentials=profile", "credentials_file=/c", NULL},
    {"aws", "region=eu-central-1", "credentials=container", "container_endpoint=http://127.0.0.1/c",
     NULL},
    {"aws", "region=eu-central-1", "credentials=instance", NULL},
    {"gcp", NULL},
    {"gcp", "credentials_file=/nowhere", NULL},
    {"azure", "vault=https://v.vault.azure.net", "client_id=c", "client_secret_file=/s", NULL},
    {"vault", "address=https://h", "token_file=/t", NULL},
    {"vault", "address=https://h", "role_id=r", "secret_id_file=/s", NULL},
    {"pkcs11", "module=/nowhere.so", "token=t", NULL},
    {"pkcs11", "module=/nowhere.so", "slot=1", NULL},
    {"keyward", "address=https://h", "token_file=/t", NULL},
    {"software", NULL},
};

struct asking {
    const char *const *given;
};

/* What a constructor asks for must be a setting of its kind. */
static const char *ask(void *arg, const char *option)
{
    const struct asking *asking = arg;
    char name[KW_CONFIG_OPTION_SIZE];
    const struct kw_option *found = kw_option_find(kw_config_option(name, "provider", "x", option));
    if (found == NULL || kw_provider_option_kinds(found) == NULL ||
        !kw_provider_option_fits(found, asking->given[0]))
        fail_msg("kind %s asks for %s, which the table does not give it", asking->given[0], option);
    size_t len = strlen(option);
    for (size_t i = 1; asking->given[i] != NULL; i++)
        if (strncmp(asking->given[i], option, len) == 0 && asking->given[i][len] == '=')
            return asking->given[i] + len + 1;
    return NULL;
}

static void constructors_ask_for_what_the_table_has(void **state)
{
    KW_AUTO(kw_secret) root = KW_SECRET_INIT;
    KW_UNUSED(state);
    ok(kw_random_secret(&root, 32, &err));
    const struct kw_provider_place place = {.software_root = &root};
    for (size_t i = 0; i < KW_COUNT(given); i++) {
        KW_AUTO_PTR(kw_provider) provider = NULL;
        struct asking asking = {given[i]};
        const struct kw_provider_settings settings = {"x", ask, &asking};
        kw_code code = kw_provider_make(given[i][0], &settings, &place, &provider, &err);
        bool nowhere = strstr(err.text, "/nowhere") != NULL;
        if (code != KW_OK && !(code == KW_BAD_CONFIG && nowhere))
            fail_msg("case %zu: %s", i, err.text);
    }
}

/* The other way round: each setting of the table stands in a source of its kind. */
static void collect(const char *kind, struct kw_buf *out)
{
    char folder[KW_PATH_SIZE];
    char path[KW_PATH_SIZE];
    ok(kw_path_format(folder, &err, KW_SOURCE_DIR "/src/%s",
                      strcmp(kind, "keyward") == 0 ? "peer" : kind));
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *at; (at = readdir(dir)) != NULL;) {
        KW_AUTO(kw_buf) text = KW_BUF_INIT;
        if (strstr(at->d_name, ".c") == NULL)
            continue;
        ok(kw_path_format(path, &err, "%s/%s", folder, at->d_name));
        ok(kw_file_read(path, 1 << 20, &text, &err));
        kw_buf_append(out, text.data, text.len);
    }
    closedir(dir);
}

static void settings_are_asked_for(void **state)
{
    const struct kw_option *option = NULL;
    char word[KW_OPTION_ITEM_SIZE];
    KW_UNUSED(state);
    for (size_t i = 0; (option = kw_provider_option_at(i)) != NULL; i++) {
        const char *kinds = kw_provider_option_kinds(option);
        for (size_t k = 0; kinds != NULL && kw_list_item(kinds, k, word); k++) {
            KW_AUTO(kw_buf) sources = KW_BUF_INIT;
            char quoted[KW_OPTION_ITEM_SIZE];
            collect(word, &sources);
            snprintf(quoted, sizeof quoted, "\"%s\"", strrchr(option->name, '.') + 1);
            if (strstr(kw_buf_str(&sources), quoted) == NULL)
                fail_msg("no source of kind %s asks for %s", word, quoted);
        }
    }
}

static void the_kinds_are_the_same(void **state)
{
    char word[KW_OPTION_ITEM_SIZE];
    const char *kind = NULL;
    size_t i = 0;
    KW_UNUSED(state);
    const char *choices = kw_option_find("provider.x.kind")->choices;
    for (; (kind = kw_provider_kind_at(i)) != NULL; i++) {
        assert_true(kw_list_item(choices, i, word));
        assert_string_equal(word, kind);
    }
    assert_false(kw_list_item(choices, i, word));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes_are_as_configured),
        cmocka_unit_test(mistakes_show_without_a_start),
        cmocka_unit_test(rules_are_as_configured),
        cmocka_unit_test(constructors_ask_for_what_the_table_has),
        cmocka_unit_test(settings_are_asked_for),
        cmocka_unit_test(the_kinds_are_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
