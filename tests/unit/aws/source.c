/* Where credentials come from: each kind, and which one is chosen. */
#include "aws/source.h"

#include "aws_double.h"
#include "aws_settings.h"
#include "base/clock.h"
#include "base/file.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define JSON                                                                                       \
    "{\"Code\":\"Success\",\"AccessKeyId\":\"ASIAJSON\",\"SecretAccessKey\":\"s\",\"Token\":"      \
    "\"t\","                                                                                       \
    "\"Expiration\":\"2037-01-01T00:00:00Z\"}"
#define XML                                                                                        \
    "<Credentials><AccessKeyId>ASIASTS</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"          \
    "<SessionToken>t</SessionToken><Expiration>2037-01-01T00:00:00Z</Expiration></Credentials>"

static struct kw_error err;

#define ok(call)          assert_int_equal((call), KW_OK)
#define fails(code, call) assert_int_equal((call), (code))

static const char *const variables[] = {"AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN",
                                        "AWS_PROFILE",
                                        "AWS_SHARED_CREDENTIALS_FILE",
                                        "AWS_ROLE_ARN",
                                        "AWS_ROLE_SESSION_NAME",
                                        "AWS_WEB_IDENTITY_TOKEN_FILE",
                                        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                        "AWS_EC2_METADATA_SERVICE_ENDPOINT"};

/* A folder of its own, which is the home folder, too. */
static int set_up(void **state)
{
    for (size_t i = 0; i < KW_COUNT(variables); i++)
        unsetenv(variables[i]);
    return kw_scratch_make(state) != 0 || setenv("HOME", *state, 1) != 0 ? -1 : 0;
}

/* The path of a file of this content. */
static const char *put(const char *folder, const char *name, const char *content)
{
    static char path[KW_PATH_SIZE];
    ok(kw_path_format(path, &err, "%s/%s", folder, name));
    ok(kw_file_replace(path, 0600, kw_bytes_str(content), &err));
    return path;
}

static kw_code fetch(const char **texts, struct kw_aws_keys *out)
{
    const struct kw_provider_settings settings = AWS_SETTINGS(texts);
    struct kw_aws_source source;
    KW_TRY(kw_aws_source_new(&settings, "eu-central-1", &source, &err));
    kw_code code = source.fetch(source.state, kw_clock_ms() + 10000, out, &err);
    source.free(source.state);
    return code;
}

static void gives(const char **texts, const char *id, const char *token)
{
    KW_AUTO(kw_aws_keys) keys = KW_AWS_KEYS_INIT;
    kw_code code = fetch(texts, &keys);
    if (code != KW_OK)
        fail_msg("%s", err.text);
    assert_string_equal(keys.id, id);
    assert_int_equal(keys.token.len, strlen(token));
}

static void lacks(kw_code code, const char **texts, const char *says)
{
    KW_AUTO(kw_aws_keys) keys = KW_AWS_KEYS_INIT;
    fails(code, fetch(texts, &keys));
    assert_null(keys.secret.data);
    if (strstr(err.text, says) == NULL)
        fail_msg("%s lacks %s", err.text, says);
}

static void files_are_read_anew(void **state)
{
    char secret[KW_PATH_SIZE + 32];
    char token[KW_PATH_SIZE + 32];
    snprintf(secret, sizeof secret, "secret_access_key_file=%s", put(*state, "secret", "sec\r\n"));
    snprintf(token, sizeof token, "session_token_file=%s/token", (char *)*state);
    const char *texts[] = {"access_key_id=AKID", secret, NULL, NULL};
    gives(texts, "AKID", "");
    texts[2] = token;
    lacks(KW_PROVIDER_UNAVAILABLE, texts, "/token");
    put(*state, "token", "tok\n");
    gives(texts, "AKID", "tok");
    put(*state, "secret", " \n");
    lacks(KW_PROVIDER_UNAVAILABLE, texts, "is empty");
    put(*state, "secret", "two words");
    lacks(KW_PROVIDER_UNAVAILABLE, texts, "secret access key");
    assert_null(strstr(err.text, "two words"));
}

