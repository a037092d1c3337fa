/* kw_vectors: computes what a line on standard input asks for, a line of answer each.
 *
 * A request is a verb and its arguments, apart by one space: bytes in hex, "-" for none, numbers in
 * decimal. The answer is "ok HEX", or "no NAME" with the name of the error. Where crypto/ has
 * several ways to one result, all of them are tried, and "differ" is the answer if they disagree.
 */
#include "base/encode.h"
#include "crypto/hash.h"
#include "crypto/keywrap.h"
#include "crypto/sign.h"
#include "crypto/suite.h"

enum { ARGUMENTS = 6 };

struct request {
    const char *verb;
    const char *text[ARGUMENTS];
    struct kw_buf bytes[ARGUMENTS]; /* text, decoded where it is hex */
    struct kw_buf out;
    bool differ;
};

static struct kw_bytes arg(const struct request *r, size_t i)
{
    return kw_buf_bytes(&r->bytes[i]);
}

static unsigned number(const struct request *r, size_t i)
{
    uint64_t value = 0;
    if (kw_parse_u64(kw_bytes_str(r->text[i]), 1 << 20, &value, NULL) != KW_OK)
        abort();
    return (unsigned)value;
}

static void same(struct request *r, const void *a, const void *b, size_t len)
{
    r->differ = r->differ || memcmp(a, b, len) != 0;
}

static uint8_t *room(struct request *r, size_t len)
{
    uint8_t *place = kw_buf_reserve(&r->out, len);
    if (place == NULL)
        abort();
    r->out.len = len;
    return place;
}

static const struct kw_suite *suite_of(struct request *r)
{
    const struct kw_suite *suite = NULL;
    if (kw_suite_get((uint8_t)number(r, 0), &suite, NULL) != KW_OK ||
        r->bytes[1].len != KW_KEY_SIZE || r->bytes[2].len != KW_NONCE_SIZE)
        abort();
    return suite;
}

/* With a new key; in place; and with a key that is set once, for the second time. */
static kw_code seal(struct request *r)
{
    const struct kw_suite *suite = suite_of(r);
    const uint8_t *key = r->bytes[1].data;
    const uint8_t *nonce = r->bytes[2].data;
    struct kw_bytes in = arg(r, 4);
    size_t len = in.len + KW_TAG_SIZE;
    uint8_t *out = room(r, len);
    KW_TRY(kw_aead_seal(suite, key, nonce, arg(r, 3), in, out, NULL));

    KW_AUTO(kw_buf) other = KW_BUF_INIT;
    uint8_t *place = kw_buf_reserve(&other, len);
    memcpy(place, in.data, in.len);
    KW_TRY(kw_aead_seal(suite, key, nonce, arg(r, 3), kw_bytes(place, in.len), place, NULL));
    same(r, out, place, len);

    KW_AUTO_PTR(kw_aead) aead = NULL;
    KW_TRY(kw_aead_new(suite, key, &aead, NULL));
    for (int i = 0; i < 2; i++) {
        KW_TRY(kw_aead_seal_with(aead, nonce, arg(r, 3), in, place, NULL));
        same(r, out, place, len);
    }
    return KW_OK;
}

/* A refused text must leave zeros, by either way. */
static kw_code open(struct request *r)
{
    const struct kw_suite *suite = suite_of(r);
    struct kw_bytes in = arg(r, 4);
    size_t len = in.len < KW_TAG_SIZE ? 0 : in.len - KW_TAG_SIZE;
    uint8_t *out = room(r, len);
    kw_code code =
        kw_aead_open(suite, r->bytes[1].data, r->bytes[2].data, arg(r, 3), in, out, NULL);
    for (size_t i = 0; code != KW_OK && i < len; i++)
        r->differ = r->differ || out[i] != 0;

    KW_AUTO_PTR(kw_aead) aead = NULL;
    KW_AUTO(kw_buf) other = KW_BUF_INIT;
    uint8_t *place = kw_buf_reserve(&other, len);
    KW_TRY(kw_aead_new(suite, r->bytes[1].data, &aead, NULL));
    for (int i = 0; i < 2; i++) {
        kw_code again = kw_aead_open_with(aead, r->bytes[2].data, arg(r, 3), in, place, NULL);
        r->differ = r->differ || again != code;
        same(r, out, place, len);
    }
    return code;
}

