/* Challenges: whose a token is asked for. */
#include "azure/challenge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define LOGIN "authorization=\"https://login.microsoftonline.com/contoso.example\""

static struct kw_error err;

static kw_code read_it(const char *value, const char *vault, struct kw_azure_challenge *out)
{
    return kw_azure_challenge_read(kw_bytes_str(value), vault, out, &err);
}

static void good_ones(void **state)
{
    static const struct {
        const char *value;
        const char *vault;
        const char *scope;
        const char *tenant;
    } cases[] = {
        {"Bearer " LOGIN ", resource=\"https://vault.azure.net\"", "https://kw.vault.azure.net",
         "https://vault.azure.net/.default", "contoso.example"},
        {"bearer   " LOGIN " , RESOURCE = \"https://vault.azure.net/\" ",
         "https://KW.Vault.Azure.Net:443", "https://vault.azure.net/.default", "contoso.example"},
        {"Bearer resource=\"https://managedhsm.azure.net\",error=\"invalid_token\","
         "authorization_uri=\"https://login.windows.net/t-1/oauth2\"",
         "https://kw.managedhsm.azure.net", "https://managedhsm.azure.net/.default", "t-1"},
        {"Bearer scope=\"https://vault.azure.net/.default\", resource=\"https://evil.example\"",
         "https://kw.vault.azure.net", "https://vault.azure.net/.default", ""},
        {"Bearer resource=\"https://vault.azure.net\", n=7", "https://kw.vault.azure.net",
         "https://vault.azure.net/.default", ""},
    };
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        struct kw_azure_challenge got;
        assert_int_equal(read_it(cases[i].value, cases[i].vault, &got), KW_OK);
        assert_string_equal(got.scope, cases[i].scope);
        assert_string_equal(got.tenant, cases[i].tenant);
    }
}

static void other_domains(void **state)
{
    static const char *const resources[] = {
        "",
        "https://",
        "https://vault.azure.net.evil.example",
        "https://evil.example",
        "https://ault.azure.net",
        "https://net",
        "https://azure.example",
        "https://kw.vault.azure.net",
        "https://a.kw.vault.azure.net",
        "http://vault.azure.net",
        "vault.azure.net",
        "https://vault.azure.net@evil.example",
        "https://evil.example/vault.azure.net",
        "https://evil.example?vault.azure.net",
        "https://vault.azure.net?x",
    };
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(resources); i++) {
        char value[256];
        struct kw_azure_challenge got;
        snprintf(value, sizeof value, "Bearer " LOGIN ", resource=\"%s\"", resources[i]);
        assert_int_equal(read_it(value, "https://kw.vault.azure.net", &got),
                         KW_PROVIDER_UNAVAILABLE);
    }
}

static void malformed_ones(void **state)
{
    static const char *const values[] = {
        "",
        "Bearer",
        "Basic realm=\"x\"",
        "Bearerresource=\"https://vault.azure.net\"",
        "Bearer resource",
        "Bearer resource=",
        "Bearer resource=\"https://vault.azure.net",
        "Bearer resource=\"https://vault.azure.net\" x",
        "Bearer resource=\"https://vault.azure.net\",",
        "Bearer resource=\"https://vault.\\\"azure.net\"",
        "Bearer =\"https://vault.azure.net\"",
        "Bearer a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1,j=1,k=1,l=1,m=1,n=1,o=1,p=1,q=1",
    };
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(values); i++) {
        struct kw_azure_challenge got;
        assert_int_equal(read_it(values[i], "https://kw.vault.azure.net", &got),
                         KW_PROVIDER_UNAVAILABLE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones),
        cmocka_unit_test(other_domains),
        cmocka_unit_test(malformed_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
