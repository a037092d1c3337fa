/* Signed messages by the public functions: on an embedded authority, and over a scripted server. */
#include "client_double.h"
#include "client_scene.h"

#include "base/encode.h"
#include "envelope/message.h"
#include "scratch.h"
#include "json/json.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SCRIPT KW_SOURCE_DIR "/tests/support/client_double.py"

static struct kw_error err;

static struct kw_input bytes_of(const struct kw_output *out)
{
    return kw_input_of(out->data, out->len);
}

/* ---- Embedded ---------------------------------------------------------------------------------
 */

struct scene {
    struct client_scene c;
    struct kw_output sealed; /* "pay 7 to bob", signed by acme, context {"queue":"orders"} */
    struct kw_output out;
};

static const struct kw_pair orders[] = {{"queue", "orders"}};
static const struct kw_pair refunds[] = {{"queue", "refunds"}};

static void scene_start(struct scene *s, const char *folder)
{
    *s = (struct scene){.sealed = KW_OUTPUT_INIT, .out = KW_OUTPUT_INIT};
    client_scene_start(&s->c, folder);
    s->c.acme.context = orders;
    s->c.acme.context_count = 1;
    s->c.acme.flags = KW_SIGNED;
    assert_int_equal(
        kw_message_seal(s->c.client, &s->c.acme, kw_input_text("pay 7 to bob"), &s->sealed, &err),
        KW_OK);
    assert_int_equal(s->sealed.len, 12 + KW_MESSAGE_SIGNED_OVERHEAD);
}

static void scene_stop(struct scene *s)
{
    kw_free(&s->sealed);
    kw_free(&s->out);
    client_scene_stop(&s->c);
}

/* As acme's reader; the plaintext is checked. */
static kw_code open_sealed(struct scene *s)
{
    kw_code code = kw_message_open(s->c.client, &s->c.acme, bytes_of(&s->sealed), &s->out, &err);
    if (code == KW_OK)
        assert_string_equal((char *)s->out.data, "pay 7 to bob");
    return code;
}

static void test_round_trip(void **state)
{
    struct scene s;
    scene_start(&s, *state);
    assert_int_equal(open_sealed(&s), KW_OK);
    s.c.acme.flags = KW_SIGNED | KW_AS_TEXT;
    assert_int_equal(
        kw_message_seal(s.c.client, &s.c.acme, kw_input_text("pay 7 to bob"), &s.sealed, &err),
        KW_OK);
    assert_memory_equal(s.sealed.data, "kw1.", 4);
    s.c.acme.flags = KW_SIGNED;
    assert_int_equal(open_sealed(&s), KW_OK);
    scene_stop(&s);
}

static void test_every_byte_counts(void **state)
{
    struct scene s;
    scene_start(&s, *state);
    for (size_t i = 0; i < s.sealed.len; i++) {
        s.sealed.data[i] ^= 0x10;
        if (open_sealed(&s) == KW_OK)
            fail_msg("byte %zu does not count", i);
        s.sealed.data[i] ^= 0x10;
    }
    for (size_t len = s.sealed.len; len > 0; len--)
        assert_int_not_equal(kw_message_open(s.c.client, &s.c.acme,
                                             kw_input_of(s.sealed.data, len - 1), &s.out, &err),
                             KW_OK);
    assert_null(s.out.data);
    assert_int_equal(open_sealed(&s), KW_OK);
    scene_stop(&s);
}

/* The reader's expectation decides: with the signature cut out, or where none is expected. */
static void test_stripped(void **state)
{
    struct scene s;
    KW_AUTO(kw_buf) stripped = KW_BUF_INIT;
    struct kw_message message;
    scene_start(&s, *state);
    s.c.acme.flags = 0;
    assert_int_equal(open_sealed(&s), KW_BAD_SIGNATURE);
    assert_int_equal(kw_message_parse(&message, kw_bytes(s.sealed.data, s.sealed.len), &err),
                     KW_OK);
    kw_buf_append(&stripped, "\6\0", 2);
    kw_buf_append(&stripped, s.sealed.data + message.head_at, s.sealed.len - message.head_at);
    struct kw_input in = kw_input_of(stripped.data, stripped.len);
    assert_int_equal(kw_message_open(s.c.client, &s.c.acme, in, &s.out, &err), KW_SEAL_BROKEN);
    s.c.acme.flags = KW_SIGNED;
    assert_int_equal(kw_message_open(s.c.client, &s.c.acme, in, &s.out, &err), KW_BAD_SIGNATURE);
    assert_null(s.out.data);
    scene_stop(&s);
}

