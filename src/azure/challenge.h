/* The vault's challenge (RFC 6750 section 3): which resource its tokens are for. No input or
 * output. Private to azure/. Thread-safe. */
#ifndef KW_AZURE_CHALLENGE_H
#define KW_AZURE_CHALLENGE_H

#include "base/bytes.h"

struct kw_azure_challenge {
    char tenant[128]; /* "": it names none */
    char scope[256];  /* to ask a token for */
};

/* From the value of WWW-Authenticate. vault is the vault's address; its host must lie within the
 * domain of the resource, else whoever answers there could have tokens made for another service.
 * KW_PROVIDER_UNAVAILABLE: it is no such challenge. */
KW_ERR kw_azure_challenge_read(struct kw_bytes value, const char *vault,
                               struct kw_azure_challenge *out, struct kw_error *err);

#endif
