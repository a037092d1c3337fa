/* The description against the code: its paths are the table of routes, its examples are accepted,
 * and what is answered is what it says, member by member. */
#include "api/internal.h"
#include "api_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct kw_api_fixture *a;
static struct kw_json_doc document;
static const struct kw_caller *const root = &kw_fixture_root;

static int setup(void **state)
{
    KW_UNUSED(state);
    a = kw_api_fixture_open(NULL, 0, NULL);
    assert_int_equal(kw_json_parse(&document, kw_api_openapi(), NULL), KW_OK);
    return 0;
}

static int teardown(void **state)
{
    KW_UNUSED(state);
    kw_json_doc_wipe(&document);
    kw_api_fixture_close(a);
    return 0;
}

static const struct kw_json *get(const struct kw_json *value, const char *name)
{
    const struct kw_json *member = kw_json_get(value, name);
    if (member == NULL)
        print_error("no member %s\n", name);
    assert_non_null(member);
    return member;
}

/* ---- Routes -----------------------------------------------------------------------------------
 */

static void lower(char *text)
{
    for (; *text != '\0'; text++)
        *text = (char)(*text >= 'A' && *text <= 'Z' ? *text + 32 : *text);
}

static const struct kw_json *operation_of(const struct kw_route *route)
{
    char path[128];
    char method[16];
    size_t len = strlen(route->pattern);
    bool rest = route->pattern[len - 1] == '*';
    snprintf(path, sizeof path, "%.*s%s", (int)(len - rest), route->pattern, rest ? "{path}" : "");
    snprintf(method, sizeof method, "%s", route->method);
    lower(method);
    return kw_json_get(kw_json_get(get(document.root, "paths"), path), method);
}

static void test_each_route_is_described(void **state)
{
    KW_UNUSED(state);
    for (const struct kw_route *route = kw_routes; route->method != NULL; route++) {
        const struct kw_json *operation = operation_of(route);
        if (operation == NULL)
            print_error("%s %s is not described\n", route->method, route->pattern);
        assert_non_null(operation);
        assert_string_equal(get(operation, "operationId")->text, route->operation);
        assert_true(get(operation, "summary")->len > 0);
        assert_non_null(kw_json_get(get(operation, "responses"), "default"));
        bool post = strcmp(route->method, "POST") == 0;
        assert_int_equal(kw_json_get(operation, "requestBody") != NULL, post);
    }
}

static void test_nothing_else_is_described(void **state)
{
    size_t described = 0, routes = 0;
    KW_UNUSED(state);
    for (const struct kw_json *p = get(document.root, "paths")->first; p != NULL; p = p->next)
        described += p->count;
    while (kw_routes[routes].method != NULL)
        routes++;
    assert_int_equal(described, routes);
}

/* Query parameters, too, are those of the table. */
static void test_queries_are_described(void **state)
{
    KW_UNUSED(state);
    for (const struct kw_route *route = kw_routes; route->method != NULL; route++) {
        const struct kw_json *parameters = kw_json_get(operation_of(route), "parameters");
        size_t commas = 0, described = 0;
        for (const char *c = route->query; c != NULL && *c != '\0'; c++)
            commas += *c == ',';
        for (const struct kw_json *p = parameters != NULL ? parameters->first : NULL; p != NULL;
             p = p->next) {
            const struct kw_json *in = kw_json_get(p, "in");
            if (in == NULL || strcmp(in->text, "query") != 0)
                continue;
            described++;
            assert_non_null(strstr(route->query, get(p, "name")->text));
        }
        assert_int_equal(described, route->query != NULL ? commas + 1 : 0);
    }
}

/* ---- A small part of JSON Schema, as much as the document uses --------------------------------
 */

static const struct kw_json *resolve(const struct kw_json *schema)
{
    const struct kw_json *target = kw_json_get(schema, "$ref");
    if (target == NULL)
        return schema;
    const struct kw_json *at = document.root;
    char name[64];
    assert_memory_equal(target->text, "#/", 2);
    for (const char *p = target->text + 2; *p != '\0';) {
        size_t len = strcspn(p, "/");
        snprintf(name, sizeof name, "%.*s", (int)len, p);
        at = get(at, name);
        p += len + (p[len] == '/');
    }
    return resolve(at);
}