static void test_replayed_elsewhere(void **state)
{
    struct scene s;
    scene_start(&s, *state);
    s.c.acme.context = refunds;
    assert_int_equal(open_sealed(&s), KW_BAD_SIGNATURE);
    s.c.acme.context_count = 0;
    assert_int_equal(open_sealed(&s), KW_BAD_SIGNATURE);
    s.c.acme.context = orders;
    s.c.acme.context_count = 1;
    s.c.acme.tenant = "globex";
    assert_int_equal(open_sealed(&s), KW_NOT_THIS_TENANT);
    s.c.acme.tenant = "acme";
    s.c.acme.region = "us";
    assert_int_equal(open_sealed(&s), KW_NOT_THIS_TENANT);
    s.c.acme.region = "eu";
    s.c.acme.data_class = "pii";
    assert_int_equal(open_sealed(&s), KW_WRONG_CLASS);
    assert_null(s.out.data);
    scene_stop(&s);
}

/* The wrapped data key of sealed, made anew under the current version. */
static void rewrap(struct scene *s)
{
    KW_AUTO(kw_key_batch) batch = {0};
    KW_AUTO(kw_prepared) prepared = {0};
    struct kw_message message;
    assert_int_equal(kw_prepare(&prepared, &s->c.acme, KW_SIGNED, &err), KW_OK);
    assert_int_equal(kw_message_parse(&message, kw_bytes(s->sealed.data, s->sealed.len), &err),
                     KW_OK);
    assert_int_equal(kw_key_batch_init(&batch, 1, &err), KW_OK);
    batch.items[0].context = &prepared.context;
    batch.items[0].head = message.head;
    assert_int_equal(kw_backend_rewrap(s->c.backend, &batch, &err), KW_OK);
    assert_int_equal(batch.items[0].head.version, message.head.version + 1);
    kw_wrapped_key_write(&batch.items[0].head, s->sealed.data + message.head_at);
}

static void test_rotated_and_rewrapped(void **state)
{
    struct scene s;
    struct kw_message message;
    scene_start(&s, *state);
    client_scene_post(&s.c, "/v1/tenants/acme/keys/eu/rotate", "{}");
    assert_int_equal(open_sealed(&s), KW_OK);
    rewrap(&s);
    assert_int_equal(open_sealed(&s), KW_OK);
    assert_int_equal(
        kw_message_seal(s.c.client, &s.c.acme, kw_input_text("pay 7 to bob"), &s.sealed, &err),
        KW_OK);
    assert_int_equal(kw_message_parse(&message, kw_bytes(s.sealed.data, s.sealed.len), &err),
                     KW_OK);
    assert_int_equal(message.signing_version, 2);
    assert_int_equal(open_sealed(&s), KW_OK);
    scene_stop(&s);
}

static void test_suspended(void **state)
{
    struct scene s;
    struct kw_output other = KW_OUTPUT_INIT;
    scene_start(&s, *state);
    client_scene_post(&s.c, "/v1/tenants/acme/suspend", "{}");
    assert_int_equal(open_sealed(&s), KW_TENANT_SUSPENDED);
    assert_int_equal(kw_message_seal(s.c.client, &s.c.acme, kw_input_text("x"), &other, &err),
                     KW_TENANT_SUSPENDED);
    assert_null(other.data);
    client_scene_post(&s.c, "/v1/tenants/acme/resume", "{}");
    assert_int_equal(open_sealed(&s), KW_OK);
    scene_stop(&s);
}

/* ---- Remote -----------------------------------------------------------------------------------
 */

struct distant {
    struct client_double server;
    struct kw_client *client;
    struct kw_call_options acme;
    struct kw_output sealed;
};

static void distant_start(struct distant *d, const char *folder, const char *steps)
{
    struct kw_client_options where = KW_CLIENT_OPTIONS_INIT;
    *d = (struct distant){.acme = KW_CALL_OPTIONS_INIT, .sealed = KW_OUTPUT_INIT};
    client_double_start(&d->server, SCRIPT, folder, "tls", steps);
    where.address = d->server.address;
    where.ca_file = d->server.ca;
    where.token = "";
    assert_int_equal(kw_client_open(&where, &d->client, &err), KW_OK);
    d->acme.tenant = "acme";
    d->acme.region = "eu";
    d->acme.flags = KW_SIGNED;
}

