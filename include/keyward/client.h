/* A client: the way to an authority. */
#ifndef KEYWARD_CLIENT_H
#define KEYWARD_CLIENT_H

#include <keyward/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct kw_client;

/* Where the authority is. A member that is NULL is taken from the environment, if it is there; an
 * empty text means none and leaves the environment out of it. Texts are borrowed for
 * kw_client_open.
 *
 * With data_dir the authority is embedded: it lives in that folder of this machine (keyward init
 * --data makes one), which one process at a time may hold, and the members for an address are not
 * used. */
struct kw_client_options {
    size_t size;                 /* sizeof(struct kw_client_options); by KW_CLIENT_OPTIONS_INIT */
    const char *address;         /* KEYWARD_ADDR, else https://127.0.0.1:8443 */
    const char *token;           /* KEYWARD_TOKEN: bearer token */
    const char *ca_file;         /* KEYWARD_CACERT: PEM, trusted alone; else the system's CAs */
    const char *cert_file;       /* KEYWARD_CERT: PEM, client certificate */
    const char *key_file;        /* KEYWARD_KEY: PEM, its key */
    const char *data_dir;        /* a data folder; has no variable */
    const char *passphrase_file; /* KEYWARD_PASSPHRASE_FILE: of the data folder's root key */
    uint32_t connect_timeout_ms; /* 0: 5,000 */
    uint32_t timeout_ms;         /* of a call with all its tries; 0: 30,000 */
};
#ifdef __cplusplus
#define KW_CLIENT_OPTIONS_INIT                                                                     \
    {                                                                                              \
        sizeof(struct kw_client_options), 0, 0, 0, 0, 0, 0, 0, 0, 0                                \
    }
#else
#define KW_CLIENT_OPTIONS_INIT                                                                     \
    {                                                                                              \
        .size = sizeof(struct kw_client_options)                                                   \
    }
#endif

/* options NULL: all from the environment. Does not connect; an address that nobody answers at shows
 * at the first call. KW_USAGE, KW_BAD_CONFIG; embedded: KW_DATA_MISSING, KW_DATA_LOCKED,
 * KW_WRONG_ROOT and what else keeps a data folder from being opened.
 *
 * The client may be used by any number of threads at once. Calls wait for the network (or the
 * disk), at most until their timeout. A client does not survive fork(): open one in the child. */
KW_API KW_ERR kw_client_open(const struct kw_client_options *options, struct kw_client **out,
                             struct kw_error *err);

/* Ends it, once no other call is under way and its streams are freed. NULL is left alone. The code
 * is that of closing an embedded authority: did all that was done reach the disk as it should? The
 * client is gone either way. */
KW_API kw_code kw_client_close(struct kw_client *client, struct kw_error *err);

/* "0.1.0" */
KW_API const char *kw_version(void);

#ifdef __cplusplus
}
#endif

#endif
