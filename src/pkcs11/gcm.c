/* CKM_AES_GCM, and who makes the IV (PKCS#11 3.0, 2.13.5; NIST SP 800-38D, 8.2.2).
 *
 * Modules differ. Most take the caller's IV. Some, in their validated mode, generate it: they write
 * it over the one in the parameter (AWS CloudHSM and newer Thales ProtectServer, which want zeros
 * there), or put it behind the tag (Thales Luna, 16 bytes; older ProtectServer). All of these are
 * told apart by what came back, so that what is stored is always the IV that was used. */
#include "pkcs11/internal.h"

#include "crypto/random.h"

enum {
    FORMAT_SHORT = 1,
    FORMAT_LONG = 2,
    IV_SHORT = 12,
    IV_LONG = 16,
    TAG = 16,
    HEAD_MAX = 1 + IV_LONG,
};

struct gcm {
    uint8_t iv[IV_LONG];
    CK_GCM_PARAMS params;
    CK_MECHANISM mechanism;
};

static void prepare(struct gcm *gcm, size_t iv_len, struct kw_buf *aad)
{
    gcm->params = (CK_GCM_PARAMS){
        .pIv = gcm->iv,
        .ulIvLen = iv_len,
        .ulIvBits = iv_len * 8,
        .pAAD = aad->len > 0 ? aad->data : NULL,
        .ulAADLen = aad->len,
        .ulTagBits = TAG * 8,
    };
    gcm->mechanism = (CK_MECHANISM){CKM_AES_GCM, &gcm->params, sizeof gcm->params};
}

static kw_code misbehaves(const struct kw_p11_session *session, const char *how,
                          struct kw_error *err)
{
    return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "%s: the module misbehaves: %s",
                   session->p11->options.where, how);
}

/* Which IV was used: an appended one, or what stands in the parameter now. */
static KW_ERR settle_iv(const struct kw_p11_session *session, struct gcm *gcm, const uint8_t *tail,
                        size_t tail_len, struct kw_error *err)
{
    static const uint8_t zeros[IV_LONG];
    size_t len = tail_len > 0 ? tail_len : gcm->params.ulIvLen;
    if (len != IV_SHORT && len != IV_LONG)
        return misbehaves(session, "its AES-GCM output or IV has an unknown length", err);
    if (tail_len > 0)
        memcpy(gcm->iv, tail, tail_len);
    /* A module that took the zeros as they were would use one IV for all. */
    if (memcmp(gcm->iv, zeros, len) == 0)
        return misbehaves(session, "it did not hand back an IV of its own; set iv = ours", err);
    gcm->params.ulIvLen = len;
    return KW_OK;
}

/* body: what the module put out for len bytes of plaintext. */
static KW_ERR put_copy(const struct kw_p11_session *session, struct gcm *gcm, struct kw_bytes body,
                       size_t len, struct kw_buf *out, struct kw_error *err)
{
    if (body.len < len + TAG)
        return misbehaves(session, "its AES-GCM output is too short", err);
    KW_TRY(settle_iv(session, gcm, body.data + len + TAG, body.len - len - TAG, err));
    kw_buf_append_byte(out, gcm->params.ulIvLen == IV_SHORT ? FORMAT_SHORT : FORMAT_LONG);
    kw_buf_append(out, gcm->iv, gcm->params.ulIvLen);
    kw_buf_append(out, body.data, len + TAG);
    return kw_buf_status(out, err);
}

KW_ERR kw_p11_encrypt(struct kw_p11_session *session, CK_OBJECT_HANDLE key, struct kw_buf *aad,
                      const struct kw_secret *plaintext, struct kw_buf *out, struct kw_error *err)
{
    struct gcm gcm = {0};
    KW_AUTO(kw_buf) body = KW_BUF_SECRET; /* a faulty module may put plaintext there */
    CK_ULONG body_len = plaintext->len + TAG + IV_LONG;
    if (kw_buf_reserve(&body, body_len) == NULL)
        return kw_buf_status(&body, err);
    if (!session->p11->options.module_iv)
        kw_random(gcm.iv, IV_SHORT);
    prepare(&gcm, IV_SHORT, aad);
    CK_RV rv = session->fn->C_EncryptInit(session->handle, &gcm.mechanism, key);
    if (rv != CKR_OK)
        return kw_p11_fail(session, rv, "C_EncryptInit", err);
    CK_ULONG room = body_len;
    rv = session->fn->C_Encrypt(session->handle, plaintext->data, plaintext->len, body.data,
                                &body_len);
    if (rv != CKR_OK)
        return kw_p11_fail(session, rv, "C_Encrypt", err);
    if (body_len > room)
        return misbehaves(session, "its AES-GCM output is too long", err);
    body.len = body_len;
    return put_copy(session, &gcm, kw_buf_bytes(&body), plaintext->len, out, err);
}

static size_t iv_len_of(const struct kw_buf *wrapped)
{
    uint8_t format = wrapped->len > 0 ? wrapped->data[0] : 0;
    size_t iv_len = format == FORMAT_SHORT ? IV_SHORT : format == FORMAT_LONG ? IV_LONG : 0;
    return wrapped->len > 1 + iv_len + TAG ? iv_len : 0;
}

KW_ERR kw_p11_decrypt(struct kw_p11_session *session, CK_OBJECT_HANDLE key, struct kw_buf *aad,
                      struct kw_buf *wrapped, struct kw_secret *out, struct kw_error *err)
{
    struct gcm gcm = {0};
    size_t iv_len = iv_len_of(wrapped);
    if (iv_len == 0)
        return kw_fail(err, KW_SEAL_BROKEN, "this is not a copy of a PKCS#11 root key");
    memcpy(gcm.iv, wrapped->data + 1, iv_len);
    prepare(&gcm, iv_len, aad);
    uint8_t *body = wrapped->data + 1 + iv_len;
    size_t body_len = wrapped->len - 1 - iv_len;
    KW_AUTO(kw_secret) room = KW_SECRET_INIT; /* SoftHSM wants room for the tag too */
    KW_TRY(kw_secret_alloc(&room, body_len, err));
    CK_RV rv = session->fn->C_DecryptInit(session->handle, &gcm.mechanism, key);
    if (rv != CKR_OK)
        return kw_p11_fail(session, rv, "C_DecryptInit", err);
    CK_ULONG len = room.len;
    rv = session->fn->C_Decrypt(session->handle, body, body_len, room.data, &len);
    if (rv != CKR_OK)
        return kw_p11_fail(session, rv, "C_Decrypt", err);
    if (len != body_len - TAG)
        return misbehaves(session, "what it decrypted has another length", err);
    return kw_secret_copy(out, room.data, len, err);
}
