/* What sealing costs over the cryptography it contains, in one process and one run: seal and open
 * of an envelope with a data key each against bare EVP doing the same two AES-256-GCM calls, each
 * with its key set up; and a stream's chunks against bare AES-256-GCM at the same size. Medians of
 * interleaved rounds, printed as JSON. */
#include "crypto/random.h"
#include "envelope/envelope.h"
#include "envelope/record.h"
#include "envelope/stream.h"

#include <openssl/evp.h>

enum { ROUNDS = 31, LOOPS = 4000, STREAM_LOOPS = 40, PIECE = 256 * 1024, LARGEST = 4096 };

static void must(bool done)
{
    if (!done) {
        fprintf(stderr, "the benchmark failed\n");
        abort();
    }
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof values[0], compare);
    return values[count / 2];
}

struct bench {
    struct kw_wrapping_key w;
    struct kw_context context;
    EVP_CIPHER *gcm;
    EVP_CIPHER_CTX *ctx;
    size_t size;
    uint8_t plain[LARGEST];
    uint8_t sealed[LARGEST + KW_ENVELOPE_OVERHEAD];
    uint8_t bare[LARGEST + 16];
    uint8_t wrapped[48];
    uint8_t data_key[32];
};

/* One GCM call with its key set up, as directly as EVP allows. */
static void bare_call(struct bench *b, bool seal, const uint8_t *key, const uint8_t *in, size_t len,
                      uint8_t *out)
{
    static const uint8_t nonce[12];
    static const uint8_t aad[65];
    uint8_t tag[16];
    int done = 0;
    must(EVP_CipherInit_ex2(b->ctx, NULL, key, nonce, seal, NULL) == 1);
    must(EVP_CipherUpdate(b->ctx, NULL, &done, aad, sizeof aad) == 1);
    must(EVP_CipherUpdate(b->ctx, out, &done, in, (int)len) == 1);
    if (!seal) {
        memcpy(tag, in + len, sizeof tag);
        must(EVP_CIPHER_CTX_ctrl(b->ctx, EVP_CTRL_AEAD_SET_TAG, 16, tag) == 1);
        must(EVP_CipherFinal_ex(b->ctx, tag, &done) == 1);
    } else {
        must(EVP_CipherFinal_ex(b->ctx, tag, &done) == 1);
        must(EVP_CIPHER_CTX_ctrl(b->ctx, EVP_CTRL_AEAD_GET_TAG, 16, out + len) == 1);
    }
}

static double bare_round(struct bench *b)
{
    uint8_t key[32];
    double start = now_ns();
    for (int i = 0; i < LOOPS; i++) {
        bare_call(b, true, b->w.key.data, b->data_key, 32, b->wrapped);
        bare_call(b, true, b->data_key, b->plain, b->size, b->bare);
        bare_call(b, false, b->w.key.data, b->wrapped, 32, key);
        bare_call(b, false, key, b->bare, b->size, b->plain);
    }
    return (now_ns() - start) / LOOPS;
}

static double envelope_round(struct bench *b)
{
    struct kw_error err;
    double start = now_ns();
    for (int i = 0; i < LOOPS; i++) {
        must(kw_envelope_seal_with(b->sealed, &b->w, &b->context, kw_bytes(b->plain, b->size),
                                   &err) == KW_OK);
        must(kw_envelope_open_with(b->plain, &b->w, &b->context,
                                   kw_bytes(b->sealed, b->size + KW_ENVELOPE_OVERHEAD),
                                   &err) == KW_OK);
    }
    return (now_ns() - start) / LOOPS;
}

static void envelopes(struct bench *b, size_t size, const char *end)
{
    double bare[ROUNDS];
    double ours[ROUNDS];
    b->size = size;
    bare_round(b);
    envelope_round(b);
    for (int i = 0; i < ROUNDS; i++) {
        bare[i] = bare_round(b);
        ours[i] = envelope_round(b);
    }
    double x = median(bare, ROUNDS);
    double y = median(ours, ROUNDS);
    printf("  \"seal_open_%zu\": {\"bare_ns\": %.0f, \"keyward_ns\": %.0f, \"ratio\": %.3f}%s\n",
           size, x, y, y / x, end);
}

static double bare_stream_round(struct bench *b, const uint8_t *in, uint8_t *out)
{
    static const uint8_t nonce[12];
    int done = 0;
    double start = now_ns();
    must(EVP_CipherInit_ex2(b->ctx, NULL, b->data_key, nonce, 1, NULL) == 1);
    for (int i = 0; i < STREAM_LOOPS * PIECE / KW_STREAM_CHUNK; i++) {
        size_t at = (size_t)i * KW_STREAM_CHUNK % PIECE;
        must(EVP_CipherInit_ex2(b->ctx, NULL, NULL, nonce, 1, NULL) == 1);
        must(EVP_CipherUpdate(b->ctx, out, &done, in + at, KW_STREAM_CHUNK) == 1);
        must(EVP_CipherFinal_ex(b->ctx, out + KW_STREAM_CHUNK, &done) == 1);
        must(EVP_CIPHER_CTX_ctrl(b->ctx, EVP_CTRL_AEAD_GET_TAG, 16, out + KW_STREAM_CHUNK) == 1);
    }
    return (double)STREAM_LOOPS * PIECE / (now_ns() - start);
}

