#include "pkcs11/internal.h"

enum { AES_256_BYTES = 32 };

static const CK_OBJECT_HANDLE *kept(const struct kw_p11_session *session, const char *label)
{
    for (size_t i = 0; i < KW_COUNT(session->kept); i++)
        if (strcmp(session->kept[i].label, label) == 0)
            return &session->kept[i].handle;
    return NULL;
}

static void keep(struct kw_p11_session *session, const char *label, CK_OBJECT_HANDLE handle)
{
    unsigned at = session->next_kept;
    session->next_kept = (at + 1) % KW_P11_KEYS_KEPT;
    snprintf(session->kept[at].label, sizeof session->kept[at].label, "%s", label);
    session->kept[at].handle = handle;
}

/* At most two handles: one more than may be. */
static KW_ERR find_objects(struct kw_p11_session *session, const char *label,
                           CK_OBJECT_HANDLE found[2], CK_ULONG *count, struct kw_error *err)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_BBOOL yes = CK_TRUE;
    char text[KW_PROVIDER_KEY_NAME_MAX + 1];
    snprintf(text, sizeof text, "%s", label);
    CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &class, sizeof class},
                             {CKA_TOKEN, &yes, sizeof yes},
                             {CKA_LABEL, text, strlen(text)}};
    CK_RV rv = session->fn->C_FindObjectsInit(session->handle, wanted, KW_COUNT(wanted));
    if (rv != CKR_OK)
        return kw_p11_fail(session, rv, "C_FindObjectsInit", err);
    rv = session->fn->C_FindObjects(session->handle, found, 2, count);
    CK_RV end = session->fn->C_FindObjectsFinal(session->handle);
    if (rv != CKR_OK || end != CKR_OK)
        return kw_p11_fail(session, rv != CKR_OK ? rv : end, "C_FindObjects", err);
    return KW_OK;
}

/* What cannot change for the better later: once never extractable, a key stays so (PKCS#11, 4.9).
 */
static KW_ERR judge(struct kw_p11_session *session, const char *label, CK_OBJECT_HANDLE key,
                    struct kw_error *err)
{
    CK_BBOOL sensitive = CK_FALSE;
    CK_BBOOL extractable = CK_TRUE;
    CK_KEY_TYPE type = CKK_VENDOR_DEFINED;
    CK_ULONG bytes = 0;
    CK_ATTRIBUTE told[] = {{CKA_SENSITIVE, &sensitive, sizeof sensitive},
                           {CKA_EXTRACTABLE, &extractable, sizeof extractable},
                           {CKA_KEY_TYPE, &type, sizeof type},
                           {CKA_VALUE_LEN, &bytes, sizeof bytes}};
    CK_RV rv = session->fn->C_GetAttributeValue(session->handle, key, told, KW_COUNT(told));
    if (rv != CKR_OK)
        return kw_p11_fail(session, rv, "C_GetAttributeValue", err);
    const char *where = session->p11->options.where;
    if (type != CKK_AES || bytes != AES_256_BYTES)
        return kw_fail(err, KW_FORBIDDEN, "%s: the key %.100s is not AES-256; make one that is",
                       where, label);
    if (sensitive != CK_TRUE || extractable != CK_FALSE)
        return kw_fail(err, KW_FORBIDDEN,
                       "%s: the key %.100s could be taken out of the token (it must be "
                       "CKA_SENSITIVE and not CKA_EXTRACTABLE); make a new one that cannot",
                       where, label);
    return KW_OK;
}

static KW_ERR see_token(struct kw_p11_session *session, struct kw_error *err)
{
    CK_SLOT_ID slot = session->slot;
    CK_TOKEN_INFO token;
    pthread_mutex_lock(&session->p11->open_lock); /* as in kw_p11_session_open */
    kw_code code = kw_p11_token_find(session, &slot, err);
    CK_RV rv = code == KW_OK ? session->fn->C_GetTokenInfo(slot, &token) : CKR_OK;
    pthread_mutex_unlock(&session->p11->open_lock);
    KW_TRY(code);
    if (rv != CKR_OK)
        return kw_p11_fail(session, rv, "C_GetTokenInfo", err);
    if (slot != session->slot)
        return kw_p11_fail(session, CKR_SLOT_ID_INVALID, "C_GetSlotList", err);
    return KW_OK;
}

/* Without a log-in private keys are not seen, and without a token no keys at all: neither must look
 * like a key that is gone. */
static KW_ERR fail_missing(struct kw_p11_session *session, const char *label, struct kw_error *err)
{
    bool still = false;
    KW_TRY(kw_p11_is_logged_in(session, &still, err));
    if (session->logged_in && !still)
        return kw_p11_fail(session, CKR_USER_NOT_LOGGED_IN, "C_FindObjects", err);
    KW_TRY(see_token(session, err));
    return kw_fail(err, KW_KEY_NOT_FOUND, "%s: no secret key has the label %.200s",
                   session->p11->options.where, label);
}

KW_ERR kw_p11_key_find(struct kw_p11_session *session, const char *label, CK_OBJECT_HANDLE *out,
                       struct kw_error *err)
{
    const CK_OBJECT_HANDLE *known = kept(session, label);
    if (known != NULL) {
        *out = *known;
        return KW_OK;
    }
    CK_OBJECT_HANDLE found[2];
    CK_ULONG count = 0;
    KW_TRY(find_objects(session, label, found, &count, err));
    const char *where = session->p11->options.where;
    if (count == 0)
        return fail_missing(session, label, err);
    if (count > 1)
        return kw_fail(err, KW_FORBIDDEN,
                       "%s: more than one secret key has the label %.200s; rename all but one",
                       where, label);
    KW_TRY(judge(session, label, found[0], err));
    keep(session, label, found[0]);
    *out = found[0];
    return KW_OK;
}

KW_ERR kw_p11_key_make(struct kw_p11_session *session, const char *label, struct kw_error *err)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_ULONG bytes = AES_256_BYTES;
    CK_BBOOL yes = CK_TRUE;
    CK_BBOOL no = CK_FALSE;
    CK_OBJECT_HANDLE key;
    char text[KW_PROVIDER_KEY_NAME_MAX + 1];
    snprintf(text, sizeof text, "%s", label);
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ATTRIBUTE wanted[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_VALUE_LEN, &bytes, sizeof bytes},
        {CKA_LABEL, text, strlen(text)},
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_SENSITIVE, &yes, sizeof yes},
        {CKA_EXTRACTABLE, &no, sizeof no},
        {CKA_ENCRYPT, &yes, sizeof yes},
        {CKA_DECRYPT, &yes, sizeof yes},
        {CKA_WRAP, &no, sizeof no},
        {CKA_UNWRAP, &no, sizeof no},
    };
    CK_RV rv =
        session->fn->C_GenerateKey(session->handle, &mechanism, wanted, KW_COUNT(wanted), &key);
    return rv == CKR_OK ? KW_OK : kw_p11_fail(session, rv, "C_GenerateKey", err);
}

KW_ERR kw_p11_mechanism_check(struct kw_p11_session *session, struct kw_error *err)
{
    CK_MECHANISM_INFO info = {0};
    CK_RV rv = session->fn->C_GetMechanismInfo(session->slot, CKM_AES_GCM, &info);
    if (rv == CKR_OK && (info.flags & CKF_ENCRYPT) != 0 && (info.flags & CKF_DECRYPT) != 0)
        return KW_OK;
    return kw_p11_fail(session, rv != CKR_OK ? rv : CKR_MECHANISM_INVALID, "C_GetMechanismInfo",
                       err);
}
