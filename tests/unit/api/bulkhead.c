/* A customer's KMS that hangs: that customer's calls wait, and nobody else's. */
#include "api_fixture.h"

#include "base/encode.h"
#include "envelope/message.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { THREADS = 8, CALLS = 40, TENANTS = 20 };

static const struct kw_fixture_place places[] = {
    {.provider = "software-eu", .region = "eu"},
    {.provider = "software-us", .region = "us"},
    {.provider = "acme-kms", .region = "eu", .tenants = "acme"},
};

static struct kw_api_fixture *a;
static struct kw_script *theirs;
static struct kw_fixture_key sealed; /* acme's, from before its KMS hangs */

/* Calls that are under way, and how they ended. */
static struct kw_api_call calls[CALLS];
static char bodies[CALLS][512];
static sem_t ended;
static unsigned started;

static void note_end(struct kw_api_call *call)
{
    (void)call;
    sem_post(&ended);
}

static int setup(void **state)
{
    struct kw_fixture_options options = {.places = places, .place_count = KW_COUNT(places)};
    KW_UNUSED(state);
    a = kw_api_fixture_open(&options, THREADS, NULL);
    theirs = kw_fixture_script(a->f, "acme-kms");
    kw_fixture_tenant(a->f, "acme", "eu");
    for (int i = 0; i < TENANTS; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%d", i);
        kw_fixture_tenant(a->f, name, "eu");
    }
    kw_expect(a, &kw_fixture_root, "POST", "/v1/tenants/acme/keys/eu/attach",
              "{\"provider\":\"acme-kms\",\"key\":\"k\"}", 200, NULL);
    assert_int_equal(kw_fixture_generate(a->f, "acme", "eu", 1, &sealed), KW_OK);
    kw_expect(a, &kw_fixture_root, "POST", "/v1/flush", "{}", 200, NULL);
    sem_init(&ended, 0, 0);
    started = 0;
    atomic_store(&theirs->hold, true);
    return 0;
}

static int teardown(void **state)
{
    KW_UNUSED(state);
    atomic_store(&theirs->hold, false);
    for (; started > 0; started--)
        sem_wait(&ended);
    for (size_t i = 0; i < CALLS; i++)
        kw_buf_wipe(&calls[i].body_out);
    kw_api_fixture_close(a);
    return 0;
}

/* One that hangs, if it is let in. */
static void start(const char *path, const char *body)
{
    struct kw_api_call *call = &calls[started];
    snprintf(bodies[started], sizeof bodies[started], "%s", body);
    *call = (struct kw_api_call){.method = "POST",
                                 .path = path,
                                 .query = "",
                                 .body = kw_bytes_str(bodies[started]),
                                 .caller = kw_fixture_root,
                                 .done = note_end};
    started++;
    kw_api_start(a->api, call);
}

static void await_inside(void)
{
    while (atomic_load(&theirs->inside) == 0)
        ;
}

/* Hangs if theirs take all there is. Each of the tenants is asked for the first time, and again. */
static void others_go_on(void)
{
    char body[256];
    for (int i = 0; i < 2 * TENANTS; i++) {
        snprintf(body, sizeof body,
                 "{\"items\":[{\"tenant\":\"t%d\",\"region\":\"eu\",\"context\":{}}]}",
                 i % TENANTS);
        kw_expect(a, &kw_fixture_root, "POST", "/v1/data-keys/generate", body, 200, NULL);
    }
    kw_expect(a, &kw_fixture_root, "GET", "/v1/tenants/t1/keys/eu", NULL, 200, NULL);
    kw_expect(a, &kw_fixture_root, "POST", "/v1/tenants/t1/keys/eu/rotate", "{}", 200, NULL);
    kw_expect(a, &kw_fixture_root, "POST", "/v1/tenants/acme/suspend", "{}", 200, NULL);
}

static void test_generating(void **state)
{
    KW_UNUSED(state);
    while (started < CALLS)
        start("/v1/data-keys/generate",
              "{\"items\":[{\"tenant\":\"acme\",\"region\":\"eu\",\"context\":{}}]}");
    await_inside();
    others_go_on();
}

/* A tenant that is named wrongly makes no other group of it. */
static void test_unwrapping(void **state)
{
    char text[160];
    char body[320];
    KW_UNUSED(state);
    kw_base64_text(text, kw_bytes(sealed.wrapped, sizeof sealed.wrapped));
    while (started < CALLS) {
        snprintf(body, sizeof body,
                 "{\"items\":[{\"wrapped\":\"%s\",\"tenant\":\"t%u\",\"context\":{}}]}", text,
                 started);
        start("/v1/data-keys/unwrap", body);
    }
    await_inside();
    others_go_on();
}

static void test_signing(void **state)
{
    uint8_t statement[KW_MESSAGE_STATEMENT_SIZE];
    struct kw_message_statement about = {.signing_version = 2, .suite = 1};
    char text[256];
    char body[512];
    KW_UNUSED(state);
    kw_put_u64(about.key_ref, kw_fixture_key_row(a->f, "acme", "eu").reference);
    kw_class_tag(about.class_tag, "default");
    kw_message_statement_write(&about, statement);
    kw_base64_text(text, kw_bytes(statement, sizeof statement));
    snprintf(body, sizeof body,
             "{\"tenant\":\"acme\",\"region\":\"eu\",\"version\":2,\"statement\":\"%s\"}", text);
    while (started < CALLS)
        start("/v1/sign", body);
    await_inside();
    others_go_on();
}

/* Who manages, and waits for a KMS, keeps no suspension waiting either. */
static void test_managing(void **state)
{
    static const char *const paths[] = {
        "/v1/tenants/acme/keys/eu/detach",
        "/v1/tenants/acme/keys/eu/rotate",
        "/v1/providers/acme-kms/check",
    };
    KW_UNUSED(state);
    while (started < CALLS)
        start(paths[started % KW_COUNT(paths)],
              started % KW_COUNT(paths) == 2 ? "{\"region\":\"eu\",\"key\":\"k\"}" : "{}");
    await_inside();
    others_go_on();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_generating, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unwrapping, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_managing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
