/* From a body's JSON to the items of a batch. What is wrong with the body's form fails the call;
 * what is wrong with one item's value is that item's failure, and is recorded with it. */
#include "api/internal.h"

#include "base/encode.h"
#include "base/names.h"
#include "envelope/context.h"

static const char *const generate_names[] = {"tenant", "region", "class", "context", NULL};
static const char *const one_names[] = {"tenant", "region",        "class", "context",
                                        "count",  "justification", "items", NULL};
static const char *const wrapped_names[] = {"wrapped", "tenant",  "region",
                                            "class",   "context", NULL};
static const char *const list_names[] = {"items", "justification", NULL};

/* Only a name that is one is taken: it will stand in the ledger. */
static void take_name(struct kw_dk_item *item, char *out, struct kw_bytes text, kw_code checked)
{
    if (checked != KW_OK) {
        kw_item_spoil(item, KW_BAD_NAME);
        return;
    }
    memcpy(out, text.data, text.len + 1);
}

static void take_wrapped(struct kw_dk_item *item, struct kw_bytes text)
{
    /* A head has a multiple of three bytes, so its text has no padding and one length. */
    const size_t whole = KW_HEAD_SIZE / 3 * 4;
    if (text.len != whole)
        kw_item_spoil(item, text.len < whole ? KW_TRUNCATED : KW_BAD_FORMAT);
    else if (kw_base64_decode_exact(item->wrapped, KW_HEAD_SIZE, text, NULL) != KW_OK)
        kw_item_spoil(item, KW_BAD_ENCODING);
}

static void take_context(struct kw_dk_item *item, const struct kw_json *object)
{
    struct kw_context_entries entries;
    struct kw_context context;
    entries.count = 0;
    if (kw_context_add_json(&entries, object, NULL) != KW_OK ||
        kw_context_make(&context, &entries, NULL) != KW_OK)
        kw_item_spoil(item, KW_BAD_CONTEXT);
    else
        memcpy(item->context_digest, context.digest, sizeof item->context_digest);
}

/* One member. *known is false if it is none of an item's. */
static KW_ERR take_member(struct kw_dk_item *item, const struct kw_json *m, bool *known,
                          struct kw_error *err)
{
    struct kw_bytes text;
    *known = true;
    if (kw_member_is(m, "context")) {
        if (m->type != KW_JSON_OBJECT)
            return kw_fail(err, KW_BAD_JSON, "the member \"context\" must be an object");
        if (m->count > 0)
            take_context(item, m);
        return KW_OK;
    }
    *known = kw_member_is(m, "wrapped") || kw_member_is(m, "tenant") || kw_member_is(m, "region") ||
             kw_member_is(m, "class");
    if (!*known)
        return KW_OK;
    KW_TRY(kw_body_text(m, &text, err));
    if (m->name[0] == 'w')
        take_wrapped(item, text);
    else if (m->name[0] == 't')
        take_name(item, item->tenant, text, kw_tenant_name_check(m->text, NULL));
    else if (m->name[0] == 'r')
        take_name(item, item->region, text, kw_region_name_check(m->text, NULL));
    else
        take_name(item, item->data_class, text, kw_class_name_check(m->text, NULL));
    return KW_OK;
}

static bool is_listed(const struct kw_json *m, const char *const *names)
{
    while (*names != NULL && !kw_member_is(m, *names))
        names++;
    return *names != NULL;
}

KW_ERR kw_item_read(const struct kw_job *job, const struct kw_json *object,
                    const char *const *names, struct kw_dk_item *item, struct kw_error *err)
{
    if (object->type != KW_JSON_OBJECT)
        return kw_fail(err, KW_BAD_JSON, "an item must be an object");
    memcpy(item->context_digest, job->api->empty_context, sizeof item->context_digest);
    for (const struct kw_json *m = object->first; m != NULL; m = m->next) {
        bool known = false;
        if (!is_listed(m, names))
            return kw_body_unknown(m, names, err);
        if (m->type != KW_JSON_NULL)
            KW_TRY(take_member(item, m, &known, err));
    }
    return KW_OK;
}

