/* Encodings: each byte string has one text, each text at most one byte string. */
#include "base/encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct form {
    const char *digits;
    void (*encode)(struct kw_buf *out, struct kw_bytes in);
    kw_code (*decode)(struct kw_buf *out, struct kw_bytes text, struct kw_error *err);
    kw_code (*exact)(void *out, size_t len, struct kw_bytes text, struct kw_error *err);
};

static const struct form hex = {"0123456789abcdef", kw_hex_encode, kw_hex_decode,
                                kw_hex_decode_exact};
static const struct form base64 = {
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=", kw_base64_encode,
    kw_base64_decode, kw_base64_decode_exact};
static const struct form base64url = {
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", kw_base64url_encode,
    kw_base64url_decode, kw_base64url_decode_exact};
static const struct form *const forms[] = {&hex, &base64, &base64url};

/* RFC 4648 section 10. */
static void known_texts(void **state)
{
    KW_UNUSED(state);
    static const char *const known[][4] = {
        {"", "", "", ""},
        {"f", "66", "Zg==", "Zg"},
        {"fo", "666f", "Zm8=", "Zm8"},
        {"foo", "666f6f", "Zm9v", "Zm9v"},
        {"foob", "666f6f62", "Zm9vYg==", "Zm9vYg"},
        {"fooba", "666f6f6261", "Zm9vYmE=", "Zm9vYmE"},
        {"foobar", "666f6f626172", "Zm9vYmFy", "Zm9vYmFy"},
        {"\xfb\xff\xbf", "fbffbf", "+/+/", "-_-_"},
    };
    for (size_t i = 0; i < KW_COUNT(known); i++) {
        for (size_t f = 0; f < KW_COUNT(forms); f++) {
            KW_AUTO(kw_buf) out = KW_BUF_INIT;
            forms[f]->encode(&out, kw_bytes_str(known[i][0]));
            assert_string_equal(kw_buf_str(&out), known[i][1 + f]);
        }
    }
}

static void round_trip(const struct form *form, struct kw_bytes in)
{
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    KW_AUTO(kw_buf) back = KW_BUF_INIT;
    uint8_t exact[64];
    form->encode(&text, in);
    assert_int_equal(form->decode(&back, kw_buf_bytes(&text), NULL), KW_OK);
    assert_true(kw_bytes_equal(kw_buf_bytes(&back), in));
    assert_int_equal(form->exact(exact, in.len, kw_buf_bytes(&text), NULL), KW_OK);
    assert_memory_equal(exact, back.data, in.len);
}

static void every_byte_at_every_place_comes_back(void **state)
{
    KW_UNUSED(state);
    for (size_t f = 0; f < KW_COUNT(forms); f++) {
        for (size_t len = 1; len <= 5; len++) {
            for (size_t place = 0; place < len; place++) {
                for (unsigned value = 0; value < 256; value++) {
                    uint8_t in[5] = {0x5a, 0xa5, 0x00, 0xff, 0x3c};
                    in[place] = (uint8_t)value;
                    round_trip(forms[f], kw_bytes(in, len));
                }
            }
        }
    }
}

/* All texts of up to four characters of a small set: whatever decodes, encodes to the same text. */
static void whatever_decodes_is_canonical(const struct form *form, const char *set, size_t len)
{
    size_t base = strlen(set);
    size_t count = 1;
    for (size_t i = 0; i < len; i++)
        count *= base;
    KW_AUTO(kw_buf) bytes = KW_BUF_INIT;
    KW_AUTO(kw_buf) again = KW_BUF_INIT;
    for (size_t n = 0; n < count; n++) {
        char text[4];
        size_t rest = n;
        for (size_t i = 0; i < len; i++, rest /= base)
            text[i] = set[rest % base];
        kw_buf_reset(&bytes);
        kw_buf_reset(&again);
        if (form->decode(&bytes, kw_bytes(text, len), NULL) != KW_OK)
            continue;
        form->encode(&again, kw_buf_bytes(&bytes));
        assert_int_equal(again.len, len);
        assert_memory_equal(again.data, text, len);
    }
}

