/* Import, attach and detach over the API, and what a key says of its custody. */
#include "api_scene.h"

#include "base/encode.h"
#include "crypto/keywrap.h"

#define KEY "/v1/tenants/acme/keys/eu"

static const struct kw_fixture_place places[] = {
    {.provider = "software-eu", .region = "eu"},
    {.provider = "software-us", .region = "us"},
    {.provider = "acme-kms", .region = "eu", .tenants = "acme"},
};

static int setup(void **state)
{
    struct kw_fixture_options options = {.places = places, .place_count = KW_COUNT(places)};
    KW_UNUSED(state);
    a = kw_api_fixture_open(&options, 2, NULL);
    kw_fixture_tenant(a->f, "acme", "eu");
    return 0;
}

static struct kw_asked *ask_ok(const char *method, const char *path, const char *body, int status)
{
    struct kw_asked *asked = kw_ask(a, root, method, path, body != NULL ? "%s" : NULL, body);
    if (asked->status != status)
        print_error("%s %s: %.*s\n", method, path, (int)asked->body.len,
                    (const char *)asked->body.data);
    assert_int_equal(asked->status, status);
    return asked;
}

static void key_is(const char *member, const char *text)
{
    struct kw_asked *asked = ask_ok("GET", KEY, NULL, 200);
    is(asked, member, text);
    kw_asked_free(asked);
}

static void refused(const char *path, const char *body, int status, const char *code)
{
    kw_expect(a, root, "POST", path, body, status, code);
}

/* ---- Import -----------------------------------------------------------------------------------
 */

struct offer {
    char token[80];
    struct kw_buf der;
};

static void offer_open(struct offer *offer)
{
    struct kw_asked *asked = ask_ok("POST", KEY "/import-offer", "{}", 201);
    *offer = (struct offer){.der = KW_BUF_INIT};
    is(asked, "algorithm", "RSA_AES_KEY_WRAP_SHA_256");
    assert_int_equal(strlen(kw_text_at(asked, "expires_at")), 24);
    snprintf(offer->token, sizeof offer->token, "%s", kw_text_at(asked, "token"));
    assert_int_equal(strlen(offer->token), 64);
    assert_int_equal(
        kw_rsa_public_from_pem(kw_bytes_str(kw_text_at(asked, "public_key")), &offer->der, NULL),
        KW_OK);
    kw_asked_free(asked);
}

/* The body of an import of 32 bytes of this value; more: further members. */
static void make_body(const struct offer *offer, uint8_t value, const char *more, char out[2048])
{
    KW_AUTO(kw_secret) material = KW_SECRET_INIT;
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    assert_int_equal(kw_secret_alloc(&material, 32, NULL), KW_OK);
    memset(material.data, value, 32);
    assert_int_equal(kw_rsa_aes_wrap(kw_buf_bytes(&offer->der), &material, &wrapped, NULL), KW_OK);
    kw_base64_encode(&text, kw_buf_bytes(&wrapped));
    snprintf(out, 2048, "{\"token\":\"%s\",\"wrapped\":\"%s\"%s}", offer->token, kw_buf_str(&text),
             more);
}

static struct kw_asked *import(uint8_t value, const char *more)
{
    struct offer offer;
    char body[2048];
    offer_open(&offer);
    make_body(&offer, value, more, body);
    struct kw_asked *asked = ask_ok("POST", KEY "/import", body, 200);
    kw_buf_wipe(&offer.der);
    return asked;
}

static void test_import(void **state)
{
    char day[KW_TIME_TEXT_SIZE];
    char text[64];
    char end[64];
    KW_UNUSED(state);
    kw_time_text(kw_clock_wall_ms() + 1000 * INT64_C(86400000), day);
    snprintf(text, sizeof text, ",\"expires_at\":\"%.10sT23:59:59.5Z\"", day);
    snprintf(end, sizeof end, "%.10sT23:59:59.500Z", day);
    struct kw_asked *made = import(7, text);
    is(made, "version", "2");
    assert_int_equal(kw_at(made, "again")->type, KW_JSON_FALSE);
    struct kw_asked *key = ask_ok("GET", KEY, NULL, 200);
    is(key, "custody", "imported");
    assert_null(kw_at(key, "provider"));
    assert_int_equal(kw_at(key, "versions.0.imported")->type, KW_JSON_FALSE);
    assert_null(kw_at(key, "versions.0.expires_at"));
    assert_int_equal(kw_at(key, "versions.1.imported")->type, KW_JSON_TRUE);
    is(key, "versions.1.expires_at", end);
    is(key, "versions.1.commitment", kw_text_at(made, "commitment"));
    kw_asked_free(made);
    kw_asked_free(key);
}

