/* CRC-32C (RFC 3720 appendix B.4), over stored values and what is sent to Google: finds damage, not
 * attackers. Thread-safe. */
#ifndef KW_BASE_CHECKSUM_H
#define KW_BASE_CHECKSUM_H

#include "base/bytes.h"

enum { KW_CHECKSUM_INIT = 0 };

/* Continues sum over len bytes; the sum of a concatenation. Begin with KW_CHECKSUM_INIT. */
uint32_t kw_checksum(uint32_t sum, const void *data, size_t len);

#endif
