/* Receipts: what is read and written again is the same text, but for an extra line. */
#include "tlog/receipt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kw_tlog_receipt receipt;
    KW_AUTO(kw_buf) again = KW_BUF_INIT;
    if (kw_tlog_receipt_parse(kw_bytes(data, size), &receipt, NULL) != KW_OK)
        return 0;
    kw_tlog_receipt_format(&receipt, &again);
    bool extra = memmem(data, size, "\nextra ", 7) != NULL;
    if (!extra && !kw_bytes_equal(kw_buf_bytes(&again), kw_bytes(data, size)))
        abort();
    return 0;
}
