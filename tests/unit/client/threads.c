/* One client, many threads: remote (the pool of connections) and embedded. Run under TSan too. */
#include "client_double.h"
#include "client_scene.h"

#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SCRIPT KW_SOURCE_DIR "/tests/support/client_double.py"

enum { THREADS = 8, ROUNDS = 25 };

struct job {
    struct kw_client *client;
    const struct kw_call_options *options;
    unsigned number;
    unsigned done; /* rounds without a fault */
    struct kw_error err;
};

static kw_code one_round(struct job *job, unsigned round, struct kw_output *sealed,
                         struct kw_output *opened)
{
    char text[64];
    struct kw_error *err = &job->err;
    snprintf(text, sizeof text, "{\"a\":\"thread %u, round %u\"}", job->number, round);
    KW_TRY(kw_seal(job->client, job->options, kw_input_text(text), sealed, err));
    KW_TRY(kw_open(job->client, job->options, kw_input_of(sealed->data, sealed->len), opened, err));
    if (strcmp((const char *)opened->data, text) != 0)
        return kw_fail(err, KW_INTERNAL, "another thread's text");
    KW_TRY(kw_fields_seal(job->client, job->options, "$.a", kw_input_text(text), sealed, err));
    KW_TRY(kw_fields_open(job->client, job->options, NULL, kw_input_of(sealed->data, sealed->len),
                          opened, err));
    if (strcmp((const char *)opened->data, text) != 0)
        return kw_fail(err, KW_INTERNAL, "another thread's record");
    return KW_OK;
}

static void *work(void *arg)
{
    struct job *job = arg;
    struct kw_output sealed = KW_OUTPUT_INIT;
    struct kw_output opened = KW_OUTPUT_INIT;
    while (job->done < ROUNDS && one_round(job, job->done, &sealed, &opened) == KW_OK)
        job->done++;
    kw_free(&sealed);
    kw_free(&opened);
    return NULL;
}

static void hammer(struct kw_client *client, const struct kw_call_options *options)
{
    struct job job[THREADS];
    pthread_t thread[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        job[i] = (struct job){.client = client, .options = options, .number = i};
        assert_int_equal(pthread_create(&thread[i], NULL, work, &job[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (unsigned i = 0; i < THREADS; i++)
        if (job[i].done != ROUNDS)
            fail_msg("thread %u, round %u: %s", i, job[i].done, job[i].err.text);
}

static void test_remote(void **state)
{
    struct client_double server;
    struct kw_client *client = NULL;
    struct kw_error err;
    struct kw_client_options where = KW_CLIENT_OPTIONS_INIT;
    struct kw_call_options acme = KW_CALL_OPTIONS_INIT;
    acme.tenant = "acme";
    acme.region = "eu";
    client_double_start(&server, SCRIPT, *state, "tls",
                        "ok reset ok reset error:503:overloaded ok");
    where.address = server.address;
    where.ca_file = server.ca;
    assert_int_equal(kw_client_open(&where, &client, &err), KW_OK);
    hammer(client, &acme);
    assert_int_equal(client_double_requests(&server), THREADS * ROUNDS * 4 + 3);
    kw_client_close(client, NULL);
    client_double_stop(&server);
}

static void test_embedded(void **state)
{
    struct client_scene s;
    client_scene_start(&s, *state);
    hammer(s.client, &s.acme);
    client_scene_stop(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kw_scratch_make, kw_scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_remote), TEST(test_embedded)};
    return cmocka_run_group_tests_name("client/threads", tests, NULL, NULL);
}
