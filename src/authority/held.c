#include "authority/held.h"

bool kw_version_is_batch(const struct kw_version_row *row)
{
    static const uint8_t none[sizeof row->sign_public];
    return memcmp(row->sign_public, none, sizeof none) == 0;
}

static bool waits(const struct kw_dk_item *item)
{
    return item->code == KW_OK && item->current == KW_DK_WAITS;
}

static struct kw_held_group *group_of(struct kw_held_making *making, const struct kw_dk_item *item,
                                      const struct kw_data_class *cls)
{
    for (size_t i = making->group_count; i > 0; i--) {
        struct kw_held_group *group = &making->groups[i - 1];
        if (group->cls == cls && strcmp(group->tenant, item->tenant) == 0 &&
            strcmp(group->region, item->region) == 0)
            return group;
    }
    return NULL;
}

static size_t per_key(const struct kw_held_group *group)
{
    return group->cls->held_batch != 0 ? group->cls->held_batch : 1;
}

static void form_groups(struct kw_held_making *making, const struct kw_dk_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct kw_dk_item *item = &batch->items[i];
        if (!waits(item))
            continue;
        const struct kw_data_class *cls = kw_dk_class(batch, item);
        struct kw_held_group *group = group_of(making, item, cls);
        if (group == NULL) {
            group = &making->groups[making->group_count++];
            *group =
                (struct kw_held_group){.tenant = item->tenant, .region = item->region, .cls = cls};
        }
        group->items++;
    }
}

static void lay_out_keys(struct kw_held_making *making)
{
    for (size_t g = 0; g < making->group_count; g++) {
        struct kw_held_group *group = &making->groups[g];
        group->first = making->key_count;
        group->count = (group->items + per_key(group) - 1) / per_key(group);
        for (size_t k = 0; k < group->count; k++)
            making->keys[making->key_count++].group = group;
        group->items = 0; /* counts them anew while they are given their keys */
    }
}

/* The place of a batch key among those that the request holds: the data keys that share it come one
 * after the other. */
static kw_code place(struct kw_dk_batch *batch, struct kw_held_key *key, uint16_t *at)
{
    if (key->entry != NULL) {
        struct kw_dk_version version = {.reference = key->group->key.reference,
                                        .version = key->version,
                                        .age = &key->group->cls->age};
        key->code = kw_dk_remember(batch, &version, key->entry, KW_OK);
        key->entry = NULL;
        key->at = (uint16_t)(batch->held_count - 1);
    }
    *at = key->at;
    return key->code;
}

/* What has changed under an item is looked at anew; everything else is its answer. */
static void give_out(struct kw_held_making *making, struct kw_dk_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct kw_dk_item *item = &batch->items[i];
        if (!waits(item))
            continue;
        struct kw_held_group *group = group_of(making, item, kw_dk_class(batch, item));
        struct kw_held_key *key = &making->keys[group->first + group->items++ / per_key(group)];
        kw_code code = group->code != KW_OK ? group->code : key->code;
        if (code == KW_OK)
            code = place(batch, key, &item->current);
        if (code != KW_OK && code != KW_AGAIN)
            item->code = code;
        if (code == KW_OK && batch->op == KW_DK_GENERATE)
            item->entry = item->current;
    }
}

static void fail_all(struct kw_dk_batch *batch, kw_code code)
{
    for (size_t i = 0; i < batch->count; i++)
        if (waits(&batch->items[i]))
            batch->items[i].code = code;
}

static size_t count_waiting(const struct kw_dk_batch *batch)
{
    size_t waiting = 0;
    for (size_t i = 0; i < batch->count; i++)
        waiting += waits(&batch->items[i]);
    return waiting;
}

void kw_dk_hold_batches(struct kw_dk_batch *batch)
{
    struct kw_held_making making = {.authority = batch->authority};
    size_t waiting = count_waiting(batch);
    if (waiting == 0)
        return;
    making.groups = calloc(waiting, sizeof *making.groups);
    making.keys = calloc(waiting, sizeof *making.keys);
    if (making.groups == NULL || making.keys == NULL) {
        fail_all(batch, KW_NO_MEMORY);
    } else {
        form_groups(&making, batch);
        lay_out_keys(&making);
        kw_held_make(&making);
        give_out(&making, batch);
    }
    free(making.groups);
    free(making.keys);
}
