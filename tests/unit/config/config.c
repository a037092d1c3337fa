/* Files, the environment, the command line, and which of them holds. */
#include "config/config.h"

#include "base/file.h"
#include "child.h"
#include "config/section.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct kw_error err;

static int make(void **state)
{
    return kw_config_new((struct kw_config **)state, &err) == KW_OK ? 0 : -1;
}

static int clear(void **state)
{
    kw_config_free(*state);
    return 0;
}

#define ok(call) assert_int_equal((call), KW_OK)

static KW_ERR read_text(struct kw_config *config, const char *text)
{
    return kw_config_text(config, kw_bytes_str(text), "k.conf", &err);
}

static void refused(struct kw_config *config, const char *text, const char *said)
{
    if (read_text(config, text) != KW_BAD_CONFIG)
        fail_msg("accepted: %s", text);
    if (strstr(err.text, said) == NULL)
        fail_msg("%s: says: %s", text, err.text);
}

static void defaults_hold(void **state)
{
    assert_string_equal(kw_config_str(*state, "server.address"), "127.0.0.1:8443");
    assert_int_equal(kw_config_size(*state, "keyring.bytes"), 64 << 20);
    assert_int_equal(kw_config_duration_ms(*state, "keyring.ttl"), 300000);
    assert_int_equal(kw_config_u64(*state, "destruction.window_days"), 7);
    assert_int_equal(kw_config_u64(*state, "log.level"), 1);
    assert_false(kw_config_bool(*state, "memory.allow_unlocked"));
    assert_false(kw_config_is_set(*state, "data"));
    assert_string_equal(kw_config_str(*state, "region.eu.providers"), "software");
    assert_int_equal(kw_config_u64(*state, "region.eu.copies_min"), 1);
    ok(kw_config_check(*state, &err));
}

static void files_are_read(void **state)
{
    ok(read_text(*state, "\xef\xbb\xbf# a comment\r\ndata = /srv/key ward ; the folder\r\n"
                         "regions=eu,ap\n\n[server]\n  address = [::]:443  \nworkers: 3\n"
                         "; another\n[region.ap]\nproviders = aws-ap, software\n"
                         "[provider.aws-ap]\nkind = aws\nregion = ap-south-1\nkey = alias/k\n"
                         "[keyring]\nttl = 30s\n[log]\nlevel=warn"));
    assert_string_equal(kw_config_str(*state, "data"), "/srv/key ward");
    assert_string_equal(kw_config_str(*state, "server.address"), "[::]:443");
    assert_int_equal(kw_config_u64(*state, "server.workers"), 3);
    assert_string_equal(kw_config_str(*state, "region.ap.providers"), "aws-ap, software");
    assert_int_equal(kw_config_duration_ms(*state, "keyring.ttl"), 30000);
    assert_int_equal(kw_config_u64(*state, "log.level"), 2);
    ok(kw_config_check(*state, &err));
    char word[KW_OPTION_ITEM_SIZE];
    assert_true(kw_list_item(kw_config_str(*state, "region.ap.providers"), 1, word));
    assert_string_equal(word, "software");
    assert_false(kw_list_item(kw_config_str(*state, "region.ap.providers"), 2, word));
}

static void errors_name_the_line(void **state)
{
    refused(*state, "\n[server]\nadress = x\n", "k.conf:3: there is no option server.adress");
    refused(*state, "\n[server]\nadress = x\n", "did you mean server.address?");
    refused(*state, "[server]\nworkers = many\n",
            "k.conf:2: server.workers: 'many' is not a number");
    refused(*state, "[server]\nworkers = 5000\n",
            "k.conf:2: server.workers: '5000' is out of range");
    refused(*state, "data = a\n\ndata = b\n", "k.conf:3: data is set already by k.conf:1");
    refused(*state, "# x\nrubbish\n", "k.conf:2: neither");
    refused(*state, "[server\nworkers = 1\n", "k.conf:1: neither");
    refused(*state, "[server]\nworkers = 1\n  2\n", "k.conf:3: neither");
    refused(*state, "colour = red\n", "there is no option colour");
    refused(*state, "[region.*]\nproviders = a\n", "there is no option");
    refused(*state, "data =\x01x\n", "control character");
    assert_int_equal(kw_config_text(*state, kw_bytes("data = a\0b\n", 11), "k.conf", &err),
                     KW_BAD_CONFIG);
    assert_non_null(strstr(err.text, "k.conf:1: the line has a NUL"));
}

