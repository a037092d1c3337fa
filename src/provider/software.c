/* The software root: wrapping keys derived from one root key, AES-256-GCM.
 *
 * Wrapping key of the root key name K (a region): HKDF-SHA-256(root, no salt, info), where info is
 * the texts "keyward/v1", "software root" and K, each with its length before it (big-endian u16).
 * Wrapped copy: format 1 (1 byte), nonce (12, random), ciphertext, tag (16); the associated data is
 * the format byte and the context (kw_provider_context_encode). */
#include "provider/ops.h"

#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/suite.h"

#include <pthread.h>

enum { FORMAT = 1, HEAD = 1 + KW_NONCE_SIZE, CACHED_MAX = 64 };

/* Entries are only ever added, so a key once found stays where it is. */
struct software {
    struct kw_secret root;
    const struct kw_suite *suite;
    pthread_rwlock_t lock;
    size_t count;
    struct {
        char name[KW_PROVIDER_KEY_NAME_MAX + 1];
        struct kw_secret key;
    } cached[CACHED_MAX];
};

static KW_ERR derive(const struct software *root, const char *name, struct kw_secret *out,
                     struct kw_error *err)
{
    KW_AUTO(kw_buf) info = KW_BUF_INIT;
    kw_provider_text_encode(&info, "keyward/v1");
    kw_provider_text_encode(&info, "software root");
    kw_provider_text_encode(&info, name);
    KW_TRY(kw_buf_status(&info, err));
    KW_AUTO(kw_secret) key = KW_SECRET_INIT;
    KW_TRY(kw_secret_alloc(&key, KW_KEY_SIZE, err));
    KW_TRY(kw_hkdf_sha256(key.data, key.len, kw_bytes(root->root.data, root->root.len),
                          kw_bytes(NULL, 0), kw_buf_bytes(&info), err));
    kw_secret_move(out, &key);
    return KW_OK;
}

static const uint8_t *lookup(struct software *root, const char *name)
{
    for (size_t i = 0; i < root->count; i++)
        if (strcmp(root->cached[i].name, name) == 0)
            return root->cached[i].key.data;
    return NULL;
}

/* The key if it is cached; else derives it into own, and caches that if there is room. */
static KW_ERR wrapping_key(struct software *root, const char *name, struct kw_secret *own,
                           const uint8_t **out, struct kw_error *err)
{
    pthread_rwlock_rdlock(&root->lock);
    const uint8_t *found = lookup(root, name);
    pthread_rwlock_unlock(&root->lock);
    if (found == NULL) {
        KW_TRY(derive(root, name, own, err));
        pthread_rwlock_wrlock(&root->lock);
        found = lookup(root, name);
        if (found == NULL && root->count < CACHED_MAX) {
            snprintf(root->cached[root->count].name, sizeof root->cached[0].name, "%s", name);
            kw_secret_move(&root->cached[root->count].key, own);
            found = root->cached[root->count++].key.data;
        }
        pthread_rwlock_unlock(&root->lock);
    }
    *out = found != NULL ? found : own->data;
    return KW_OK;
}

static KW_ERR associated_data(const struct kw_provider_call *call, struct kw_buf *out,
                              struct kw_error *err)
{
    kw_buf_append_byte(out, FORMAT);
    kw_provider_context_encode(out, call);
    return kw_buf_status(out, err);
}

static kw_code software_wrap(void *state, const struct kw_provider_call *call,
                             const struct kw_secret *plaintext, struct kw_buf *out,
                             struct kw_error *err)
{
    struct software *root = state;
    KW_AUTO(kw_secret) own = KW_SECRET_INIT;
    KW_AUTO(kw_buf) aad = KW_BUF_INIT;
    const uint8_t *key;
    KW_TRY(wrapping_key(root, call->key, &own, &key, err));
    KW_TRY(associated_data(call, &aad, err));
    size_t len = HEAD + plaintext->len + KW_TAG_SIZE;
    uint8_t *to = kw_buf_reserve(out, len);
    if (to == NULL)
        return kw_buf_status(out, err);
    to[0] = FORMAT;
    kw_random(to + 1, KW_NONCE_SIZE);
    KW_TRY(kw_aead_seal(root->suite, key, to + 1, kw_buf_bytes(&aad),
                        kw_bytes(plaintext->data, plaintext->len), to + HEAD, err));
    out->len += len;
    return KW_OK;
}

static kw_code software_unwrap(void *state, const struct kw_provider_call *call,
                               struct kw_bytes wrapped, struct kw_secret *out, struct kw_error *err)
{
    struct software *root = state;
    if (wrapped.len <= HEAD + KW_TAG_SIZE || wrapped.data[0] != FORMAT)
        return kw_fail(err, KW_SEAL_BROKEN, "this is not a copy of the software root");
    KW_AUTO(kw_secret) own = KW_SECRET_INIT;
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    KW_AUTO(kw_buf) aad = KW_BUF_INIT;
    const uint8_t *key;
    KW_TRY(wrapping_key(root, call->key, &own, &key, err));
    KW_TRY(associated_data(call, &aad, err));
    KW_TRY(kw_secret_alloc(&plaintext, wrapped.len - HEAD - KW_TAG_SIZE, err));
    KW_TRY(kw_aead_open(root->suite, key, wrapped.data + 1, kw_buf_bytes(&aad),
                        kw_bytes(wrapped.data + HEAD, wrapped.len - HEAD), plaintext.data, err));
    kw_secret_move(out, &plaintext);
    return KW_OK;
}

/* Every name has a key: what can fail is deriving it. */
static kw_code software_check(void *state, const struct kw_provider_call *call,
                              struct kw_error *err)
{
    KW_AUTO(kw_secret) own = KW_SECRET_INIT;
    const uint8_t *key;
    return wrapping_key(state, call->key, &own, &key, err);
}

static void software_free(void *state)
{
    struct software *root = state;
    for (size_t i = 0; i < root->count; i++)
        kw_secret_wipe(&root->cached[i].key);
    kw_secret_wipe(&root->root);
    pthread_rwlock_destroy(&root->lock);
    free(root);
}

static const struct kw_provider_ops ops = {
    .kind = "software",
    .wrap = software_wrap,
    .unwrap = software_unwrap,
    .check = software_check,
    .free = software_free,
};

KW_ERR kw_provider_software_new(const char *name, const struct kw_secret *root,
                                struct kw_provider **out, struct kw_error *err)
{
    if (root->len != KW_KEY_SIZE)
        return kw_fail(err, KW_WRONG_ROOT, "a software root has %d bytes", KW_KEY_SIZE);
    struct software *state = calloc(1, sizeof *state);
    if (state == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    pthread_rwlock_init(&state->lock, NULL);
    kw_code code = kw_suite_get(KW_SUITE_AES256GCM, &state->suite, err);
    if (code == KW_OK)
        code = kw_secret_copy(&state->root, root->data, root->len, err);
    if (code != KW_OK) {
        software_free(state);
        return code;
    }
    return kw_provider_new(&ops, state, name, out, err);
}
