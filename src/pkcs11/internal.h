/* What the files of this layer share. See pkcs11.h.
 *
 * A struct kw_p11 is one provider: its options, its module, its threads. A struct kw_p11_session
 * belongs to one thread; all that calls the module takes one. A struct kw_p11_job is one call,
 * handed to a thread. */
#ifndef KW_PKCS11_INTERNAL_H
#define KW_PKCS11_INTERNAL_H

#include "base/file.h"
#include "pkcs11/pkcs11.h"
#include "provider/ops.h"

#include <p11-kit/pkcs11.h>
#include <pthread.h>

enum {
    KW_P11_LABEL_SIZE = 32, /* of a token, padded with spaces */
    KW_P11_PIN_MAX = 256,
    KW_P11_SESSIONS_DEFAULT = 8,
    KW_P11_SESSIONS_MAX = 64,
    KW_P11_KEYS_KEPT = 8,
};

struct kw_p11_options {
    char module[KW_PATH_SIZE];
    char token[KW_P11_LABEL_SIZE + 1]; /* "" if it goes by slot */
    CK_SLOT_ID slot;
    char pin_file[KW_PATH_SIZE]; /* "" if none */
    char pin_env[128];           /* "" if none */
    bool module_iv;
    unsigned sessions;
    char where[64]; /* for errors: provider and token */
};
KW_ERR kw_p11_options_read(const struct kw_provider_settings *settings, struct kw_p11_options *out,
                           struct kw_error *err);
/* The PIN as it is now. KW_FORBIDDEN if none is configured or it cannot be read. */
KW_ERR kw_p11_pin_read(const struct kw_p11_options *options, struct kw_secret *out,
                       struct kw_error *err);

/* A loaded module, shared by all providers of this process that name it. */
struct kw_p11_module;
KW_ERR kw_p11_module_load(const struct kw_p11_options *options, struct kw_p11_module **out,
                          struct kw_error *err);
CK_FUNCTION_LIST *kw_p11_module_functions(const struct kw_p11_module *module);
/* C_Initialize if it was not called yet, or again if anew: somebody finalised the module. */
CK_RV kw_p11_module_start(struct kw_p11_module *module, bool anew);
/* Around all that a thread does with the module: while none but one is inside, that one may begin
 * it anew. */
void kw_p11_module_enter(struct kw_p11_module *module);
void kw_p11_module_leave(struct kw_p11_module *module);
/* Finalises and initialises it, if it was us who initialised it, at most once in two seconds: many
 * modules look for tokens, or connect to them, at no other time. By a thread inside, which waits a
 * moment for the others to leave. false: it was not done. */
bool kw_p11_module_restart(struct kw_p11_module *module);
/* Another number each time the module was initialised: handles of another are void. */
uint64_t kw_p11_module_generation(struct kw_p11_module *module);
/* The last one finalises the module if it was us who initialised it. */
void kw_p11_module_release(struct kw_p11_module *module);

struct kw_p11 {
    struct kw_p11_options options;
    struct kw_p11_module *module;
    pid_t pid;
    pthread_mutex_t open_lock; /* one session is opened at a time; guards refused_pin */
    struct kw_secret refused_pin;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t work;
    pthread_cond_t ended;
    struct kw_p11_job *first;
    struct kw_p11_job *last;
    unsigned queued;
    unsigned threads; /* running */
    unsigned started;
    struct {
        pthread_t id;
        bool ended;
    } all[KW_P11_SESSIONS_MAX]; /* the started ones; they end when the provider does */
    unsigned idle;
    unsigned stuck; /* threads in a call whose caller has gone */
    bool stopping;
    bool orphaned; /* freed while threads were stuck: the last of them frees */
};
KW_ERR kw_p11_new(const struct kw_provider_settings *settings, struct kw_p11 **out,
                  struct kw_error *err);
void kw_p11_free(struct kw_p11 *p11);
KW_CLEANUP_FREE(kw_p11)

/* A condition by the monotonic clock, and a wait of at most ms, which may end early. */
void kw_p11_cond_init(pthread_cond_t *cond);
void kw_p11_nap(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ms);

