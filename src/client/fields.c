/* Records, in rounds: as many of them as 1,000 data keys are enough for are planned, their keys are
 * got in one call, and each is then sealed or opened. */
#include "client/client.h"
#include "envelope/record.h"

struct round {
    struct kw_client *client;
    const struct kw_prepared *prepared;
    const struct kw_fields_spec *spec; /* NULL: open all that is sealed */
    bool sealing;
    struct kw_record *records;    /* one a slot */
    struct kw_fields_item **item; /* of each slot */
    size_t room;
    size_t used; /* slots that wait for their keys */
    size_t keys; /* data keys that they need */
};

static KW_ERR round_init(struct round *round, size_t count, struct kw_error *err)
{
    round->room = count < KW_KEY_BATCH_MAX ? count + 1 : KW_KEY_BATCH_MAX + 1;
    round->records = calloc(round->room, sizeof *round->records);
    round->item = calloc(round->room, sizeof(struct kw_fields_item *));
    if (round->records == NULL || round->item == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    for (size_t i = 0; i < round->room; i++)
        round->records[i] = (struct kw_record)KW_RECORD_INIT;
    return KW_OK;
}

static void round_wipe(struct round *round)
{
    for (size_t i = 0; round->records != NULL && i < round->room; i++)
        kw_record_wipe(&round->records[i]);
    free(round->records);
    free(round->item);
}

static size_t keys_of(const struct round *round, size_t slot)
{
    const struct kw_record *record = &round->records[slot];
    return round->sealing ? kw_record_plan_keys(record) : kw_record_read_keys(record);
}

/* Who expects a class, and names fields, gets what is sealed under one of the classes that the
 * fields then have. */
static KW_ERR check_classes(const struct round *round, const struct kw_record *record,
                            struct kw_error *err)
{
    if (round->sealing || round->spec == NULL || round->prepared->options.data_class == NULL)
        return KW_OK;
    for (size_t i = 0; i < kw_record_read_keys(record); i++) {
        bool known = false;
        for (size_t c = 0; c < kw_fields_spec_classes(round->spec); c++) {
            uint8_t tag[KW_CLASS_TAG_SIZE];
            kw_class_tag(tag, kw_fields_spec_class(round->spec, c));
            known =
                known || memcmp(tag, kw_record_read_head(record, i)->class_tag, sizeof tag) == 0;
        }
        if (!known)
            return kw_fail_code(err, KW_WRONG_CLASS);
    }
    return KW_OK;
}

static KW_ERR plan(struct round *round, size_t slot, struct kw_fields_item *item,
                   struct kw_error *err)
{
    struct kw_record *record = &round->records[slot];
    struct kw_bytes text = kw_bytes(item->in.data, item->in.len);
    round->item[slot] = item;
    if (round->sealing)
        return kw_record_plan(record, round->spec, text, err);
    KW_TRY(kw_record_read(record, round->spec, text, err));
    return check_classes(round, record, err);
}

static void ask_for(struct round *round, size_t slot, struct kw_key_item *items)
{
    const struct kw_call_options *options = &round->prepared->options;
    const struct kw_record *record = &round->records[slot];
    for (size_t i = 0; i < keys_of(round, slot); i++) {
        struct kw_key_item *item = &items[i];
        item->tenant = options->tenant;
        item->region = options->region;
        item->context = &round->prepared->context;
        if (round->sealing) {
            item->data_class = kw_record_plan_class(record, i);
        } else {
            item->data_class = round->spec == NULL ? options->data_class : NULL;
            item->head = *kw_record_read_head(record, i);
        }
    }
}

/* keys: the first of the slot's in batch. */
static KW_ERR finish(struct round *round, size_t slot, const struct kw_key_batch *batch,
                     size_t first, struct kw_error *err)
{
    KW_AUTO(kw_buf) out = {.secret = !round->sealing};
    struct kw_record *record = &round->records[slot];
    const struct kw_context *context = &round->prepared->context.bound;
    struct kw_data_key keys[KW_RECORD_HEADS_MAX];
    const uint8_t *opened[KW_RECORD_HEADS_MAX];
    for (size_t i = 0; i < keys_of(round, slot); i++) {
        if (batch->items == NULL)
            return kw_fail(err, KW_INTERNAL, "a record's data keys were not asked for");
        KW_TRY(kw_key_batch_key(batch, first + i, &opened[i], err));
        keys[i] = (struct kw_data_key){.key = opened[i], .head = batch->items[first + i].head};
    }
    KW_TRY(round->sealing ? kw_record_seal(record, context, keys, &out, err)
                          : kw_record_open(record, context, opened, &out, err));
    return kw_output_take(&round->item[slot]->out, &out, err);
}

static KW_ERR get_keys(struct round *round, struct kw_key_batch *batch, struct kw_error *err)
{
    if (round->keys == 0)
        return KW_OK;
    KW_TRY(kw_key_batch_init(batch, round->keys, err));
    batch->justification = round->prepared->options.justification;
    batch->timeout_ms = round->prepared->options.timeout_ms;
    size_t first = 0;
    for (size_t slot = 0; slot < round->used; slot++) {
        ask_for(round, slot, batch->items + first);
        first += keys_of(round, slot);
    }
    struct kw_backend *backend = round->client->backend;
    return round->sealing ? kw_backend_generate(backend, batch, err)
                          : kw_backend_unwrap(backend, batch, err);
}

/* A failure that all further records would meet too. */
static bool is_general(const struct round *round, kw_code code)
{
    kw_class cls = kw_code_class(code);
    return round->keys > 1 || kw_code_retryable(code) || cls == KW_CLASS_UNAUTHENTICATED ||
           cls == KW_CLASS_INTERNAL;
}

/* Ends the round: its slots are done or have their error. A code is returned if there is no use in
 * going on. */
static KW_ERR run(struct round *round, struct kw_error *err)
{
    KW_AUTO(kw_key_batch) batch = {0};
    struct kw_error failure = {.code = KW_OK};
    kw_code code = get_keys(round, &batch, &failure);
    size_t first = 0;
    for (size_t slot = 0; slot < round->used; slot++) {
        struct kw_error *error = &round->item[slot]->error;
        size_t need = keys_of(round, slot);
        if (code != KW_OK && need > 0)
            *error = failure;
        else
            error->code = finish(round, slot, &batch, first, error);
        first += need;
    }
    bool stop = code != KW_OK && is_general(round, code);
    round->used = 0;
    round->keys = 0;
    return stop ? kw_fail(err, code, "%s", failure.text) : KW_OK;
}

/* Puts the item into the round; runs it first if its keys would be too many. */
static KW_ERR add(struct round *round, struct kw_fields_item *item, struct kw_error *err)
{
    size_t slot = round->used;
    item->error.code = plan(round, slot, item, &item->error);
    if (item->error.code != KW_OK)
        return KW_OK;
    size_t need = keys_of(round, slot);
    if (round->keys + need > KW_KEY_BATCH_MAX || slot == KW_KEY_BATCH_MAX) {
        KW_TRY(run(round, err));
        struct kw_record planned = round->records[slot];
        round->records[slot] = round->records[0];
        round->records[0] = planned;
        round->item[0] = item;
    }
    round->used++;
    round->keys += need;
    return KW_OK;
}

static KW_ERR verdict(const struct kw_fields_item *items, size_t count, struct kw_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (items[i].error.code != KW_OK)
            return count == 1 ? kw_fail(err, items[i].error.code, "%s", items[i].error.text)
                              : kw_fail(err, items[i].error.code, "record %zu: %s", i,
                                        items[i].error.text);
    return KW_OK;
}

static void all(struct round *round, struct kw_fields_item *items, size_t count)
{
    struct kw_error failure = {.code = KW_OK};
    kw_code code = KW_OK;
    size_t i = 0;
    for (; i < count && code == KW_OK; i++) {
        code = add(round, &items[i], &failure);
        if (code != KW_OK)
            items[i].error = failure;
    }
    if (code == KW_OK)
        code = run(round, &failure);
    for (; i < count; i++)
        items[i].error = failure;
}

static KW_ERR many(struct round *round, const struct kw_call_options *options, const char *fields,
                   struct kw_fields_item *items, size_t count, struct kw_error *err)
{
    KW_AUTO(kw_prepared) prepared = {0};
    KW_AUTO_PTR(kw_fields_spec) spec = NULL;
    KW_TRY(kw_prepare(&prepared, options, 0, err));
    const char *cls = prepared.options.data_class;
    if (fields != NULL)
        KW_TRY(kw_fields_spec_new(&spec, fields, cls != NULL ? cls : "default", err));
    else if (round->sealing)
        return kw_fail(err, KW_USAGE, "say which fields to seal: $.email,$.cards[*].number");
    for (size_t i = 0; i < count; i++)
        items[i].error = (struct kw_error){.code = KW_OK};
    round->prepared = &prepared;
    round->spec = spec;
    kw_code code = round_init(round, count, err);
    if (code == KW_OK) {
        all(round, items, count);
        code = verdict(items, count, err);
    }
    round_wipe(round);
    round->prepared = NULL; /* they end here */
    round->spec = NULL;
    return code;
}

KW_ERR kw_fields_seal_many(struct kw_client *client, const struct kw_call_options *options,
                           const char *fields, struct kw_fields_item *items, size_t count,
                           struct kw_error *err)
{
    struct round round = {.client = client, .sealing = true};
    return many(&round, options, fields, items, count, err);
}

KW_ERR kw_fields_open_many(struct kw_client *client, const struct kw_call_options *options,
                           const char *fields, struct kw_fields_item *items, size_t count,
                           struct kw_error *err)
{
    struct round round = {.client = client};
    return many(&round, options, fields, items, count, err);
}

KW_ERR kw_fields_seal(struct kw_client *client, const struct kw_call_options *options,
                      const char *fields, struct kw_input record, struct kw_output *out,
                      struct kw_error *err)
{
    struct kw_fields_item item = {.in = record, .out = *out};
    KW_TRY(kw_fields_seal_many(client, options, fields, &item, 1, err));
    *out = item.out;
    return KW_OK;
}

KW_ERR kw_fields_open(struct kw_client *client, const struct kw_call_options *options,
                      const char *fields, struct kw_input record, struct kw_output *out,
                      struct kw_error *err)
{
    struct kw_fields_item item = {.in = record, .out = *out};
    KW_TRY(kw_fields_open_many(client, options, fields, &item, 1, err));
    *out = item.out;
    return KW_OK;
}
