/* keyward open: an envelope, a stream or a message in, in bytes or as text; the plaintext out. */
#include "base/clock.h"
#include "base/encode.h"
#include "cli/cmd_data.h"
#include "cli/data.h"
#include "cli/rewrap.h"
#include "envelope/message.h"
#include "envelope/stream.h"
#include "json/write.h"

struct opening {
    struct kw_data_scope scope;
    struct kw_input input;
    struct kw_output output;
    struct kw_key_batch keys;
    const uint8_t *key;
    struct kw_wrapped_key head;
    enum kw_format format;
    struct kw_progress progress;
    int64_t started_us;
};

static void opening_wipe(struct opening *o)
{
    kw_key_batch_wipe(&o->keys);
    kw_input_wipe(&o->input);
    kw_output_wipe(&o->output);
    kw_data_scope_wipe(&o->scope);
}

static KW_ERR get_key(struct opening *o, struct kw_invocation *in, struct kw_error *err)
{
    return kw_data_key_of(in, &o->scope, &o->head, &o->keys, &o->key, err);
}

/* Envelopes and messages are opened in one piece. */
static KW_ERR read_rest(struct opening *o, struct kw_buf *block, size_t overhead,
                        struct kw_error *err)
{
    size_t got = 0;
    size_t most = KW_ENVELOPE_PLAINTEXT_MAX + overhead;
    if (block->len == KW_DATA_BLOCK)
        KW_TRY(kw_input_append(&o->input, block, most + 1 - block->len, &got, err));
    if (block->len > most)
        return kw_fail(err, KW_TOO_LARGE, "%s is larger than any envelope: something was added",
                       o->input.name);
    return KW_OK;
}

static KW_ERR open_envelope(struct opening *o, struct kw_invocation *in, struct kw_buf *block,
                            struct kw_error *err)
{
    KW_AUTO(kw_buf) plain = KW_BUF_SECRET;
    KW_TRY(read_rest(o, block, KW_ENVELOPE_OVERHEAD, err));
    KW_TRY(kw_envelope_head(&o->head, kw_buf_bytes(block), err));
    KW_TRY(get_key(o, in, err));
    uint8_t *room = kw_buf_reserve(&plain, block->len);
    if (room == NULL)
        return kw_buf_status(&plain, err);
    KW_TRY(kw_envelope_open(room, o->key, &o->scope.context.bound, kw_buf_bytes(block), err));
    plain.len = block->len - KW_ENVELOPE_OVERHEAD;
    return kw_output_write(&o->output, kw_buf_bytes(&plain), err);
}

static KW_ERR open_message(struct opening *o, struct kw_invocation *in, struct kw_buf *block,
                           struct kw_error *err)
{
    KW_AUTO(kw_buf) plain = KW_BUF_SECRET;
    struct kw_message message;
    KW_TRY(read_rest(o, block, KW_MESSAGE_SIGNED_OVERHEAD, err));
    KW_TRY(kw_message_parse(&message, kw_buf_bytes(block), err));
    o->head = message.head;
    if (message.is_signed)
        return kw_fail(
            err, KW_BAD_SIGNATURE,
            "%s is a signed message: 'keyward message open --signed' checks and opens it",
            o->input.name);
    KW_TRY(get_key(o, in, err));
    KW_TRY(kw_message_open_with_key(&plain, &message, &o->scope.context.bound, o->key, NULL, err));
    return kw_output_write(&o->output, kw_buf_bytes(&plain), err);
}

static KW_ERR open_block(struct opening *o, struct kw_stream_opener *opener, struct kw_bytes sealed,
                         struct kw_buf *plain, struct kw_error *err)
{
    kw_buf_reset(plain);
    KW_TRY(kw_stream_opener_add(opener, sealed, plain, err));
    kw_progress_add(&o->progress, sealed.len);
    return kw_output_write(&o->output, kw_buf_bytes(plain), err);
}

static KW_ERR open_blocks(struct opening *o, struct kw_stream_opener *opener, struct kw_buf *block,
                          struct kw_error *err)
{
    /* After the head, reads end where chunks end. */
    enum { BLOCK = 63 * KW_STREAM_SEALED_CHUNK };
    KW_AUTO(kw_buf) plain = KW_BUF_SECRET;
    size_t got = BLOCK;
    struct kw_bytes front = kw_bytes(block->data + KW_HEAD_SIZE, block->len - KW_HEAD_SIZE);
    KW_TRY(open_block(o, opener, front, &plain, err));
    while (got == BLOCK) {
        block->len = 0;
        KW_TRY(kw_input_append(&o->input, block, BLOCK, &got, err));
        KW_TRY(open_block(o, opener, kw_buf_bytes(block), &plain, err));
    }
    kw_buf_reset(&plain);
    KW_TRY(kw_stream_opener_end(opener, &plain, err));
    return kw_output_write(&o->output, kw_buf_bytes(&plain), err);
}