static void long_lines_are_refused(void **state)
{
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    kw_buf_append_str(&text, "\ndata = ");
    for (int i = 0; i < 2048; i++)
        kw_buf_append_byte(&text, 'x');
    ok(kw_config_text(*state, kw_buf_bytes(&text), "k.conf", &err));
    assert_int_equal(strlen(kw_config_str(*state, "data")), 2048);
    kw_buf_append_byte(&text, 'x');
    refused(*state, kw_buf_str(&text), "k.conf:2: data: more than 2048 bytes");
    for (int i = 0; i < 2048; i++)
        kw_buf_append_byte(&text, 'x');
    refused(*state, kw_buf_str(&text), "k.conf:2: the line is too long");
}

static void later_sources_weigh_more(void **state)
{
    static char first[] = "KEYWARD_SERVER_WORKERS=5";
    static char level[] = "KEYWARD_LOG_LEVEL=error";
    static char other[] = "KEYWARD_TOKEN=not-an-option";
    static char foreign[] = "SERVER_WORKERS=9";
    static char *const variables[] = {first, level, other, foreign, NULL};
    ok(read_text(*state, "[server]\nworkers = 3\nmax_body = 2MiB\n[log]\nlevel = debug\n"));
    ok(kw_config_environment(*state, variables, &err));
    ok(kw_config_assign(*state, "log.level=info", &err));
    ok(kw_config_assign(*state, "log.level=warn", &err));
    ok(kw_config_assign(*state, "region.eu.copies_min=2", &err));
    assert_int_equal(kw_config_size(*state, "server.max_body"), 2 << 20);
    assert_int_equal(kw_config_u64(*state, "server.workers"), 5);
    assert_string_equal(kw_config_str(*state, "log.level"), "warn");
    assert_int_equal(kw_config_u64(*state, "region.eu.copies_min"), 2);
}

static void bad_variables_are_refused(void **state)
{
    static char misspelt[] = "KEYWARD_SERVER_ADRESS=1.2.3.4:5";
    static char pattern[] = "KEYWARD_REGION_EU_PROVIDERS=software";
    static char wrong[] = "KEYWARD_SERVER_WORKERS=x";
    char *const one[] = {misspelt, NULL};
    char *const two[] = {pattern, NULL};
    char *const three[] = {wrong, NULL};
    assert_int_equal(kw_config_environment(*state, one, &err), KW_BAD_CONFIG);
    assert_non_null(strstr(err.text, "KEYWARD_SERVER_ADRESS"));
    assert_int_equal(kw_config_environment(*state, two, &err), KW_BAD_CONFIG);
    assert_int_equal(kw_config_environment(*state, three, &err), KW_BAD_CONFIG);
    assert_non_null(strstr(err.text, "KEYWARD_SERVER_WORKERS: server.workers: 'x'"));
}

static void bad_assignments_are_refused(void **state)
{
    static const char *const wrong[] = {"server.workers", "=3", "server.worker=3",
                                        "server.workers=", "server.workers=3 "};
    for (size_t i = 0; i < KW_COUNT(wrong); i++)
        assert_int_equal(kw_config_assign(*state, wrong[i], &err), KW_BAD_CONFIG);
    char longest[512];
    memset(longest, 'a', sizeof longest);
    memcpy(longest + sizeof longest - 3, "=1", 3);
    assert_int_equal(kw_config_assign(*state, longest, &err), KW_BAD_CONFIG);
    ok(kw_config_assign(*state, "server.tls_cert=a=b", &err));
    assert_string_equal(kw_config_str(*state, "server.tls_cert"), "a=b");
}

static void the_whole_is_checked(void **state)
{
    KW_UNUSED(state);
    static const struct {
        const char *text;
        const char *said; /* NULL: it is right */
    } wholes[] = {
        {"regions = EU\n", "k.conf:1: regions"},
        {"classes = pci,Bad\n", "k.conf:1: classes"},
        {"[region.ap]\nproviders = software\n", "k.conf:2: ap is not in regions"},
        {"[keyring]\nttl = 10m\n", NULL},
        {"[keyring]\nttl = 2h\n", NULL},
        {"[keyring]\nttl = 10m\nhard_ttl = 5m\n", "k.conf:3: keyring.hard_ttl"},
        {"[keyring]\nattached_ttl = 1m\n", "default: keyring.attached_hard_ttl"},
        {"[router]\npause = 1m\n", "router.pause_max"},
        {"[class.pii]\nttl = 1s\nhsm = yes\n", NULL},
        {"[class.pci]\nttl = 1s\n", "[class.pci]"},
        {"classes = pci\n[class.pci]\nttl = 10s\nhard_ttl = 5s\n", "k.conf:4: class.pci.hard_ttl"},
        {"[class.pii]\nhard_ttl = 5m\n", NULL},
        {"[class.pii]\nhard_ttl = 299s\n", "less than keyring.ttl (300s)"},
        {"[cost]\nthresholds = 1,100,1000\n", NULL},
        {"[cost]\nthresholds = 50,50.5\n", "k.conf:2: cost.thresholds"},
        {"[cost]\nthresholds = 80,50\n", "rising"},
        {"[cost]\nthresholds = 0\n", "rising"},
        {"[cost]\nthresholds = 1,2,3,4,5,6,7,8\n", "rising"},
        {"[server]\ntls_cert = a.pem\n", "together"},
        {"[server]\ntls_cert = a.pem\ntls_key = b.pem\n", NULL},
    };
    for (size_t i = 0; i < KW_COUNT(wholes); i++) {
        KW_AUTO_PTR(kw_config) config = NULL;
        ok(kw_config_new(&config, &err));
        ok(read_text(config, wholes[i].text));
        kw_code code = kw_config_check(config, &err);
        if (code != (wholes[i].said == NULL ? KW_OK : KW_BAD_CONFIG))
            fail_msg("%s", wholes[i].text);
        if (wholes[i].said != NULL && strstr(err.text, wholes[i].said) == NULL)
            fail_msg("%s: says: %s", wholes[i].text, err.text);
    }
}

