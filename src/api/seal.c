/* Small payloads, sealed and opened here for callers who cannot do it themselves: a batch of one
 * data key, and the envelope over it. */
#include "api/internal.h"

#include "base/encode.h"
#include "envelope/envelope.h"
#include "envelope/text.h"

static const char *const seal_names[] = {"tenant",    "region",        "class", "context",
                                         "plaintext", "justification", NULL};
static const char *const open_names[] = {"envelope", "tenant",        "region", "class",
                                         "context",  "justification", NULL};

enum { ENVELOPE_MAX = KW_API_PLAINTEXT_MAX + KW_ENVELOPE_OVERHEAD };

/* How many bytes a base64 text of this length has at most, and exactly if it is well formed. */
static size_t decoded_len(struct kw_bytes text)
{
    size_t padding = 0;
    while (padding < 2 && padding < text.len && text.data[text.len - 1 - padding] == '=')
        padding++;
    size_t len = text.len / 4 * 3;
    return len >= padding ? len - padding : 0;
}

static KW_ERR member_text(struct kw_job *job, const char *name, struct kw_bytes *out,
                          struct kw_error *err)
{
    const char *text = NULL;
    KW_TRY(kw_json_get_str(job->body.root, name, true, &text, err));
    *out = kw_bytes_str(text);
    return KW_OK;
}

/* The one item of the call. */
static KW_ERR read_item(struct kw_job *job, enum kw_dk_op op, const char *const *names,
                        struct kw_error *err)
{
    KW_TRY(kw_items_open(job, op, 1, err));
    if (op == KW_DK_GENERATE)
        return kw_item_read_spec(job, job->body.root, names, &job->batch.items[0], err);
    return kw_item_read(job, job->body.root, names, &job->batch.items[0], err);
}

/* The data key of the answer to a single item, or the call's failure. */
static const uint8_t *take_key(struct kw_job *job, struct kw_error *err)
{
    const uint8_t *key = NULL;
    return kw_dk_key(&job->batch, 0, &key, err) == KW_OK ? key : NULL;
}

static struct kw_context item_context(const struct kw_job *job)
{
    struct kw_context context;
    memcpy(context.digest, job->batch.items[0].context_digest, sizeof context.digest);
    return context;
}

static void answer_one(struct kw_job *job, const char *name, struct kw_bytes bytes)
{
    struct kw_json_writer w = kw_job_writer(job);
    kw_buf_reserve(&job->call->body_out, bytes.len / 3 * 4 + 128);
    kw_json_begin(&w, NULL, '{');
    kw_json_base64(&w, name, bytes);
    kw_data_receipt(job, &w);
    kw_json_end(&w);
    kw_job_answer(job);
}

/* ---- Seal -------------------------------------------------------------------------------------
 */

static KW_ERR read_plaintext(struct kw_job *job, struct kw_error *err)
{
    struct kw_bytes text;
    KW_TRY(member_text(job, "plaintext", &text, err));
    size_t len = decoded_len(text);
    if (len > KW_API_PLAINTEXT_MAX)
        return kw_fail(err, KW_TOO_LARGE, "the plaintext is larger than %d bytes: seal a stream",
                       KW_API_PLAINTEXT_MAX);
    if (text.len == 0)
        return KW_OK;
    KW_TRY(kw_secret_alloc(&job->part.plaintext, len != 0 ? len : 1, err));
    job->part.plaintext_len = len;
    return kw_base64_decode_exact(job->part.plaintext.data, len, text, err);
}

static KW_ERR seal(struct kw_job *job, struct kw_error *err)
{
    struct kw_context context = item_context(job);
    struct kw_data_key key = {.key = take_key(job, err)};
    size_t len = job->part.plaintext_len;
    if (key.key == NULL)
        return err->code;
    KW_TRY(
        kw_wrapped_key_parse(&key.head, kw_bytes(job->batch.items[0].wrapped, KW_HEAD_SIZE), err));
    uint8_t *out = kw_buf_reserve(&job->part.sealed, len + KW_ENVELOPE_OVERHEAD);
    if (out == NULL)
        return kw_buf_status(&job->part.sealed, err);
    KW_TRY(kw_envelope_seal(out, &key, &context, kw_bytes(job->part.plaintext.data, len), err));
    job->part.sealed.len += len + KW_ENVELOPE_OVERHEAD;
    return KW_OK;
}

static void answer_sealed(struct kw_job *job)
{
    struct kw_error err;
    if (seal(job, &err) != KW_OK)
        kw_job_fail(job, &err);
    else
        answer_one(job, "envelope", kw_buf_bytes(&job->part.sealed));
}

KW_ERR kw_handle_seal(struct kw_job *job, struct kw_error *err)
{
    KW_TRY(kw_body_only(job->body.root, seal_names, err));
    KW_TRY(read_item(job, KW_DK_GENERATE, seal_names, err));
    KW_TRY(read_plaintext(job, err));
    kw_data_submit(job, answer_sealed);
    return KW_OK;
}

/* ---- Open -------------------------------------------------------------------------------------
 */

static kw_code decode_envelope(struct kw_buf *out, struct kw_bytes text)
{
    out->max = ENVELOPE_MAX;
    if (kw_text_is(text))
        return kw_text_decode(out, text, NULL);
    return kw_base64_decode(out, text, NULL);
}

/* What is no envelope is refused as the item that it is, so that the attempt is recorded. */
static KW_ERR read_envelope(struct kw_job *job, struct kw_error *err)
{
    struct kw_dk_item *item = &job->batch.items[0];
    struct kw_wrapped_key head;
    struct kw_bytes text;
    KW_TRY(member_text(job, "envelope", &text, err));
    kw_code code = decode_envelope(&job->part.sealed, text);
    if (code == KW_TOO_LARGE)
        return kw_fail(err, code, "the envelope is larger than %d bytes", ENVELOPE_MAX);
    if (code == KW_OK)
        code = kw_envelope_head(&head, kw_buf_bytes(&job->part.sealed), NULL);
    if (code == KW_OK)
        kw_wrapped_key_write(&head, item->wrapped);
    else
        kw_item_spoil(item, code);
    return KW_OK;
}

static KW_ERR open_envelope(struct kw_job *job, struct kw_error *err)
{
    struct kw_context context = item_context(job);
    const uint8_t *key = take_key(job, err);
    size_t len = job->part.sealed.len - KW_ENVELOPE_OVERHEAD;
    if (key == NULL)
        return err->code;
    KW_TRY(kw_secret_alloc(&job->part.plaintext, len != 0 ? len : 1, err));
    job->part.plaintext_len = len;
    return kw_envelope_open(job->part.plaintext.data, key, &context,
                            kw_buf_bytes(&job->part.sealed), err);
}

static void answer_opened(struct kw_job *job)
{
    struct kw_error err;
    if (open_envelope(job, &err) != KW_OK)
        kw_job_fail(job, &err);
    else
        answer_one(job, "plaintext", kw_bytes(job->part.plaintext.data, job->part.plaintext_len));
}

KW_ERR kw_handle_open(struct kw_job *job, struct kw_error *err)
{
    KW_TRY(kw_body_only(job->body.root, open_names, err));
    KW_TRY(read_item(job, KW_DK_UNWRAP, open_names, err));
    KW_TRY(read_envelope(job, err));
    kw_data_submit(job, answer_opened);
    return KW_OK;
}
