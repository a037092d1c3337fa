/* The public functions for records, on an embedded authority, and their rounds, against the double.
 */
#include "client_double.h"
#include "client_scene.h"

#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SCRIPT KW_SOURCE_DIR "/tests/support/client_double.py"

static struct kw_error err;
static const char record[] =
    "{ \"id\" : 7, \"ssn\":\"123-45-6789\",\"cards\":[{\"number\":4111},{\"number\":null}] }";

static struct kw_input bytes_of(const struct kw_output *out)
{
    return kw_input_of(out->data, out->len);
}

static void test_one(void **state)
{
    static const char fields[] = "$.ssn,$.cards[*].number:financial";
    struct client_scene s;
    struct kw_output sealed = KW_OUTPUT_INIT;
    struct kw_output opened = KW_OUTPUT_INIT;
    struct kw_sealed_info info = KW_SEALED_INFO_INIT;
    client_scene_start(&s, *state);
    s.acme.data_class = "pii";
    struct kw_input in = kw_input_text(record);
    assert_int_equal(kw_fields_seal(s.client, &s.acme, fields, in, &sealed, &err), KW_OK);
    assert_null(strstr((char *)sealed.data, "6789"));
    assert_null(strstr((char *)sealed.data, "4111"));
    assert_non_null(strstr((char *)sealed.data, "\"id\" : 7"));
    assert_int_equal(kw_inspect(bytes_of(&sealed), sealed.len, &info, &err), KW_OK);
    assert_string_equal(info.format, "record");
    assert_int_equal(info.key_count, 2);
    assert_int_equal(info.fields, 3);
    assert_int_equal(kw_fields_open(s.client, &s.acme, fields, bytes_of(&sealed), &opened, &err),
                     KW_OK);
    assert_string_equal((char *)opened.data, record);
    /* Without a class to expect, everything that is sealed. */
    s.acme.data_class = NULL;
    kw_free(&opened);
    assert_int_equal(kw_fields_open(s.client, &s.acme, NULL, bytes_of(&sealed), &opened, &err),
                     KW_OK);
    assert_string_equal((char *)opened.data, record);
    /* Another tenant's, another class, sealed twice, not sealed at all. */
    assert_int_equal(kw_fields_open(s.client, &s.globex, NULL, bytes_of(&sealed), &opened, &err),
                     KW_NOT_THIS_TENANT);
    s.acme.data_class = "health";
    assert_int_equal(kw_fields_open(s.client, &s.acme, "$.ssn", bytes_of(&sealed), &opened, &err),
                     KW_WRONG_CLASS);
    assert_int_equal(kw_fields_open(s.client, &s.acme, NULL, bytes_of(&sealed), &opened, &err),
                     KW_WRONG_CLASS);
    assert_int_equal(kw_fields_seal(s.client, &s.acme, fields, bytes_of(&sealed), &opened, &err),
                     KW_ALREADY_SEALED);
    assert_int_equal(kw_fields_open(s.client, &s.acme, "$.ssn", in, &opened, &err), KW_NOT_SEALED);
    assert_string_equal((char *)opened.data, record);
    kw_free(&sealed);
    kw_free(&opened);
    client_scene_stop(&s);
}

static void test_misuse(void **state)
{
    struct client_scene s;
    struct kw_output out = KW_OUTPUT_INIT;
    struct kw_input in = kw_input_text(record);
    client_scene_start(&s, *state);
    assert_int_equal(kw_fields_seal(s.client, &s.acme, NULL, in, &out, &err), KW_USAGE);
    assert_int_equal(kw_fields_seal(s.client, &s.acme, "ssn", in, &out, &err), KW_BAD_PATH);
    assert_int_equal(kw_fields_seal(s.client, &s.acme, "$.ssn", kw_input_text("[1]"), &out, &err),
                     KW_BAD_JSON);
    assert_int_equal(kw_fields_seal(s.client, &s.acme, "$.ssn", kw_input_of(NULL, 0), &out, &err),
                     KW_BAD_JSON);
    assert_int_equal(kw_fields_seal(s.client, NULL, "$.ssn", in, &out, &err), KW_USAGE);
    assert_int_equal(kw_fields_seal_many(s.client, &s.acme, "$.ssn", NULL, 0, &err), KW_OK);
    assert_null(out.data);
    /* Nothing matches: passed on, and nobody is asked. */
    client_scene_post(&s, "/v1/tenants/acme/suspend", "{}");
    assert_int_equal(kw_fields_seal(s.client, &s.acme, "$.none", in, &out, &err), KW_OK);
    assert_string_equal((char *)out.data, record);
    assert_int_equal(kw_fields_seal(s.client, &s.acme, "$.ssn", in, &out, &err),
                     KW_TENANT_SUSPENDED);
    kw_free(&out);
    client_scene_stop(&s);
}