static KW_ERR open_stream(struct opening *o, struct kw_invocation *in, struct kw_buf *block,
                          struct kw_error *err)
{
    KW_AUTO_PTR(kw_stream_opener) opener = NULL;
    if (block->len < KW_HEAD_SIZE)
        return kw_fail(err, KW_TRUNCATED, "%s is cut off within its head", o->input.name);
    KW_TRY(kw_wrapped_key_parse(&o->head, kw_bytes(block->data, KW_HEAD_SIZE), err));
    KW_TRY(get_key(o, in, err));
    KW_TRY(kw_stream_opener_new(&opener, &o->head, o->key, &o->scope.context.bound, err));
    return open_blocks(o, opener, block, err);
}

static KW_ERR not_sealed(const struct opening *o, uint8_t first, struct kw_error *err)
{
    if (first == '{')
        return kw_fail(err, KW_BAD_FORMAT,
                       "%s is JSON: 'keyward fields open' opens the sealed fields of records",
                       o->input.name);
    return kw_fail(err, KW_BAD_FORMAT,
                   "%s is no envelope, stream or message of Keyward: 'keyward inspect' says what "
                   "it is, if it is ours",
                   o->input.name);
}

/* A stream's first read ends where its first chunk begins. */
static KW_ERR open_any(struct opening *o, struct kw_invocation *in, struct kw_error *err)
{
    KW_AUTO(kw_buf) block = KW_BUF_INIT;
    size_t got = 0;
    KW_TRY(kw_input_expect_text(&o->input, err));
    KW_TRY(kw_input_append(&o->input, &block, KW_STREAM_START, &got, err));
    if (got == 0)
        return kw_fail(err, KW_TRUNCATED, "%s is empty: nothing sealed is", o->input.name);
    o->format = (enum kw_format)block.data[0];
    if (o->format == KW_FORMAT_STREAM)
        return open_stream(o, in, &block, err);
    if (got == KW_STREAM_START)
        KW_TRY(kw_input_append(&o->input, &block, KW_DATA_BLOCK - KW_STREAM_START, &got, err));
    if (o->format == KW_FORMAT_ENVELOPE)
        return open_envelope(o, in, &block, err);
    if (o->format == KW_FORMAT_MESSAGE)
        return open_message(o, in, &block, err);
    return not_sealed(o, block.data[0], err);
}

static bool has_journal(const struct opening *o)
{
    char journal[KW_PATH_SIZE];
    return o->input.owned &&
           kw_path_format(journal, NULL, "%s" KW_REWRAP_JOURNAL, o->input.name) == KW_OK &&
           kw_path_exists(journal);
}

/* What went into a pipe cannot be taken back: say so. What a re-wrap left half done can be
 * finished.
 */
static kw_code explain(const struct opening *o, kw_code code, struct kw_error *err)
{
    struct kw_error why = *err;
    if (kw_output_escaped(&o->output))
        return kw_fail(err, code, "%.250s; what came out before must not be used", why.text);
    if (has_journal(o))
        return kw_fail(err, code,
                       "%.200s; a re-wrap of this file was cut off: 'keyward rewrap files' with "
                       "its name finishes it",
                       why.text);
    return code;
}

static void report_json(const struct opening *o)
{
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    char ref[2 * KW_KEY_REF_SIZE + 1];
    kw_hex_text(ref, kw_bytes(o->head.key_ref, KW_KEY_REF_SIZE));
    struct kw_json_writer w = kw_json_writer(&text);
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "format", kw_format_name(o->format));
    kw_json_str(&w, "key_reference", ref);
    kw_json_uint(&w, "version", o->head.version);
    kw_json_uint(&w, "plain_size", o->output.written);
    kw_json_uint(&w, "ledger_index", o->keys.first_index);
    kw_json_end(&w);
    fprintf(kw_output_report(&o->output), "%s\n", kw_buf_str(&text));
}

static void report(const struct opening *o, bool json)
{
    char pace[96];
    if (json) {
        report_json(o);
    } else if (o->output.path[0] != '\0') {
        printf("opened %s to %s: %s, ledger entry %llu\n", o->input.name, o->output.name,
               kw_data_pace(o->output.written, kw_data_seconds(o->started_us), pace),
               (unsigned long long)o->keys.first_index);
    }
}

static KW_ERR run(struct opening *o, struct kw_invocation *in, struct kw_error *err)
{
    KW_TRY(kw_data_scope_read(&o->scope, in, false, err));
    KW_TRY(kw_input_open(&o->input, kw_cli_value(in, "input"), err));
    KW_TRY(kw_output_open(&o->output, kw_cli_value(in, "output"), &o->input, err));
    kw_progress_start(&o->progress, "opening", kw_input_size(&o->input), true);
    o->progress.on = o->progress.on && !o->output.is_terminal;
    kw_code code = open_any(o, in, err);
    if (code == KW_OK)
        code = kw_output_finish(&o->output, err);
    kw_progress_end(&o->progress);
    if (code != KW_OK)
        return explain(o, code, err);
    report(o, in->json);
    return KW_OK;
}

KW_ERR kw_run_open(struct kw_invocation *in, struct kw_error *err)
{
    struct opening o = {.input = KW_INPUT_INIT, .output = KW_OUTPUT_INIT};
    o.started_us = kw_clock_us();
    kw_code code = run(&o, in, err);
    opening_wipe(&o);
    return code;
}
