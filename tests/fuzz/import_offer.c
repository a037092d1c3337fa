/* A stored import offer that somebody has altered. Whatever it says: it opens only as it was made,
 * or with copies that name the same ones again, and what is wrong with it is said to be the
 * store's or the wall's.
 *
 * Input: a letter (a: the rest takes the place of all copies; b: of the whole; else it is laid over
 * the offer at the two bytes that follow), and the bytes. */
#include "authority/import_offer.h"

#include "base/clock.h"

#include <stdint.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { AT_COPIES = 2 + 32 + 8 + KW_RSA_SECRET_SIZE + 16 };

static struct kw_authority authority;
static const struct kw_key_row key = {.reference = 7, .tenant = "acme", .region = "eu"};
static struct kw_buf stored;
static struct kw_secret made; /* the private key */

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static void make_offer(void)
{
    static struct kw_secret seed;
    static struct kw_buf public_der;
    struct kw_router_region region = {.name = "eu", .route_count = 1, .routes = {{.key = "eu"}}};
    struct kw_router_options options = {.regions = &region, .region_count = 1};
    kw_secret_allow_unlocked();
    must(kw_secret_alloc(&seed, 32, NULL) == KW_OK, "no secret memory");
    must(kw_provider_software_new("software", &seed, &region.routes[0].provider, NULL) == KW_OK,
         "no provider");
    must(kw_router_new(&options, &authority.router, NULL) == KW_OK, "no router");
    must(kw_offer_make(&authority, &key, "token", kw_clock_wall_ms() + 3600000, &public_der,
                       &stored, NULL) == KW_OK,
         "no offer");
    must(kw_offer_open(&authority, &key, kw_buf_bytes(&stored), &made, NULL) == KW_OK,
         "the offer does not open");
}

static void alter(const uint8_t *data, size_t size, struct kw_buf *out)
{
    if (data[0] == 'b') {
        kw_buf_append(out, data + 1, size - 1);
        return;
    }
    kw_buf_append(out, stored.data, data[0] == 'a' ? AT_COPIES : stored.len);
    if (data[0] == 'a') {
        kw_buf_append(out, data + 1, size - 1);
        return;
    }
    size_t at = size >= 3 ? kw_get_u16(data + 1) : 0;
    for (size_t i = 3; i < size && at < out->len; i++)
        out->data[at++] = data[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    KW_AUTO(kw_buf) altered = KW_BUF_INIT;
    KW_AUTO(kw_secret) opened = KW_SECRET_INIT;
    struct kw_error err;
    if (stored.len == 0)
        make_offer();
    if (size < 1 || size > 65536)
        return 0;
    alter(data, size, &altered);
    if (altered.len <= AT_COPIES) /* kw_offer_find takes none of these */
        return 0;
    kw_code code = kw_offer_open(&authority, &key, kw_buf_bytes(&altered), &opened, &err);
    if (code == KW_OK)
        must(kw_secret_equal(&made, &opened), "another key came out");
    else
        must(opened.len == 0 && kw_code_class(code) != KW_CLASS_INTERNAL, "a failure of our own");
    return 0;
}