enum { MANY = 2345, LINE = 64 };

struct lines {
    char text[MANY][LINE];
    struct kw_fields_item item[MANY];
};

static struct lines *lines_new(void)
{
    struct lines *lines = calloc(1, sizeof *lines);
    assert_non_null(lines);
    for (int i = 0; i < MANY; i++) {
        snprintf(lines->text[i], LINE, "{\"n\":%d,\"a\":\"a%d\",\"b\":\"b%d\"}", i, i, i);
        lines->item[i].in = kw_input_text(lines->text[i]);
    }
    return lines;
}

static void lines_free(struct lines *lines)
{
    for (int i = 0; i < MANY; i++)
        kw_free(&lines->item[i].out);
    free(lines);
}

/* Two data keys a record, so that rounds end between records; some fail, the others do not. */
static void test_many(void **state)
{
    static const char fields[] = "$.a:pii,$.b:financial";
    struct client_scene s;
    struct lines *lines = lines_new();
    client_scene_start(&s, *state);
    lines->item[5].in = kw_input_text("not JSON");
    lines->item[600].in = kw_input_text("{\"a\":\"only\"}");
    lines->item[700].in = kw_input_text("{}");
    assert_int_equal(kw_fields_seal_many(s.client, &s.acme, fields, lines->item, MANY, &err),
                     KW_BAD_JSON);
    assert_non_null(strstr(err.text, "record 5: "));
    for (int i = 0; i < MANY; i++) {
        struct kw_fields_item *item = &lines->item[i];
        assert_int_equal(item->error.code, i == 5 ? KW_BAD_JSON : KW_OK);
        item->in = bytes_of(&item->out);
        item->out = (struct kw_output)KW_OUTPUT_INIT;
    }
    assert_null(lines->item[5].in.data);
    assert_int_equal(kw_fields_open_many(s.client, &s.acme, NULL, lines->item, MANY, &err),
                     KW_BAD_JSON);
    for (int i = 0; i < MANY; i++) {
        struct kw_fields_item *item = &lines->item[i];
        if (i != 5 && i != 600 && i != 700)
            assert_string_equal((char *)item->out.data, lines->text[i]);
        free((void *)(uintptr_t)item->in.data);
    }
    assert_string_equal((char *)lines->item[600].out.data, "{\"a\":\"only\"}");
    lines_free(lines);
    client_scene_stop(&s);
}

static void start_remote(struct client_double *server, void **state, const char *steps,
                         struct kw_client **client)
{
    struct kw_client_options where = KW_CLIENT_OPTIONS_INIT;
    client_double_start(server, SCRIPT, *state, "tls", steps);
    where.address = server->address;
    where.ca_file = server->ca;
    assert_int_equal(kw_client_open(&where, client, &err), KW_OK);
}

static void test_rounds(void **state)
{
    struct client_double server;
    struct kw_client *client = NULL;
    struct lines *lines = lines_new();
    struct kw_call_options acme = KW_CALL_OPTIONS_INIT;
    acme.tenant = "acme";
    acme.region = "eu";
    start_remote(&server, state, "ok ok item-error error:403:forbidden", &client);
    assert_int_equal(kw_fields_seal_many(client, &acme, "$.a", lines->item, MANY, &err),
                     KW_KEY_SUSPENDED);
    assert_int_equal(client_double_requests(&server), 3);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(lines->item[i].error.code, i == 2000 ? KW_KEY_SUSPENDED : KW_OK);
    /* A round that fails as a whole ends it: the rest is not tried and says why. */
    assert_int_equal(kw_fields_seal_many(client, &acme, "$.a", lines->item, MANY, &err),
                     KW_FORBIDDEN);
    assert_int_equal(client_double_requests(&server), 4);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(lines->item[i].error.code, KW_FORBIDDEN);
    lines_free(lines);
    kw_client_close(client, NULL);
    client_double_stop(&server);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kw_scratch_make, kw_scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one),
        TEST(test_misuse),
        TEST(test_many),
        TEST(test_rounds),
    };
    return cmocka_run_group_tests_name("client/fields", tests, NULL, NULL);
}