static void decoding_is_strict_exhaustively(void **state)
{
    KW_UNUSED(state);
    for (size_t len = 1; len <= 4; len++) {
        whatever_decodes_is_canonical(&base64, "AQgw+/=-_ \n9z", len);
        whatever_decodes_is_canonical(&base64url, "AQgw+/=-_ \n9z", len);
        whatever_decodes_is_canonical(&hex, "09afAFgG/:`@ ", len);
    }
}

/* Every one- and two-byte string has exactly one text, so exactly so many texts may decode. */
static size_t count_accepted(const struct form *form, size_t len)
{
    size_t accepted = 0;
    uint8_t out[2];
    uint8_t text[4] = "====";
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++) {
            text[0] = (uint8_t)a;
            text[1] = (uint8_t)b;
            accepted += form->exact(out, 1, kw_bytes(text, len), NULL) == KW_OK;
        }
    }
    return accepted;
}

static void one_byte_has_one_text(void **state)
{
    KW_UNUSED(state);
    assert_int_equal(count_accepted(&hex, 2), 256);
    assert_int_equal(count_accepted(&base64, 4), 256);
    assert_int_equal(count_accepted(&base64url, 2), 256);
}

static void refused_texts(void **state)
{
    KW_UNUSED(state);
    static const char *const standard[] = {
        "=",        "==",    "===",    "====",     "A===",
        "A",        "AA",    "AAA",    "Zg",       "Zg=",
        "Zh==",     "Zm9=",  "Zm8",    "Zm8==",    "Zm9v=",
        "Zm9v====", "Zm 9v", "Zm9v\n", "Zg==Zg==", "Z===",
        "Zm-v",     "Zm_v",  "=Zm9",   "Zm=v",     "\xc3\xa4\xc3\xa4"};
    static const char *const url[] = {"A",   "AAAAA", "Zg==", "Zm8=",  "Zh",
                                      "Zm9", "Zm+v",  "Zm/v", "Zm9v ", "="};
    static const char *const hexes[] = {"0", "abc", "AB", "0x", " 00", "0g", "/0", ":0", "`0"};
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    kw_buf_append_str(&out, "kept");
    for (size_t i = 0; i < KW_COUNT(standard); i++)
        assert_int_equal(kw_base64_decode(&out, kw_bytes_str(standard[i]), NULL), KW_BAD_ENCODING);
    for (size_t i = 0; i < KW_COUNT(url); i++)
        assert_int_equal(kw_base64url_decode(&out, kw_bytes_str(url[i]), NULL), KW_BAD_ENCODING);
    for (size_t i = 0; i < KW_COUNT(hexes); i++)
        assert_int_equal(kw_hex_decode(&out, kw_bytes_str(hexes[i]), NULL), KW_BAD_ENCODING);
    assert_string_equal(kw_buf_str(&out), "kept");
}

/* The text lies at the very end of its memory, so that a sanitizer sees a read beyond it. */
static void nothing_beyond_the_text_is_read(void **state)
{
    KW_UNUSED(state);
    static const char *const texts[] = {"Zm9v", "Zm8=", "Zg==", "===="};
    for (size_t i = 0; i < KW_COUNT(texts); i++) {
        size_t len = strlen(texts[i]);
        uint8_t *text = malloc(len);
        assert_non_null(text);
        memcpy(text, texts[i], len);
        KW_AUTO(kw_buf) out = KW_BUF_INIT;
        kw_code code = kw_base64_decode(&out, kw_bytes(text, len), NULL);
        free(text);
        assert_int_equal(code, i < 3 ? KW_OK : KW_BAD_ENCODING);
    }
}

static void exact_wants_its_length(void **state)
{
    KW_UNUSED(state);
    uint8_t out[4] = {1, 2, 3, 4};
    const uint8_t before[4] = {1, 2, 3, 4};
    for (size_t f = 0; f < KW_COUNT(forms); f++) {
        KW_AUTO(kw_buf) text = KW_BUF_INIT;
        forms[f]->encode(&text, kw_bytes("abc", 3));
        assert_int_equal(forms[f]->exact(out, 2, kw_buf_bytes(&text), NULL), KW_BAD_ENCODING);
        assert_int_equal(forms[f]->exact(out, 4, kw_buf_bytes(&text), NULL), KW_BAD_ENCODING);
        assert_memory_equal(out, before, 4);
        assert_int_equal(forms[f]->exact(out, 0, kw_bytes("", 0), NULL), KW_OK);
    }
}

