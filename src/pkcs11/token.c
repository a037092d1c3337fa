#include "pkcs11/internal.h"

enum { SLOTS_MAX = 4096 };

static bool has_label(const CK_TOKEN_INFO *token, const char *label)
{
    size_t len = sizeof token->label; /* padded with spaces; by some with zeros */
    while (len > 0 && (token->label[len - 1] == ' ' || token->label[len - 1] == '\0'))
        len--;
    return len == strlen(label) && memcmp(token->label, label, len) == 0;
}

/* The slots with a token; *out is to be freed. */
static KW_ERR list_slots(struct kw_p11_session *session, CK_SLOT_ID **out, CK_ULONG *count,
                         struct kw_error *err)
{
    CK_RV rv = session->fn->C_GetSlotList(CK_TRUE, NULL, count);
    if (rv != CKR_OK)
        return kw_p11_fail(session, rv, "C_GetSlotList", err);
    if (*count > SLOTS_MAX)
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "%s: the module has %lu slots",
                       session->p11->options.where, *count);
    CK_SLOT_ID *slots = calloc(*count + 1, sizeof *slots);
    if (slots == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    rv = session->fn->C_GetSlotList(CK_TRUE, slots, count);
    if (rv != CKR_OK) {
        free(slots);
        return kw_p11_fail(session, rv, "C_GetSlotList", err);
    }
    *out = slots;
    return KW_OK;
}

/* How many tokens have the label; *slot is where the last of them is. */
static unsigned count_labelled(const struct kw_p11_session *session, const CK_SLOT_ID *slots,
                               CK_ULONG count, CK_SLOT_ID *slot)
{
    unsigned found = 0;
    for (CK_ULONG i = 0; i < count; i++) {
        CK_TOKEN_INFO token; /* a slot that does not tell is another's trouble */
        if (session->fn->C_GetTokenInfo(slots[i], &token) != CKR_OK ||
            !has_label(&token, session->p11->options.token))
            continue;
        *slot = slots[i];
        found++;
    }
    return found;
}

KW_ERR kw_p11_token_find(struct kw_p11_session *session, CK_SLOT_ID *out, struct kw_error *err)
{
    const struct kw_p11_options *options = &session->p11->options;
    if (options->token[0] == '\0') {
        *out = options->slot;
        return KW_OK;
    }
    CK_SLOT_ID *slots = NULL;
    CK_SLOT_ID slot = 0;
    CK_ULONG count = 0;
    KW_TRY(list_slots(session, &slots, &count, err));
    unsigned found = count_labelled(session, slots, count, &slot);
    free(slots);
    if (found == 0)
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE,
                       "%s: no slot holds such a token now; is it plugged in, is its label right?",
                       options->where);
    if (found > 1)
        return kw_fail(err, KW_FORBIDDEN, "%s: %u tokens have this label; set slot instead",
                       options->where, found);
    *out = slot;
    return KW_OK;
}

KW_ERR kw_p11_is_logged_in(struct kw_p11_session *session, bool *out, struct kw_error *err)
{
    CK_SESSION_INFO info;
    CK_RV rv = session->fn->C_GetSessionInfo(session->handle, &info);
    if (rv != CKR_OK)
        return kw_p11_fail(session, rv, "C_GetSessionInfo", err);
    *out = info.state == CKS_RO_USER_FUNCTIONS || info.state == CKS_RW_USER_FUNCTIONS;
    return KW_OK;
}

/* A token that counts wrong PINs locks itself; that must not be our doing. */
static KW_ERR check_tries(const struct kw_p11_session *session, CK_FLAGS flags,
                          const struct kw_secret *pin, struct kw_error *err)
{
    const struct kw_p11 *p11 = session->p11;
    if ((flags & CKF_USER_PIN_LOCKED) != 0)
        return kw_fail(err, KW_FORBIDDEN,
                       "%s: the PIN is locked after wrong tries; unlock it as security officer",
                       p11->options.where);
    if (p11->refused_pin.data != NULL && kw_secret_equal(&p11->refused_pin, pin))
        return kw_fail(err, KW_FORBIDDEN,
                       "%s: the token refused this PIN, so it is not tried again; put the right "
                       "one into pin_file or pin_env",
                       p11->options.where);
    if ((flags & CKF_USER_PIN_FINAL_TRY) != 0)
        return kw_fail(err, KW_FORBIDDEN,
                       "%s: one wrong PIN more would lock the token; log in once with the maker's "
                       "tool and the right PIN",
                       p11->options.where);
    return KW_OK;
}

static KW_ERR log_in(struct kw_p11_session *session, CK_FLAGS flags, struct kw_error *err)
{
    struct kw_p11 *p11 = session->p11;
    KW_AUTO(kw_secret) pin = KW_SECRET_INIT;
    KW_TRY(kw_p11_pin_read(&p11->options, &pin, err));
    KW_TRY(check_tries(session, flags, &pin, err));
    CK_RV rv = session->fn->C_Login(session->handle, CKU_USER, pin.data, pin.len);
    if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN)
        return KW_OK;
    if (rv != CKR_PIN_INCORRECT)
        return kw_p11_fail(session, rv, "C_Login", err);
    session->rv = rv;
    kw_secret_wipe(&p11->refused_pin);
    kw_secret_move(&p11->refused_pin, &pin);
    return kw_fail(err, KW_FORBIDDEN,
                   "%s: the token refuses the PIN; put the right one into pin_file or pin_env",
                   p11->options.where);
}

/* The log-in is the process's, for all its sessions with the token: the first session makes it. */
KW_ERR kw_p11_login(struct kw_p11_session *session, struct kw_error *err)
{
    CK_TOKEN_INFO token;
    KW_TRY(kw_p11_is_logged_in(session, &session->logged_in, err));
    if (session->logged_in)
        return KW_OK;
    CK_RV rv = session->fn->C_GetTokenInfo(session->slot, &token);
    if (rv != CKR_OK)
        return kw_p11_fail(session, rv, "C_GetTokenInfo", err);
    if ((token.flags & CKF_LOGIN_REQUIRED) == 0)
        return KW_OK;
    KW_TRY(log_in(session, token.flags, err));
    session->logged_in = true;
    return KW_OK;
}
