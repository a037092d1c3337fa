/* Tokens and certificates over the API. */
#include "api_scene.h"

#include "pki/pki.h"

static int setup(void **state)
{
    KW_UNUSED(state);
    a = kw_api_fixture_open(NULL, 2, NULL);
    return 0;
}

/* ---- Tokens -----------------------------------------------------------------------------------
 */

struct token {
    char id[40];
    char text[KW_TOKEN_TEXT_SIZE];
};

static struct token make_token(const struct kw_caller *caller, const char *body)
{
    struct token token;
    struct kw_asked *asked = kw_ask_bytes(a, caller, "POST", "/v1/tokens", kw_bytes_str(body));
    assert_int_equal(asked->status, 201);
    snprintf(token.id, sizeof token.id, "%s", kw_text_at(asked, "id"));
    snprintf(token.text, sizeof token.text, "%s", kw_text_at(asked, "token"));
    kw_asked_free(asked);
    return token;
}

static kw_code check(const struct token *token, struct kw_token_row *row)
{
    return kw_authority_token_check(a->f->authority, kw_bytes_str(token->text), row, NULL);
}

static void test_token(void **state)
{
    struct kw_token_row row;
    KW_UNUSED(state);
    struct token token =
        make_token(root, "{\"principal\":\"app\",\"roles\":\"service\",\"tenants\":\"acme,globex\","
                         "\"lifetime_seconds\":3600}");
    assert_int_equal(check(&token, &row), KW_OK);
    assert_string_equal(row.principal, "app");
    assert_string_equal(row.roles, "service");
    assert_string_equal(row.tenants, "acme,globex");
    struct kw_asked *list = kw_ask(a, root, "GET", "/v1/tokens", NULL);
    assert_int_equal(list->status, 200);
    assert_int_equal(kw_at(list, "tokens")->count, 1);
    assert_string_equal(kw_text_at(list, "tokens.0.id"), token.id);
    assert_int_equal(strlen(kw_text_at(list, "tokens.0.expires_at")), 24);
    assert_int_equal(kw_at(list, "tokens.0.revoked")->type, KW_JSON_FALSE);
    assert_null(kw_at(list, "tokens.0.token"));
    assert_null(memmem(list->body.data, list->body.len, token.text + 37, 43));
    kw_asked_free(list);
    kw_clock_test_offset(3601 * 1000);
    assert_int_equal(check(&token, &row), KW_TOKEN_EXPIRED);
}

static void test_revoke(void **state)
{
    struct kw_token_row row;
    char path[80];
    KW_UNUSED(state);
    struct token token = make_token(root, "{\"principal\":\"app\",\"roles\":\"service\"}");
    assert_int_equal(check(&token, &row), KW_OK);
    assert_int_equal(row.expires_ms - row.created_ms, 90LL * 24 * 3600 * 1000);
    assert_string_equal(row.tenants, "*");
    struct token endless =
        make_token(root, "{\"principal\":\"app\",\"roles\":\"service\",\"lifetime_seconds\":0}");
    assert_int_equal(check(&endless, &row), KW_OK);
    assert_int_equal(row.expires_ms, 0);
    snprintf(path, sizeof path, "/v1/tokens/%s", token.id);
    struct kw_asked *asked = kw_ask(a, root, "DELETE", path, NULL);
    assert_int_equal(asked->status, 200);
    assert_true(kw_bytes_equal_str(kw_buf_bytes(&asked->body), "{}"));
    kw_asked_free(asked);
    assert_int_equal(check(&token, &row), KW_UNAUTHENTICATED);
    kw_expect(a, root, "DELETE", "/v1/tokens/00000000000000000000000000000000", NULL, 404,
              "not_found");
    kw_expect(a, root, "DELETE", "/v1/tokens/xyz", NULL, 400, "bad_encoding");
    assert_int_equal(kw_fixture_entries(a->f, "RevokeToken", ""), 1);
}

static void token_fails(const struct kw_caller *caller, const char *body, int status,
                        const char *code)
{
    kw_expect(a, caller, "POST", "/v1/tokens", body, status, code);
}

static void test_token_refused(void **state)
{
    struct kw_caller narrow = kw_fixture_caller("admin", "acme");
    KW_UNUSED(state);
    token_fails(root, "{\"principal\":\"app\",\"roles\":\"king\"}", 400, "bad_name");
    token_fails(root, "{\"principal\":\"app\",\"roles\":\"\"}", 400, "bad_name");
    token_fails(root, "{\"principal\":\"app\"}", 400, "bad_json");
    token_fails(root, "{\"roles\":\"service\"}", 400, "bad_json");
    token_fails(root, "{\"principal\":\"\",\"roles\":\"service\"}", 400, "usage");
    token_fails(root, "{\"principal\":\"app\",\"roles\":\"service\",\"tenants\":\"a, b\"}", 400,
                "bad_name");
    token_fails(root, "{\"principal\":\"app\",\"roles\":\"service\",\"tenants\":\"a,\"}", 400,
                "bad_name");
    token_fails(root, "{\"principal\":\"app\",\"roles\":\"service\",\"tenants\":\"\"}", 400,
                "bad_name");
    token_fails(root, "{\"principal\":\"app\",\"roles\":\"service\",\"tenants\":\"a,*\"}", 400,
                "bad_name");
    token_fails(&narrow, "{\"principal\":\"app\",\"roles\":\"service\"}", 403, "forbidden");
    token_fails(&narrow, "{\"principal\":\"app\",\"roles\":\"root\",\"tenants\":\"acme\"}", 403,
                "forbidden");
}

