/* A PKCS#11 module of ours for tests: passes calls on to the module that KW_FAULTY_BEHIND names,
 * and fails, hangs or treats IVs as it is told to. Its controls are the symbol kw_faulty; or, if
 * KW_FAULTY_CONTROLS names a file, that file, which several processes may map. Several threads may
 * use and change them at once. */
#ifndef KW_TESTS_CRYPTOKI_FAULTY_H
#define KW_TESTS_CRYPTOKI_FAULTY_H

#include <stdatomic.h>
#include <stdint.h>

enum kw_faulty_call {
    KW_FAULTY_NONE,
    KW_FAULTY_INITIALIZE,
    KW_FAULTY_SLOT_LIST,
    KW_FAULTY_TOKEN_INFO,
    KW_FAULTY_MECHANISM_INFO,
    KW_FAULTY_OPEN_SESSION,
    KW_FAULTY_SESSION_INFO,
    KW_FAULTY_LOGIN,
    KW_FAULTY_FIND_INIT,
    KW_FAULTY_FIND,
    KW_FAULTY_FIND_FINAL,
    KW_FAULTY_ATTRIBUTES,
    KW_FAULTY_GENERATE_KEY,
    KW_FAULTY_ENCRYPT_INIT,
    KW_FAULTY_ENCRYPT,
    KW_FAULTY_DECRYPT_INIT,
    KW_FAULTY_DECRYPT,
    KW_FAULTY_CALLS,
};

enum kw_faulty_iv {
    KW_FAULTY_IV_TAKEN,   /* the caller's, as PKCS#11 has it */
    KW_FAULTY_IV_WRITTEN, /* generated and written over the caller's zeros; anything else is refused
                           */
    KW_FAULTY_IV_APPENDED, /* generated, 16 bytes, put behind the tag */
    KW_FAULTY_IV_HIDDEN,   /* generated, and kept secret */
};

struct kw_faulty {
    _Atomic int call;          /* which function fails: enum kw_faulty_call */
    _Atomic uint64_t skip;     /* so many of its calls go well first */
    _Atomic uint64_t times;    /* then so many fail */
    _Atomic unsigned long rv;  /* with this */
    _Atomic int hang;          /* 1: those wait until it is 0, and go well then */
    _Atomic uint64_t hanging;  /* so many do now */
    _Atomic int iv;            /* enum kw_faulty_iv */
    _Atomic unsigned long set; /* flags added to the token's */
    _Atomic int log_out;       /* so many searches find the session logged out */
    _Atomic int longer; /* bytes by which C_Encrypt and C_Decrypt claim to have answered more */
    _Atomic uint64_t calls[KW_FAULTY_CALLS];
};

#endif
