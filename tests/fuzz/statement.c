/* Any bytes as a message's statement, which an authority would sign: what is read writes back to
 * itself. */
#include "envelope/message.h"
#include "sealed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kw_message_statement statement;
    struct kw_error err;
    uint8_t again[KW_MESSAGE_STATEMENT_SIZE];
    if (kw_message_statement_parse(&statement, kw_bytes(data, size), &err) != KW_OK)
        return 0;
    kw_message_statement_write(&statement, again);
    require(size == sizeof again && memcmp(again, data, size) == 0);
    return 0;
}