/* Rights and reach of what is made never exceed the maker's. */
static void test_grants(void **state)
{
    struct kw_caller access = kw_fixture_caller("auditor", "*");
    struct kw_caller narrow = kw_fixture_caller("admin", "acme");
    char path[80];
    KW_UNUSED(state);
    access.rights |= KW_RIGHT_MANAGE_ACCESS;
    token_fails(&access, "{\"principal\":\"app\",\"roles\":\"admin\"}", 403, "forbidden");
    make_token(&access, "{\"principal\":\"app\",\"roles\":\"auditor\"}");
    struct token wide = make_token(root, "{\"principal\":\"app\",\"roles\":\"service\"}");
    snprintf(path, sizeof path, "/v1/tokens/%s", wide.id);
    kw_expect(a, &narrow, "DELETE", path, NULL, 403, "forbidden");
    struct token own =
        make_token(&narrow, "{\"principal\":\"app\",\"roles\":\"auditor\",\"tenants\":\"acme\"}");
    struct kw_asked *list = kw_ask(a, &narrow, "GET", "/v1/tokens", NULL);
    assert_int_equal(kw_at(list, "tokens")->count, 1);
    assert_string_equal(kw_text_at(list, "tokens.0.id"), own.id);
    kw_asked_free(list);
    snprintf(path, sizeof path, "/v1/tokens/%s", own.id);
    kw_expect(a, &narrow, "DELETE", path, NULL, 200, NULL);
}

/* A token is bound to both of its parts, digit by digit. */
static void test_altered_tokens(void **state)
{
    struct kw_token_row row;
    KW_UNUSED(state);
    struct token token = make_token(root, "{\"principal\":\"app\",\"roles\":\"service\"}");
    for (size_t i = 0; i < strlen(token.text); i++) {
        struct token altered = token;
        altered.text[i] = altered.text[i] == 'a' ? 'b' : 'a';
        assert_int_equal(check(&altered, &row), KW_UNAUTHENTICATED);
        altered = token;
        altered.text[i] = '\0';
        assert_int_equal(check(&altered, &row), KW_UNAUTHENTICATED);
    }
    assert_int_equal(check(&token, &row), KW_OK);
}

/* ---- Certificates -----------------------------------------------------------------------------
 */

static struct kw_buf ca_cert;
static struct kw_secret ca_key;

static KW_ERR issue(void *arg, const struct kw_api_certificate *wanted, struct kw_buf *cert_pem,
                    struct kw_secret *key_pem, struct kw_error *err)
{
    char id[300];
    struct kw_pki_request request = {.ca_cert_pem = &ca_cert,
                                     .ca_key_pem = &ca_key,
                                     .common_name = wanted->name,
                                     .days = wanted->days != 0 ? wanted->days : 30};
    KW_UNUSED(arg);
    snprintf(id, sizeof id, "spiffe://example.org/%s", wanted->name);
    if (strcmp(wanted->kind, "client") == 0) {
        request.spiffe_id = id;
    } else {
        request.hosts = &wanted->name;
        request.host_count = 1;
    }
    return kw_pki_issue(&request, cert_pem, key_pem, err);
}

static KW_ERR list(void *arg, struct kw_buf *json_array, struct kw_error *err)
{
    KW_UNUSED(arg);
    kw_buf_append_str(json_array, "[{\"serial\":\"01\"}]");
    return kw_buf_status(json_array, err);
}

static int setup_pki(void **state)
{
    static const struct kw_api_pki pki = {.issue = issue, .list = list};
    KW_UNUSED(state);
    kw_secret_allow_unlocked();
    assert_int_equal(kw_pki_ca_create("test", 100, &ca_cert, &ca_key, NULL), KW_OK);
    a = kw_api_fixture_open(NULL, 0, &pki);
    return 0;
}

static int teardown_pki(void **state)
{
    kw_buf_wipe(&ca_cert);
    kw_secret_wipe(&ca_key);
    return teardown(state);
}

