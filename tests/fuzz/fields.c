/* A line with field paths, then a record: what seals opens to the same bytes; what reads as sealed
 * is opened or refused. */
#include "envelope/record.h"
#include "sealed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct keys {
    struct kw_wrapping_key w;
    struct kw_context context;
    struct kw_data_key key;
};

static void open(struct keys *k, const struct kw_fields_spec *spec, struct kw_bytes text,
                 const struct kw_bytes *expected)
{
    const uint8_t *data_keys[KW_RECORD_HEADS_MAX];
    KW_AUTO(kw_record) record = KW_RECORD_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    struct kw_error err = {.code = KW_OK};
    for (size_t i = 0; i < KW_COUNT(data_keys); i++)
        data_keys[i] = k->key.key;
    kw_code code = kw_record_read(&record, spec, text, &err);
    if (code == KW_OK)
        code = kw_record_open(&record, &k->context, data_keys, &out, &err);
    if (code != KW_OK)
        require(expected == NULL && out.len == 0 && err.code == code);
    else if (expected != NULL)
        require(kw_bytes_equal(kw_buf_bytes(&out), *expected));
}

/* Gives every class the one data key there is, its tag changed to fit. */
static kw_code seal(struct keys *k, const struct kw_fields_spec *spec, struct kw_bytes text,
                    struct kw_buf *out)
{
    struct kw_data_key keys[KW_FIELDS_CLASSES_MAX];
    KW_AUTO(kw_record) record = KW_RECORD_INIT;
    struct kw_error err;
    KW_TRY(kw_record_plan(&record, spec, text, &err));
    for (size_t i = 0; i < kw_record_plan_keys(&record); i++) {
        keys[i] = k->key;
        kw_class_tag(keys[i].head.class_tag, kw_record_plan_class(&record, i));
    }
    return kw_record_seal(&record, &k->context, keys, out, &err);
}

static void run(struct keys *k, const char *spec_text, struct kw_bytes text)
{
    KW_AUTO_PTR(kw_fields_spec) spec = NULL;
    KW_AUTO(kw_buf) sealed = KW_BUF_INIT;
    struct kw_error err;
    open(k, NULL, text, NULL);
    if (kw_fields_spec_new(&spec, spec_text, "pii", &err) != KW_OK)
        return;
    open(k, spec, text, NULL);
    if (seal(k, spec, text, &sealed) == KW_OK)
        open(k, spec, kw_buf_bytes(&sealed), &text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line = size == 0 ? NULL : memchr(data, '\n', size);
    if (line == NULL)
        return 0;
    struct keys k;
    fuzz_wrapping_key(&k.w, KW_SUITE_AES256GCM);
    fuzz_context(&k.context);
    fuzz_data_key(&k.key, &k.w, &k.context);
    char *spec = strndup((const char *)data, (size_t)(line - data));
    require(spec != NULL);
    run(&k, spec, kw_bytes(line + 1, size - (size_t)(line + 1 - data)));
    free(spec);
    kw_secret_wipe(&k.w.key);
    return 0;
}
