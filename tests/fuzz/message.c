/* Any bytes as a message: refused, or taken apart within its bounds; signed ones do not open
 * unverified. */
#include "envelope/message.h"
#include "sealed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_parts(const struct kw_message *m, struct kw_bytes sealed)
{
    require(m->head_at + KW_HEAD_SIZE + m->body.len == sealed.len && m->body.len >= KW_TAG_SIZE);
    require(m->body.data + m->body.len == sealed.data + sealed.len);
    require(m->is_signed == (m->signature != NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t data_key[KW_KEY_SIZE] = {1, 2, 3};
    static const uint8_t public_key[KW_SIGN_PUBLIC_SIZE] = {9};
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    struct kw_bytes sealed = kw_bytes(data, size);
    struct kw_message message;
    struct kw_context context;
    struct kw_error err;
    fuzz_context(&context);
    if (kw_message_parse(&message, sealed, &err) != KW_OK)
        return 0;
    check_parts(&message, sealed);
    kw_code code = kw_message_open_with_key(&out, &message, &context, data_key, NULL, &err);
    require(!message.is_signed || code == KW_BAD_SIGNATURE);
    code = kw_message_open_with_key(&out, &message, &context, data_key, public_key, &err);
    require(code != KW_OK);
    return 0;
}
