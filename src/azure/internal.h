/* The provider's own state. Private to azure/. */
#ifndef KW_AZURE_INTERNAL_H
#define KW_AZURE_INTERNAL_H

#include "azure/azure.h"
#include "azure/codec.h"
#include "web/web.h"

#include <pthread.h>

enum { KW_AZURE_ADDRESS_SIZE = 512, KW_AZURE_ANSWER_MAX = 65536, KW_AZURE_KNOWN = 32 };

/* A key that was found fit to wrap, and until when (kw_clock_ms) that is believed. */
struct kw_azure_known {
    struct kw_azure_key asked;
    struct kw_azure_key found;
    int64_t until_ms;
};

struct kw_azure {
    struct kw_web *web;
    struct kw_bearer *bearer;
    char vault[KW_AZURE_ADDRESS_SIZE];     /* without a slash at the end */
    char authority[KW_AZURE_ADDRESS_SIZE]; /* the same */
    char tenant[128];                      /* "": as the challenge has it */
    char client_id[128];
    char key_type[16];
    char *secret_file;       /* NULL: secret */
    struct kw_secret secret; /* from the environment */
    pthread_mutex_t lock;    /* of known */
    struct kw_azure_known known[KW_AZURE_KNOWN];
};

/* Reads the settings and makes ready. KW_BAD_CONFIG. */
KW_ERR kw_azure_open(const struct kw_provider_settings *settings, struct kw_azure *out,
                     struct kw_error *err);
void kw_azure_close(struct kw_azure *azure);

/* The bearer's fetch; arg is the struct kw_azure. */
kw_code kw_azure_fetch_token(void *arg, int64_t deadline_ms, struct kw_bearer_grant *grant,
                             struct kw_error *err);

/* One question to the vault, with a token: path begins with a slash and has its query. */
struct kw_azure_question {
    const char *method;
    char path[320];
    struct kw_bytes body;
    bool unwrapping;
    bool once; /* not to be done twice */
    int64_t deadline_ms;
};
KW_ERR kw_azure_ask(struct kw_azure *azure, const struct kw_azure_question *question,
                    struct kw_web_response *response, struct kw_error *err);

/* The version of key that may wrap now; from memory if it was asked less than a second ago,
 * unless afresh. A key that was deleted and can be recovered is KW_KEY_PENDING. */
KW_ERR kw_azure_find(struct kw_azure *azure, const struct kw_azure_key *key, int64_t deadline_ms,
                     bool afresh, struct kw_azure_key *out, struct kw_error *err);
/* Why a key was not found: KW_KEY_PENDING, it is deleted and can be recovered; KW_KEY_NOT_FOUND; or
 * an error that may pass. */
KW_ERR kw_azure_missing(struct kw_azure *azure, const struct kw_azure_key *key, int64_t deadline_ms,
                        struct kw_error *err);

#endif
