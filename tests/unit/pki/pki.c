/* The small CA: what it issues verifies, says what was asked for and no more, and nothing malformed
 * gets in. */
#include "pki/pki.h"
#include "base/clock.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const int64_t day_ms = 86400000;

struct ca {
    struct kw_buf cert;
    struct kw_secret key;
};

static int setup(void **state)
{
    static struct ca ca;
    struct kw_error err;

    assert_int_equal(kw_pki_ca_create("Keyward test CA", 3650, &ca.cert, &ca.key, &err), KW_OK);
    *state = &ca;
    return 0;
}

static int teardown(void **state)
{
    struct ca *ca = *state;

    kw_buf_wipe(&ca->cert);
    kw_secret_wipe(&ca->key);
    return 0;
}

static struct kw_pki_request client(const struct ca *ca, const char *id)
{
    return (struct kw_pki_request){.ca_cert_pem = &ca->cert,
                                   .ca_key_pem = &ca->key,
                                   .common_name = "billing",
                                   .spiffe_id = id,
                                   .days = 30};
}

static struct kw_pki_request server(const struct ca *ca, const char *const *hosts, size_t count)
{
    return (struct kw_pki_request){.ca_cert_pem = &ca->cert,
                                   .ca_key_pem = &ca->key,
                                   .common_name = "keyward",
                                   .hosts = hosts,
                                   .host_count = count,
                                   .days = 90};
}

static X509 *parse(const struct kw_buf *pem)
{
    BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    BIO_free(bio);
    assert_non_null(cert);
    return cert;
}

/* What a TLS peer does: X509_V_OK, or why not. */
static int verify(const struct kw_buf *root, const struct kw_buf *leaf, int purpose)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509 *root_cert = parse(root), *leaf_cert = parse(leaf);
    int result;

    X509_STORE_add_cert(store, root_cert);
    X509_STORE_CTX_init(ctx, store, leaf_cert, NULL);
    X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_X509_STRICT);
    X509_STORE_CTX_set_purpose(ctx, purpose);
    result = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    X509_free(root_cert);
    X509_free(leaf_cert);
    return result;
}

