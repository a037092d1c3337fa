/* The public functions for envelopes, messages and inspection, on an embedded authority. */
#include "client_scene.h"

#include "base/encode.h"
#include "client_double.h"
#include "envelope/message.h"

#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SCRIPT KW_SOURCE_DIR "/tests/support/client_double.py"

static struct kw_error err;

static struct kw_input bytes_of(const struct kw_output *out)
{
    return kw_input_of(out->data, out->len);
}

static void test_round_trip(void **state)
{
    static const size_t sizes[] = {0, 1, 64, 65536, KW_ENVELOPE_PLAINTEXT_MAX};
    struct client_scene s;
    struct kw_output sealed = KW_OUTPUT_INIT;
    struct kw_output opened = KW_OUTPUT_INIT;
    uint8_t *plain = calloc(1, KW_ENVELOPE_PLAINTEXT_MAX + 1);
    assert_non_null(plain);
    memset(plain, 'x', KW_ENVELOPE_PLAINTEXT_MAX);
    client_scene_start(&s, *state);
    for (size_t i = 0; i < KW_COUNT(sizes); i++) {
        struct kw_input in = kw_input_of(plain, sizes[i]);
        assert_int_equal(kw_seal(s.client, &s.acme, in, &sealed, &err), KW_OK);
        assert_int_equal(sealed.len, sizes[i] + 94);
        assert_int_equal(kw_open(s.client, &s.acme, bytes_of(&sealed), &opened, &err), KW_OK);
        assert_int_equal(opened.len, sizes[i]);
        assert_memory_equal(opened.data, plain, sizes[i]);
        assert_int_equal(opened.data[opened.len], '\0');
        assert_int_equal(kw_open(s.client, NULL, bytes_of(&sealed), &opened, &err), KW_OK);
    }
    assert_int_equal(kw_seal(s.client, &s.acme, kw_input_of(plain, KW_ENVELOPE_PLAINTEXT_MAX + 1),
                             &sealed, &err),
                     KW_TOO_LARGE);
    kw_free(&sealed);
    kw_free(&opened);
    free(plain);
    client_scene_stop(&s);
}

static void test_text_form(void **state)
{
    struct client_scene s;
    struct kw_output sealed = KW_OUTPUT_INIT;
    struct kw_output opened = KW_OUTPUT_INIT;
    client_scene_start(&s, *state);
    s.acme.flags = KW_AS_TEXT;
    assert_int_equal(kw_seal(s.client, &s.acme, kw_input_text("hello"), &sealed, &err), KW_OK);
    assert_memory_equal(sealed.data, "kw1.", 4);
    assert_int_equal(strlen((char *)sealed.data), sealed.len);
    s.acme.flags = 0;
    assert_int_equal(kw_open(s.client, &s.acme, bytes_of(&sealed), &opened, &err), KW_OK);
    assert_string_equal((char *)opened.data, "hello");
    s.acme.flags = KW_SIGNED;
    assert_int_equal(kw_seal(s.client, &s.acme, kw_input_text("x"), &sealed, &err), KW_USAGE);
    kw_free(&sealed);
    kw_free(&opened);
    kw_free(NULL);
    client_scene_stop(&s);
}