static bool type_fits(const struct kw_json *schema, const struct kw_json *value)
{
    static const char *const names[] = {
        [KW_JSON_NULL] = "null",      [KW_JSON_FALSE] = "boolean", [KW_JSON_TRUE] = "boolean",
        [KW_JSON_NUMBER] = "integer", [KW_JSON_STRING] = "string", [KW_JSON_ARRAY] = "array",
        [KW_JSON_OBJECT] = "object"};
    const struct kw_json *type = kw_json_get(schema, "type");
    if (type != NULL && value->type == KW_JSON_NUMBER && strcmp(type->text, "number") == 0)
        return true;
    if (value->type == KW_JSON_NUMBER && strpbrk(value->text, ".eE") != NULL)
        return false;
    return type == NULL || strcmp(type->text, names[value->type]) == 0;
}

static bool is_listed(const struct kw_json *list, const struct kw_json *value)
{
    for (const struct kw_json *one = list->first; one != NULL; one = one->next)
        if (value->type == KW_JSON_STRING && strcmp(one->text, value->text) == 0)
            return true;
    return false;
}

static bool fits(const struct kw_json *schema, const struct kw_json *value);

/* Strict: what the schema does not name must not be there. */
static bool members_fit(const struct kw_json *schema, const struct kw_json *value)
{
    const struct kw_json *properties = kw_json_get(schema, "properties");
    const struct kw_json *others = kw_json_get(schema, "additionalProperties");
    const struct kw_json *required = kw_json_get(schema, "required");
    for (const struct kw_json *r = required != NULL ? required->first : NULL; r != NULL;
         r = r->next)
        if (kw_json_get(value, r->text) == NULL)
            return false;
    for (const struct kw_json *m = value->first; m != NULL; m = m->next) {
        const struct kw_json *one = kw_json_get(properties, m->name);
        if (one == NULL && others != NULL && others->type == KW_JSON_OBJECT)
            one = others;
        if (one == NULL || !fits(one, m)) {
            print_message("(at %s)\n", m->name);
            return false;
        }
    }
    return true;
}

static bool one_fits(const struct kw_json *list, const struct kw_json *value)
{
    for (const struct kw_json *one = list->first; one != NULL; one = one->next)
        if (fits(one, value))
            return true;
    return false;
}

static bool lengths_fit(const struct kw_json *schema, const struct kw_json *value)
{
    const struct kw_json *least = kw_json_get(schema, "minLength");
    const struct kw_json *most = kw_json_get(schema, "maxLength");
    return (least == NULL || value->len >= strtoul(least->text, NULL, 10)) &&
           (most == NULL || value->len <= strtoul(most->text, NULL, 10));
}

static bool items_fit(const struct kw_json *schema, const struct kw_json *value)
{
    const struct kw_json *items = get(schema, "items");
    for (const struct kw_json *one = value->first; one != NULL; one = one->next)
        if (!fits(items, one))
            return false;
    return true;
}

static bool fits(const struct kw_json *schema, const struct kw_json *value)
{
    schema = resolve(schema);
    const struct kw_json *list = kw_json_get(schema, "oneOf");
    if (list != NULL)
        return one_fits(list, value);
    if (!type_fits(schema, value))
        return false;
    list = kw_json_get(schema, "enum");
    if (list != NULL && !is_listed(list, value))
        return false;
    if (value->type == KW_JSON_STRING)
        return lengths_fit(schema, value);
    if (value->type == KW_JSON_ARRAY)
        return items_fit(schema, value);
    return value->type != KW_JSON_OBJECT || kw_json_get(schema, "properties") == NULL ||
           members_fit(schema, value);
}

