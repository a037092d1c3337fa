/* Any bytes as an answer of KMS: refused with one of a provider's errors and nothing given out, or
 * accepted with something in it. The first byte says which kind of answer it is. */
#include "aws/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct kw_kms_peer peer = {.who = "AWS KMS (fuzz)", .region = "eu-central-1"};
static const char key[] =
    "arn:aws:kms:eu-central-1:111122223333:key/0987dcba-09fe-87dc-65ba-ab0987654321";

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void judge(kw_code code, const struct kw_error *err, bool given)
{
    if (code == KW_OK)
        require(given);
    else
        require(!given && err->code == code && strlen(err->text) > 0 &&
                kw_code_class(code) != KW_CLASS_USAGE);
}

static void refusal(struct kw_bytes text)
{
    struct kw_error err;
    bool renew;
    size_t half = text.len / 2;
    const struct kw_kms_refusal whole = {.status = 400, .body = text, .key = key};
    const struct kw_kms_refusal split = {.status = 503,
                                         .type = kw_bytes(text.data, half),
                                         .body = kw_bytes(text.data + half, text.len - half),
                                         .key = key};
    judge(kw_kms_refusal_read(&peer, &whole, &renew, &err), &err, false);
    judge(kw_kms_refusal_read(&peer, &split, &renew, &err), &err, false);
}

static void answer(uint8_t kind, struct kw_bytes text)
{
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    struct kw_error err = {0};
    kw_code code;
    switch (kind % 5) {
    case 0:
        code = kw_kms_encrypt_read(&peer, key, text, &out, &err);
        judge(code, &err, out.len > 0);
        break;
    case 1:
        code = kw_kms_decrypt_read(&peer, "alias/any", text, &plaintext, &err);
        judge(code, &err, plaintext.len > 0);
        break;
    case 2:
        code = kw_kms_describe_read(&peer, key, text, &err);
        judge(code, &err, code == KW_OK);
        break;
    case 3:
        code = kw_kms_create_read(&peer, text, &out, &err);
        judge(code, &err, out.len > 0);
        break;
    default:
        refusal(text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kw_secret_allow_unlocked();
    if (size > 0)
        answer(data[0], kw_bytes(data + 1, size - 1));
    return 0;
}
