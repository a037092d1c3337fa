/* What a module says, as our errors (PKCS#11 2.40 section 5.1; 3.0 adds the last ones). */
#include "pkcs11/internal.h"

/* New in version 3.0; Debian's header is of 2.40. */
#define CKR_AEAD_DECRYPT_FAILED     0x42UL
#define CKR_TOKEN_RESOURCE_EXCEEDED 0x201UL

struct row {
    CK_RV rv;
    kw_code code;
    const char *name;
    const char *says; /* what it means and what to do, or "" */
};

#define ROW(id, code, says)                                                                        \
    {                                                                                              \
        CKR_##id, KW_##code, "CKR_" #id, says                                                      \
    }

static const struct row rows[] = {
    ROW(PIN_INCORRECT, FORBIDDEN, ""),
    ROW(PIN_INVALID, FORBIDDEN, ": the PIN has a form that the token refuses; set the right one"),
    ROW(PIN_LEN_RANGE, FORBIDDEN, ": the PIN is too short or too long; set the right one"),
    ROW(PIN_EXPIRED, FORBIDDEN, ": the PIN has expired; set a new one with the maker's tool"),
    ROW(PIN_LOCKED, FORBIDDEN,
        ": the PIN is locked after wrong tries; unlock it as security officer"),
    ROW(USER_PIN_NOT_INITIALIZED, FORBIDDEN, ": the token has no user PIN yet; initialise it"),
    ROW(USER_NOT_LOGGED_IN, FORBIDDEN, ": the token does not keep the log-in"),
    ROW(USER_TYPE_INVALID, FORBIDDEN, ": this user may not log in"),
    ROW(USER_ANOTHER_ALREADY_LOGGED_IN, FORBIDDEN, ": the security officer is logged in"),
    ROW(USER_TOO_MANY_TYPES, FORBIDDEN, ": another user is logged in"),
    ROW(ACTION_PROHIBITED, FORBIDDEN, ": the token's policy forbids it"),
    ROW(FUNCTION_REJECTED, FORBIDDEN, ": the token's policy rejected it"),
    ROW(SESSION_READ_ONLY, FORBIDDEN, ""),
    ROW(TOKEN_WRITE_PROTECTED, FORBIDDEN, ": the token is write-protected"),
    ROW(ATTRIBUTE_VALUE_INVALID, FORBIDDEN, ": the token refuses such a key"),
    ROW(ATTRIBUTE_TYPE_INVALID, FORBIDDEN, ": the token does not tell what the key may do"),
    ROW(TEMPLATE_INCOMPLETE, FORBIDDEN, ": the token refuses such a key"),
    ROW(TEMPLATE_INCONSISTENT, FORBIDDEN, ": the token refuses such a key"),
    ROW(KEY_SIZE_RANGE, FORBIDDEN, ": the root key must be AES-256"),
    ROW(KEY_TYPE_INCONSISTENT, FORBIDDEN, ": the root key must be AES-256"),
    ROW(KEY_FUNCTION_NOT_PERMITTED, KEY_SUSPENDED, ": the root key is disabled in the token"),
    ROW(KEY_HANDLE_INVALID, KEY_NOT_FOUND, ": the root key is gone"),
    ROW(OBJECT_HANDLE_INVALID, KEY_NOT_FOUND, ": the root key is gone"),
    ROW(ENCRYPTED_DATA_INVALID, SEAL_BROKEN, ""),
    ROW(ENCRYPTED_DATA_LEN_RANGE, SEAL_BROKEN, ""),
    ROW(AEAD_DECRYPT_FAILED, SEAL_BROKEN, ""),
    ROW(SIGNATURE_INVALID, SEAL_BROKEN, ""), /* how some name a wrong tag */
    ROW(SESSION_COUNT, RATE_LIMITED, ": the token has no session left; lower sessions"),
    ROW(TOKEN_RESOURCE_EXCEEDED, RATE_LIMITED, ": the token has no resources left for now"),
    ROW(SESSION_HANDLE_INVALID, PROVIDER_UNAVAILABLE, ""),
    ROW(SESSION_CLOSED, PROVIDER_UNAVAILABLE, ""),
    ROW(DEVICE_REMOVED, PROVIDER_UNAVAILABLE, ": the token was removed"),
    ROW(TOKEN_NOT_PRESENT, PROVIDER_UNAVAILABLE, ": the token is not there"),
    ROW(TOKEN_NOT_RECOGNIZED, PROVIDER_UNAVAILABLE, ": the token is not recognised"),
    ROW(SLOT_ID_INVALID, PROVIDER_UNAVAILABLE, ": there is no such slot"),
    ROW(CRYPTOKI_NOT_INITIALIZED, PROVIDER_UNAVAILABLE, ""),
    ROW(OPERATION_ACTIVE, PROVIDER_UNAVAILABLE, ""),
    ROW(OPERATION_NOT_INITIALIZED, PROVIDER_UNAVAILABLE, ""),
    ROW(MECHANISM_INVALID, PROVIDER_UNAVAILABLE, ": the token does not do AES-GCM"),
    ROW(MECHANISM_PARAM_INVALID, PROVIDER_UNAVAILABLE,
        ": it refuses our IV or context; if it generates IVs itself, set iv = module"),
    ROW(ARGUMENTS_BAD, PROVIDER_UNAVAILABLE, ""),
    ROW(BUFFER_TOO_SMALL, PROVIDER_UNAVAILABLE, ": it answers more than belongs there"),
    ROW(CANT_LOCK, PROVIDER_UNAVAILABLE, ": the module cannot be used by several threads"),
    ROW(NEED_TO_CREATE_THREADS, PROVIDER_UNAVAILABLE, ""),
    ROW(DATA_INVALID, PROVIDER_UNAVAILABLE, ""),
    ROW(DATA_LEN_RANGE, PROVIDER_UNAVAILABLE, ": this is longer than the token takes"),
    ROW(DEVICE_ERROR, PROVIDER_UNAVAILABLE, ": the token has failed"),
    ROW(DEVICE_MEMORY, PROVIDER_UNAVAILABLE, ": the token is full"),
    ROW(HOST_MEMORY, PROVIDER_UNAVAILABLE, ": the module found no memory"),
    ROW(FUNCTION_CANCELED, PROVIDER_UNAVAILABLE, ""),
    ROW(FUNCTION_FAILED, PROVIDER_UNAVAILABLE, ""),
    ROW(FUNCTION_NOT_SUPPORTED, PROVIDER_UNAVAILABLE, ": the module lacks this function"),
    ROW(GENERAL_ERROR, PROVIDER_UNAVAILABLE, ""),
};