static void variables_are_read(void **state)
{
    const char *texts[] = {"credentials=environment", NULL, NULL, NULL};
    KW_UNUSED(state);
    lacks(KW_PROVIDER_UNAVAILABLE, texts, "environment variables");
    setenv("AWS_ACCESS_KEY_ID", "AKIDENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "sec", 1);
    gives(texts, "AKIDENV", "");
    setenv("AWS_SESSION_TOKEN", "tok", 1);
    gives(texts, "AKIDENV", "tok");
    texts[1] = "access_key_id_env=KW_TEST_ID";
    texts[2] = "secret_access_key_env=KW_TEST_SECRET";
    setenv("KW_TEST_ID", "MINE", 1);
    setenv("KW_TEST_SECRET", "s", 1);
    gives(texts, "MINE", "tok");
}

static void profiles_are_found(void **state)
{
    char file[KW_PATH_SIZE + 32];
    char folder[KW_PATH_SIZE];
    const char *none[] = {"credentials=profile", NULL};
    const char *third[] = {"profile=third", NULL};
    const char content[] = "[default]\naws_access_key_id=AKIDONE\naws_secret_access_key=s\n"
                           "[two]\naws_access_key_id=AKIDTWO\naws_secret_access_key=s\n";
    lacks(KW_PROVIDER_UNAVAILABLE, none, ".aws/credentials");
    ok(kw_path_format(folder, &err, "%s/.aws", (char *)*state));
    ok(kw_dir_make(folder, 0700, &err));
    put(*state, ".aws/credentials", content);
    gives(none, "AKIDONE", "");
    setenv("AWS_PROFILE", "two", 1);
    gives(none, "AKIDTWO", "");
    lacks(KW_PROVIDER_UNAVAILABLE, third, "[third]");
    snprintf(file, sizeof file, "credentials_file=%s", put(*state, "mine", "[two]\nx=y\n"));
    const char *mine[] = {file, NULL};
    lacks(KW_PROVIDER_UNAVAILABLE, mine, "access key id");
}

/* A double that is asked by way of a setting. */
static void played(const struct aws_turn *turns, size_t count, const char *option, const char *path,
                   const char *more, kw_code code)
{
    struct aws_double server;
    char setting[KW_PATH_SIZE];
    KW_AUTO(kw_aws_keys) keys = KW_AWS_KEYS_INIT;
    aws_double_start(&server, turns, count);
    snprintf(setting, sizeof setting, "%s=%s%s", option, server.address, path);
    const char *texts[] = {setting, more, NULL, NULL};
    if (code == KW_OK)
        ok(fetch(texts, &keys));
    else
        fails(code, fetch(texts, &keys));
    aws_double_stop(&server);
}

static void containers_have_an_endpoint(void **state)
{
    static const struct aws_turn with_token[] = {
        {{"GET /c ", "\r\nAuthorization: tok/en\r\n"}, 200, NULL, JSON, 0}};
    static const struct aws_turn busy[] = {{{"GET /c "}, 500, NULL, "", 0}};
    static const struct aws_turn refusing[] = {{{"GET /c "}, 403, NULL, "", 0}};
    static const struct aws_turn strange[] = {{{"GET /c "}, 200, NULL, "<html>", 0}};
    char token[KW_PATH_SIZE + 32];
    snprintf(token, sizeof token, "container_token_file=%s", put(*state, "token", "tok/en\n"));
    played(with_token, 1, "container_endpoint", "/c", token, KW_OK);
    played(refusing, 1, "container_endpoint", "/c", NULL, KW_FORBIDDEN);
    played(busy, 1, "container_endpoint", "/c", NULL, KW_PROVIDER_UNAVAILABLE);
    played(strange, 1, "container_endpoint", "/c", NULL, KW_PROVIDER_UNAVAILABLE);
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "tok/en", 1);
    played(with_token, 1, "container_endpoint", "/c", NULL, KW_OK);
}