/* Whole; in three parts; and piece by piece, for the second time. */
static kw_code sha256(struct request *r)
{
    struct kw_bytes in = arg(r, 0);
    uint8_t *out = room(r, KW_HASH_SIZE);
    uint8_t other[KW_HASH_SIZE];
    kw_sha256_one(out, in);

    size_t third = in.len / 3;
    struct kw_bytes parts[] = {kw_bytes(in.data, third), kw_bytes(in.data + third, third),
                               kw_bytes(in.data + 2 * third, in.len - 2 * third)};
    kw_sha256(other, parts, 3);
    same(r, out, other, KW_HASH_SIZE);

    KW_AUTO_PTR(kw_sha256_stream) stream = NULL;
    KW_TRY(kw_sha256_stream_new(&stream, NULL));
    for (int i = 0; i < 2; i++) {
        for (size_t at = 0; at < in.len; at += 7)
            kw_sha256_stream_add(stream, kw_bytes(in.data + at, in.len - at < 7 ? in.len - at : 7));
        kw_sha256_stream_end(stream, other);
        same(r, out, other, KW_HASH_SIZE);
    }
    return KW_OK;
}

/* One checkpoint of CAVP's Monte Carlo test: a thousand hashes, each over the last three. */
static kw_code sha256_monte(struct request *r)
{
    uint8_t last[3][KW_HASH_SIZE];
    if (r->bytes[0].len != KW_HASH_SIZE)
        abort();
    for (size_t i = 0; i < 3; i++)
        memcpy(last[i], r->bytes[0].data, KW_HASH_SIZE);
    for (int i = 0; i < 1000; i++) {
        struct kw_bytes parts[3];
        for (size_t k = 0; k < 3; k++)
            parts[k] = kw_bytes(last[k], KW_HASH_SIZE);
        uint8_t next[KW_HASH_SIZE];
        kw_sha256(next, parts, 3);
        memmove(last[0], last[1], (size_t)2 * KW_HASH_SIZE);
        memcpy(last[2], next, KW_HASH_SIZE);
    }
    memcpy(room(r, KW_HASH_SIZE), last[2], KW_HASH_SIZE);
    return KW_OK;
}

static kw_code hmac(struct request *r)
{
    return kw_hmac_sha256(room(r, KW_HASH_SIZE), arg(r, 0), arg(r, 1), NULL);
}

static kw_code hkdf(struct request *r)
{
    unsigned len = number(r, 3);
    return kw_hkdf_sha256(room(r, len), len, arg(r, 0), arg(r, 1), arg(r, 2), NULL);
}

static kw_code expand(struct request *r)
{
    unsigned len = number(r, 2);
    return kw_hkdf_expand_sha256(room(r, len), len, arg(r, 0), arg(r, 1), NULL);
}

static kw_code scrypt(struct request *r)
{
    KW_AUTO(kw_secret) passphrase = KW_SECRET_INIT;
    KW_TRY(kw_secret_copy(&passphrase, r->bytes[0].data, r->bytes[0].len, NULL));
    unsigned len = number(r, 3);
    return kw_scrypt(room(r, len), len, &passphrase, arg(r, 1), number(r, 2), NULL);
}

static kw_code sign_public(struct request *r)
{
    return kw_sign_public(r->bytes[0].data, room(r, KW_SIGN_PUBLIC_SIZE), NULL);
}

static kw_code sign(struct request *r)
{
    return kw_sign(r->bytes[0].data, arg(r, 1), room(r, KW_SIGNATURE_SIZE), NULL);
}

/* Sizes are part of the type in crypto/; a signature of another size is refused before it. */
static kw_code verify(struct request *r)
{
    if (r->bytes[0].len != KW_SIGN_PUBLIC_SIZE || r->bytes[2].len != KW_SIGNATURE_SIZE)
        return KW_BAD_SIGNATURE;
    return kw_verify(r->bytes[0].data, arg(r, 1), r->bytes[2].data, NULL);
}

/* ---- Keys under keys --------------------------------------------------------------------------
 */

static void put(struct request *r, const struct kw_secret *secret)
{
    memcpy(room(r, secret->len), secret->data, secret->len);
}

typedef kw_code unwrap_fn(const struct kw_secret *key, struct kw_bytes in, struct kw_secret *out,
                          struct kw_error *err);

/* A refusal must leave nothing. */
static kw_code unwrap_by(struct request *r, unwrap_fn *unwrap)
{
    KW_AUTO(kw_secret) key = KW_SECRET_INIT;
    KW_AUTO(kw_secret) out = KW_SECRET_INIT;
    KW_TRY(kw_secret_copy(&key, r->bytes[0].data, r->bytes[0].len, NULL));
    kw_code code = unwrap(&key, arg(r, 1), &out, NULL);
    r->differ = r->differ || (code != KW_OK && out.data != NULL);
    if (code == KW_OK)
        put(r, &out);
    return code;
}

