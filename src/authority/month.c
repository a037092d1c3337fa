/* The sums of one month, small enough for a million tenants: names are kept as a part of their
 * hash. */
#include "authority/cost_state.h"

#include "crypto/hash.h"

#include <time.h>

enum { CAPACITY_MIN = 64, DAY_SECONDS = 86400, SUMS_OF_A_ROW = 3 };

int64_t kw_month_of(int64_t day)
{
    time_t seconds = (time_t)(day * DAY_SECONDS);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    return (int64_t)(tm.tm_year + 1900) * 12 + tm.tm_mon;
}

static int64_t first_day(int64_t number)
{
    struct tm tm = {
        .tm_year = (int)(number / 12) - 1900, .tm_mon = (int)(number % 12), .tm_mday = 1};
    return (int64_t)timegm(&tm) / DAY_SECONDS;
}

struct kw_cost_range kw_month_range(int64_t number)
{
    return (struct kw_cost_range){.from = first_day(number), .to = first_day(number + 1) - 1};
}

/* ---- Sums by name -----------------------------------------------------------------------------
 */

enum kind { OF_PAIR = 'p', OF_TENANT = 't', OF_ROOT = 'r' };

static void make_key(uint8_t key[16], enum kind kind, const char *first, const char *second)
{
    const char letter = (char)kind;
    uint8_t hash[KW_HASH_SIZE];
    const struct kw_bytes parts[] = {kw_bytes(&letter, 1), kw_bytes(first, strlen(first) + 1),
                                     kw_bytes_str(second)};
    kw_sha256(hash, parts, KW_COUNT(parts));
    memcpy(key, hash, 16);
}

static bool is_free(const struct kw_month_sum *sum)
{
    static const uint8_t none[16] = {0};
    return memcmp(sum->key, none, sizeof none) == 0;
}

static struct kw_month_sum *slot_of(const struct kw_month *month, const uint8_t key[16])
{
    size_t i = (size_t)kw_get_u64(key) & (month->capacity - 1);
    while (!is_free(&month->slots[i]) && memcmp(month->slots[i].key, key, 16) != 0)
        i = (i + 1) & (month->capacity - 1);
    return &month->slots[i];
}

static struct kw_month_sum *find(const struct kw_month *month, enum kind kind, const char *first,
                                 const char *second)
{
    uint8_t key[16];
    if (month->capacity == 0)
        return NULL;
    make_key(key, kind, first, second);
    struct kw_month_sum *sum = slot_of(month, key);
    return is_free(sum) ? NULL : sum;
}

static struct kw_month_sum *make(struct kw_month *month, enum kind kind, const char *first,
                                 const char *second)
{
    uint8_t key[16];
    make_key(key, kind, first, second);
    struct kw_month_sum *sum = slot_of(month, key);
    if (is_free(sum)) {
        memcpy(sum->key, key, sizeof key);
        month->count++;
    }
    return sum;
}

KW_ERR kw_month_reserve(struct kw_month *month, size_t rows, struct kw_error *err)
{
    struct kw_month larger = *month;
    size_t needed = month->count + rows * SUMS_OF_A_ROW;
    if (larger.capacity == 0)
        larger.capacity = CAPACITY_MIN;
    while (4 * needed > 3 * larger.capacity)
        larger.capacity *= 2;
    if (larger.capacity == month->capacity)
        return KW_OK;
    larger.slots = calloc(larger.capacity, sizeof larger.slots[0]);
    if (larger.slots == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    for (size_t i = 0; i < month->capacity; i++)
        if (!is_free(&month->slots[i]))
            *slot_of(&larger, month->slots[i].key) = month->slots[i];
    free(month->slots);
    *month = larger;
    return KW_OK;
}

/* ---- What is asked of it ----------------------------------------------------------------------
 */

static uint64_t price_of(const struct kw_costs *costs, const char *region)
{
    for (size_t i = 0; i < costs->price_count; i++)
        if (strcmp(costs->prices[i].region, region) == 0)
            return costs->prices[i].nano;
    return 0;
}

uint64_t kw_cost_saved(const struct kw_costs *costs, const char *region,
                       const struct kw_month_sum *sum)
{
    if (sum->uses <= sum->calls)
        return 0;
    kw_u128 saved = sum->uses - sum->calls;
    if (sum->calls > 0)
        saved = saved * sum->nano / sum->calls;
    else
        saved *= price_of(costs, region);
    return saved > UINT64_MAX ? UINT64_MAX : (uint64_t)saved;
}

static void add(struct kw_month_sum *sum, uint64_t calls, uint64_t uses, uint64_t nano)
{
    sum->calls = kw_cost_sum(sum->calls, calls);
    sum->uses = kw_cost_sum(sum->uses, uses);
    sum->nano = kw_cost_sum(sum->nano, nano);
}

void kw_month_add(struct kw_costs *costs, struct kw_month *month, const struct kw_cost_row *row)
{
    bool called = row->provider[0] != '\0';
    uint64_t calls = called ? kw_cost_sum(row->wraps, row->unwraps) : 0;
    uint64_t uses = called ? 0 : row->unwraps;
    struct kw_month_sum *pair = make(month, OF_PAIR, row->tenant, row->region);
    month->saved -= kw_cost_saved(costs, row->region, pair);
    add(pair, calls, uses, row->nano);
    month->saved += kw_cost_saved(costs, row->region, pair);
    if (costs->budget.tenant_month_nano != 0)
        add(make(month, OF_TENANT, row->tenant, ""), calls, uses, row->nano);
    if (called)
        add(make(month, OF_ROOT, row->region, row->provider), calls, uses, row->nano);
    month->calls = kw_cost_sum(month->calls, calls);
    month->uses = kw_cost_sum(month->uses, uses);
    month->nano = kw_cost_sum(month->nano, row->nano);
}

struct kw_month_sum *kw_month_of_tenant(const struct kw_month *month, const char *tenant)
{
    return find(month, OF_TENANT, tenant, "");
}

struct kw_month_sum *kw_month_of_root(const struct kw_month *month, const char *region,
                                      const char *provider)
{
    return find(month, OF_ROOT, region, provider);
}