/* What is refused, and that the output stays as it was. */
static void test_refusals(void **state)
{
    static const struct kw_pair row7[] = {{"table", "users"}, {"row", "7"}};
    static const struct kw_pair row8[] = {{"table", "users"}, {"row", "8"}};
    struct client_scene s;
    struct kw_output sealed = KW_OUTPUT_INIT;
    struct kw_output out = KW_OUTPUT_INIT;
    client_scene_start(&s, *state);
    s.acme.context = row7;
    s.acme.context_count = 2;
    s.acme.data_class = "pii";
    assert_int_equal(kw_seal(s.client, &s.acme, kw_input_text("hello"), &sealed, &err), KW_OK);
    struct kw_call_options other = s.acme;
    other.context = row8;
    assert_int_equal(kw_open(s.client, &other, bytes_of(&sealed), &out, &err), KW_SEAL_BROKEN);
    other = s.acme;
    other.tenant = "globex";
    assert_int_equal(kw_open(s.client, &other, bytes_of(&sealed), &out, &err), KW_NOT_THIS_TENANT);
    other = s.acme;
    other.region = "us";
    assert_int_equal(kw_open(s.client, &other, bytes_of(&sealed), &out, &err), KW_NOT_THIS_TENANT);
    other = s.acme;
    other.data_class = "default";
    assert_int_equal(kw_open(s.client, &other, bytes_of(&sealed), &out, &err), KW_WRONG_CLASS);
    sealed.data[sealed.len - 1] ^= 1;
    assert_int_equal(kw_open(s.client, &s.acme, bytes_of(&sealed), &out, &err), KW_SEAL_BROKEN);
    assert_int_equal(kw_open(s.client, &s.acme, kw_input_of(sealed.data, 93), &out, &err),
                     KW_TRUNCATED);
    assert_int_equal(kw_open(s.client, &s.acme, kw_input_text("hello"), &out, &err), KW_BAD_FORMAT);
    assert_int_equal(kw_open(s.client, &s.acme, kw_input_of(NULL, 0), &out, &err), KW_BAD_FORMAT);
    assert_int_equal(kw_open(s.client, &s.acme, kw_input_text("kw1.!"), &out, &err),
                     KW_BAD_ENCODING);
    assert_null(out.data);
    other = s.acme;
    other.tenant = "nobody";
    assert_int_equal(kw_seal(s.client, &other, kw_input_text("x"), &out, &err),
                     KW_TENANT_NOT_FOUND);
    other.tenant = NULL;
    assert_int_equal(kw_seal(s.client, &other, kw_input_text("x"), &out, &err), KW_USAGE);
    assert_int_equal(kw_seal(s.client, NULL, kw_input_text("x"), &out, &err), KW_USAGE);
    assert_null(out.data);
    kw_free(&sealed);
    client_scene_stop(&s);
}

static void test_suspended_tenant(void **state)
{
    struct client_scene s;
    struct kw_output sealed = KW_OUTPUT_INIT;
    struct kw_output out = KW_OUTPUT_INIT;
    client_scene_start(&s, *state);
    assert_int_equal(kw_seal(s.client, &s.acme, kw_input_text("hello"), &sealed, &err), KW_OK);
    client_scene_post(&s, "/v1/tenants/acme/suspend", "{}");
    assert_int_equal(kw_open(s.client, &s.acme, bytes_of(&sealed), &out, &err),
                     KW_TENANT_SUSPENDED);
    assert_int_equal(kw_seal(s.client, &s.acme, kw_input_text("x"), &out, &err),
                     KW_TENANT_SUSPENDED);
    assert_int_equal(kw_seal(s.client, &s.globex, kw_input_text("x"), &out, &err), KW_OK);
    client_scene_post(&s, "/v1/tenants/acme/resume", "{}");
    client_scene_post(&s, "/v1/tenants/acme/keys/eu/rotate", "{}");
    assert_int_equal(kw_open(s.client, &s.acme, bytes_of(&sealed), &out, &err), KW_OK);
    kw_free(&sealed);
    kw_free(&out);
    client_scene_stop(&s);
}

/* ---- Options of other versions ---- */

static void test_options_by_size(void **state)
{
    struct {
        struct kw_call_options known;
        void *unknown;
    } newer = {.known = KW_CALL_OPTIONS_INIT};
    struct client_scene s;
    struct kw_output out = KW_OUTPUT_INIT;
    client_scene_start(&s, *state);
    newer.known = s.acme;
    newer.known.size = sizeof newer;
    assert_int_equal(kw_seal(s.client, &newer.known, kw_input_text("x"), &out, &err), KW_OK);
    newer.unknown = &out;
    assert_int_equal(kw_seal(s.client, &newer.known, kw_input_text("x"), &out, &err), KW_USAGE);
    struct kw_call_options older = s.acme;
    older.size = offsetof(struct kw_call_options, data_class);
    older.data_class = "no such class"; /* behind the end of what the caller's version has */
    assert_int_equal(kw_seal(s.client, &older, kw_input_text("x"), &out, &err), KW_OK);
    older.size = 0;
    assert_int_equal(kw_seal(s.client, &older, kw_input_text("x"), &out, &err), KW_USAGE);
    kw_free(&out);
    client_scene_stop(&s);
}

/* ---- Messages ---- */

static void test_message(void **state)
{
    struct client_scene s;
    struct kw_output sealed = KW_OUTPUT_INIT;
    struct kw_output out = KW_OUTPUT_INIT;
    client_scene_start(&s, *state);
    assert_int_equal(kw_message_seal(s.client, &s.acme, kw_input_text("hi"), &sealed, &err), KW_OK);
    assert_int_equal(sealed.len, 2 + KW_MESSAGE_OVERHEAD);
    assert_int_equal(kw_message_open(s.client, &s.acme, bytes_of(&sealed), &out, &err), KW_OK);
    assert_string_equal((char *)out.data, "hi");
    assert_int_equal(kw_open(s.client, &s.acme, bytes_of(&sealed), &out, &err), KW_BAD_FORMAT);
    s.acme.flags = KW_SIGNED;
    assert_int_equal(kw_message_open(s.client, &s.acme, bytes_of(&sealed), &out, &err),
                     KW_BAD_SIGNATURE);
    kw_free(&sealed);
    kw_free(&out);
    client_scene_stop(&s);
}