/* The end, and the way back: by the same material alone. */
static void test_end_and_again(void **state)
{
    struct offer offer;
    char body[2048];
    KW_UNUSED(state);
    kw_asked_free(import(7, ""));
    char wrapped[128];
    char plaintext[64];
    kw_ask_key(a, wrapped, plaintext);
    struct kw_asked *ended = ask_ok("POST", KEY "/end-material", "{}", 200);
    is(ended, "custody", "imported");
    assert_int_equal(kw_at(ended, "versions.1.copies")->count, 0);
    kw_asked_free(ended);
    refused("/v1/data-keys/generate", "{\"tenant\":\"acme\",\"region\":\"eu\"}", 403,
            "material_expired");
    offer_open(&offer);
    make_body(&offer, 8, "", body);
    refused(KEY "/import", body, 422, "commitment_mismatch");
    kw_buf_wipe(&offer.der);
    struct kw_asked *again = import(7, "");
    is(again, "version", "2");
    assert_int_equal(kw_at(again, "again")->type, KW_JSON_TRUE);
    kw_asked_free(again);
    struct kw_asked *opened =
        kw_ask(a, root, "POST", "/v1/data-keys/unwrap",
               "{\"items\":[{\"wrapped\":\"%s\",\"context\":{\"row\":\"1\"}}]}", wrapped);
    is(opened, "items.0.plaintext", plaintext);
    kw_asked_free(opened);
}

static void test_an_offer_serves_once(void **state)
{
    struct offer offer;
    char body[2048];
    KW_UNUSED(state);
    offer_open(&offer);
    make_body(&offer, 7, "", body);
    kw_asked_free(ask_ok("POST", KEY "/import", body, 200));
    refused(KEY "/import", body, 404, "not_found");
    kw_buf_wipe(&offer.der);
}

static void test_import_refused(void **state)
{
    struct offer offer;
    char body[2048];
    struct kw_caller service = kw_fixture_caller("service", "*");
    struct kw_caller other = kw_fixture_caller("admin", "other");
    KW_UNUSED(state);
    refused(KEY "/import-offer", "{\"size\":1}", 400, "bad_json");
    refused("/v1/tenants/acme/keys/EU/import-offer", "{}", 400, "bad_name");
    refused("/v1/tenants/acme/keys/us/import-offer", "{}", 404, "key_not_found");
    kw_expect(a, &service, "POST", KEY "/import-offer", "{}", 403, "forbidden");
    kw_expect(a, &other, "POST", KEY "/import-offer", "{}", 403, "forbidden");
    refused(KEY "/import", "{}", 400, "bad_json");
    refused(KEY "/import", "{\"token\":\"00\",\"wrapped\":\"AAAA\"}", 404, "not_found");
    refused(KEY "/import", "{\"token\":\"00\",\"wrapped\":\"A\"}", 400, "bad_encoding");
    refused(KEY "/import", "{\"token\":\"00\",\"wrapped\":\"AAAA\",\"version\":2}", 400,
            "bad_json");
    refused(KEY "/import", "{\"token\":\"00\",\"wrapped\":\"AAAA\",\"expires_at\":\"2026-02-30\"}",
            400, "bad_json");
    refused(KEY "/import",
            "{\"token\":\"00\",\"wrapped\":\"AAAA\",\"expires_at\":\"2026-02-28T25:00:00Z\"}", 400,
            "bad_json");
    refused(KEY "/import",
            "{\"token\":\"00\",\"wrapped\":\"AAAA\",\"expires_at\":\"2026-02-28T20:00:00+01:00\"}",
            400, "bad_json");
    offer_open(&offer);
    make_body(&offer, 7, ",\"expires_at\":\"2001-01-01\"", body);
    struct kw_asked *past = kw_ask(a, root, "POST", KEY "/import", "%s", body);
    assert_in_range(past->status, 400, 499);
    kw_asked_free(past);
    kw_buf_wipe(&offer.der);
    key_is("custody", "managed");
}

static void test_end_needs_imported(void **state)
{
    KW_UNUSED(state);
    refused(KEY "/end-material", "{}", 409, "state_conflict");
}

