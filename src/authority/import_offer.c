#include "authority/import_offer.h"

#include "authority/custody.h"
#include "base/clock.h"
#include "crypto/hash.h"
#include "crypto/random.h"

enum {
    FORMAT = 1,
    DEADLINE_MS = 10000,
    SEALED_SIZE = KW_RSA_SECRET_SIZE + KW_TAG_SIZE,
    /* format, tries, hash of the token, end, sealed private key; then copies, of which each is
     * provider, provider's key and blob behind their lengths of 1, 2 and 2 bytes */
    AT_TRIES = 1,
    AT_TOKEN = 2,
    AT_EXPIRES = AT_TOKEN + KW_HASH_SIZE,
    AT_SEALED = AT_EXPIRES + 8,
    AT_COPIES = AT_SEALED + SEALED_SIZE,
    STORED_MAX = 64 * 1024,
};

/* The key that seals is used for this one text, so its nonce may be constant. */
static const uint8_t nonce[KW_NONCE_SIZE];

static void name_of(const struct kw_key_row *key, char name[32])
{
    snprintf(name, 32, "import/%016llx", (unsigned long long)key->reference);
}

static void hash_token(const char *token, uint8_t out[KW_HASH_SIZE])
{
    kw_sha256_one(out, kw_bytes_str(token));
}

/* What is sealed is for this key, token and end: the head without the tries, and the reference. */
static void bind_offer(const struct kw_key_row *key, const uint8_t *head,
                       uint8_t out[AT_SEALED - AT_TOKEN + 8])
{
    memcpy(out, head + AT_TOKEN, AT_SEALED - AT_TOKEN);
    kw_put_u64(out + AT_SEALED - AT_TOKEN, key->reference);
}

/* ---- Providers --------------------------------------------------------------------------------
 */

struct binding {
    char reference[17];
    struct kw_provider_pair pairs[4];
};

/* By the region's own providers, whoever holds the tenant key. */
static struct kw_router_call call_for(struct binding *binding, const struct kw_key_row *key)
{
    snprintf(binding->reference, sizeof binding->reference, "%016llx",
             (unsigned long long)key->reference);
    binding->pairs[0] = (struct kw_provider_pair){"keyward:tenant", key->tenant};
    binding->pairs[1] = (struct kw_provider_pair){"keyward:region", key->region};
    binding->pairs[2] = (struct kw_provider_pair){"keyward:key", binding->reference};
    binding->pairs[3] = (struct kw_provider_pair){"keyward:purpose", "import"};
    return (struct kw_router_call){.region = key->region,
                                   .context = binding->pairs,
                                   .context_count = KW_COUNT(binding->pairs),
                                   .deadline_ms = kw_clock_ms() + DEADLINE_MS,
                                   .tenant = key->tenant};
}

static void put_text(struct kw_buf *out, const char *text, size_t len_bytes)
{
    uint8_t len[2];
    kw_put_u16(len, (uint16_t)strlen(text));
    kw_buf_append(out, len + 2 - len_bytes, len_bytes);
    kw_buf_append_str(out, text);
}

static KW_ERR keep_copy(void *arg, const struct kw_router_copy *copy, struct kw_error *err)
{
    struct kw_buf *out = arg;
    uint8_t len[2];
    if (copy->blob.len > KW_COPY_MAX || strlen(copy->provider) > KW_PROVIDER_MAX ||
        strlen(copy->provider_key) > KW_PROVIDER_KEY_MAX)
        return kw_fail(err, KW_INTERNAL, "provider %.32s: a copy of %zu bytes", copy->provider,
                       copy->blob.len);
    put_text(out, copy->provider, 1);
    put_text(out, copy->provider_key, 2);
    kw_put_u16(len, (uint16_t)copy->blob.len);
    kw_buf_append(out, len, sizeof len);
    kw_buf_append(out, copy->blob.data, copy->blob.len);
    return kw_buf_status(out, err);
}

/* ---- Making -----------------------------------------------------------------------------------
 */

static KW_ERR seal(const struct kw_key_row *key, const struct kw_secret *sealing,
                   const struct kw_secret *secret, struct kw_buf *stored, struct kw_error *err)
{
    uint8_t bound[AT_SEALED - AT_TOKEN + 8];
    bind_offer(key, stored->data, bound);
    uint8_t *place = kw_buf_reserve(stored, SEALED_SIZE);
    if (place == NULL)
        return kw_buf_status(stored, err);
    KW_TRY(kw_aead_seal(kw_suite_default(), sealing->data, nonce, kw_bytes(bound, sizeof bound),
                        kw_bytes(secret->data, secret->len), place, err));
    stored->len += SEALED_SIZE;
    return KW_OK;
}

