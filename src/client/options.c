/* What callers hand in and are handed: options by size, contexts, texts, outputs. */
#include "client/client.h"
#include "envelope/text.h"

KW_ERR kw_options_read(void *to, size_t size, const void *from, struct kw_error *err)
{
    size_t given = 0;
    const uint8_t *bytes = from;
    memcpy(&given, from, sizeof given);
    if (given < 2 * sizeof(void *) || given > 65536)
        return kw_fail(err, KW_USAGE, "the options were not initialised with their KW_..._INIT");
    for (size_t i = size; i < given; i++)
        if (bytes[i] != 0)
            return kw_fail(err, KW_USAGE,
                           "the options use what this version of libkeyward (%s) does not know",
                           KW_VERSION);
    memset(to, 0, size);
    memcpy(to, from, given < size ? given : size);
    return KW_OK;
}

static KW_ERR read_context(struct kw_prepared *out, struct kw_error *err)
{
    struct kw_context_entries entries = {.count = 0};
    const struct kw_call_options *options = &out->options;
    if (options->context == NULL && options->context_count > 0)
        return kw_fail(err, KW_USAGE, "the options count context entries but have none");
    for (size_t i = 0; i < options->context_count; i++) {
        const struct kw_pair *pair = &options->context[i];
        if (pair->key == NULL || pair->value == NULL)
            return kw_fail(err, KW_BAD_CONTEXT, "entry %zu of the context has no key or no value",
                           i);
        KW_TRY(kw_context_add(&entries, kw_bytes_str(pair->key), kw_bytes_str(pair->value), err));
    }
    return kw_bound_context_make(&out->context, &entries, err);
}

KW_ERR kw_prepare(struct kw_prepared *out, const struct kw_call_options *options, uint32_t flags,
                  struct kw_error *err)
{
    static const struct kw_call_options none = KW_CALL_OPTIONS_INIT;
    struct kw_prepared read = {0};
    KW_TRY(kw_options_read(&read.options, sizeof read.options, options != NULL ? options : &none,
                           err));
    if ((read.options.flags & ~flags) != 0)
        return kw_fail(err, KW_USAGE, "the options have a flag that this call does not know");
    KW_TRY(read_context(&read, err));
    read.options.context = NULL; /* it is in context now */
    read.options.context_count = 0;
    *out = read;
    return KW_OK;
}

KW_ERR kw_prepared_keep(struct kw_prepared *prepared, struct kw_error *err)
{
    struct kw_call_options *o = &prepared->options;
    const char **texts[] = {&o->tenant, &o->region, &o->data_class, &o->justification};
    size_t at[KW_COUNT(texts)];
    for (size_t i = 0; i < KW_COUNT(texts); i++) {
        at[i] = prepared->texts.len;
        if (*texts[i] != NULL)
            kw_buf_append(&prepared->texts, *texts[i], strlen(*texts[i]) + 1);
    }
    KW_TRY(kw_buf_status(&prepared->texts, err));
    for (size_t i = 0; i < KW_COUNT(texts); i++)
        if (*texts[i] != NULL)
            *texts[i] = (const char *)prepared->texts.data + at[i];
    return KW_OK;
}

void kw_prepared_wipe(struct kw_prepared *prepared)
{
    kw_bound_context_wipe(&prepared->context);
    kw_buf_wipe(&prepared->texts);
}

KW_ERR kw_sealed_bytes(struct kw_input in, struct kw_buf *decoded, struct kw_bytes *out,
                       struct kw_error *err)
{
    struct kw_bytes given = kw_bytes(in.data, in.len);
    if (kw_text_is(given)) {
        KW_TRY(kw_text_decode(decoded, given, err));
        given = kw_buf_bytes(decoded);
    }
    *out = given;
    return KW_OK;
}

void kw_free(struct kw_output *output)
{
    if (output == NULL)
        return;
    if (output->data != NULL)
        kw_cleanse(output->data, output->capacity);
    free(output->data);
    *output = (struct kw_output)KW_OUTPUT_INIT;
}

KW_ERR kw_output_take(struct kw_output *out, struct kw_buf *buf, struct kw_error *err)
{
    kw_buf_str(buf);
    KW_TRY(kw_buf_status(buf, err));
    kw_free(out);
    *out = (struct kw_output){.data = buf->data, .len = buf->len, .capacity = buf->capacity};
    *buf = (struct kw_buf){.secret = buf->secret};
    return KW_OK;
}

KW_ERR kw_output_sealed(struct kw_output *out, struct kw_buf *sealed, uint32_t flags,
                        struct kw_error *err)
{
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    if ((flags & KW_AS_TEXT) == 0)
        return kw_output_take(out, sealed, err);
    kw_text_encode(&text, kw_buf_bytes(sealed));
    return kw_output_take(out, &text, err);
}