/* A message that is signed by a key whose public half the double publishes. */
static void make_signed(struct kw_client *client, const struct client_double *server,
                        struct kw_buf *message)
{
    KW_AUTO(kw_prepared) prepared = {0};
    KW_AUTO(kw_key_batch) batch = {0};
    KW_AUTO(kw_secret) seed = KW_SECRET_INIT;
    struct kw_call_options acme = KW_CALL_OPTIONS_INIT;
    struct kw_data_key key;
    uint8_t public_key[KW_SIGN_PUBLIC_SIZE];
    char text[64];
    char answer[256];
    acme.tenant = "acme";
    acme.region = "eu";
    assert_int_equal(kw_secret_copy(&seed, "0123456789abcdef0123456789abcdef", 32, &err), KW_OK);
    assert_int_equal(kw_sign_public(seed.data, public_key, &err), KW_OK);
    kw_base64_text(text, kw_bytes(public_key, sizeof public_key));
    snprintf(answer, sizeof answer,
             "{\"reference\":\"0102030405060708\",\"versions\":[{\"version\":1},{\"version\":2,"
             "\"sign_public\":\"%s\"}]}",
             text);
    client_double_answer(server, answer);
    assert_int_equal(kw_prepare(&prepared, &acme, 0, &err), KW_OK);
    assert_int_equal(kw_client_generate(client, &prepared, &batch, &key, &err), KW_OK);
    struct kw_signer signer = {.seed = seed.data, .version = 2};
    assert_int_equal(kw_message_seal_with_key(message, &key, &prepared.context.bound, &signer,
                                              kw_bytes_str("signed"), &err),
                     KW_OK);
}

static void test_signed_message(void **state)
{
    struct client_double server;
    struct kw_client *client = NULL;
    struct kw_output out = KW_OUTPUT_INIT;
    struct kw_call_options acme = KW_CALL_OPTIONS_INIT;
    KW_AUTO(kw_buf) message = KW_BUF_INIT;
    client_double_start(&server, SCRIPT, *state, "tls", "ok");
    struct kw_client_options where = KW_CLIENT_OPTIONS_INIT;
    where.address = server.address;
    where.ca_file = server.ca;
    where.token = "";
    assert_int_equal(kw_client_open(&where, &client, &err), KW_OK);
    make_signed(client, &server, &message);
    struct kw_input in = kw_input_of(message.data, message.len);
    acme.flags = KW_SIGNED;
    assert_int_equal(kw_message_open(client, &acme, in, &out, &err), KW_USAGE);
    acme.tenant = "acme";
    acme.region = "eu";
    assert_int_equal(kw_message_open(client, &acme, in, &out, &err), KW_OK);
    assert_string_equal((char *)out.data, "signed");
    size_t before = client_double_requests(&server);
    assert_int_equal(kw_message_open(client, &acme, in, &out, &err), KW_OK);
    assert_int_equal(client_double_requests(&server), before + 1); /* the public key is known */
    message.data[message.len - 1] ^= 1;
    assert_int_equal(kw_message_open(client, &acme, in, &out, &err), KW_BAD_SIGNATURE);
    assert_int_equal(client_double_requests(&server), before + 1);
    message.data[message.len - 1] ^= 1;
    acme.flags = 0;
    assert_int_equal(kw_message_open(client, &acme, in, &out, &err), KW_BAD_SIGNATURE);
    kw_free(&out);
    kw_client_close(client, NULL);
    client_double_stop(&server);
}

