/* Counting: in memory, under one short lock. Calls for a provider take milliseconds, so that nobody
 * waits here. */
#include "authority/cost_state.h"

#include "base/clock.h"

enum { DAY_MS = 86400000, CAPACITY_MIN = 64 };

uint64_t kw_cost_sum(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

int64_t kw_cost_today(void)
{
    int64_t wall_ms = kw_clock_wall_ms();
    return wall_ms < 0 ? 0 : wall_ms / DAY_MS;
}

/* ---- The table --------------------------------------------------------------------------------
 */

static uint64_t mix(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)*text) * 0x100000001b3;
    return (hash ^ (hash >> 29)) * 0x9e3779b97f4a7c15;
}

/* FNV-1a, stirred. Who may name tenants could make them collide, and only be slow. */
static uint64_t hash_of(const struct kw_cost_row *row)
{
    uint64_t hash = mix(0xcbf29ce484222325 ^ (uint64_t)row->day, row->tenant);
    return mix(mix(hash, row->region), row->provider);
}

static bool same_key(const struct kw_cost_row *a, const struct kw_cost_row *b)
{
    return a->day == b->day && strcmp(a->tenant, b->tenant) == 0 &&
           strcmp(a->region, b->region) == 0 && strcmp(a->provider, b->provider) == 0;
}

/* The slot with row's key, or the free one where it belongs. */
static struct kw_cost_row *slot_of(const struct kw_cost_table *table, const struct kw_cost_row *row)
{
    size_t i = (size_t)hash_of(row) & (table->capacity - 1);
    while (table->slots[i].region[0] != '\0' && !same_key(&table->slots[i], row))
        i = (i + 1) & (table->capacity - 1);
    return &table->slots[i];
}

static KW_ERR grow(struct kw_cost_table *table, struct kw_error *err)
{
    struct kw_cost_table larger = {.capacity =
                                       table->capacity == 0 ? CAPACITY_MIN : 2 * table->capacity};
    larger.slots = calloc(larger.capacity, sizeof larger.slots[0]);
    if (larger.slots == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    for (size_t i = 0; i < table->capacity; i++)
        if (table->slots[i].region[0] != '\0')
            *slot_of(&larger, &table->slots[i]) = table->slots[i];
    larger.count = table->count;
    free(table->slots);
    *table = larger;
    return KW_OK;
}

KW_ERR kw_cost_table_add(struct kw_cost_table *table, const struct kw_cost_row *added,
                         struct kw_error *err)
{
    if (4 * (table->count + 1) > 3 * table->capacity)
        KW_TRY(grow(table, err));
    struct kw_cost_row *row = slot_of(table, added);
    if (row->region[0] == '\0') {
        *row = *added;
        table->count++;
        return KW_OK;
    }
    row->wraps = kw_cost_sum(row->wraps, added->wraps);
    row->unwraps = kw_cost_sum(row->unwraps, added->unwraps);
    row->failures = kw_cost_sum(row->failures, added->failures);
    row->nano = kw_cost_sum(row->nano, added->nano);
    return KW_OK;
}

struct kw_cost_row *kw_cost_table_take(struct kw_cost_table *table, size_t *count,
                                       int (*compare)(const void *a, const void *b))
{
    struct kw_cost_row *rows = table->slots;
    size_t kept = 0;
    for (size_t i = 0; i < table->capacity; i++)
        if (rows[i].region[0] != '\0')
            rows[kept++] = rows[i];
    if (kept > 1)
        qsort(rows, kept, sizeof rows[0], compare);
    *count = kept;
    *table = (struct kw_cost_table){0};
    return rows;
}

void kw_cost_table_wipe(struct kw_cost_table *table)
{
    free(table->slots);
    *table = (struct kw_cost_table){0};
}

/* ---- The meter --------------------------------------------------------------------------------
 */

KW_ERR kw_meter_new(struct kw_meter **out, struct kw_error *err)
{
    struct kw_meter *meter = calloc(1, sizeof *meter);
    if (meter == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    pthread_mutex_init(&meter->lock, NULL);
    *out = meter;
    return KW_OK;
}

void kw_meter_free(struct kw_meter *meter)
{
    if (meter == NULL)
        return;
    pthread_mutex_destroy(&meter->lock);
    kw_cost_table_wipe(&meter->pending);
    free(meter);
}

/* Without memory the count is lost: a call that was made does not fail for that. */
void kw_meter_count(struct kw_meter *meter, const struct kw_cost_row *row)
{
    pthread_mutex_lock(&meter->lock);
    (void)!kw_cost_table_add(&meter->pending, row, NULL);
    pthread_mutex_unlock(&meter->lock);
}

void kw_meter_used(void *meter, const struct kw_router_use *use)
{
    struct kw_cost_row row = {.day = kw_cost_today(), .nano = use->nano};
    snprintf(row.tenant, sizeof row.tenant, "%s", use->tenant);
    snprintf(row.region, sizeof row.region, "%s", use->region);
    snprintf(row.provider, sizeof row.provider, "%s", use->provider);
    row.wraps = use->act == KW_ROUTER_WRAP;
    row.unwraps = use->act == KW_ROUTER_UNWRAP; /* a check costs, and is neither */
    row.failures = use->code != KW_OK;
    kw_meter_count(meter, &row);
}
