/* Wrapped copies, with a "vault" that gives back what it was given. */
#include "azure/copy.h"

#include "base/checksum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct kw_error err;
static const struct kw_azure_key key = {.name = "root", .version = "00ff"};
static const struct kw_provider_pair pairs[] = {{"tenant", "acme"}, {"region", "eu"}};
static const struct kw_provider_pair others[] = {{"tenant", "evil"}, {"region", "eu"}};
static const struct kw_provider_call call = {.key = "root", .context = pairs, .context_count = 2};
static const struct kw_provider_call other = {.key = "root", .context = others, .context_count = 2};

/* Key Vault's bytes; what they stand for is in the value. */
static const uint8_t wrapped[256] = {1, 2, 3};

struct made {
    struct kw_secret plaintext;
    struct kw_secret value;
    struct kw_buf copy;
};

static void make(struct made *made, size_t len)
{
    *made = (struct made){.plaintext = KW_SECRET_INIT};
    assert_int_equal(kw_secret_alloc(&made->plaintext, len, &err), KW_OK);
    memset(made->plaintext.data, 0x5a, len);
    assert_int_equal(kw_azure_value_make(&call, &made->plaintext, &made->value, &err), KW_OK);
    assert_true(made->value.len <= 190); /* what RSA-2048 takes */
    assert_int_equal(kw_azure_copy_write(&key, &made->value, kw_bytes(wrapped, sizeof wrapped),
                                         &made->plaintext, &made->copy, &err),
                     KW_OK);
}

static void end(struct made *made)
{
    kw_secret_wipe(&made->plaintext);
    kw_secret_wipe(&made->value);
    kw_buf_wipe(&made->copy);
}

static kw_code open_copy(struct kw_bytes text, const struct kw_provider_call *with,
                         const struct kw_secret *value, struct kw_secret *out)
{
    struct kw_azure_copy copy;
    KW_TRY(kw_azure_copy_read(text, &key, &copy, &err));
    assert_string_equal(copy.key.version, "00ff");
    assert_true(kw_bytes_equal(copy.wrapped, kw_bytes(wrapped, sizeof wrapped)));
    return kw_azure_copy_open(&copy, with, value, out, &err);
}

static void all_sizes_come_back(void **state)
{
    static const size_t sizes[] = {1, 32, 64, 157, 158, 159, 1024, 4096};
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(sizes); i++) {
        struct made made;
        KW_AUTO(kw_secret) got = KW_SECRET_INIT;
        KW_AUTO(kw_secret) none = KW_SECRET_INIT;
        make(&made, sizes[i]);
        assert_int_equal(made.copy.data[0], sizes[i] <= 158 ? 1 : 2);
        assert_int_equal(open_copy(kw_buf_bytes(&made.copy), &call, &made.value, &got), KW_OK);
        assert_true(kw_secret_equal(&got, &made.plaintext));
        assert_int_equal(open_copy(kw_buf_bytes(&made.copy), &other, &made.value, &none),
                         KW_SEAL_BROKEN);
        assert_null(none.data);
        end(&made);
    }
}

/* 01 0004 "root" 0004 "00ff" 0100 ... checksum */
static void the_form_is_fixed(void **state)
{
    struct made made;
    KW_UNUSED(state);
    make(&made, 32);
    assert_int_equal(made.copy.len, 1 + 6 + 6 + 2 + 256 + 4);
    assert_memory_equal(made.copy.data,
                        "\x01\x00\x04root\x00\x04"
                        "00ff\x01\x00\x01\x02\x03",
                        18);
    end(&made);
}

static void fix_checksum(struct kw_buf *copy)
{
    size_t len = copy->len - 4;
    kw_put_u32(copy->data + len, kw_checksum(KW_CHECKSUM_INIT, copy->data, len));
}

static void refuse(struct kw_bytes text)
{
    struct kw_azure_copy copy;
    assert_int_equal(kw_azure_copy_read(text, &key, &copy, &err), KW_SEAL_BROKEN);
}

static void damage_is_found(void **state)
{
    struct made made;
    KW_UNUSED(state);
    make(&made, 200);
    for (size_t bit = 0; bit < made.copy.len * 8; bit++) {
        made.copy.data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        refuse(kw_buf_bytes(&made.copy));
        made.copy.data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
    for (size_t len = 0; len < made.copy.len; len++)
        refuse(kw_bytes(made.copy.data, len));
    kw_buf_append_byte(&made.copy, 0);
    refuse(kw_buf_bytes(&made.copy));
    end(&made);
}

/* By who can write checksums, too. */
static void forgeries_are_refused(void **state)
{
    static const struct {
        size_t at;
        uint8_t is;
    } changes[] = {{0, 0}, {0, 2}, {0, 3}, {2, 5}, {3, '/'}, {3, 'x'}, {9, '/'}, {13, 2}, {14, 9}};
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(changes); i++) {
        struct made made;
        make(&made, 32);
        made.copy.data[changes[i].at] = changes[i].is;
        fix_checksum(&made.copy);
        refuse(kw_buf_bytes(&made.copy));
        end(&made);
    }
}

/* The sealed part authenticates the head before it. */
static void a_sealed_part_belongs_to_its_head(void **state)
{
    struct made made;
    struct kw_azure_copy copy;
    KW_AUTO(kw_secret) got = KW_SECRET_INIT;
    KW_UNUSED(state);
    make(&made, 200);
    made.copy.data[20] ^= 1;
    fix_checksum(&made.copy);
    assert_int_equal(kw_azure_copy_read(kw_buf_bytes(&made.copy), &key, &copy, &err), KW_OK);
    assert_int_equal(kw_azure_copy_open(&copy, &call, &made.value, &got, &err), KW_SEAL_BROKEN);
    assert_null(got.data);
    end(&made);
}

static void odd_values_are_refused(void **state)
{
    struct made direct;
    struct made sealed;
    KW_AUTO(kw_secret) brief = KW_SECRET_INIT;
    KW_AUTO(kw_secret) got = KW_SECRET_INIT;
    KW_UNUSED(state);
    make(&direct, 31);
    make(&sealed, 200);
    assert_int_equal(kw_secret_alloc(&brief, 32, &err), KW_OK);
    assert_int_equal(open_copy(kw_buf_bytes(&direct.copy), &call, &brief, &got), KW_SEAL_BROKEN);
    assert_int_equal(open_copy(kw_buf_bytes(&sealed.copy), &call, &direct.value, &got),
                     KW_SEAL_BROKEN); /* the digest is right, and it is no key */
    assert_null(got.data);
    end(&direct);
    end(&sealed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_sizes_come_back),
        cmocka_unit_test(the_form_is_fixed),
        cmocka_unit_test(damage_is_found),
        cmocka_unit_test(forgeries_are_refused),
        cmocka_unit_test(a_sealed_part_belongs_to_its_head),
        cmocka_unit_test(odd_values_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