static kw_code kwp_wrap(struct request *r)
{
    KW_AUTO(kw_secret) key = KW_SECRET_INIT;
    KW_AUTO(kw_secret) in = KW_SECRET_INIT;
    KW_TRY(kw_secret_copy(&key, r->bytes[0].data, r->bytes[0].len, NULL));
    KW_TRY(kw_secret_copy(&in, r->bytes[1].data, r->bytes[1].len, NULL));
    return kw_kwp_wrap(&key, &in, &r->out, NULL);
}

static kw_code kwp_unwrap(struct request *r)
{
    return unwrap_by(r, kw_kwp_unwrap);
}

static kw_code oaep_decrypt(struct request *r)
{
    return unwrap_by(r, kw_rsa_oaep_decrypt);
}

static kw_code rsa_aes_unwrap(struct request *r)
{
    return unwrap_by(r, kw_rsa_aes_unwrap);
}

static kw_code rsa_aes_wrap(struct request *r)
{
    KW_AUTO(kw_secret) in = KW_SECRET_INIT;
    KW_TRY(kw_secret_copy(&in, r->bytes[1].data, r->bytes[1].len, NULL));
    return kw_rsa_aes_wrap(arg(r, 0), &in, &r->out, NULL);
}

/* Private key as crypto/rsa.h has it, then the public key; how long the first is is known. */
static kw_code rsa_pair(struct request *r)
{
    KW_AUTO(kw_secret) key = KW_SECRET_INIT;
    KW_AUTO(kw_buf) public_der = KW_BUF_INIT;
    KW_TRY(kw_rsa_pair_make(&key, &public_der, NULL));
    put(r, &key);
    kw_buf_append(&r->out, public_der.data, public_der.len);
    return KW_OK;
}

static const struct {
    const char *name;
    size_t arguments;
    kw_code (*compute)(struct request *r);
} verbs[] = {
    {"seal", 5, seal},
    {"open", 5, open},
    {"sha256", 1, sha256},
    {"hmac", 2, hmac},
    {"hkdf", 4, hkdf},
    {"sha256_monte", 1, sha256_monte},
    {"expand", 3, expand},
    {"sign", 2, sign},
    {"public", 1, sign_public},
    {"scrypt", 4, scrypt},
    {"verify", 3, verify},
    {"kwp_wrap", 2, kwp_wrap},
    {"kwp_unwrap", 2, kwp_unwrap},
    {"oaep_decrypt", 2, oaep_decrypt},
    {"rsa_aes_wrap", 2, rsa_aes_wrap},
    {"rsa_aes_unwrap", 2, rsa_aes_unwrap},
    {"rsa_pair", 1, rsa_pair},
};

static void parse(struct request *r, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    char *rest = line;
    r->verb = strsep(&rest, " ");
    for (size_t i = 0; i < ARGUMENTS; i++) {
        r->text[i] = rest == NULL ? NULL : strsep(&rest, " ");
        if (r->text[i] != NULL &&
            kw_hex_decode(&r->bytes[i], kw_bytes_str(r->text[i]), NULL) != KW_OK)
            kw_buf_reset(&r->bytes[i]); /* "-", or a number that is no hex */
        kw_buf_str(&r->bytes[i]);       /* so that no bytes still have a place */
    }
}

static void answer(struct request *r)
{
    for (size_t i = 0; i < KW_COUNT(verbs); i++) {
        if (strcmp(verbs[i].name, r->verb) != 0 || r->text[verbs[i].arguments - 1] == NULL)
            continue;
        kw_code code = verbs[i].compute(r);
        KW_AUTO(kw_buf) hex = KW_BUF_INIT;
        kw_hex_encode(&hex, kw_buf_bytes(&r->out));
        if (r->differ)
            puts("differ");
        else if (code != KW_OK)
            printf("no %s\n", kw_code_name(code));
        else
            printf("ok %s\n", kw_buf_str(&hex));
        return;
    }
    puts("unknown");
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0) {
        struct request r = {0};
        parse(&r, line);
        answer(&r);
        for (size_t i = 0; i < ARGUMENTS; i++)
            kw_buf_wipe(&r.bytes[i]);
        kw_buf_wipe(&r.out);
    }
    free(line);
    return 0;
}
