#include "api_fixture.h"

#include "base/encode.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct kw_api_fixture *kw_api_fixture_open(const struct kw_fixture_options *options,
                                           unsigned threads, const struct kw_api_pki *pki)
{
    struct kw_api_fixture *a = calloc(1, sizeof *a);
    assert_non_null(a);
    a->f = kw_fixture_open(options);
    struct kw_api_options wanted = {.authority = a->f->authority,
                                    .ledger_dir = a->f->ledger_dir,
                                    .threads = threads,
                                    .pki = pki};
    assert_int_equal(kw_api_new(&wanted, &a->api, NULL), KW_OK);
    return a;
}

void kw_api_fixture_close(struct kw_api_fixture *a)
{
    kw_api_free(a->api);
    kw_fixture_close(a->f);
    free(a);
}

struct kw_asked *kw_ask_bytes(struct kw_api_fixture *a, const struct kw_caller *caller,
                              const char *method, const char *path, struct kw_bytes body)
{
    struct kw_asked *asked = calloc(1, sizeof *asked);
    char *address = strdup(path);
    if (asked == NULL || address == NULL)
        abort();
    char *query = strchr(address, '?');
    if (query != NULL)
        *query++ = '\0';
    struct kw_api_call call = {.method = method,
                               .path = address,
                               .query = query != NULL ? query : "",
                               .body = body,
                               .caller = *caller};
    kw_api_run(a->api, &call);
    free(address);
    asked->status = call.status;
    asked->content_type = call.content_type;
    asked->body = call.body_out;
    if (strcmp(call.content_type, "application/json") == 0)
        assert_int_equal(kw_json_parse(&asked->json, kw_buf_bytes(&asked->body), NULL), KW_OK);
    return asked;
}

struct kw_asked *kw_ask(struct kw_api_fixture *a, const struct kw_caller *caller,
                        const char *method, const char *path, const char *body, ...)
{
    char text[8192] = "";
    va_list args;
    va_start(args, body);
    if (body != NULL)
        assert_true(vsnprintf(text, sizeof text, body, args) < (int)sizeof text);
    va_end(args);
    return kw_ask_bytes(a, caller, method, path, kw_bytes_str(text));
}

void kw_asked_free(struct kw_asked *asked)
{
    kw_json_doc_wipe(&asked->json);
    kw_buf_wipe(&asked->body);
    free(asked);
}

static const struct kw_json *child(const struct kw_json *value, const char *name, size_t len)
{
    char text[64];
    snprintf(text, sizeof text, "%.*s", (int)len, name);
    if (value == NULL || value->type != KW_JSON_ARRAY)
        return kw_json_get(value, text);
    uint64_t place = 0;
    if (kw_parse_u64(kw_bytes(name, len), 1000000, &place, NULL) != KW_OK)
        return NULL;
    const struct kw_json *at = value->first;
    while (at != NULL && place-- > 0)
        at = at->next;
    return at;
}

const struct kw_json *kw_at(const struct kw_asked *asked, const char *path)
{
    const struct kw_json *value = asked->json.root;
    while (*path != '\0') {
        size_t len = strcspn(path, ".");
        value = child(value, path, len);
        path += len + (path[len] == '.');
    }
    return value;
}

const char *kw_text_at(const struct kw_asked *asked, const char *path)
{
    const struct kw_json *value = kw_at(asked, path);
    if (value == NULL || value->text == NULL)
        print_error("no %s in %.*s\n", path, (int)asked->body.len, (const char *)asked->body.data);
    assert_true(value != NULL && value->text != NULL);
    return value == NULL ? "" : value->text; /* the analyser does not know that assertions end */
}

static void check_error(const struct kw_asked *asked, const struct kw_caller *caller,
                        const char *code)
{
    kw_code number = kw_code_from_name(code);
    assert_string_equal(kw_text_at(asked, "error.code"), code);
    assert_string_equal(kw_text_at(asked, "error.class"), kw_class_name(kw_code_class(number)));
    assert_string_equal(kw_text_at(asked, "error.request_id"), caller->request_id);
    assert_true(strlen(kw_text_at(asked, "error.message")) > 0);
    assert_int_equal(kw_at(asked, "error.retryable")->type,
                     kw_code_retryable(number) ? KW_JSON_TRUE : KW_JSON_FALSE);
    const struct kw_json *root = asked->json.root;
    assert_true(root != NULL && root->count == 1);
}

void kw_expect_answer(struct kw_api_fixture *a, const struct kw_caller *caller, const char *method,
                      const char *path, const char *body, struct kw_expected expected)
{
    struct kw_asked *asked =
        kw_ask_bytes(a, caller, method, path, kw_bytes_str(body != NULL ? body : ""));
    if (asked->status != expected.status)
        print_error("%s %s %s: %d %.*s\n", method, path, body != NULL ? body : "", asked->status,
                    (int)asked->body.len, (const char *)asked->body.data);
    assert_int_equal(asked->status, expected.status);
    if (expected.status >= 400)
        check_error(asked, caller, expected.code);
    kw_asked_free(asked);
}

void kw_ask_key(struct kw_api_fixture *a, char wrapped[128], char plaintext[64])
{
    struct kw_asked *asked =
        kw_ask(a, &kw_fixture_root, "POST", "/v1/data-keys/generate",
               "{\"tenant\":\"acme\",\"region\":\"eu\",\"context\":{\"row\":\"1\"}}");
    assert_int_equal(asked->status, 200);
    snprintf(wrapped, 128, "%s", kw_text_at(asked, "items.0.wrapped"));
    snprintf(plaintext, 64, "%s", kw_text_at(asked, "items.0.plaintext"));
    kw_asked_free(asked);
}