/* A name that was refused was given all the same: such an item fails with that. */
static KW_ERR need(const struct kw_dk_item *item, bool have, const char *name, struct kw_error *err)
{
    if (have || item->code != KW_OK)
        return KW_OK;
    return kw_fail(err, KW_BAD_JSON, "the member \"%s\" is missing", name);
}

static bool has(const struct kw_json *object, const char *name)
{
    const struct kw_json *member = kw_json_get(object, name);
    return member != NULL && member->type != KW_JSON_NULL;
}

KW_ERR kw_item_read_spec(const struct kw_job *job, const struct kw_json *object,
                         const char *const *names, struct kw_dk_item *item, struct kw_error *err)
{
    KW_TRY(kw_item_read(job, object, names, item, err));
    KW_TRY(need(item, item->tenant[0] != '\0', "tenant", err));
    KW_TRY(need(item, item->region[0] != '\0', "region", err));
    if (item->data_class[0] == '\0')
        memcpy(item->data_class, "default", sizeof "default");
    return KW_OK;
}

KW_ERR kw_items_open(struct kw_job *job, enum kw_dk_op op, size_t count, struct kw_error *err)
{
    KW_TRY(kw_dk_batch_init(&job->batch, op, count, err));
    job->batch.caller = job->call->caller;
    return KW_OK;
}

/* Opens a batch with room for the body's items. */
static KW_ERR open_list(struct kw_job *job, enum kw_dk_op op, const struct kw_json **first,
                        struct kw_error *err)
{
    const struct kw_json *items = kw_json_get(job->body.root, "items");
    KW_TRY(kw_body_only(job->body.root, list_names, err));
    if (items == NULL || items->type != KW_JSON_ARRAY)
        return kw_fail(err, KW_BAD_JSON, "the member \"items\" must be an array");
    if (items->count == 0)
        return kw_fail(err, KW_BAD_JSON, "the member \"items\" is empty");
    if (items->count > KW_API_ITEMS_MAX)
        return kw_fail(err, KW_TOO_LARGE, "a call has at most %d items", KW_API_ITEMS_MAX);
    *first = items->first;
    return kw_items_open(job, op, items->count, err);
}

KW_ERR kw_items_wrapped(struct kw_job *job, enum kw_dk_op op, struct kw_error *err)
{
    const struct kw_json *object = NULL;
    KW_TRY(open_list(job, op, &object, err));
    for (size_t i = 0; i < job->batch.count; i++, object = object->next) {
        struct kw_dk_item *item = &job->batch.items[i];
        KW_TRY(kw_item_read(job, object, wrapped_names, item, err));
        KW_TRY(need(item, has(object, "wrapped"), "wrapped", err));
    }
    return KW_OK;
}

static KW_ERR generate_list(struct kw_job *job, struct kw_error *err)
{
    const struct kw_json *object = NULL;
    KW_TRY(open_list(job, KW_DK_GENERATE, &object, err));
    for (size_t i = 0; i < job->batch.count; i++, object = object->next)
        KW_TRY(kw_item_read_spec(job, object, generate_names, &job->batch.items[i], err));
    return KW_OK;
}

KW_ERR kw_items_generate(struct kw_job *job, struct kw_error *err)
{
    uint64_t count = 1;
    if (kw_json_get(job->body.root, "items") != NULL)
        return generate_list(job, err);
    if (job->body.root->type != KW_JSON_OBJECT)
        return kw_fail(err, KW_BAD_JSON, "an object is expected");
    KW_TRY(kw_json_get_u64(job->body.root, "count", false, KW_API_ITEMS_MAX, &count, err));
    if (count == 0)
        return kw_fail(err, KW_BAD_JSON, "the member \"count\" must be at least 1");
    KW_TRY(kw_items_open(job, KW_DK_GENERATE, (size_t)count, err));
    KW_TRY(kw_item_read_spec(job, job->body.root, one_names, &job->batch.items[0], err));
    for (size_t i = 1; i < job->batch.count; i++)
        job->batch.items[i] = job->batch.items[0];
    return KW_OK;
}
