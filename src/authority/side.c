#include "authority/internal.h"

/* What is ours to answer for, whoever holds the key: what the bytes say, a call that was wrong, a
 * provider that the configuration does not name, and our own trouble. */
static bool is_ours(kw_code code)
{
    kw_class cls = kw_code_class(code);
    return code == KW_REGION_WALL || cls == KW_CLASS_INTEGRITY || cls == KW_CLASS_USAGE ||
           cls == KW_CLASS_INTERNAL;
}

kw_code kw_side_of(const struct kw_key_row *key, kw_code code, struct kw_error *err)
{
    if (code == KW_OK || key->provider[0] == '\0' || is_ours(code))
        return code;
    char why[KW_ERROR_TEXT_SIZE + 2] = "";
    if (err != NULL && err->code == code)
        snprintf(why, sizeof why, ": %s", err->text);
    return kw_fail(err, kw_code_retryable(code) ? KW_CUSTOMER_UNAVAILABLE : KW_CUSTOMER_REFUSED,
                   "the customer's side, provider %s, %s%.300s", key->provider,
                   kw_code_retryable(code) ? "does not answer" : "refuses", why);
}
