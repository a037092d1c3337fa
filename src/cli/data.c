#include "cli/data.h"

#include "base/clock.h"
#include "base/names.h"

static KW_ERR read_names(struct kw_data_scope *scope, const struct kw_invocation *in, bool required,
                         struct kw_error *err)
{
    if (required) {
        KW_TRY(kw_cli_required(in, "tenant", &scope->tenant, err));
        KW_TRY(kw_cli_required(in, "region", &scope->region, err));
        if (scope->data_class == NULL)
            scope->data_class = "default";
    }
    if (scope->tenant != NULL)
        KW_TRY(kw_tenant_name_check(scope->tenant, err));
    if (scope->region != NULL)
        KW_TRY(kw_region_name_check(scope->region, err));
    if (scope->data_class != NULL)
        KW_TRY(kw_class_name_check(scope->data_class, err));
    return KW_OK;
}

KW_ERR kw_data_scope_read(struct kw_data_scope *scope, const struct kw_invocation *in,
                          bool required, struct kw_error *err)
{
    const char *entry;
    scope->tenant = kw_cli_value(in, "tenant");
    scope->region = kw_cli_value(in, "region");
    scope->data_class = kw_cli_value(in, "class");
    scope->justification = kw_cli_value(in, "justification");
    KW_TRY(read_names(scope, in, required, err));
    for (unsigned i = 0; (entry = kw_cli_value_at(in, "context", i)) != NULL; i++)
        KW_TRY(kw_context_add_text(&scope->entries, entry, err));
    return kw_bound_context_make(&scope->context, &scope->entries, err);
}

void kw_data_scope_wipe(struct kw_data_scope *scope)
{
    kw_bound_context_wipe(&scope->context);
}

static KW_ERR one_item(const struct kw_data_scope *scope, struct kw_key_batch *batch,
                       struct kw_error *err)
{
    KW_TRY(kw_key_batch_init(batch, 1, err));
    batch->justification = scope->justification;
    batch->items[0] = (struct kw_key_item){.tenant = scope->tenant,
                                           .region = scope->region,
                                           .data_class = scope->data_class,
                                           .context = &scope->context};
    return KW_OK;
}

KW_ERR kw_data_key_fresh(struct kw_invocation *in, const struct kw_data_scope *scope,
                         struct kw_key_batch *batch, struct kw_data_key *out, struct kw_error *err)
{
    struct kw_backend *backend = NULL;
    KW_TRY(kw_cli_backend(in, &backend, err));
    KW_TRY(one_item(scope, batch, err));
    KW_TRY(kw_backend_generate(backend, batch, err));
    *out = (struct kw_data_key){.head = batch->items[0].head};
    return kw_key_batch_key(batch, 0, &out->key, err);
}

KW_ERR kw_data_key_of(struct kw_invocation *in, const struct kw_data_scope *scope,
                      const struct kw_wrapped_key *head, struct kw_key_batch *batch,
                      const uint8_t **out, struct kw_error *err)
{
    struct kw_backend *backend = NULL;
    KW_TRY(kw_cli_backend(in, &backend, err));
    KW_TRY(one_item(scope, batch, err));
    batch->items[0].head = *head;
    KW_TRY(kw_backend_unwrap(backend, batch, err));
    return kw_key_batch_key(batch, 0, out, err);
}

const char *kw_class_name_known(const uint8_t tag[KW_CLASS_TAG_SIZE])
{
    static const char *const names[] = {"default", "pii", "financial", "health", "secret"};
    for (size_t i = 0; i < KW_COUNT(names); i++) {
        uint8_t known[KW_CLASS_TAG_SIZE];
        kw_class_tag(known, names[i]);
        if (memcmp(known, tag, sizeof known) == 0)
            return names[i];
    }
    return NULL;
}

const char *kw_class_text(const uint8_t tag[KW_CLASS_TAG_SIZE], char text[40])
{
    const char *name = kw_class_name_known(tag);
    if (name != NULL)
        snprintf(text, 40, "%s", name);
    else
        snprintf(text, 40, "tag %08x", kw_get_u32(tag));
    return text;
}

double kw_data_seconds(int64_t started_us)
{
    int64_t us = kw_clock_us() - started_us;
    return us > 0 ? (double)us / 1e6 : 1e-6;
}

const char *kw_data_pace(uint64_t bytes, double seconds, char text[96])
{
    enum { TOO_LITTLE = 1 << 20 };
    char size[32];
    char rate[32];
    kw_cli_size_text(bytes, size);
    if (bytes < TOO_LITTLE)
        snprintf(text, 96, "%s", size);
    else
        snprintf(text, 96, "%s in %.2f s (%s/s)", size, seconds,
                 kw_cli_size_text((uint64_t)((double)bytes / seconds), rate));
    return text;
}