static void test_client(void **state)
{
    struct ca *ca = *state;
    struct kw_pki_request request = client(ca, "spiffe://example.org/billing/api");
    KW_AUTO(kw_buf) cert = KW_BUF_INIT;
    KW_AUTO(kw_secret) key = KW_SECRET_INIT;
    struct kw_pki_facts facts;
    int64_t now = kw_clock_wall_ms();

    assert_int_equal(kw_pki_issue(&request, &cert, &key, NULL), KW_OK);
    assert_int_equal(verify(&ca->cert, &cert, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
    /* X509-SVID, 4.4: both uses or none. That it names no host keeps it from being a server's. */
    assert_int_equal(verify(&ca->cert, &cert, X509_PURPOSE_SSL_SERVER), X509_V_OK);
    assert_int_equal(kw_pki_describe(kw_buf_bytes(&cert), &facts, NULL), KW_OK);
    assert_string_equal(facts.common_name, "billing");
    assert_string_equal(facts.spiffe_id, "spiffe://example.org/billing/api");
    assert_string_equal(facts.hosts, "");
    assert_int_equal(strlen(facts.serial), 32);
    assert_false(facts.is_ca);
    assert_true(facts.not_before_ms <= now);
    assert_true(facts.not_after_ms > now + 29 * day_ms && facts.not_after_ms <= now + 30 * day_ms);
}

/* One SAN extension with one name, and exactly one use. */
static void test_extensions(void **state)
{
    struct ca *ca = *state;
    struct kw_pki_request request = client(ca, "spiffe://example.org/a");
    KW_AUTO(kw_buf) cert = KW_BUF_INIT;
    KW_AUTO(kw_secret) key = KW_SECRET_INIT;
    X509 *x;
    GENERAL_NAMES *names;

    assert_int_equal(kw_pki_issue(&request, &cert, &key, NULL), KW_OK);
    x = parse(&cert);
    names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    assert_non_null(names);
    assert_int_equal(sk_GENERAL_NAME_num(names), 1);
    assert_int_equal(sk_GENERAL_NAME_value(names, 0)->type, GEN_URI);
    assert_int_equal(X509_get_extended_key_usage(x), XKU_SSL_CLIENT | XKU_SSL_SERVER);
    assert_int_equal(X509_get_key_usage(x), KU_DIGITAL_SIGNATURE);
    assert_int_equal(X509_get_version(x), X509_VERSION_3);
    GENERAL_NAMES_free(names);
    X509_free(x);
}

static void test_server(void **state)
{
    static const char *const hosts[] = {"localhost", "kms.example.org", "127.0.0.1", "::1"};
    struct ca *ca = *state;
    struct kw_pki_request request = server(ca, hosts, KW_COUNT(hosts));
    KW_AUTO(kw_buf) cert = KW_BUF_INIT;
    KW_AUTO(kw_secret) key = KW_SECRET_INIT;
    struct kw_pki_facts facts;
    X509 *x;

    assert_int_equal(kw_pki_issue(&request, &cert, &key, NULL), KW_OK);
    assert_int_equal(verify(&ca->cert, &cert, X509_PURPOSE_SSL_SERVER), X509_V_OK);
    assert_int_not_equal(verify(&ca->cert, &cert, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
    assert_int_equal(kw_pki_describe(kw_buf_bytes(&cert), &facts, NULL), KW_OK);
    assert_string_equal(facts.hosts, "localhost,kms.example.org,127.0.0.1,::1");
    assert_string_equal(facts.spiffe_id, "");
    x = parse(&cert);
    assert_int_equal(X509_check_host(x, "kms.example.org", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(x, "other.example.org", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ip_asc(x, "::1", 0), 1);
    X509_free(x);
}

static void test_key_belongs(void **state)
{
    struct ca *ca = *state;
    struct kw_pki_request request = client(ca, "spiffe://example.org/a");
    KW_AUTO(kw_buf) cert = KW_BUF_INIT;
    KW_AUTO(kw_secret) key = KW_SECRET_INIT;
    X509 *x;
    BIO *bio;
    EVP_PKEY *pkey;

    assert_int_equal(kw_pki_issue(&request, &cert, &key, NULL), KW_OK);
    x = parse(&cert);
    bio = BIO_new_mem_buf(key.data, (int)key.len);
    pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    assert_non_null(pkey);
    assert_int_equal(X509_check_private_key(x, pkey), 1);
    assert_int_equal(memcmp(key.data, "-----BEGIN PRIVATE KEY-----", 27), 0);
    EVP_PKEY_free(pkey);
    BIO_free(bio);
    X509_free(x);
}

static void test_ca(void **state)
{
    struct ca *ca = *state;
    struct kw_pki_facts facts;

    assert_int_equal(kw_pki_describe(kw_buf_bytes(&ca->cert), &facts, NULL), KW_OK);
    assert_true(facts.is_ca);
    assert_string_equal(facts.common_name, "Keyward test CA");
    assert_string_equal(facts.spiffe_id, "");
}

static void test_serials_differ(void **state)
{
    struct ca *ca = *state;
    struct kw_pki_request request = client(ca, "spiffe://example.org/a");
    struct kw_pki_facts a, b;

    for (int i = 0; i < 2; i++) {
        KW_AUTO(kw_buf) cert = KW_BUF_INIT;
        KW_AUTO(kw_secret) key = KW_SECRET_INIT;

        assert_int_equal(kw_pki_issue(&request, &cert, &key, NULL), KW_OK);
        assert_int_equal(kw_pki_describe(kw_buf_bytes(&cert), i ? &a : &b, NULL), KW_OK);
    }
    assert_string_not_equal(a.serial, b.serial);
    assert_memory_not_equal(a.sha256, b.sha256, 32);
}

static kw_code try_request(const struct kw_pki_request *request)
{
    KW_AUTO(kw_buf) cert = KW_BUF_INIT;
    KW_AUTO(kw_secret) key = KW_SECRET_INIT;
    struct kw_error err;
    kw_code code = kw_pki_issue(request, &cert, &key, &err);

    if (code != KW_OK) {
        assert_int_equal(cert.len, 0);
        assert_null(key.data);
        assert_true(strlen(err.text) > 0);
    }
    return code;
}

static kw_code issue_for(const struct ca *ca, const char *id)
{
    struct kw_pki_request request = client(ca, id);

    return try_request(&request);
}

static void test_refused_hosts(void **state)
{
    static const char *const bad[] = {
        "",
        "a..b",
        ".a",
        "a.",
        "-a",
        "a-",
        "a b",
        "a,DNS:evil",
        "*",
        "*.a.org",
        "1.2.3",
        "1.2.3.999",
        "a_b.org",
        "a\nb",
        "a;b",
        "http://a",
        "a:443",
        "[::1]",
        "@section",
        "critical,x",
        "caf\xc3\xa9",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    struct ca *ca = *state;

    for (size_t i = 0; i < KW_COUNT(bad); i++) {
        struct kw_pki_request request = server(ca, &bad[i], 1);

        assert_int_equal(try_request(&request), KW_BAD_NAME);
    }
}

static void test_refused_ids(void **state)
{
    static const char *const bad[] = {"",
                                      "spiffe://",
                                      "spiffe://example.org",
                                      "spiffe://example.org/",
                                      "spiffe:///a",
                                      "spiffe://Example.org/a",
                                      "https://example.org/a",
                                      "spiffe://example.org/a/",
                                      "spiffe://example.org//a",
                                      "spiffe://example.org/./a",
                                      "spiffe://example.org/..",
                                      "spiffe://example.org/a?b",
                                      "spiffe://example.org/a#b",
                                      "spiffe://example.org/a%20b",
                                      "spiffe://example.org:443/a",
                                      "spiffe://u@example.org/a",
                                      "spiffe://example.org/a,URI:spiffe://example.org/b"};
    struct ca *ca = *state;
    char path[300] = "spiffe://example.org/";

    for (size_t i = 0; i < KW_COUNT(bad); i++) {
        assert_int_equal(issue_for(ca, bad[i]), KW_BAD_NAME);
    }
    memset(path + strlen(path), 'a', KW_PKI_NAME_MAX + 1 - strlen(path));
    assert_int_equal(strlen(path), KW_PKI_NAME_MAX + 1);
    assert_int_equal(issue_for(ca, path), KW_BAD_NAME);
    path[KW_PKI_NAME_MAX] = 0;
    assert_int_equal(issue_for(ca, path), KW_OK);
}

static void test_refused_requests(void **state)
{
    static const char *const many[KW_PKI_HOSTS_MAX + 1] = {
        "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a"};
    struct ca *ca = *state;
    struct kw_pki_request request = client(ca, NULL);

    assert_int_equal(try_request(&request), KW_BAD_NAME); /* neither */
    request = client(ca, "spiffe://example.org/a");
    request.hosts = many;
    request.host_count = 1;
    assert_int_equal(try_request(&request), KW_BAD_NAME); /* both */
    request = server(ca, many, KW_COUNT(many));
    assert_int_equal(try_request(&request), KW_BAD_NAME);
    request = client(ca, "spiffe://example.org/a");
    request.days = 0;
    assert_int_equal(try_request(&request), KW_USAGE);
    request.days = 40000;
    assert_int_equal(try_request(&request), KW_USAGE);
    request.days = 1;
    request.common_name = "a\nb";
    assert_int_equal(try_request(&request), KW_BAD_NAME);
    request.common_name = "";
    assert_int_equal(try_request(&request), KW_BAD_NAME);
}

/* The certificate ends with its CA, and an expired CA issues nothing. */
static void test_life_of_ca(void **state)
{
    KW_AUTO(kw_buf) short_cert = KW_BUF_INIT;
    KW_AUTO(kw_secret) short_key = KW_SECRET_INIT;
    KW_AUTO(kw_buf) cert = KW_BUF_INIT;
    KW_AUTO(kw_secret) key = KW_SECRET_INIT;
    struct ca ca;
    struct kw_pki_request request;
    struct kw_pki_facts facts, root;

    KW_UNUSED(state);
    assert_int_equal(kw_pki_ca_create("short", 2, &short_cert, &short_key, NULL), KW_OK);
    ca = (struct ca){.cert = short_cert, .key = short_key};
    request = client(&ca, "spiffe://example.org/a");
    assert_int_equal(kw_pki_issue(&request, &cert, &key, NULL), KW_OK);
    assert_int_equal(kw_pki_describe(kw_buf_bytes(&cert), &facts, NULL), KW_OK);
    assert_int_equal(kw_pki_describe(kw_buf_bytes(&short_cert), &root, NULL), KW_OK);
    assert_true(facts.not_after_ms == root.not_after_ms);
    kw_clock_test_offset(3 * day_ms);
    assert_int_equal(try_request(&request), KW_BAD_CERTIFICATE);
    kw_clock_test_offset(0);
}

static void test_wrong_ca(void **state)
{
    struct ca *ca = *state;
    KW_AUTO(kw_buf) other_cert = KW_BUF_INIT, leaf = KW_BUF_INIT;
    KW_AUTO(kw_secret) other_key = KW_SECRET_INIT, leaf_key = KW_SECRET_INIT;
    struct kw_pki_request request = client(ca, "spiffe://example.org/a");

    assert_int_equal(kw_pki_ca_create("other", 10, &other_cert, &other_key, NULL), KW_OK);
    assert_int_equal(kw_pki_issue(&request, &leaf, &leaf_key, NULL), KW_OK);
    assert_int_not_equal(verify(&other_cert, &leaf, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
    request.ca_key_pem = &other_key; /* a key that is not the CA's */
    assert_int_equal(try_request(&request), KW_BAD_CERTIFICATE);
    request.ca_cert_pem = &leaf; /* no CA */
    request.ca_key_pem = &leaf_key;
    assert_int_equal(try_request(&request), KW_BAD_CERTIFICATE);
}

static void test_bad_pem(void **state)
{
    struct ca *ca = *state;
    struct kw_pki_facts facts = {.serial = "as it was"};
    KW_AUTO(kw_secret) junk = KW_SECRET_INIT;
    struct kw_pki_request request = client(ca, "spiffe://example.org/a");

    assert_int_equal(kw_pki_describe(kw_bytes_str(""), &facts, NULL), KW_BAD_CERTIFICATE);
    assert_int_equal(kw_pki_describe(kw_bytes_str("hello"), &facts, NULL), KW_BAD_CERTIFICATE);
    assert_int_equal(kw_pki_describe(kw_bytes(ca->cert.data, ca->cert.len / 2), &facts, NULL),
                     KW_BAD_CERTIFICATE);
    assert_string_equal(facts.serial, "as it was");
    assert_int_equal(kw_secret_copy(&junk, "junk", 4, NULL), KW_OK);
    request.ca_key_pem = &junk;
    assert_int_equal(try_request(&request), KW_BAD_CERTIFICATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client),
        cmocka_unit_test(test_extensions),
        cmocka_unit_test(test_server),
        cmocka_unit_test(test_key_belongs),
        cmocka_unit_test(test_ca),
        cmocka_unit_test(test_serials_differ),
        cmocka_unit_test(test_refused_hosts),
        cmocka_unit_test(test_refused_ids),
        cmocka_unit_test(test_refused_requests),
        cmocka_unit_test(test_life_of_ca),
        cmocka_unit_test(test_wrong_ca),
        cmocka_unit_test(test_bad_pem),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
