/* Any bytes as another Keyward's answer: refused as a provider's failure with a text, or of the
 * promised form. */
#include "peer/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    KW_AUTO(kw_buf) envelope = KW_BUF_INIT;
    struct kw_bytes body = kw_bytes(data, size);
    struct kw_error err;
    kw_secret_allow_unlocked();
    kw_code code = kw_peer_error(400, body, &err);
    require(code != KW_OK && err.code == code && err.text[0] != '\0');
    code = kw_peer_get_envelope(body, &envelope, &err);
    require(code == KW_OK ? envelope.len > 0
                          : code == KW_PROVIDER_UNAVAILABLE && envelope.len == 0);
    code = kw_peer_get_plaintext(body, &plaintext, &err);
    require(code == KW_OK ? plaintext.len > 0 && plaintext.len <= KW_PROVIDER_PLAINTEXT_MAX
                          : code == KW_PROVIDER_UNAVAILABLE && plaintext.data == NULL);
    return 0;
}