/* ---- Attach -----------------------------------------------------------------------------------
 */

static void attach(const char *more, const char *custody)
{
    char body[256];
    snprintf(body, sizeof body, "{\"provider\":\"acme-kms\",\"key\":\"alias/acme\"%s}", more);
    struct kw_asked *asked = ask_ok("POST", KEY "/attach", body, 200);
    is(asked, "version", "2");
    is(asked, "custody", custody);
    kw_asked_free(asked);
}

static void test_attach_and_detach(void **state)
{
    KW_UNUSED(state);
    attach("", "attached");
    struct kw_asked *key = ask_ok("GET", KEY, NULL, 200);
    is(key, "custody", "attached");
    is(key, "provider", "acme-kms");
    is(key, "provider_key", "alias/acme");
    assert_int_equal(kw_at(key, "versions.0.copies")->count, 1);
    is(key, "versions.0.copies.0.provider", "acme-kms");
    is(key, "versions.1.copies.0.provider_key", "alias/acme");
    kw_asked_free(key);
    struct kw_asked *detached = ask_ok("POST", KEY "/detach", "{}", 200);
    is(detached, "custody", "managed");
    is(detached, "version", "3");
    kw_asked_free(detached);
    key = ask_ok("GET", KEY, NULL, 200);
    is(key, "custody", "managed");
    assert_null(kw_at(key, "provider"));
    is(key, "versions.0.copies.0.provider", "software-eu");
    kw_asked_free(key);
}

/* A held key's versions are counted, not listed. */
static void test_hold(void **state)
{
    struct kw_fixture_key made;
    KW_UNUSED(state);
    attach(",\"hold\":true", "held");
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(kw_fixture_generate(a->f, "acme", "eu", 1, &made), KW_OK);
    struct kw_asked *key = ask_ok("GET", KEY, NULL, 200);
    is(key, "custody", "held");
    is(key, "provider", "acme-kms");
    assert_int_equal(kw_at(key, "versions")->type, KW_JSON_OBJECT);
    assert_int_equal(kw_at(key, "versions")->count, 1);
    assert_string_equal(kw_text_at(key, "versions.count"), kw_text_at(key, "current_version"));
    kw_asked_free(key);
    refused(KEY "/attach", "{\"provider\":\"acme-kms\",\"key\":\"alias/acme\"}", 409,
            "state_conflict");
}

/* Once it is ours again they are listed, but the newest alone. */
static void test_versions_of_a_key_that_was_held(void **state)
{
    KW_UNUSED(state);
    attach(",\"hold\":true", "held");
    kw_asked_free(ask_ok("POST", "/v1/data-keys/generate",
                         "{\"tenant\":\"acme\",\"region\":\"eu\",\"count\":1000}", 200));
    kw_asked_free(ask_ok("POST", KEY "/detach", "{}", 200));
    struct kw_asked *key = ask_ok("GET", KEY, NULL, 200);
    const struct kw_json *versions = kw_at(key, "versions");
    assert_non_null(versions);
    assert_int_equal(versions->type, KW_JSON_ARRAY);
    assert_int_equal(versions->count, 1000);
    is(key, "versions.999.version", kw_text_at(key, "current_version"));
    is(key, "versions_left_out", "2"); /* the first, and the oldest of the held ones */
    kw_asked_free(key);
}

/* Whose side it is: in the text of a call, in the code of an item. */
static void failing(kw_code code, int status, const char *name)
{
    atomic_store(&kw_fixture_script(a->f, "acme-kms")->fail_with, code);
    struct kw_asked *flushed = ask_ok("POST", "/v1/flush", "{}", 200);
    kw_asked_free(flushed);
    struct kw_asked *one = kw_ask(a, root, "POST", "/v1/data-keys/generate",
                                  "{\"tenant\":\"acme\",\"region\":\"eu\"}");
    assert_int_equal(one->status, status);
    is(one, "error.code", name);
    assert_non_null(strstr(kw_text_at(one, "error.message"), "customer"));
    assert_non_null(strstr(kw_text_at(one, "error.message"), "tenant acme, region eu"));
    kw_asked_free(one);
    struct kw_asked *two = kw_ask(a, root, "POST", "/v1/data-keys/generate",
                                  "{\"items\":[{\"tenant\":\"acme\",\"region\":\"eu\"},"
                                  "{\"tenant\":\"us1\",\"region\":\"us\"}]}");
    assert_int_equal(two->status, 200);
    is(two, "items.0.error.code", name);
    assert_null(kw_at(two, "items.1.error"));
    kw_asked_free(two);
}