#define PEER  "[provider.peer]\nkind = keyward\naddress = https://h\ntoken_file = /t\n"
#define GUEST "[provider.g]\nkind = vault\ntenants = acme,globex\n"

static void providers_are_checked(void **state)
{
    KW_UNUSED(state);
    static const struct {
        const char *text;
        const char *said; /* NULL: it is right */
    } wholes[] = {
        {PEER "key = root/eu\n[region.eu]\nproviders = peer, software\ncopies_min = 2\n", NULL},
        {PEER "[region.eu]\nproviders = peer=root/eu\n[region.us]\nproviders = peer=root/us\n",
         NULL},
        {"[region.eu]\nproviders = aws\n",
         "k.conf:2: region.eu.providers: there is no provider 'aws': known are software;"},
        {PEER "key = k\n[region.eu]\nproviders = peer,aws.eu\n", "known are software, peer;"},
        {PEER "[region.eu]\nproviders = peer\n", "set provider.peer.key, or write peer=KEY"},
        {PEER, NULL}, /* it waits for its use */
        {PEER "[root]\nprovider = peer\nkey = root/eu\n", NULL},
        {PEER "[root]\nprovider = peer\n", "root.provider and root.key together"},
        {"[root]\nprovider = peer\nkey = k\n", "k.conf:2: root.provider: there is no provider"},
        {"[root]\nprovider = software\nkey = k\n", "cannot hold it"},
        {"[region.eu]\ncopies_min = 2\n", "k.conf:2: region.eu.copies_min is 2, but"},
        {"[provider.soft-b]\nkind = software\n[region.eu]\nproviders = software,soft-b\n"
         "copies_min = 2\n",
         NULL},
        {"[provider.software]\nprice = 0.01\n", NULL},
        {"[provider.software]\nkind = aws\n", "name this one otherwise"},
        {"[provider.software]\nmodule = /m\n",
         "k.conf:2: kind software has no setting module; its own are: none"},
        {"[provider.Peer]\nkind = aws\n", "a provider's name is"},
        {"[provider.p]\nkey = k\n", "set provider.p.kind: it is one of software,aws,"},
        {PEER "mount = transit\n",
         "k.conf:5: kind keyward has no setting mount; its own are: address, ca_file, cert_file, "
         "class, key_file, token_file"},
        {GUEST "regions = eu\n", NULL},
        {GUEST, "set provider.g.regions"},
        {GUEST "regions = eu,ap\n", "k.conf:4: provider.g.regions: ap is not in regions (eu,us)"},
        {GUEST "regions = eu\nkey = k\n[region.eu]\nproviders = g\n", "a customer's provider"},
        {PEER "key = k\nregions = eu\n", "set provider.peer.tenants"},
        {"[provider.g]\nkind = vault\ntenants = Acme\nregions = eu\n",
         "k.conf:3: provider.g.tenants: "},
        {"[region.eu]\nhsm = yes\n", "set provider.software.hsm"},
        {"[region.eu]\nhsm = yes\n[provider.software]\nhsm = yes\n", NULL},
        {"[region.eu]\nproviders = software,s1,s2,s3,s4,s5,s6,s7,s8\n", "no provider 's1'"},
    };
    for (size_t i = 0; i < KW_COUNT(wholes); i++) {
        KW_AUTO_PTR(kw_config) config = NULL;
        ok(kw_config_new(&config, &err));
        ok(read_text(config, wholes[i].text));
        kw_code code = kw_config_check(config, &err);
        if (code != (wholes[i].said == NULL ? KW_OK : KW_BAD_CONFIG))
            fail_msg("%s: %s", wholes[i].text, code != KW_OK ? err.text : "accepted");
        if (wholes[i].said != NULL && strstr(err.text, wholes[i].said) == NULL)
            fail_msg("%s: says: %s", wholes[i].text, err.text);
    }
}

