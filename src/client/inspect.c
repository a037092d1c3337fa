#include "envelope/inspect.h"

#include "base/encode.h"
#include "client/client.h"

_Static_assert((int)KW_SEALED_KEYS_MAX == (int)KW_RECORD_HEADS_MAX, "room for every head");

static void describe(struct kw_sealed_key *out, const struct kw_wrapped_key *head)
{
    kw_hex_text(out->reference, kw_bytes(head->key_ref, sizeof head->key_ref));
    kw_hex_text(out->class_tag, kw_bytes(head->class_tag, sizeof head->class_tag));
    out->suite = head->suite;
    out->version = head->version;
    out->suite_name = kw_head_suite_name(head);
}

KW_ERR kw_inspect(struct kw_input front, uint64_t total, struct kw_sealed_info *out,
                  struct kw_error *err)
{
    struct kw_inspection found;
    struct kw_sealed_info info = KW_SEALED_INFO_INIT;
    size_t given = out->size;
    if (given < 2 * sizeof(void *))
        return kw_fail(err, KW_USAGE, "the result was not initialised with KW_SEALED_INFO_INIT");
    KW_TRY(kw_sealed_inspect(&found, kw_bytes(front.data, front.len), total, err));
    info.format = kw_format_name(found.format);
    info.is_text = found.is_text;
    info.is_signed = found.is_signed;
    info.sign_version = found.signing_version;
    info.sealed_size = found.sealed_size;
    info.plain_size = found.plain_size;
    info.fields = found.fields;
    info.key_count = found.heads;
    for (size_t i = 0; i < found.heads; i++)
        describe(&info.key[i], &found.head[i]);
    info.size = given;
    memcpy(out, &info, given < sizeof info ? given : sizeof info);
    return KW_OK;
}
