/* Inside crypto/ only: what both halves of RSA need. */
#ifndef KW_CRYPTO_RSA_INTERNAL_H
#define KW_CRYPTO_RSA_INTERNAL_H

#include "crypto/rsa.h"

#include <openssl/evp.h>

enum { KW_RSA_BITS_MIN = 2048, KW_RSA_BITS_MAX = 8192 };

/* An RSA key of so many bits; NULL is none. */
bool kw_rsa_is_fit(const EVP_PKEY *key);

/* For OpenSSL's readers of PEM, whose own would ask at the terminal. */
int kw_pem_no_passphrase(char *text, int size, int writing, void *arg);

#endif
