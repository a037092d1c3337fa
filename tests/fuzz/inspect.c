/* Any bytes: what inspect says of them stays within them. */
#include "envelope/inspect.h"
#include "sealed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kw_inspection found;
    struct kw_error err = {.code = KW_OK};
    kw_code code = kw_sealed_inspect(&found, kw_bytes(data, size), size, &err);
    if (code != KW_OK) {
        require(err.code == code && strlen(err.text) > 0);
        return 0;
    }
    require(found.sealed_size <= size && found.plain_size <= found.sealed_size);
    require(found.heads <= KW_RECORD_HEADS_MAX && found.head_at <= size);
    require(strcmp(kw_format_name(found.format), "unknown") != 0);
    for (size_t i = 0; i < found.heads; i++)
        require(strcmp(kw_head_suite_name(&found.head[i]), "unknown") != 0);
    /* A beginning with the true size is refused or says the same. */
    struct kw_inspection front;
    if (kw_sealed_inspect(&front, kw_bytes(data, size < 100 ? size : 100), size, &err) == KW_OK)
        require(front.format == found.format && front.plain_size == found.plain_size);
    return 0;
}
