/* The loads of a batch, side by side: a thousand items under a thousand keys that are not in memory
 * do not wait for a provider a thousand times. */
#include "authority/custody.h"
#include "authority/datakey_internal.h"
#include "authority/fanout.h"

struct want {
    struct kw_dk_current current; /* tenant NULL: the version is known */
    struct kw_dk_version version;
    struct kw_keyring_entry *entry;
    kw_code code; /* KW_AGAIN: to be seen when the item is resolved */
};

struct wants {
    struct kw_dk_batch *batch;
    bool wide; /* the caller may act for every tenant */
    struct want *list;
    size_t count;
};

/* ---- What is wanted ---------------------------------------------------------------------------
 */

static void want_version(struct wants *wants, const struct kw_dk_item *item)
{
    struct kw_dk_version version;
    uint16_t at = 0;
    if (kw_dk_version_of(wants->batch, item, &version) == KW_OK &&
        kw_dk_hold(wants->batch, &version, false, &at) == KW_AGAIN)
        wants->list[wants->count++] = (struct want){.version = version};
}

static void want_current(struct wants *wants, const char *tenant, const char *region,
                         const struct kw_keyring_age *age)
{
    struct kw_dk_current current = {tenant, region, age};
    uint16_t at = 0;
    if (kw_caller_may_touch(&wants->batch->caller, tenant) &&
        kw_dk_hold_hinted(wants->batch, &current, &at) != KW_OK)
        wants->list[wants->count++] = (struct want){.current = current, .version = {.age = age}};
}

/* What a re-wrap wraps under is known when what it unwraps is held. */
static void want_target(struct wants *wants, const struct kw_dk_item *item)
{
    struct kw_dk_version version;
    uint16_t at = 0;
    if (kw_dk_version_of(wants->batch, item, &version) != KW_OK ||
        kw_dk_hold(wants->batch, &version, false, &at) != KW_OK)
        return;
    const struct kw_keyring_facts *facts = kw_keyring_facts(wants->batch->held[at]);
    want_current(wants, facts->tenant, facts->region, version.age);
}

static int order_of_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? (a != NULL) - (b != NULL) : strcmp(a, b);
}

static int order(const void *left, const void *right)
{
    const struct want *a = left;
    const struct want *b = right;
    int by_name = order_of_text(a->current.tenant, b->current.tenant);
    if (by_name == 0)
        by_name = order_of_text(a->current.region, b->current.region);
    if (by_name != 0)
        return by_name;
    if (a->version.reference != b->version.reference)
        return a->version.reference < b->version.reference ? -1 : 1;
    if (a->version.version != b->version.version)
        return a->version.version < b->version.version ? -1 : 1;
    uintptr_t x = (uintptr_t)a->version.age;
    uintptr_t y = (uintptr_t)b->version.age;
    return (x > y) - (x < y);
}

static void make_unique(struct wants *wants)
{
    size_t kept = 0;
    if (wants->count == 0)
        return;
    qsort(wants->list, wants->count, sizeof *wants->list, order);
    for (size_t i = 1; i < wants->count; i++)
        if (order(&wants->list[kept], &wants->list[i]) != 0)
            wants->list[++kept] = wants->list[i];
    wants->count = kept + 1;
}

/* ---- Loading ----------------------------------------------------------------------------------
 */

/* From a name to its current version. A held key has none that lasts. */
static bool look_up(struct wants *wants, struct want *want)
{
    struct kw_authority *authority = wants->batch->authority;
    struct kw_key_row key;
    if (kw_store_key_get(authority->store, want->current.tenant, want->current.region, &key,
                         NULL) != KW_OK ||
        strcmp(key.custody, kw_custody_name(KW_HELD)) == 0)
        return false;
    want->version.reference = key.reference;
    want->version.version = key.current_version;
    kw_keyring_hint_put(authority->ring, key.tenant, key.region, key.reference,
                        key.current_version);
    return true;
}

static kw_code load(void *arg, size_t i, struct kw_error *err)
{
    struct wants *wants = arg;
    struct want *want = &wants->list[i];
    const struct kw_dk_version *version = &want->version;
    want->code = KW_AGAIN;
    if (want->current.tenant != NULL && !look_up(wants, want))
        return KW_OK;
    kw_code code = KW_OK;
    if (want->current.tenant == NULL && !wants->wide)
        code = kw_dk_check_owner(wants->batch, version->reference);
    if (code == KW_OK)
        code = kw_keyring_get(wants->batch->authority->ring, version->reference, version->version,
                              version->age, &want->entry, err);
    want->code = code == KW_AGAIN ? KW_UNAVAILABLE : code;
    return KW_OK;
}

/* A single one is loaded when its item is resolved: no thread for that. */
static void load_all(struct wants *wants)
{
    struct kw_error ignored;
    make_unique(wants);
    if (wants->count < 2)
        return;
    (void)!kw_fanout(wants->count, KW_FANOUT_MAX, load, wants, &ignored);
    for (size_t i = 0; i < wants->count; i++)
        if (wants->list[i].code != KW_AGAIN)
            (void)!kw_dk_remember(wants->batch, &wants->list[i].version, wants->list[i].entry,
                                  wants->list[i].code);
}

void kw_dk_load_ahead(struct kw_dk_batch *batch)
{
    struct wants wants = {.batch = batch, .wide = kw_caller_may_touch(&batch->caller, "*")};
    wants.list = batch->count > 1 ? calloc(batch->count, sizeof *wants.list) : NULL;
    if (wants.list == NULL)
        return; /* one after another then */
    for (size_t i = 0; i < batch->count; i++) {
        const struct kw_dk_item *item = &batch->items[i];
        if (item->code != KW_OK)
            continue;
        if (batch->op != KW_DK_GENERATE)
            want_version(&wants, item);
        else if (kw_dk_class(batch, item) != NULL)
            want_current(&wants, item->tenant, item->region,
                         kw_class_age(batch->authority, kw_dk_class(batch, item)));
    }
    load_all(&wants);
    wants.count = 0;
    for (size_t i = 0; batch->op == KW_DK_REWRAP && i < batch->count; i++)
        if (batch->items[i].code == KW_OK)
            want_target(&wants, &batch->items[i]);
    load_all(&wants);
    free(wants.list);
}