static void sections_and_routes_are_read(void **state)
{
    char name[KW_CONFIG_NAME_SIZE];
    struct kw_config_route route;
    ok(read_text(*state, PEER "key = own\n[provider.peer-b]\nkind = aws\n[provider.g]\n"
                              "kind = vault\ntenants = acme\n[region.eu]\n"
                              "providers = peer, peer-b=arn:x=y , software,nobody\n"));
    static const char *const names[] = {"g", "peer", "peer-b"};
    for (size_t i = 0, found = 0; kw_config_section(*state, "provider", i, name); i++) {
        for (size_t k = 0; k < KW_COUNT(names); k++)
            found += strcmp(names[k], name) == 0;
        assert_int_equal(found, i + 1);
    }
    assert_false(kw_config_section(*state, "provider", KW_COUNT(names), name));
    assert_true(kw_config_provider_is_guest(*state, "g"));
    assert_true(kw_config_provider_is_used(*state, "g"));
    assert_true(kw_config_provider_is_used(*state, "peer"));
    assert_false(kw_config_provider_is_used(*state, "other"));
    assert_false(kw_config_provider_is_guest(*state, "peer"));
    assert_string_equal(kw_config_provider_kind(*state, "software"), "software");
    assert_string_equal(kw_config_provider_kind(*state, "peer-b"), "aws");
    assert_string_equal(kw_config_provider_kind(*state, "a.*"), "");
    static const struct kw_config_route routes[] = {
        {"peer", "own"}, {"peer-b", "arn:x=y"}, {"software", "eu"}, {"nobody", ""}};
    for (size_t i = 0; i < KW_COUNT(routes); i++) {
        assert_true(kw_config_route(*state, "eu", i, &route));
        assert_string_equal(route.provider, routes[i].provider);
        assert_string_equal(route.key, routes[i].key);
    }
    assert_false(kw_config_route(*state, "eu", KW_COUNT(routes), &route));
    assert_true(kw_config_route(*state, "us", 0, &route));
    assert_string_equal(route.key, "us");
}

static void show(void *arg, const struct kw_config_value *value)
{
    kw_buf_printf(arg, "%s=%s (%s)\n", value->name, value->value, value->origin);
    assert_non_null(value->option);
}

static void origins_are_shown(void **state)
{
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    ok(read_text(*state, "[region.eu]\nproviders = software\n[server]\nworkers = 3\n"));
    ok(kw_config_assign(*state, "data=/d", &err));
    kw_config_each(*state, show, &out);
    const char *text = kw_buf_str(&out);
    assert_non_null(strstr(text, "data=/d (--set)\n"));
    assert_non_null(
        strstr(text, "region.eu.providers=software (k.conf:2)\nregions=eu,us (default)"));
    assert_non_null(strstr(text, "server.workers=3 (k.conf:4)\n"));
    assert_null(strchr(text, '*'));
}

static int ask_for_nothing(void *config)
{
    return (int)strlen(kw_config_str(config, "no.such.option"));
}

static int ask_for_another_type(void *config)
{
    return kw_config_bool(config, "server.workers");
}

static void misuse_aborts(void **state)
{
    assert_int_equal(kw_child_signal(kw_in_child(ask_for_nothing, *state)), SIGABRT);
    assert_int_equal(kw_child_signal(kw_in_child(ask_for_another_type, *state)), SIGABRT);
}

static void files_are_found_or_missed(void **state)
{
    void *folder = NULL;
    char path[KW_PATH_SIZE];
    assert_int_equal(kw_scratch_make(&folder), 0);
    ok(kw_path_format(path, &err, "%s/keyward.conf", (char *)folder));
    assert_int_equal(kw_config_file(*state, path, &err), KW_NOT_FOUND);
    ok(kw_file_create(path, 0644, "data = /d\n", 10, &err));
    ok(kw_config_file(*state, path, &err));
    assert_string_equal(kw_config_str(*state, "data"), "/d");
    assert_int_equal(kw_scratch_remove(&folder), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make, clear)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults_hold),
        TEST(files_are_read),
        TEST(errors_name_the_line),
        TEST(long_lines_are_refused),
        TEST(later_sources_weigh_more),
        TEST(bad_variables_are_refused),
        TEST(bad_assignments_are_refused),
        TEST(the_whole_is_checked),
        TEST(providers_are_checked),
        TEST(sections_and_routes_are_read),
        TEST(origins_are_shown),
        TEST(misuse_aborts),
        TEST(files_are_found_or_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
