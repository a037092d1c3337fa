/* From an error answer back to the one error table. */
#include "client/internal.h"
#include "json/json.h"

/* For answers that are not Keyward's: a proxy, another server at the address. */
static kw_code from_status(int status, struct kw_error *err)
{
    static const struct {
        int status;
        kw_code code;
    } table[] = {
        {401, KW_UNAUTHENTICATED},    {403, KW_FORBIDDEN},         {404, KW_NOT_FOUND},
        {405, KW_METHOD_NOT_ALLOWED}, {408, KW_REQUEST_TIMEOUT},   {413, KW_TOO_LARGE},
        {429, KW_RATE_LIMITED},       {431, KW_HEADERS_TOO_LARGE}, {502, KW_UNAVAILABLE},
        {503, KW_UNAVAILABLE},        {504, KW_TIMEOUT},
    };
    if (status >= 300 && status < 400)
        return kw_fail(
            err, KW_BAD_REQUEST,
            "the server redirects elsewhere (status %d), which is not followed: give its "
            "final address",
            status);
    kw_code code = status >= 400 && status < 500 ? KW_BAD_REQUEST : KW_INTERNAL;
    for (size_t i = 0; i < KW_COUNT(table); i++)
        if (table[i].status == status)
            code = table[i].code;
    return kw_fail(err, code, "the server answered with status %d and not as Keyward does", status);
}

kw_code kw_answer_error(int status, struct kw_bytes body, struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    const char *name = NULL;
    const char *message = NULL;
    const char *request = NULL;
    if (kw_json_parse(&doc, body, NULL) != KW_OK)
        return from_status(status, err);
    const struct kw_json *error = kw_json_get(doc.root, "error");
    if (error == NULL || kw_json_get_str(error, "code", true, &name, NULL) != KW_OK ||
        kw_json_get_str(error, "message", true, &message, NULL) != KW_OK ||
        kw_json_get_str(error, "request_id", false, &request, NULL) != KW_OK)
        return from_status(status, err);
    kw_code code = kw_code_from_name(name);
    if (code == KW_OK)
        return from_status(status, err);
    if (kw_code_class(code) == KW_CLASS_INTERNAL && request != NULL)
        return kw_fail(err, code, "%s (request %s)", message, request);
    return kw_fail(err, code, "%s", message);
}
