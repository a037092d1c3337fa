#include "crypto/context.h"

#include <openssl/err.h>
#include <pthread.h>

static struct {
    pthread_once_t once;
    struct kw_crypto_algorithms algorithms;
    pthread_key_t key; /* its destructor frees a thread's contexts */
    bool ready;
} process = {.once = PTHREAD_ONCE_INIT};

static _Thread_local struct kw_crypto_context *mine;

kw_code kw_crypto_fail(struct kw_error *err, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    kw_fail(err, KW_CRYPTO, "%s failed: %s", what, reason != NULL ? reason : "no reason given");
    ERR_clear_error();
    return KW_CRYPTO;
}

static void context_free(struct kw_crypto_context *context)
{
    for (size_t i = 0; i < KW_SUITE_COUNT; i++)
        EVP_CIPHER_CTX_free(context->aead[i]);
    EVP_MD_CTX_free(context->sha256);
    EVP_MAC_CTX_free(context->hmac);
    free(context);
}

/* Another key's destructor may hash once more after this; then a context is made and freed again.
 */
static void thread_ends(void *context)
{
    mine = NULL;
    context_free(context);
}

static void process_starts(void)
{
    struct kw_crypto_algorithms *a = &process.algorithms;
    bool ok = pthread_key_create(&process.key, thread_ends) == 0;
    for (size_t i = 0; i < KW_SUITE_COUNT; i++) {
        a->aead[i] = EVP_CIPHER_fetch(NULL, kw_suites[i].openssl_name, NULL);
        ok = ok && a->aead[i] != NULL;
    }
    a->sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    a->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    a->scrypt = EVP_KDF_fetch(NULL, "SCRYPT", NULL);
    a->kwp = EVP_CIPHER_fetch(NULL, "AES-256-WRAP-PAD", NULL);
    process.ready =
        ok && a->sha256 != NULL && a->hmac != NULL && a->scrypt != NULL && a->kwp != NULL;
}

KW_ERR kw_crypto_algorithms(const struct kw_crypto_algorithms **out, struct kw_error *err)
{
    pthread_once(&process.once, process_starts);
    if (!process.ready)
        return kw_crypto_fail(err,
                              "fetching AES-256-GCM, ChaCha20-Poly1305, SHA-256, HMAC, scrypt, "
                              "AES-256-WRAP-PAD");
    *out = &process.algorithms;
    return KW_OK;
}

EVP_CIPHER_CTX *kw_crypto_cipher_new(const struct kw_crypto_algorithms *algorithms, size_t index)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (ctx != NULL && EVP_EncryptInit_ex2(ctx, algorithms->aead[index], NULL, NULL, NULL) != 1) {
        EVP_CIPHER_CTX_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

/* The hash is named here once; each call then only sets a key. */
static bool set_up(struct kw_crypto_context *context, const struct kw_crypto_algorithms *a)
{
    bool ok = true;
    for (size_t i = 0; i < KW_SUITE_COUNT; i++) {
        context->aead[i] = kw_crypto_cipher_new(a, i);
        ok = ok && context->aead[i] != NULL;
    }
    char sha256[] = "SHA2-256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", sha256, 0),
                           OSSL_PARAM_construct_end()};
    context->sha256 = EVP_MD_CTX_new();
    context->hmac = EVP_MAC_CTX_new(a->hmac);
    return ok && context->sha256 != NULL && context->hmac != NULL &&
           EVP_DigestInit_ex2(context->sha256, a->sha256, NULL) == 1 &&
           EVP_MAC_CTX_set_params(context->hmac, params) == 1;
}

static KW_ERR thread_starts(struct kw_error *err)
{
    const struct kw_crypto_algorithms *algorithms = NULL;
    KW_TRY(kw_crypto_algorithms(&algorithms, err));
    struct kw_crypto_context *context = calloc(1, sizeof *context);
    if (context == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    if (!set_up(context, algorithms) || pthread_setspecific(process.key, context) != 0) {
        context_free(context);
        return kw_crypto_fail(err, "setting up a thread's contexts");
    }
    mine = context;
    return KW_OK;
}

KW_ERR kw_crypto_context(struct kw_crypto_context **out, struct kw_error *err)
{
    if (mine == NULL)
        KW_TRY(thread_starts(err));
    *out = mine;
    return KW_OK;
}

struct kw_crypto_context *kw_crypto_context_made(void)
{
    return mine;
}