static const struct kw_json *answer_schema(const struct kw_json *operation, int status)
{
    char name[8];
    snprintf(name, sizeof name, "%d", status);
    const struct kw_json *responses = get(operation, "responses");
    const struct kw_json *response = kw_json_get(responses, name);
    if (response == NULL)
        response = resolve(get(responses, "default"));
    return get(get(get(response, "content"), "application/json"), "schema");
}

/* ---- Answers ----------------------------------------------------------------------------------
 */

/* In an order in which each finds what it needs. WRAPPED is a data key of acme. */
static const struct {
    const char *method;
    const char *path;
    const char *body; /* NULL: the document's example, or none */
    int status;
} calls[] = {
    {"POST", "/v1/tenants", NULL, 201},
    {"POST", "/v1/tenants", "{\"tenants\":[{\"id\":\"b\",\"regions\":[\"us\"]}]}", 201},
    {"POST", "/v1/tenants", NULL, 409},
    {"GET", "/v1/tenants?limit=1", NULL, 200},
    {"GET", "/v1/tenants/acme", NULL, 200},
    {"POST", "/v1/data-keys/generate", NULL, 200},
    {"POST", "/v1/data-keys/generate",
     "{\"items\":[{\"tenant\":\"acme\",\"region\":\"eu\"},{\"tenant\":\"no\",\"region\":\"eu\"}]}",
     200},
    {"POST", "/v1/data-keys/unwrap",
     "{\"items\":[{\"wrapped\":\"WRAPPED\",\"context\":{\"row\":\"1\"}},"
     "{\"wrapped\":\"WRAPPED\"}]}",
     200},
    {"POST", "/v1/data-keys/unwrap", NULL, 404},
    {"POST", "/v1/data-keys/rewrap",
     "{\"items\":[{\"wrapped\":\"WRAPPED\",\"context\":{\"row\":\"1\"}}]}", 200},
    {"POST", "/v1/data-keys/rewrap", NULL, 404},
    {"POST", "/v1/seal", NULL, 200},
    {"POST", "/v1/tenants/acme/regions", NULL, 200},
    {"POST", "/v1/tenants/acme/suspend", NULL, 200},
    {"POST", "/v1/seal", NULL, 403},
    {"POST", "/v1/tenants/acme/resume", NULL, 200},
    {"POST", "/v1/tenants/acme/keys/eu/rotate", NULL, 200},
    {"POST", "/v1/tenants/acme/keys/eu/disable", NULL, 200},
    {"POST", "/v1/tenants/acme/keys/eu/enable", NULL, 200},
    {"POST", "/v1/tenants/acme/keys/eu/schedule-destroy", NULL, 200},
    {"GET", "/v1/tenants/acme/keys/eu", NULL, 200},
    {"POST", "/v1/tenants/acme/keys/eu/cancel-destroy", NULL, 200},
    {"GET", "/v1/tenants/acme/keys", NULL, 200},
    {"POST", "/v1/tenants/acme/keys/us/import-offer", NULL, 201},
    {"POST", "/v1/tenants/acme/keys/us/import", NULL, 404},
    {"POST", "/v1/tenants/acme/keys/us/end-material", NULL, 409},
    {"POST", "/v1/tenants/acme/keys/us/attach", NULL, 403},
    {"POST", "/v1/tenants/acme/keys/us/detach", NULL, 409},
    {"GET", "/v1/providers", NULL, 200},
    {"GET", "/v1/providers?copies=true", NULL, 200},
    {"POST", "/v1/providers/software-eu/check", NULL, 200},
    {"GET", "/v1/costs", NULL, 200},
    {"POST", "/v1/cache/strict", NULL, 200},
    {"POST", "/v1/tokens", NULL, 201},
    {"GET", "/v1/tokens", NULL, 200},
    {"DELETE", "/v1/tokens/00000000000000000000000000000000", NULL, 404},
    {"GET", "/v1/status", NULL, 200},
    {"POST", "/v1/flush", NULL, 200},
    {"GET", "/v1/ledger/entry?index=0", NULL, 200},
    {"POST", "/v1/tenants/acme/close", NULL, 200},
};

