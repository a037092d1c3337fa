/* Any bytes as a canonical context: refused, or the one canonical form of what it says. And as
 * "key=value" lines, which make a context that reads back. */
#include "sealed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void canonical(struct kw_bytes form)
{
    struct kw_context_entries entries;
    struct kw_error err;
    KW_AUTO(kw_buf) again = KW_BUF_INIT;
    if (kw_context_decode(&entries, form, &err) != KW_OK)
        return;
    require(kw_context_encode(&again, &entries, NULL) == KW_OK);
    require(kw_bytes_equal(kw_buf_bytes(&again), form));
}

static void lines(char *text)
{
    struct kw_context_entries entries = {.count = 0};
    struct kw_context_entries back;
    KW_AUTO(kw_buf) form = KW_BUF_INIT;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        if (kw_context_add_text(&entries, line, NULL) != KW_OK)
            return;
    }
    if (kw_context_encode(&form, &entries, NULL) != KW_OK)
        return;
    require(kw_context_decode(&back, kw_buf_bytes(&form), NULL) == KW_OK);
    require(back.count == entries.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    canonical(kw_bytes(data, size));
    char *text = strndup(size == 0 ? "" : (const char *)data, size);
    require(text != NULL);
    lines(text);
    free(text);
    return 0;
}