static void distant_stop(struct distant *d)
{
    kw_free(&d->sealed);
    kw_client_close(d->client, NULL);
    client_double_stop(&d->server);
}

static kw_code distant_seal(struct distant *d)
{
    return kw_message_seal(d->client, &d->acme, kw_input_text("hi"), &d->sealed, &err);
}

/* The double's data keys are of version 3 of key 0102030405060708. */
static void publish_signer(struct distant *d)
{
    uint8_t public_key[KW_SIGN_PUBLIC_SIZE];
    char text[64];
    char answer[256];
    KW_AUTO(kw_secret) seed = KW_SECRET_INIT;
    assert_int_equal(kw_secret_copy(&seed, "0123456789abcdef0123456789abcdef", 32, &err), KW_OK);
    assert_int_equal(kw_sign_public(seed.data, public_key, &err), KW_OK);
    kw_base64_text(text, kw_bytes(public_key, sizeof public_key));
    snprintf(answer, sizeof answer,
             "{\"reference\":\"0102030405060708\",\"versions\":[{\"version\":3,"
             "\"sign_public\":\"%s\"}]}",
             text);
    client_double_answer(&d->server, answer);
}

static void test_remote(void **state)
{
    struct distant d;
    struct kw_output out = KW_OUTPUT_INIT;
    distant_start(&d, *state, "ok");
    publish_signer(&d);
    assert_int_equal(distant_seal(&d), KW_OK);
    assert_int_equal(client_double_requests(&d.server), 2);
    assert_int_equal(kw_message_open(d.client, &d.acme, bytes_of(&d.sealed), &out, &err), KW_OK);
    assert_string_equal((char *)out.data, "hi");
    kw_free(&out);
    distant_stop(&d);
}

/* A signature that was lost on the way is asked for again: it would be the same. */
static void test_remote_asks_again(void **state)
{
    struct distant d;
    distant_start(&d, *state, "ok reset ok");
    assert_int_equal(distant_seal(&d), KW_OK);
    assert_int_equal(client_double_requests(&d.server), 3);
    distant_stop(&d);
}

/* Rotated between data key and signature: all anew, and not for ever. */
static void test_remote_rotation(void **state)
{
    struct distant d;
    distant_start(&d, *state, "ok error:403:version_not_active ok");
    assert_int_equal(distant_seal(&d), KW_OK);
    assert_int_equal(client_double_requests(&d.server), 4);
    distant_stop(&d);
}

static void test_remote_rotating_for_ever(void **state)
{
    struct distant d;
    distant_start(&d, *state,
                  "ok error:403:version_not_active ok error:403:version_not_active ok "
                  "error:403:version_not_active ok");
    assert_int_equal(distant_seal(&d), KW_VERSION_NOT_ACTIVE);
    assert_int_equal(client_double_requests(&d.server), 6);
    assert_null(d.sealed.data);
    distant_stop(&d);
}

static void test_remote_refused(void **state)
{
    static const struct {
        const char *steps;
        kw_code code;
    } cases[] = {
        {"ok error:403:tenant_suspended", KW_TENANT_SUSPENDED},
        {"ok error:403:forbidden", KW_FORBIDDEN},
        {"ok short-signature", KW_INTERNAL},
        {"ok not-json", KW_INTERNAL},
        {"ok redirect", KW_BAD_REQUEST},
    };
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        struct distant d;
        distant_start(&d, *state, cases[i].steps);
        kw_code code = distant_seal(&d);
        if (code != cases[i].code)
            fail_msg("%s: %s", cases[i].steps, kw_code_name(code));
        assert_null(d.sealed.data);
        distant_stop(&d);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kw_scratch_make, kw_scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip),
        TEST(test_every_byte_counts),
        TEST(test_stripped),
        TEST(test_replayed_elsewhere),
        TEST(test_rotated_and_rewrapped),
        TEST(test_suspended),
        TEST(test_remote),
        TEST(test_remote_asks_again),
        TEST(test_remote_rotation),
        TEST(test_remote_rotating_for_ever),
        TEST(test_remote_refused),
    };
    return cmocka_run_group_tests_name("client/message", tests, NULL, NULL);
}