static const struct kw_json *operation_at(const char *method, const char *path)
{
    const struct kw_route *route = NULL;
    struct kw_route_params params;
    char plain[128];
    snprintf(plain, sizeof plain, "%.*s", (int)strcspn(path, "?"), path);
    assert_int_equal(kw_route_find(method, plain, &route, &params, NULL), KW_OK);
    return operation_of(route);
}

static struct kw_bytes example_of(const struct kw_json *operation)
{
    const struct kw_json *body = kw_json_get(operation, "requestBody");
    if (body == NULL)
        return kw_bytes("", 0);
    const struct kw_json *example =
        kw_json_get(get(get(body, "content"), "application/json"), "example");
    if (example == NULL)
        return kw_bytes("", 0);
    return kw_bytes(kw_api_openapi().data + example->start, example->end - example->start);
}

/* The body of calls[i], with the data key put in. */
static void make_body(size_t i, const char *wrapped, struct kw_buf *out)
{
    if (calls[i].body == NULL) {
        struct kw_bytes example = example_of(operation_at(calls[i].method, calls[i].path));
        kw_buf_append(out, example.data, example.len);
        return;
    }
    const char *rest = calls[i].body;
    for (const char *at; (at = strstr(rest, "WRAPPED")) != NULL; rest = at + 7) {
        kw_buf_append(out, rest, (size_t)(at - rest));
        kw_buf_append_str(out, wrapped);
    }
    kw_buf_append_str(out, rest);
}

static void check_call(size_t i, const char *wrapped)
{
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    make_body(i, wrapped, &body);
    struct kw_asked *asked =
        kw_ask_bytes(a, root, calls[i].method, calls[i].path, kw_buf_bytes(&body));
    const struct kw_json *operation = operation_at(calls[i].method, calls[i].path);
    bool good = asked->status == calls[i].status &&
                fits(answer_schema(operation, asked->status), asked->json.root);
    if (!good)
        print_error("%s %s: %d %.*s\n", calls[i].method, calls[i].path, asked->status,
                    (int)asked->body.len, (const char *)asked->body.data);
    assert_true(good);
    kw_asked_free(asked);
}

static void test_answers_are_as_described(void **state)
{
    char wrapped[128] = "", plaintext[64];
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(calls); i++) {
        check_call(i, wrapped);
        if (i == 0)
            kw_ask_key(a, wrapped, plaintext);
    }
}

/* Each request schema accepts its own example, and each $ref leads somewhere. */
static void check_refs(const struct kw_json *value)
{
    if (kw_json_get(value, "$ref") != NULL)
        assert_non_null(resolve(value));
    for (const struct kw_json *one = value->first; one != NULL; one = one->next)
        check_refs(one);
}

static void test_examples_fit_their_schemas(void **state)
{
    KW_UNUSED(state);
    check_refs(document.root);
    for (const struct kw_route *route = kw_routes; route->method != NULL; route++) {
        const struct kw_json *body = kw_json_get(operation_of(route), "requestBody");
        if (body == NULL)
            continue;
        const struct kw_json *content = get(get(body, "content"), "application/json");
        const struct kw_json *example = kw_json_get(content, "example");
        if (example != NULL)
            assert_true(fits(get(content, "schema"), example));
    }
}

static void test_served(void **state)
{
    struct kw_caller nobody = {.principal = "", .tenants = "", .request_id = "r"};
    KW_UNUSED(state);
    struct kw_asked *asked = kw_ask(a, &nobody, "GET", "/openapi.json", NULL);
    assert_int_equal(asked->status, 200);
    assert_true(kw_bytes_equal(kw_buf_bytes(&asked->body), kw_api_openapi()));
    assert_string_equal(kw_text_at(asked, "openapi"), "3.1.0");
    kw_asked_free(asked);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_each_route_is_described),    T(test_nothing_else_is_described),
        T(test_queries_are_described),      T(test_answers_are_as_described),
        T(test_examples_fit_their_schemas), T(test_served),
    };
    return cmocka_run_group_tests_name("api openapi", tests, NULL, NULL);
}