struct kw_p11_session {
    struct kw_p11 *p11;
    CK_FUNCTION_LIST *fn;
    CK_SESSION_HANDLE handle;
    uint64_t generation; /* of the module, when it was opened */
    bool open;
    bool writable;
    bool logged_in; /* false too if the token wants no log-in */
    CK_SLOT_ID slot;
    CK_RV rv; /* what the module said last that was not CKR_OK */
    unsigned next_kept;
    struct {
        char label[KW_PROVIDER_KEY_NAME_MAX + 1]; /* "": unused */
        CK_OBJECT_HANDLE handle;
    } kept[KW_P11_KEYS_KEPT]; /* keys that were found and judged */
};

/* Fills err from what the module said to act and remembers it in session->rv. Never KW_OK. */
kw_code kw_p11_fail(struct kw_p11_session *session, CK_RV rv, const char *act,
                    struct kw_error *err);
#ifdef __clang_analyzer__
#define kw_p11_fail(session, rv, act, err) (kw_p11_fail((session), (rv), (act), (err)), KW_INTERNAL)
#endif
/* Does it mean that session, login or handle are gone and may be had again? */
bool kw_p11_is_lost(CK_RV rv);
/* CKR_GENERAL_ERROR and the like, which some modules say to a wrong tag too. */
bool kw_p11_is_vague(CK_RV rv);

/* Opens and logs in, unless it is open (and writable, if that is wanted). */
KW_ERR kw_p11_session_open(struct kw_p11_session *session, bool writable, struct kw_error *err);
void kw_p11_session_close(struct kw_p11_session *session);
KW_ERR kw_p11_token_find(struct kw_p11_session *session, CK_SLOT_ID *out, struct kw_error *err);
KW_ERR kw_p11_login(struct kw_p11_session *session, struct kw_error *err);
KW_ERR kw_p11_is_logged_in(struct kw_p11_session *session, bool *out, struct kw_error *err);

/* KW_KEY_NOT_FOUND; KW_FORBIDDEN if the key could leave the token, is no AES-256, or is not the
 * only one. */
KW_ERR kw_p11_key_find(struct kw_p11_session *session, const char *label, CK_OBJECT_HANDLE *out,
                       struct kw_error *err);
void kw_p11_keys_forget(struct kw_p11_session *session);
KW_ERR kw_p11_key_make(struct kw_p11_session *session, const char *label, struct kw_error *err);
/* Does the token have AES-GCM? */
KW_ERR kw_p11_mechanism_check(struct kw_p11_session *session, struct kw_error *err);

enum kw_p11_act { KW_P11_WRAP, KW_P11_UNWRAP, KW_P11_CHECK, KW_P11_CREATE };

struct kw_p11_job {
    enum kw_p11_act act;
    char key[KW_PROVIDER_KEY_NAME_MAX + 1];
    struct kw_buf context;
    struct kw_secret plaintext; /* into a wrap, out of an unwrap */
    struct kw_buf wrapped;      /* out of a wrap, into an unwrap */
    kw_code code;
    struct kw_error err;
    pthread_cond_t answered;
    bool done;
    bool running;
    bool abandoned; /* its caller has gone: whoever ends it frees it */
    struct kw_p11_job *next;
};
KW_ERR kw_p11_job_new(enum kw_p11_act act, const struct kw_provider_call *call,
                      struct kw_p11_job **out, struct kw_error *err);
void kw_p11_job_free(struct kw_p11_job *job);
KW_CLEANUP_FREE(kw_p11_job)

/* Has a thread run the job and waits for it. With KW_OK the answer is in *job; else *job is NULL or
 * as it was, and its error is in err. */
KW_ERR kw_p11_submit(struct kw_p11 *p11, struct kw_p11_job **job, int64_t deadline_ms,
                     struct kw_error *err);

/* Runs it in this session, recovering what was lost. */
KW_ERR kw_p11_job_run(struct kw_p11_session *session, struct kw_p11_job *job, struct kw_error *err);

/* The associated data and what is decrypted are not changed, but PKCS#11 knows no const. */
KW_ERR kw_p11_encrypt(struct kw_p11_session *session, CK_OBJECT_HANDLE key, struct kw_buf *aad,
                      const struct kw_secret *plaintext, struct kw_buf *out, struct kw_error *err);
KW_ERR kw_p11_decrypt(struct kw_p11_session *session, CK_OBJECT_HANDLE key, struct kw_buf *aad,
                      struct kw_buf *wrapped, struct kw_secret *out, struct kw_error *err);

#endif