static void test_refused_by_the_customer(void **state)
{
    KW_UNUSED(state);
    kw_fixture_tenant(a->f, "us1", "us");
    attach("", "attached");
    failing(KW_KEY_SUSPENDED, 403, "customer_key_refused");
}

static void test_customer_does_not_answer(void **state)
{
    KW_UNUSED(state);
    kw_fixture_tenant(a->f, "us1", "us");
    attach("", "attached");
    failing(KW_PROVIDER_UNAVAILABLE, 503, "customer_unavailable");
}

/* To open says it too, and to nobody who may not act for the tenant. */
static void test_whose_side_an_unwrap_says(void **state)
{
    struct kw_caller stranger = kw_fixture_caller("service", "us1");
    KW_UNUSED(state);
    kw_fixture_tenant(a->f, "us1", "us");
    attach("", "attached");
    struct kw_asked *made =
        ask_ok("POST", "/v1/data-keys/generate", "{\"tenant\":\"acme\",\"region\":\"eu\"}", 200);
    const char *wrapped = kw_text_at(made, "items.0.wrapped");
    atomic_store(&kw_fixture_script(a->f, "acme-kms")->fail_with, KW_KEY_SUSPENDED);
    kw_asked_free(ask_ok("POST", "/v1/flush", "{}", 200));
    struct kw_asked *own = kw_ask(a, root, "POST", "/v1/data-keys/unwrap",
                                  "{\"items\":[{\"wrapped\":\"%s\"}]}", wrapped);
    is(own, "error.code", "customer_key_refused");
    assert_non_null(strstr(kw_text_at(own, "error.message"),
                           "tenant acme, region eu: the customer's side, provider acme-kms"));
    struct kw_asked *other = kw_ask(a, &stranger, "POST", "/v1/data-keys/unwrap",
                                    "{\"items\":[{\"wrapped\":\"%s\"}]}", wrapped);
    is(other, "error.code", "forbidden");
    assert_null(strstr(kw_text_at(other, "error.message"), "acme"));
    kw_asked_free(other);
    kw_asked_free(own);
    kw_asked_free(made);
}

static void test_attach_refused(void **state)
{
    struct kw_caller service = kw_fixture_caller("service", "*");
    KW_UNUSED(state);
    kw_fixture_tenant(a->f, "other", "eu");
    refused(KEY "/attach", "{\"provider\":\"acme-kms\"}", 400, "bad_json");
    refused(KEY "/attach", "{\"provider\":\"acme-kms\",\"key\":\"k\",\"held\":true}", 400,
            "bad_json");
    refused(KEY "/attach", "{\"provider\":\"acme-kms\",\"key\":\"k\",\"hold\":1}", 400, "bad_json");
    refused(KEY "/attach", "{\"provider\":\"nobody\",\"key\":\"k\"}", 403, "region_wall");
    refused("/v1/tenants/other/keys/eu/attach", "{\"provider\":\"acme-kms\",\"key\":\"k\"}", 403,
            "region_wall");
    refused("/v1/tenants/no/keys/eu/attach", "{\"provider\":\"acme-kms\",\"key\":\"k\"}", 404,
            "key_not_found");
    kw_expect(a, &service, "POST", KEY "/attach", "{\"provider\":\"acme-kms\",\"key\":\"k\"}", 403,
              "forbidden");
    refused(KEY "/detach", "{}", 409, "state_conflict");
    refused(KEY "/detach", "{\"provider\":\"acme-kms\"}", 400, "bad_json");
    assert_int_equal(atomic_load(&kw_fixture_script(a->f, "acme-kms")->wraps), 0);
    key_is("custody", "managed");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_import),
        T(test_end_and_again),
        T(test_an_offer_serves_once),
        T(test_import_refused),
        T(test_end_needs_imported),
        T(test_attach_and_detach),
        T(test_hold),
        T(test_versions_of_a_key_that_was_held),
        T(test_refused_by_the_customer),
        T(test_customer_does_not_answer),
        T(test_whose_side_an_unwrap_says),
        T(test_attach_refused),
    };
    return cmocka_run_group_tests_name("api custody", tests, NULL, NULL);
}
