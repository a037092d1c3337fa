/* The sealed formats as commands in JSON: what golden bytes and the second implementation
 * (tests/reference/keyward_ref.py) are compared with. Every random value is given by the command.
 */
#ifndef KW_SUPPORT_ENVELOPE_COMMANDS_H
#define KW_SUPPORT_ENVELOPE_COMMANDS_H

#include "base/bytes.h"

/* command is one JSON object with the member "op". Appends the answer, one compact JSON object: the
 * result, or {"error":"code"}. Aborts if the command itself is malformed. */
void kw_envelope_command(struct kw_bytes command, struct kw_buf *answer);

#endif