static const struct row *look_up(CK_RV rv)
{
    for (size_t i = 0; i < KW_COUNT(rows); i++)
        if (rows[i].rv == rv)
            return &rows[i];
    return NULL;
}

kw_code(kw_p11_fail)(struct kw_p11_session *session, CK_RV rv, const char *act,
                     struct kw_error *err)
{
    const char *where = session->p11->options.where;
    const struct row *row = look_up(rv);
    session->rv = rv;
    if (row == NULL)
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "%s: %s says 0x%lx", where, act, rv);
    if (row->code == KW_SEAL_BROKEN)
        return kw_fail_code(err, KW_SEAL_BROKEN);
    return kw_fail(err, row->code, "%s: %s says %s%s", where, act, row->name, row->says);
}

bool kw_p11_is_lost(CK_RV rv)
{
    switch (rv) {
    case CKR_SESSION_HANDLE_INVALID:
    case CKR_SESSION_CLOSED:
    case CKR_DEVICE_REMOVED:
    case CKR_TOKEN_NOT_PRESENT:
    case CKR_TOKEN_NOT_RECOGNIZED:
    case CKR_SLOT_ID_INVALID: /* tokens move to other slots */
    case CKR_USER_NOT_LOGGED_IN:
    case CKR_CRYPTOKI_NOT_INITIALIZED:
    case CKR_OPERATION_ACTIVE:
    case CKR_OPERATION_NOT_INITIALIZED:
    case CKR_KEY_HANDLE_INVALID:
    case CKR_OBJECT_HANDLE_INVALID:
        return true;
    default:
        return false;
    }
}

bool kw_p11_is_vague(CK_RV rv)
{
    return rv == CKR_GENERAL_ERROR || rv == CKR_FUNCTION_FAILED || rv == CKR_DATA_INVALID ||
           rv >= CKR_VENDOR_DEFINED;
}