static void texts_into_a_place(void **state)
{
    KW_UNUSED(state);
    char text[16];
    kw_hex_text(text, kw_bytes("\x00\xfe\x10", 3));
    assert_string_equal(text, "00fe10");
    kw_base64_text(text, kw_bytes("fo", 2));
    assert_string_equal(text, "Zm8=");
    kw_base64_text(text, kw_bytes("", 0));
    assert_string_equal(text, "");
}

static void decoding_respects_the_buffer(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) out = {.max = 2};
    assert_int_equal(kw_base64_decode(&out, kw_bytes_str("Zm9v"), NULL), KW_TOO_LARGE);
    assert_int_equal(out.len, 0);
}

static kw_code parse(const char *text, uint64_t max, uint64_t *out)
{
    return kw_parse_u64(kw_bytes_str(text), max, out, NULL);
}

/* Every maximum and number below 300 against the plain comparison. */
static void numbers_keep_their_maximum(void **state)
{
    KW_UNUSED(state);
    for (uint64_t max = 0; max < 300; max++) {
        for (uint64_t n = 0; n < 300; n++) {
            char text[8];
            uint64_t out = 999;
            snprintf(text, sizeof text, "%u", (unsigned)n);
            assert_int_equal(parse(text, max, &out), n <= max ? KW_OK : KW_TOO_LARGE);
            assert_int_equal(out, n <= max ? n : 999);
        }
    }
}

static void numbers_at_the_edge(void **state)
{
    KW_UNUSED(state);
    uint64_t out = 7;
    assert_int_equal(parse("18446744073709551615", UINT64_MAX, &out), KW_OK);
    assert_true(out == UINT64_MAX);
    assert_int_equal(parse("18446744073709551614", UINT64_MAX - 1, &out), KW_OK);
    out = 7;
    assert_int_equal(parse("18446744073709551615", UINT64_MAX - 1, &out), KW_TOO_LARGE);
    assert_int_equal(parse("18446744073709551616", UINT64_MAX, &out), KW_TOO_LARGE);
    assert_int_equal(parse("99999999999999999999", UINT64_MAX, &out), KW_TOO_LARGE);
    static const char *const refused[] = {"",
                                          " 1",
                                          "1 ",
                                          "+1",
                                          "-1",
                                          "01",
                                          "00",
                                          "1a",
                                          "a",
                                          "1.0",
                                          "0x1",
                                          "1\n",
                                          "184467440737095516150"};
    for (size_t i = 0; i < KW_COUNT(refused); i++)
        assert_int_equal(parse(refused[i], UINT64_MAX, &out), KW_BAD_ENCODING);
    assert_int_equal(out, 7);
}

static void amounts_of_billionths(void **state)
{
    static const struct {
        uint64_t nano;
        const char *text;
    } cases[] = {{0, "0.00"},
                 {1, "0.000000001"},
                 {3000, "0.000003"},
                 {10000000, "0.01"},
                 {120000000, "0.12"},
                 {123000000, "0.123"},
                 {1000000000, "1.00"},
                 {1500000000, "1.50"},
                 {100000000000, "100.00"},
                 {UINT64_MAX, "18446744073.709551615"}};
    char text[KW_NANO_TEXT_SIZE];
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(cases); i++)
        assert_string_equal(kw_nano_text(cases[i].nano, text), cases[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(amounts_of_billionths),
        cmocka_unit_test(known_texts),
        cmocka_unit_test(every_byte_at_every_place_comes_back),
        cmocka_unit_test(decoding_is_strict_exhaustively),
        cmocka_unit_test(one_byte_has_one_text),
        cmocka_unit_test(refused_texts),
        cmocka_unit_test(nothing_beyond_the_text_is_read),
        cmocka_unit_test(exact_wants_its_length),
        cmocka_unit_test(texts_into_a_place),
        cmocka_unit_test(decoding_respects_the_buffer),
        cmocka_unit_test(numbers_keep_their_maximum),
        cmocka_unit_test(numbers_at_the_edge),
    };
    return cmocka_run_group_tests_name("encode", tests, NULL, NULL);
}