static void test_certificate(void **state)
{
    struct kw_pki_facts facts;
    KW_UNUSED(state);
    struct kw_asked *asked =
        kw_ask(a, root, "POST", "/v1/certificates",
               "{\"kind\":\"client\",\"name\":\"billing\",\"role\":\"auditor\",\"days\":10}");
    assert_int_equal(asked->status, 201);
    assert_string_equal(kw_text_at(asked, "spiffe_id"), "spiffe://example.org/auditor/billing");
    assert_int_equal(strlen(kw_text_at(asked, "not_after")), 24);
    const char *pem = kw_text_at(asked, "certificate");
    assert_int_equal(kw_pki_describe(kw_bytes_str(pem), &facts, NULL), KW_OK);
    assert_string_equal(facts.spiffe_id, "spiffe://example.org/auditor/billing");
    assert_non_null(strstr(kw_text_at(asked, "private_key"), "-----BEGIN PRIVATE KEY-----\n"));
    kw_asked_free(asked);
    assert_int_equal(kw_fixture_entries(a->f, "IssueCertificate", ""), 1);
    asked = kw_ask(a, root, "POST", "/v1/certificates",
                   "{\"kind\":\"server\",\"name\":\"kms.example.org\"}");
    assert_int_equal(asked->status, 201);
    assert_null(kw_at(asked, "spiffe_id"));
    kw_asked_free(asked);
    asked = kw_ask(a, root, "GET", "/v1/certificates", NULL);
    assert_string_equal(kw_text_at(asked, "certificates.0.serial"), "01");
    kw_asked_free(asked);
}

static void certificate_fails(const struct kw_caller *caller, const char *body, int status,
                              const char *code)
{
    kw_expect(a, caller, "POST", "/v1/certificates", body, status, code);
}

static void test_certificate_refused(void **state)
{
    struct kw_caller access = kw_fixture_caller("auditor", "*");
    struct kw_caller narrow = kw_fixture_caller("root", "acme");
    struct kw_caller admin = kw_fixture_caller("admin", "*");
    KW_UNUSED(state);
    access.rights |= KW_RIGHT_MANAGE_ACCESS;
    certificate_fails(root, "{\"kind\":\"ca\",\"name\":\"x\"}", 400, "bad_json");
    certificate_fails(root, "{\"name\":\"x\"}", 400, "bad_json");
    certificate_fails(root, "{\"kind\":\"client\"}", 400, "bad_json");
    certificate_fails(root, "{\"kind\":\"client\",\"name\":\"x\",\"role\":\"king\"}", 400,
                      "bad_name");
    certificate_fails(root, "{\"kind\":\"client\",\"name\":\"x\",\"role\":\"admin,service\"}", 400,
                      "bad_name");
    certificate_fails(root, "{\"kind\":\"client\",\"name\":\"root/x\"}", 400, "bad_name");
    certificate_fails(root, "{\"kind\":\"client\",\"name\":\"a b\"}", 400, "bad_name");
    certificate_fails(root, "{\"kind\":\"server\",\"name\":\"a_b\"}", 400, "bad_name");
    certificate_fails(&access, "{\"kind\":\"client\",\"name\":\"x\",\"role\":\"admin\"}", 403,
                      "forbidden");
    certificate_fails(&narrow, "{\"kind\":\"client\",\"name\":\"x\"}", 403, "forbidden");
    certificate_fails(&admin, "{\"kind\":\"client\",\"name\":\"x\",\"role\":\"root\"}", 403,
                      "forbidden");
    certificate_fails(&admin, "{\"kind\":\"client\",\"name\":\"x\"}", 403, "forbidden");
    certificate_fails(&admin, "{\"kind\":\"server\",\"name\":\"kms.example.org\"}", 403,
                      "forbidden");
    assert_int_equal(kw_fixture_entries(a->f, "IssueCertificate", ""), 0);
    assert_int_equal(kw_fixture_entries(a->f, "IssueCertificate", "forbidden"), 5);
    kw_expect(a, &narrow, "GET", "/v1/certificates", NULL, 403, "forbidden");
    certificate_fails(&admin, "{\"kind\":\"client\",\"name\":\"x\",\"role\":\"admin\"}", 201, NULL);
}

/* What cannot be recorded is not given out. */
static void test_certificate_without_ledger(void **state)
{
    KW_UNUSED(state);
    atomic_store(&a->f->ledger_fails, true);
    struct kw_asked *asked =
        kw_ask(a, root, "POST", "/v1/certificates", "{\"kind\":\"client\",\"name\":\"x\"}");
    assert_true(asked->status >= 500);
    assert_null(memmem(asked->body.data, asked->body.len, "PRIVATE", 7));
    kw_asked_free(asked);
    atomic_store(&a->f->ledger_fails, false);
}

static void test_no_pki(void **state)
{
    KW_UNUSED(state);
    certificate_fails(root, "{\"kind\":\"client\",\"name\":\"x\"}", 404, "not_found");
    kw_expect(a, root, "GET", "/v1/certificates", NULL, 404, "not_found");
}

int main(void)
{
#define T(name)   cmocka_unit_test_setup_teardown(name, setup, teardown)
#define PKI(name) cmocka_unit_test_setup_teardown(name, setup_pki, teardown_pki)
    const struct CMUnitTest tests[] = {
        T(test_token),
        T(test_revoke),
        T(test_token_refused),
        T(test_grants),
        T(test_altered_tokens),
        PKI(test_certificate),
        PKI(test_certificate_refused),
        PKI(test_certificate_without_ledger),
        T(test_no_pki),
    };
    return cmocka_run_group_tests_name("api access", tests, NULL, NULL);
}
