/* keyward seal: one thing in, an envelope or a stream out. */
#include "base/clock.h"
#include "base/encode.h"
#include "cli/cmd_data.h"
#include "cli/data.h"
#include "envelope/stream.h"
#include "json/write.h"

enum { ENVELOPE_UP_TO = 64 << 10 };

struct sealing {
    struct kw_data_scope scope;
    struct kw_input input;
    struct kw_output output;
    struct kw_key_batch keys;
    struct kw_data_key key;
    enum kw_format format; /* 0 until it is decided */
    struct kw_progress progress;
    uint64_t plain_size;
    int64_t started_us;
};

static void sealing_wipe(struct sealing *s)
{
    kw_key_batch_wipe(&s->keys);
    kw_input_wipe(&s->input);
    kw_output_wipe(&s->output);
    kw_data_scope_wipe(&s->scope);
}

static KW_ERR read_format(const struct kw_invocation *in, enum kw_format *out, struct kw_error *err)
{
    const char *name = kw_cli_value(in, "format");
    if (name == NULL)
        return KW_OK;
    if (strcmp(name, "envelope") == 0)
        *out = KW_FORMAT_ENVELOPE;
    else if (strcmp(name, "stream") == 0)
        *out = KW_FORMAT_STREAM;
    else
        return kw_fail(err, KW_USAGE, "--format is 'envelope' or 'stream', not '%.40s'", name);
    return KW_OK;
}

/* An envelope is one piece: all of it has to be here first. */
static KW_ERR seal_envelope(struct sealing *s, struct kw_buf *block, struct kw_error *err)
{
    KW_AUTO(kw_buf) sealed = KW_BUF_INIT;
    size_t got = 0;
    if (block->len == KW_DATA_BLOCK)
        KW_TRY(kw_input_append(&s->input, block, KW_ENVELOPE_PLAINTEXT_MAX, &got, err));
    if (block->len > KW_ENVELOPE_PLAINTEXT_MAX)
        return kw_fail(err, KW_TOO_LARGE,
                       "an envelope holds up to %d MiB: leave --format out and a stream is written",
                       KW_ENVELOPE_PLAINTEXT_MAX >> 20);
    uint8_t *room = kw_buf_reserve(&sealed, block->len + KW_ENVELOPE_OVERHEAD);
    if (room == NULL)
        return kw_buf_status(&sealed, err);
    KW_TRY(kw_envelope_seal(room, &s->key, &s->scope.context.bound, kw_buf_bytes(block), err));
    sealed.len = block->len + KW_ENVELOPE_OVERHEAD;
    s->plain_size = block->len;
    return kw_output_write(&s->output, kw_buf_bytes(&sealed), err);
}

static KW_ERR add_block(struct sealing *s, struct kw_stream_sealer *sealer, struct kw_buf *block,
                        struct kw_buf *sealed, struct kw_error *err)
{
    kw_buf_reset(sealed);
    KW_TRY(kw_stream_sealer_add(sealer, kw_buf_bytes(block), sealed, err));
    KW_TRY(kw_output_write(&s->output, kw_buf_bytes(sealed), err));
    s->plain_size += block->len;
    kw_progress_add(&s->progress, block->len);
    return KW_OK;
}

static KW_ERR seal_stream(struct sealing *s, struct kw_buf *block, struct kw_error *err)
{
    KW_AUTO_PTR(kw_stream_sealer) sealer = NULL;
    KW_AUTO(kw_buf) sealed = KW_BUF_INIT;
    size_t got = block->len;
    KW_TRY(kw_stream_sealer_new(&sealer, &s->key, &s->scope.context.bound, err));
    for (;;) {
        KW_TRY(add_block(s, sealer, block, &sealed, err));
        if (got < KW_DATA_BLOCK)
            break;
        block->len = 0; /* overwritten by the next one, wiped at the end */
        KW_TRY(kw_input_append(&s->input, block, KW_DATA_BLOCK, &got, err));
    }
    kw_buf_reset(&sealed);
    KW_TRY(kw_stream_sealer_end(sealer, &sealed, err));
    return kw_output_write(&s->output, kw_buf_bytes(&sealed), err);
}