static KW_ERR write_head(struct kw_buf *stored, const char *token, int64_t expires_ms,
                         struct kw_error *err)
{
    uint8_t head[AT_SEALED] = {FORMAT};
    hash_token(token, head + AT_TOKEN);
    kw_put_u64(head + AT_EXPIRES, (uint64_t)expires_ms);
    stored->max = STORED_MAX;
    kw_buf_append(stored, head, sizeof head);
    return kw_buf_status(stored, err);
}

KW_ERR kw_offer_make(struct kw_authority *authority, const struct kw_key_row *key,
                     const char *token, int64_t expires_ms, struct kw_buf *public_der,
                     struct kw_buf *stored, struct kw_error *err)
{
    KW_AUTO(kw_secret) secret = KW_SECRET_INIT;
    KW_AUTO(kw_secret) sealing = KW_SECRET_INIT;
    struct binding binding;
    size_t made = 0;
    kw_buf_reset(stored);
    kw_buf_reset(public_der);
    KW_TRY(kw_rsa_pair_make(&secret, public_der, err));
    KW_TRY(kw_random_secret(&sealing, KW_KEY_SIZE, err));
    KW_TRY(write_head(stored, token, expires_ms, err));
    KW_TRY(seal(key, &sealing, &secret, stored, err));
    struct kw_router_call call = call_for(&binding, key);
    struct kw_router_wrapping wrapping = {.plaintext = &sealing, .keep = keep_copy, .arg = stored};
    return kw_router_wrap(authority->router, &call, &wrapping, &made, err);
}

/* ---- Finding ----------------------------------------------------------------------------------
 */

static KW_ERR no_offer(struct kw_error *err)
{
    return kw_fail(err, KW_NOT_FOUND,
                   "no import was offered under this token, or it has expired or is used up: ask "
                   "for a new offer");
}

static KW_ERR damaged(struct kw_error *err)
{
    return kw_fail(err, KW_STORE_CORRUPT, "the stored offer is damaged: ask for a new one");
}

static KW_ERR read_stored(struct kw_authority *authority, const struct kw_key_row *key,
                          struct kw_buf *stored, struct kw_error *err)
{
    char name[32];
    struct kw_error why;
    name_of(key, name);
    kw_buf_reset(stored);
    kw_code code = kw_store_meta_get(authority->store, name, stored, &why);
    if (code == KW_NOT_FOUND || (code == KW_OK && stored->len == 0))
        return no_offer(err);
    if (code != KW_OK)
        return kw_fail(err, code, "%s", why.text);
    return stored->len > AT_COPIES && stored->data[0] == FORMAT ? KW_OK : damaged(err);
}

KW_ERR kw_offer_find(struct kw_authority *authority, const struct kw_key_row *key,
                     const char *token, struct kw_buf *stored, struct kw_error *err)
{
    uint8_t hash[KW_HASH_SIZE];
    hash_token(token, hash);
    KW_TRY(read_stored(authority, key, stored, err));
    if (!kw_equal_ct(hash, stored->data + AT_TOKEN, sizeof hash) ||
        (int64_t)kw_get_u64(stored->data + AT_EXPIRES) <= kw_clock_wall_ms())
        return no_offer(err);
    return KW_OK;
}

/* ---- Opening ----------------------------------------------------------------------------------
 */

struct parsed {
    struct kw_router_copy copies[KW_ROUTES_MAX];
    size_t count;
    struct kw_buf texts; /* the names, each with its end */
};

/* A text or bytes behind its length; false if they are not all there. */
static bool take(struct kw_bytes *rest, size_t len_bytes, struct kw_bytes *out)
{
    if (rest->len < len_bytes)
        return false;
    size_t len = len_bytes == 1 ? rest->data[0] : kw_get_u16(rest->data);
    if (rest->len - len_bytes < len)
        return false;
    *out = kw_bytes(rest->data + len_bytes, len);
    *rest = kw_bytes(out->data + len, rest->len - len_bytes - len);
    return true;
}

static void keep_text(struct kw_buf *texts, struct kw_bytes text)
{
    kw_buf_append(texts, text.data, text.len);
    kw_buf_append_byte(texts, 0);
}

