/* Any bytes: refused with a text, or a root key text that means what writing it anew says. */
#include "base/encode.h"
#include "provider/root_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    KW_AUTO(kw_root_text) text = {0};
    struct kw_error err;
    kw_secret_allow_unlocked();
    if (kw_root_text_parse(kw_bytes(data, size), &text, &err) != KW_OK) {
        require(text.body.data == NULL && strlen(err.text) > 0);
        return 0;
    }
    char head[KW_ROOT_HEAD_MAX];
    static char body[KW_ROOT_TEXT_MAX];
    kw_root_text_head(head, &text);
    kw_base64_text(body, kw_bytes(text.body.data, text.body.len));
    if (text.kind == KW_ROOT_HELD)
        require(kw_root_text_names(text.provider, text.key, &err) == KW_OK);
    KW_AUTO(kw_buf) again = KW_BUF_INIT;
    kw_buf_printf(&again, "%s\n%s\n", head, body);
    require(kw_bytes_equal(kw_buf_bytes(&again), kw_bytes(data, size)));
    return 0;
}