static void instances_have_a_metadata_service(void **state)
{
    static const struct aws_turn turns[] = {
        {{"PUT /latest/api/token HTTP/1.1\r\n",
          "\r\nX-aws-ec2-metadata-token-ttl-seconds: 300\r\n"},
         200,
         NULL,
         "TOKEN==",
         0},
        {{"GET /latest/meta-data/iam/security-credentials/ HTTP/1.1",
          "\r\nX-aws-ec2-metadata-token: TOKEN==\r\n"},
         200,
         NULL,
         "my-role\n",
         0},
        {{"GET /latest/meta-data/iam/security-credentials/my-role HTTP/1.1",
          "\r\nX-aws-ec2-metadata-token: TOKEN==\r\n"},
         200,
         NULL,
         JSON,
         0},
    };
    static const struct aws_turn old[] = {{{"PUT"}, 405, NULL, "", 0}}; /* version 1 alone */
    static const struct aws_turn no_role[] = {{{"PUT"}, 200, NULL, "T", 0},
                                              {{"GET"}, 404, NULL, "", 0}};
    static const struct aws_turn odd_role[] = {{{"PUT"}, 200, NULL, "T", 0},
                                               {{"GET"}, 200, NULL, "../../x", 0}};
    KW_UNUSED(state);
    played(turns, 3, "metadata_endpoint", "", NULL, KW_OK);
    played(old, 1, "metadata_endpoint", "", NULL, KW_FORBIDDEN);
    played(no_role, 2, "metadata_endpoint", "", NULL, KW_FORBIDDEN);
    played(odd_role, 2, "metadata_endpoint", "", NULL, KW_PROVIDER_UNAVAILABLE);
}

static void tokens_are_exchanged(void **state)
{
    static const struct aws_turn turns[] = {
        {{"POST / HTTP/1.1\r\n", "\r\nContent-Type: application/x-www-form-urlencoded\r\n",
          "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3A"
          "role%2Fx&RoleSessionName=keyward&WebIdentityToken=eyJ.a-b_%2B"},
         200,
         NULL,
         XML,
         0}};
    static const struct {
        struct aws_turn turn;
        kw_code code;
        const char *says;
    } wrong[] = {
        {{{"POST"}, 403, NULL, "<Code>AccessDenied</Code>", 0}, KW_FORBIDDEN, "trust policy"},
        {{{"POST"}, 400, NULL, "<Code>InvalidIdentityToken</Code>", 0}, KW_FORBIDDEN, "issuer"},
        {{{"POST"}, 418, NULL, "eyJ.a-b_+", 0}, KW_FORBIDDEN, "418"},
        {{{"POST"}, 200, NULL, "<x/>", 0}, KW_PROVIDER_UNAVAILABLE, "no credentials"},
        {{{"POST"}, 400, NULL, "<Code>ExpiredTokenException</Code>", 0},
         KW_PROVIDER_UNAVAILABLE,
         ""},
        {{{"POST"}, 400, NULL, "<Code>IDPCommunicationError</Code>", 0},
         KW_PROVIDER_UNAVAILABLE,
         ""},
    };
    setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/x", 1);
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", put(*state, "token", "eyJ.a-b_+\n"), 1);
    played(turns, 1, "sts_endpoint", "", NULL, KW_OK);
    for (size_t i = 0; i < KW_COUNT(wrong); i++) {
        played(&wrong[i].turn, 1, "sts_endpoint", "", "role_session_name=kw", wrong[i].code);
        if (strstr(err.text, wrong[i].says) == NULL)
            fail_msg("%s lacks %s", err.text, wrong[i].says);
        assert_null(strstr(err.text, "eyJ"));
    }
}

/* Settings before variables, and those in the order of AWS's own tools. */
static void the_right_one_is_chosen(void **state)
{
    const char *none[] = {NULL};
    char secret[KW_PATH_SIZE + 32];
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://10.1.2.3/", 1);
    lacks(KW_BAD_CONFIG, none, "container_endpoint");
    setenv("AWS_SHARED_CREDENTIALS_FILE",
           put(*state, "profiles",
               "[default]\naws_access_key_id=AKIDPROFILE\naws_secret_access_key=s\n"),
           1);
    gives(none, "AKIDPROFILE", "");
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/token", 1);
    lacks(KW_BAD_CONFIG, none, "role_arn");
    setenv("AWS_ACCESS_KEY_ID", "AKIDENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    gives(none, "AKIDENV", "");
    const char *profile[] = {"credentials=auto", "profile=default", NULL};
    gives(profile, "AKIDPROFILE", "");
    snprintf(secret, sizeof secret, "secret_access_key_file=%s", put(*state, "secret", "s"));
    const char *keys[] = {"access_key_id=AKIDKEYS", secret, NULL};
    gives(keys, "AKIDKEYS", "");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, kw_scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_are_read_anew),
        TEST(variables_are_read),
        TEST(profiles_are_found),
        TEST(containers_have_an_endpoint),
        TEST(instances_have_a_metadata_service),
        TEST(tokens_are_exchanged),
        TEST(the_right_one_is_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