static KW_ERR seal_all(struct sealing *s, struct kw_invocation *in, struct kw_error *err)
{
    KW_AUTO(kw_buf) block = KW_BUF_SECRET;
    size_t got = 0;
    KW_TRY(kw_input_append(&s->input, &block, KW_DATA_BLOCK, &got, err));
    if (s->format == 0)
        s->format = got <= ENVELOPE_UP_TO ? KW_FORMAT_ENVELOPE : KW_FORMAT_STREAM;
    KW_TRY(kw_data_key_fresh(in, &s->scope, &s->keys, &s->key, err));
    if (s->format == KW_FORMAT_ENVELOPE)
        KW_TRY(seal_envelope(s, &block, err));
    else
        KW_TRY(seal_stream(s, &block, err));
    return kw_output_finish(&s->output, err);
}

static void report_json(const struct sealing *s)
{
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    char ref[2 * KW_KEY_REF_SIZE + 1];
    kw_hex_text(ref, kw_bytes(s->key.head.key_ref, KW_KEY_REF_SIZE));
    struct kw_json_writer w = kw_json_writer(&text);
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "format", kw_format_name(s->format));
    kw_json_str(&w, "tenant", s->scope.tenant);
    kw_json_str(&w, "region", s->scope.region);
    kw_json_str(&w, "class", s->scope.data_class);
    kw_json_str(&w, "key_reference", ref);
    kw_json_uint(&w, "version", s->key.head.version);
    kw_json_uint(&w, "plain_size", s->plain_size);
    kw_json_uint(&w, "sealed_size", s->output.written);
    kw_json_uint(&w, "ledger_index", s->keys.first_index);
    kw_json_end(&w);
    fprintf(kw_output_report(&s->output), "%s\n", kw_buf_str(&text));
}

static void report(const struct sealing *s, bool json)
{
    char pace[96];
    if (json) {
        report_json(s);
    } else if (s->output.path[0] != '\0') {
        printf("sealed %s to %s: %s for %s/%s, class %s, %s, ledger entry %llu\n", s->input.name,
               s->output.name, s->format == KW_FORMAT_STREAM ? "a stream" : "an envelope",
               s->scope.tenant, s->scope.region, s->scope.data_class,
               kw_data_pace(s->plain_size, kw_data_seconds(s->started_us), pace),
               (unsigned long long)s->keys.first_index);
    }
}

static KW_ERR run(struct sealing *s, struct kw_invocation *in, struct kw_error *err)
{
    KW_TRY(kw_data_scope_read(&s->scope, in, true, err));
    KW_TRY(read_format(in, &s->format, err));
    KW_TRY(kw_input_open(&s->input, kw_cli_value(in, "input"), err));
    KW_TRY(kw_output_open(&s->output, kw_cli_value(in, "output"), &s->input, err));
    s->output.as_text = kw_cli_flag(in, "text");
    if (s->output.is_terminal && !s->output.as_text)
        return kw_fail(err, KW_USAGE,
                       "sealed bytes are not for a terminal: add --text, -o FILE, "
                       "or a pipe");
    kw_progress_start(&s->progress, "sealing", kw_input_size(&s->input), true);
    s->progress.on = s->progress.on && !s->output.is_terminal;
    kw_code code = seal_all(s, in, err);
    kw_progress_end(&s->progress);
    if (code == KW_OK)
        report(s, in->json);
    return code;
}

KW_ERR kw_run_seal(struct kw_invocation *in, struct kw_error *err)
{
    struct sealing s = {.input = KW_INPUT_INIT, .output = KW_OUTPUT_INIT};
    s.started_us = kw_clock_us();
    kw_code code = run(&s, in, err);
    sealing_wipe(&s);
    return code;
}
