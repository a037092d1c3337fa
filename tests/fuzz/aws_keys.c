/* Any bytes as a text with credentials: refused, or accepted with an id, a secret and, but for
 * profiles, an end that can stand in headers. The first byte says which kind of text it is. */
#include "aws/keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static kw_code read_kind(uint8_t kind, struct kw_bytes text, struct kw_aws_keys *out,
                         struct kw_error *err)
{
    switch (kind % 3) {
    case 0:
        return kw_aws_keys_read_json(text, out, err);
    case 1:
        return kw_aws_keys_read_xml(text, out, err);
    default:
        return kw_aws_keys_read_profile(text, "default", out, err);
    }
}

static bool can_be_sent(const struct kw_secret *text)
{
    for (size_t i = 0; i < text->len; i++)
        if (text->data[i] <= ' ' || text->data[i] > '~')
            return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    KW_AUTO(kw_aws_keys) keys = KW_AWS_KEYS_INIT;
    struct kw_error err;
    kw_secret_allow_unlocked();
    if (size == 0)
        return 0;
    kw_code code = read_kind(data[0], kw_bytes(data + 1, size - 1), &keys, &err);
    if (code != KW_OK)
        require(keys.secret.data == NULL && keys.id[0] == '\0' && strlen(err.text) > 0);
    else
        require(keys.secret.len > 0 && strlen(keys.id) > 0 && can_be_sent(&keys.secret) &&
                can_be_sent(&keys.token) && (data[0] % 3 == 2 || keys.expires_wall_ms >= 0));
    return 0;
}
