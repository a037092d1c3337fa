#include "cli/data.h"

void kw_census_wipe(struct kw_census *census)
{
    free(census->rows);
    free(census->slots);
    *census = (struct kw_census){0};
}

static bool is_row_of(const struct kw_census_row *row, const struct kw_wrapped_key *head)
{
    return row->version == head->version && row->suite == head->suite &&
           memcmp(row->key_ref, head->key_ref, KW_KEY_REF_SIZE) == 0 &&
           memcmp(row->class_tag, head->class_tag, KW_CLASS_TAG_SIZE) == 0;
}

/* References and tags are pieces of hashes and random numbers already. */
static size_t hash_of(const uint8_t key_ref[KW_KEY_REF_SIZE], uint32_t version,
                      const uint8_t class_tag[KW_CLASS_TAG_SIZE])
{
    uint64_t mixed = kw_get_u64(key_ref) ^ kw_get_u32(class_tag) ^ ((uint64_t)version << 32);
    return (size_t)((mixed * 0x9e3779b97f4a7c15u) >> 20);
}

/* The slot of the head's row, or the free one where it belongs. */
static uint32_t *slot_of(const struct kw_census *census, const struct kw_wrapped_key *head)
{
    size_t mask = census->slot_count - 1;
    size_t at = hash_of(head->key_ref, head->version, head->class_tag) & mask;
    while (census->slots[at] != 0 && !is_row_of(&census->rows[census->slots[at] - 1], head))
        at = (at + 1) & mask;
    return &census->slots[at];
}

static bool grow(struct kw_census *census)
{
    size_t room = census->room == 0 ? 64 : 2 * census->room;
    struct kw_census_row *rows = realloc(census->rows, room * sizeof *rows);
    if (rows == NULL)
        return false;
    census->rows = rows;
    uint32_t *slots = calloc(4 * room, sizeof *slots);
    if (slots == NULL)
        return false;
    free(census->slots);
    census->slots = slots;
    census->slot_count = 4 * room;
    census->room = room;
    for (size_t i = 0; i < census->count; i++) {
        const struct kw_census_row *row = &census->rows[i];
        size_t at = hash_of(row->key_ref, row->version, row->class_tag) & (4 * room - 1);
        while (slots[at] != 0)
            at = (at + 1) & (4 * room - 1);
        slots[at] = (uint32_t)i + 1;
    }
    return true;
}

struct kw_census_row *kw_census_row(struct kw_census *census, const struct kw_wrapped_key *head)
{
    if (census->count == census->room && !grow(census))
        return NULL;
    uint32_t *slot = slot_of(census, head);
    if (*slot == 0) {
        struct kw_census_row *row = &census->rows[census->count];
        *row = (struct kw_census_row){.suite = head->suite, .version = head->version};
        memcpy(row->key_ref, head->key_ref, KW_KEY_REF_SIZE);
        memcpy(row->class_tag, head->class_tag, KW_CLASS_TAG_SIZE);
        *slot = (uint32_t)++census->count;
    }
    return &census->rows[*slot - 1];
}

static int by_key(const void *a, const void *b)
{
    const struct kw_census_row *x = a;
    const struct kw_census_row *y = b;
    int order = memcmp(x->key_ref, y->key_ref, KW_KEY_REF_SIZE);
    if (order == 0)
        order = memcmp(x->class_tag, y->class_tag, KW_CLASS_TAG_SIZE);
    return order != 0 ? order : (x->version > y->version) - (x->version < y->version);
}

void kw_census_sort(struct kw_census *census)
{
    if (census->count > 1)
        qsort(census->rows, census->count, sizeof census->rows[0], by_key);
}