/* GB/s of sealing and of opening what was sealed. */
static void stream_round(struct bench *b, const uint8_t *in, double *seal, double *open)
{
    struct kw_error err;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    KW_AUTO(kw_buf) back = KW_BUF_INIT;
    KW_AUTO_PTR(kw_stream_sealer) sealer = NULL;
    KW_AUTO_PTR(kw_stream_opener) opener = NULL;
    struct kw_data_key key = {.key = b->data_key, .head = {.suite = KW_SUITE_AES256GCM}};
    struct kw_wrapped_key head;
    must(kw_stream_sealer_new(&sealer, &key, &b->context, &err) == KW_OK);
    *seal = 0;
    *open = 0;
    for (int i = 0; i <= STREAM_LOOPS; i++) {
        double t0 = now_ns();
        if (i < STREAM_LOOPS)
            must(kw_stream_sealer_add(sealer, kw_bytes(in, PIECE), &out, &err) == KW_OK);
        else
            must(kw_stream_sealer_end(sealer, &out, &err) == KW_OK);
        double t1 = now_ns();
        struct kw_bytes got = kw_buf_bytes(&out);
        if (i == 0) {
            must(kw_wrapped_key_parse(&head, kw_bytes(got.data, KW_HEAD_SIZE), &err) == KW_OK);
            must(kw_stream_opener_new(&opener, &head, b->data_key, &b->context, &err) == KW_OK);
            got = kw_bytes(got.data + KW_HEAD_SIZE, got.len - KW_HEAD_SIZE);
        }
        double t2 = now_ns();
        must(kw_stream_opener_add(opener, got, &back, &err) == KW_OK);
        *seal += t1 - t0;
        *open += now_ns() - t2;
        kw_buf_reset(&out);
        kw_buf_reset(&back);
    }
    *seal = (double)STREAM_LOOPS * PIECE / *seal;
    *open = (double)STREAM_LOOPS * PIECE / *open;
}

static void streams(struct bench *b, const char *end)
{
    double bare[ROUNDS];
    double seal[ROUNDS];
    double open[ROUNDS];
    uint8_t *in = calloc(1, PIECE);
    uint8_t *out = malloc(KW_STREAM_SEALED_CHUNK);
    must(in != NULL && out != NULL);
    for (int i = 0; i < ROUNDS; i++) {
        bare[i] = bare_stream_round(b, in, out);
        stream_round(b, in, &seal[i], &open[i]);
    }
    free(in);
    free(out);
    double x = median(bare, ROUNDS);
    double s = median(seal, ROUNDS);
    double o = median(open, ROUNDS);
    printf("  \"stream\": {\"bare_gb_s\": %.2f, \"seal_gb_s\": %.2f, \"open_gb_s\": %.2f, "
           "\"seal_share\": %.3f, \"open_share\": %.3f}%s\n",
           x, s, o, s / x, o / x, end);
}

static double record_round(struct bench *b, struct kw_record *record,
                           const struct kw_fields_spec *spec)
{
    static const char text[] = "{\"id\":4711,\"name\":\"coreutils\",\"version\":\"9.1-1\","
                               "\"maintainer\":\"Michael Stone <mstone@debian.org>\","
                               "\"section\":\"utils\",\"size\":18084,\"tags\":[\"a\",\"b\"]}";
    struct kw_error err;
    KW_AUTO(kw_buf) sealed = KW_BUF_INIT;
    KW_AUTO(kw_buf) opened = KW_BUF_INIT;
    struct kw_data_key key = {.key = b->data_key, .head = {.suite = KW_SUITE_AES256GCM}};
    const uint8_t *keys[] = {b->data_key};
    kw_class_tag(key.head.class_tag, "pii");
    double start = now_ns();
    for (int i = 0; i < LOOPS; i++) {
        kw_buf_reset(&sealed);
        kw_buf_reset(&opened);
        must(kw_record_plan(record, spec, kw_bytes_str(text), &err) == KW_OK);
        must(kw_record_seal(record, &b->context, &key, &sealed, &err) == KW_OK);
        must(kw_record_read(record, spec, kw_buf_bytes(&sealed), &err) == KW_OK);
        must(kw_record_open(record, &b->context, keys, &opened, &err) == KW_OK);
    }
    return (now_ns() - start) / LOOPS;
}

static void records(struct bench *b, const char *end)
{
    double ns[ROUNDS];
    struct kw_error err;
    KW_AUTO(kw_record) record = KW_RECORD_INIT;
    KW_AUTO_PTR(kw_fields_spec) spec = NULL;
    must(kw_fields_spec_new(&spec, "$.maintainer", "pii", &err) == KW_OK);
    for (int i = 0; i < ROUNDS; i++)
        ns[i] = record_round(b, &record, spec);
    printf("  \"record_seal_open\": {\"ns\": %.0f}%s\n", median(ns, ROUNDS), end);
}

int main(void)
{
    static struct bench b;
    struct kw_error err;
    b.gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    b.ctx = EVP_CIPHER_CTX_new();
    must(EVP_EncryptInit_ex2(b.ctx, b.gcm, NULL, NULL, NULL) == 1);
    must(kw_random_secret(&b.w.key, KW_KEY_SIZE, &err) == KW_OK);
    must(kw_context_make(&b.context, NULL, &err) == KW_OK);
    b.w.suite = KW_SUITE_AES256GCM;
    printf("{\n");
    envelopes(&b, 64, ",");
    envelopes(&b, 1024, ",");
    records(&b, ",");
    streams(&b, "");
    printf("}\n");
    kw_secret_wipe(&b.w.key);
    EVP_CIPHER_CTX_free(b.ctx);
    EVP_CIPHER_free(b.gcm);
    return 0;
}
