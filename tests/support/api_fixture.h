/* An API over kw_fixture's authority, and what tests ask of it.
 *
 *     struct kw_asked *a = kw_ask(f, &kw_fixture_root, "POST", "/v1/tenants", "{...}");
 *     assert_int_equal(a->status, 201);
 *     kw_asked_free(a);
 */
#ifndef KW_TESTS_API_FIXTURE_H
#define KW_TESTS_API_FIXTURE_H

#include "api/api.h"
#include "authority_fixture.h"
#include "json/json.h"

struct kw_api_fixture {
    struct kw_fixture *f;
    struct kw_api *api;
};

/* threads as in struct kw_api_options. */
struct kw_api_fixture *kw_api_fixture_open(const struct kw_fixture_options *options,
                                           unsigned threads, const struct kw_api_pki *pki);
void kw_api_fixture_close(struct kw_api_fixture *a);

struct kw_asked {
    int status;
    const char *content_type;
    struct kw_buf body;
    struct kw_json_doc json; /* empty if the body is none */
};

/* query may follow the path behind a '?'. body NULL: none; it may be a format. */
struct kw_asked *kw_ask(struct kw_api_fixture *a, const struct kw_caller *caller,
                        const char *method, const char *path, const char *body, ...)
    __attribute__((format(printf, 5, 6)));
struct kw_asked *kw_ask_bytes(struct kw_api_fixture *a, const struct kw_caller *caller,
                              const char *method, const char *path, struct kw_bytes body);
void kw_asked_free(struct kw_asked *asked);

/* The value at a path of member names and array places: "items.0.plaintext". NULL if none. */
const struct kw_json *kw_at(const struct kw_asked *asked, const char *path);
/* Its text or number; fails the test if there is none. */
const char *kw_text_at(const struct kw_asked *asked, const char *path);

/* Asks and checks status and, for errors, the code's name and the form of the answer. */
struct kw_expected {
    int status;
    const char *code; /* NULL for success */
};
void kw_expect_answer(struct kw_api_fixture *a, const struct kw_caller *caller, const char *method,
                      const char *path, const char *body, struct kw_expected expected);
#define kw_expect(a, caller, method, path, body, status, code)                                     \
    kw_expect_answer(a, caller, method, path, body, (struct kw_expected){status, code})

/* One data key of tenant acme in eu, context {"row":"1"}: its wrapped form, base64. */
void kw_ask_key(struct kw_api_fixture *a, char wrapped[128], char plaintext[64]);

#endif
