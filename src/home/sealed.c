#include "home/internal.h"

static struct kw_provider_call call_for(const struct kw_provider_pair *context)
{
    return (struct kw_provider_call){.key = "home", .context = context, .context_count = 1};
}

/* What init has put there and nothing removes: without it the database is damaged. */
static KW_ERR get(struct kw_store *store, const char *name, struct kw_buf *out,
                  struct kw_error *err)
{
    kw_code code = kw_store_meta_get(store, name, out, err);
    if (code == KW_NOT_FOUND)
        return kw_fail(err, KW_STORE_CORRUPT,
                       "the database lacks its value %s: stop Keyward and restore the last backup",
                       name);
    return code;
}

KW_ERR kw_home_seal_put(struct kw_store *store, struct kw_provider *root, const char *name,
                        const struct kw_secret *value, struct kw_error *err)
{
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    struct kw_provider_pair context = {"keyward:value", name};
    struct kw_provider_call call = call_for(&context);
    KW_TRY(kw_provider_wrap(root, &call, value, &wrapped, err));
    return kw_store_meta_put(store, name, kw_buf_bytes(&wrapped), err);
}

KW_ERR kw_home_seal_get(struct kw_store *store, struct kw_provider *root, const char *name,
                        struct kw_secret *out, struct kw_error *err)
{
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    struct kw_provider_pair context = {"keyward:value", name};
    struct kw_provider_call call = call_for(&context);
    KW_TRY(get(store, name, &wrapped, err));
    kw_code code = kw_provider_unwrap(root, &call, kw_buf_bytes(&wrapped), out, err);
    if (code == KW_SEAL_BROKEN)
        return kw_fail(err, KW_WRONG_ROOT, "the root key is not the one of this data folder");
    return code;
}

KW_ERR kw_home_text_get(struct kw_store *store, const char *name, char *out, size_t size,
                        struct kw_error *err)
{
    KW_AUTO(kw_buf) value = KW_BUF_INIT;
    KW_TRY(get(store, name, &value, err));
    if (value.len >= size)
        return kw_fail(err, KW_STORE_CORRUPT, "the value %s is too long", name);
    snprintf(out, size, "%s", kw_buf_str(&value));
    return KW_OK;
}