/* A key that is described as another's, or not at all, vouches for nothing. */
static void test_signer_unknown(void **state)
{
    static const struct {
        const char *answer;
        kw_code code;
    } cases[] = {
        {"{\"reference\":\"ff02030405060708\",\"versions\":[]}", KW_NOT_THIS_TENANT},
        {"{\"reference\":\"0102030405060708\",\"versions\":[]}", KW_VERSION_NOT_FOUND},
        {"{\"reference\":\"0102030405060708\",\"versions\":[{\"version\":2}]}", KW_INTERNAL},
        {"{\"reference\":\"0102030405060708\"}", KW_INTERNAL},
        {"[]", KW_INTERNAL},
    };
    struct client_double server;
    struct kw_client *client = NULL;
    struct kw_output out = KW_OUTPUT_INIT;
    struct kw_call_options acme = KW_CALL_OPTIONS_INIT;
    KW_AUTO(kw_buf) message = KW_BUF_INIT;
    client_double_start(&server, SCRIPT, *state, "tls", "ok");
    struct kw_client_options where = KW_CLIENT_OPTIONS_INIT;
    where.address = server.address;
    where.ca_file = server.ca;
    assert_int_equal(kw_client_open(&where, &client, &err), KW_OK);
    make_signed(client, &server, &message);
    acme.flags = KW_SIGNED;
    acme.tenant = "acme";
    acme.region = "eu";
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        client_double_answer(&server, cases[i].answer);
        assert_int_equal(
            kw_message_open(client, &acme, kw_input_of(message.data, message.len), &out, &err),
            cases[i].code);
    }
    assert_null(out.data);
    kw_client_close(client, NULL);
    client_double_stop(&server);
}

/* ---- Inspection ---- */

static void test_inspect(void **state)
{
    struct client_scene s;
    struct kw_output sealed = KW_OUTPUT_INIT;
    struct kw_sealed_info info = KW_SEALED_INFO_INIT;
    client_scene_start(&s, *state);
    assert_int_equal(kw_seal(s.client, &s.acme, kw_input_text("hello"), &sealed, &err), KW_OK);
    assert_int_equal(kw_inspect(bytes_of(&sealed), sealed.len, &info, &err), KW_OK);
    assert_string_equal(info.format, "envelope");
    assert_int_equal(info.plain_size, 5);
    assert_int_equal(info.key_count, 1);
    assert_int_equal(info.key[0].version, 1);
    assert_int_equal(strlen(info.key[0].reference), 16);
    assert_int_equal(strlen(info.key[0].class_tag), 8);
    assert_non_null(info.key[0].suite_name);
    struct kw_sealed_info older = {.size = offsetof(struct kw_sealed_info, fields), .fields = 77};
    assert_int_equal(kw_inspect(bytes_of(&sealed), sealed.len, &older, &err), KW_OK);
    assert_int_equal(older.fields, 77);
    older.size = 0;
    assert_int_equal(kw_inspect(bytes_of(&sealed), sealed.len, &older, &err), KW_USAGE);
    assert_int_equal(kw_inspect(kw_input_text("nothing"), 7, &info, &err), KW_BAD_FORMAT);
    assert_int_equal(kw_inspect(kw_input_text("{\"a\":1}"), 7, &info, &err), KW_NOT_SEALED);
    kw_free(&sealed);
    client_scene_stop(&s);
}

/* ---- Opening a client ---- */

static void test_client_open(void **state)
{
    struct client_scene s;
    struct kw_client *client = NULL;
    struct kw_client_options where = KW_CLIENT_OPTIONS_INIT;
    char missing[600];
    client_scene_start(&s, *state);
    where.data_dir = s.dir;
    where.passphrase_file = "";
    assert_int_equal(kw_client_open(&where, &client, &err), KW_DATA_LOCKED);
    client_scene_stop(&s);
    assert_int_equal(kw_client_open(&where, &client, &err), KW_OK);
    struct kw_output out = KW_OUTPUT_INIT;
    assert_int_equal(kw_seal(client, &s.acme, kw_input_text("x"), &out, &err), KW_OK);
    kw_free(&out);
    assert_int_equal(kw_client_close(client, &err), KW_OK);
    snprintf(missing, sizeof missing, "%s/nothing", (char *)*state);
    where.data_dir = missing;
    assert_int_equal(kw_client_open(&where, &client, &err), KW_DATA_MISSING);
    where = (struct kw_client_options)KW_CLIENT_OPTIONS_INIT;
    where.address = "http://127.0.0.1";
    assert_int_equal(kw_client_open(&where, &client, &err), KW_USAGE);
    assert_int_equal(kw_client_close(NULL, &err), KW_OK);
    assert_string_equal(kw_version(), KW_VERSION);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kw_scratch_make, kw_scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip),       TEST(test_text_form),       TEST(test_refusals),
        TEST(test_suspended_tenant), TEST(test_options_by_size), TEST(test_message),
        TEST(test_signed_message),   TEST(test_signer_unknown),  TEST(test_inspect),
        TEST(test_client_open),
    };
    return cmocka_run_group_tests_name("client/seal", tests, NULL, NULL);
}
