#include "authority_import.h"

#include "base/encode.h"
#include "base/file.h"
#include "crypto/keywrap.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

void kw_import_material(uint8_t seed, uint8_t out[KW_IMPORT_MATERIAL])
{
    for (size_t i = 0; i < KW_IMPORT_MATERIAL; i++)
        out[i] = (uint8_t)(seed * 37 + i * 101 + i / 3);
}

kw_code kw_import_ask(struct kw_fixture *f, const char *tenant, struct kw_import_offer *offer)
{
    memset(offer, 0, sizeof *offer);
    return kw_authority_import_offer(f->authority, &kw_fixture_root, tenant, "eu", offer, NULL);
}

void kw_import_wrap(const struct kw_import_offer *offer, const void *material, size_t len,
                    struct kw_buf *out)
{
    KW_AUTO(kw_secret) in = KW_SECRET_INIT;
    assert_int_equal(kw_secret_copy(&in, material, len, NULL), KW_OK);
    assert_int_equal(kw_rsa_aes_wrap(kw_buf_bytes(&offer->public_der), &in, out, NULL), KW_OK);
}

kw_code kw_import_send(struct kw_fixture *f, const char *tenant, const char *token,
                       struct kw_bytes wrapped, int64_t expires_ms, struct kw_import_result *result,
                       struct kw_error *err)
{
    struct kw_import import = {.tenant = tenant,
                               .region = "eu",
                               .token = token,
                               .wrapped = wrapped,
                               .expires_ms = expires_ms};
    struct kw_import_result ignored;
    return kw_authority_key_import(f->authority, &kw_fixture_root, &import,
                                   result != NULL ? result : &ignored, err);
}

kw_code kw_import_whole(struct kw_fixture *f, const char *tenant, uint8_t seed, int64_t expires_ms,
                        struct kw_import_result *result)
{
    struct kw_import_offer offer;
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    uint8_t material[KW_IMPORT_MATERIAL];
    kw_import_material(seed, material);
    kw_code code = kw_import_ask(f, tenant, &offer);
    if (code != KW_OK)
        return code;
    kw_import_wrap(&offer, material, sizeof material, &wrapped);
    code = kw_import_send(f, tenant, offer.token, kw_buf_bytes(&wrapped), expires_ms, result, NULL);
    kw_buf_wipe(&offer.public_der);
    return code;
}

static bool count_copy(void *arg, const struct kw_copy_row *row)
{
    KW_UNUSED(row);
    ++*(size_t *)arg;
    return true;
}

size_t kw_import_copies(struct kw_fixture *f, uint64_t reference, uint32_t version)
{
    size_t count = 0;
    assert_int_equal(kw_store_copies(f->store, reference, version, count_copy, &count, NULL),
                     KW_OK);
    return count;
}

/* nftw has no argument for its callback. */
static struct {
    struct kw_buf forms[3];
    size_t found;
} search;

static size_t count_in(const struct kw_buf *text, const struct kw_buf *form)
{
    size_t found = 0;
    const uint8_t *at = text->data;
    size_t left = text->len;
    const uint8_t *hit;
    while (left > 0 && (hit = memmem(at, left, form->data, form->len)) != NULL) {
        found++;
        left -= (size_t)(hit + 1 - at);
        at = hit + 1;
    }
    return found;
}

static int search_file(const char *path, const struct stat *st, int type, struct FTW *at)
{
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    (void)st;
    (void)at;
    if (type != FTW_F)
        return 0;
    assert_int_equal(kw_file_read(path, 1 << 28, &text, NULL), KW_OK);
    for (size_t i = 0; i < KW_COUNT(search.forms); i++)
        search.found += count_in(&text, &search.forms[i]);
    return 0;
}

/* Base64 of the first bytes, as it is when nothing stands before them. */
size_t kw_import_search(const char *folder, struct kw_bytes bytes)
{
    kw_buf_append(&search.forms[0], bytes.data, bytes.len);
    kw_hex_encode(&search.forms[1], bytes);
    kw_base64_encode(&search.forms[2], kw_bytes(bytes.data, bytes.len / 3 * 3));
    search.found = 0;
    assert_int_equal(nftw(folder, search_file, 16, FTW_PHYS), 0);
    for (size_t i = 0; i < KW_COUNT(search.forms); i++)
        kw_buf_wipe(&search.forms[i]);
    return search.found;
}