/* The buffer of the texts may move while it grows, so the names are found in it afterwards. */
static KW_ERR parse_copies(struct kw_bytes rest, struct parsed *out, struct kw_error *err)
{
    while (rest.len > 0 && out->count < KW_COUNT(out->copies)) {
        struct kw_bytes provider;
        struct kw_bytes provider_key;
        if (!take(&rest, 1, &provider) || !take(&rest, 2, &provider_key) ||
            !take(&rest, 2, &out->copies[out->count].blob))
            return damaged(err);
        keep_text(&out->texts, provider);
        keep_text(&out->texts, provider_key);
        out->count++;
    }
    KW_TRY(kw_buf_status(&out->texts, err));
    const char *at = (const char *)out->texts.data;
    for (size_t i = 0; i < out->count; i++) {
        out->copies[i].provider = at;
        at += strlen(at) + 1;
        out->copies[i].provider_key = at;
        at += strlen(at) + 1;
    }
    return KW_OK;
}

static KW_ERR accept_size(void *arg, const struct kw_secret *plaintext, struct kw_error *err)
{
    KW_UNUSED(arg);
    return plaintext->len == KW_KEY_SIZE ? KW_OK : damaged(err);
}

static KW_ERR unwrap_sealing(struct kw_authority *authority, const struct kw_key_row *key,
                             struct kw_bytes copies, struct kw_secret *out, struct kw_error *err)
{
    struct parsed parsed = {.count = 0};
    struct binding binding;
    kw_code code = parse_copies(copies, &parsed, err);
    if (code == KW_OK) {
        struct kw_router_call call = call_for(&binding, key);
        struct kw_router_unwrapping unwrapping = {
            .copies = parsed.copies, .count = parsed.count, .accept = accept_size};
        code = kw_router_unwrap(authority->router, &call, &unwrapping, out, err);
    }
    kw_buf_wipe(&parsed.texts);
    return code;
}

/* A seal that is broken here is our store's fault, not the customer's. */
KW_ERR kw_offer_open(struct kw_authority *authority, const struct kw_key_row *key,
                     struct kw_bytes stored, struct kw_secret *secret, struct kw_error *err)
{
    KW_AUTO(kw_secret) sealing = KW_SECRET_INIT;
    KW_AUTO(kw_secret) opened = KW_SECRET_INIT;
    uint8_t bound[AT_SEALED - AT_TOKEN + 8];
    bind_offer(key, stored.data, bound);
    kw_code code = unwrap_sealing(
        authority, key, kw_bytes(stored.data + AT_COPIES, stored.len - AT_COPIES), &sealing, err);
    if (code == KW_SEAL_BROKEN)
        return damaged(err);
    KW_TRY(code);
    KW_TRY(kw_secret_alloc(&opened, KW_RSA_SECRET_SIZE, err));
    code = kw_aead_open(kw_suite_default(), sealing.data, nonce, kw_bytes(bound, sizeof bound),
                        kw_bytes(stored.data + AT_SEALED, SEALED_SIZE), opened.data, err);
    if (code == KW_SEAL_BROKEN)
        return damaged(err);
    KW_TRY(code);
    kw_secret_move(secret, &opened);
    return KW_OK;
}

/* ---- Writing ----------------------------------------------------------------------------------
 */

KW_ERR kw_offer_put(struct kw_authority *authority, const struct kw_key_row *key,
                    struct kw_bytes stored, struct kw_error *err)
{
    char name[32];
    name_of(key, name);
    return kw_store_meta_put(authority->store, name, stored, err);
}

KW_ERR kw_offer_end(struct kw_authority *authority, const struct kw_key_row *key,
                    struct kw_error *err)
{
    return kw_offer_put(authority, key, kw_bytes(NULL, 0), err);
}

KW_ERR kw_offer_count(struct kw_authority *authority, const struct kw_key_row *key,
                      const char *token, struct kw_error *err)
{
    KW_AUTO(kw_buf) stored = KW_BUF_INIT;
    KW_TRY(kw_offer_find(authority, key, token, &stored, err));
    stored.data[AT_TRIES]++;
    if (stored.data[AT_TRIES] >= KW_OFFER_TRIES)
        return kw_offer_end(authority, key, err);
    return kw_offer_put(authority, key, kw_buf_bytes(&stored), err);
}
