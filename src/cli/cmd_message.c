/* keyward message: one message for a queue in, sealed and if wanted signed; and back. */
#include "base/encode.h"
#include "cli/cmd_data.h"
#include "cli/data.h"
#include "client/message.h"
#include "json/write.h"

struct work {
    struct kw_data_scope scope;
    struct kw_input input;
    struct kw_output output;
    struct kw_buf whole; /* all of the input */
    struct kw_key_batch keys;
    struct kw_message_call call;
};
#define WORK_INIT                                                                                  \
    {                                                                                              \
        .input = KW_INPUT_INIT, .output = KW_OUTPUT_INIT, .whole = KW_BUF_SECRET                   \
    }

static void work_wipe(struct work *w)
{
    kw_key_batch_wipe(&w->keys);
    kw_buf_wipe(&w->whole);
    kw_input_wipe(&w->input);
    kw_output_wipe(&w->output);
    kw_data_scope_wipe(&w->scope);
}

/* Scope and files; the authority is not reached yet. */
static KW_ERR start(struct work *w, struct kw_invocation *in, bool sealing, struct kw_error *err)
{
    KW_TRY(kw_data_scope_read(&w->scope, in, sealing, err));
    KW_TRY(kw_input_open(&w->input, kw_cli_value(in, "input"), err));
    return kw_output_open(&w->output, kw_cli_value(in, "output"), &w->input, err);
}

static KW_ERR read_whole(struct work *w, size_t max, struct kw_error *err)
{
    size_t got = 0;
    KW_TRY(kw_input_append(&w->input, &w->whole, max + 1, &got, err));
    if (got > max)
        return kw_fail(err, KW_TOO_LARGE, "%s is larger than a message may be: %d MiB",
                       w->input.name, KW_ENVELOPE_PLAINTEXT_MAX >> 20);
    return KW_OK;
}

static KW_ERR reach(struct work *w, struct kw_invocation *in, struct kw_error *err)
{
    w->call = (struct kw_message_call){
        .tenant = w->scope.tenant,
        .region = w->scope.region,
        .data_class = w->scope.data_class,
        .justification = w->scope.justification,
        .context = &w->scope.context,
    };
    return kw_cli_backend(in, &w->call.backend, err);
}

struct summary {
    const char *verb; /* for people */
    bool is_signed;
    struct kw_wrapped_key head;
    uint64_t plain_size, sealed_size, ledger_index;
};

static void summarise_json(const struct work *w, const struct summary *s)
{
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    char ref[2 * KW_KEY_REF_SIZE + 1];
    kw_hex_text(ref, kw_bytes(s->head.key_ref, KW_KEY_REF_SIZE));
    struct kw_json_writer out = kw_json_writer(&text);
    kw_json_begin(&out, NULL, '{');
    kw_json_str(&out, "format", "message");
    kw_json_bool(&out, "signed", s->is_signed);
    kw_json_str(&out, "key_reference", ref);
    kw_json_uint(&out, "version", s->head.version);
    kw_json_uint(&out, "plain_size", s->plain_size);
    kw_json_uint(&out, "sealed_size", s->sealed_size);
    kw_json_uint(&out, "ledger_index", s->ledger_index);
    kw_json_end(&out);
    fprintf(kw_output_report(&w->output), "%s\n", kw_buf_str(&text));
}

static void summarise(const struct work *w, const struct summary *s, bool json)
{
    char size[32];
    if (json)
        summarise_json(w, s);
    else if (w->output.path[0] != '\0')
        printf("%s %s to %s: %s, %s, ledger entry %llu\n", s->verb, w->input.name, w->output.name,
               kw_cli_size_text(s->plain_size, size),
               s->is_signed ? "signed by the tenant's key" : "not signed",
               (unsigned long long)s->ledger_index);
}

static KW_ERR finish(struct work *w, struct kw_bytes bytes, struct kw_error *err)
{
    KW_TRY(kw_output_write(&w->output, bytes, err));
    return kw_output_finish(&w->output, err);
}

/* ---- Seal -------------------------------------------------------------------------------------
 */

static KW_ERR seal(struct work *w, struct kw_invocation *in, struct kw_error *err)
{
    KW_AUTO(kw_buf) sealed = KW_BUF_INIT;
    struct kw_message message;
    KW_TRY(start(w, in, true, err));
    w->output.as_text = kw_cli_flag(in, "text");
    if (w->output.is_terminal && !w->output.as_text)
        return kw_fail(err, KW_USAGE,
                       "sealed bytes are not for a terminal: add --text, -o FILE, or a pipe");
    KW_TRY(read_whole(w, KW_ENVELOPE_PLAINTEXT_MAX, err));
    KW_TRY(reach(w, in, err));
    w->call.is_signed = kw_cli_flag(in, "sign");
    KW_TRY(kw_message_call_seal(&w->call, kw_buf_bytes(&w->whole), &sealed, err));
    KW_TRY(kw_message_parse(&message, kw_buf_bytes(&sealed), err));
    KW_TRY(finish(w, kw_buf_bytes(&sealed), err));
    struct summary summary = {.verb = "sealed",
                              .is_signed = message.is_signed,
                              .head = message.head,
                              .plain_size = w->whole.len,
                              .sealed_size = sealed.len,
                              .ledger_index = w->call.first_index};
    summarise(w, &summary, in->json);
    return KW_OK;
}

KW_ERR kw_run_message_seal(struct kw_invocation *in, struct kw_error *err)
{
    struct work w = WORK_INIT;
    kw_code code = seal(&w, in, err);
    work_wipe(&w);
    return code;
}

/* ---- Open -------------------------------------------------------------------------------------
 */

/* What the reader expects decides, not what the message says of itself. *expected is left NULL
 * where no signature is. */
static KW_ERR check_signature(const struct work *w, const struct kw_message *message, bool wanted,
                              uint8_t signer[KW_SIGN_PUBLIC_SIZE], const uint8_t **expected,
                              struct kw_error *err)
{
    if (!wanted && message->is_signed)
        return kw_fail(err, KW_BAD_SIGNATURE,
                       "%s is signed: open it with --signed, --tenant and --region", w->input.name);
    if (!wanted)
        return KW_OK;
    KW_TRY(kw_message_call_signer(&w->call, message, signer, err));
    *expected = signer;
    /* Before the data key is asked for: a forged message costs the authority nothing. */
    return kw_message_verify(message, &w->scope.context.bound, signer, err);
}

static KW_ERR open_whole(struct work *w, struct kw_invocation *in, struct kw_buf *plain,
                         struct summary *summary, struct kw_error *err)
{
    struct kw_message message;
    uint8_t signer[KW_SIGN_PUBLIC_SIZE];
    const uint8_t *expected = NULL;
    const uint8_t *key = NULL;
    KW_TRY(kw_message_parse(&message, kw_buf_bytes(&w->whole), err));
    KW_TRY(check_signature(w, &message, kw_cli_flag(in, "signed"), signer, &expected, err));
    KW_TRY(kw_data_key_of(in, &w->scope, &message.head, &w->keys, &key, err));
    KW_TRY(kw_message_open_with_key(plain, &message, &w->scope.context.bound, key, expected, err));
    *summary = (struct summary){.verb = "opened",
                                .is_signed = message.is_signed,
                                .head = message.head,
                                .plain_size = plain->len,
                                .sealed_size = w->whole.len,
                                .ledger_index = w->keys.first_index};
    return KW_OK;
}

static KW_ERR open(struct work *w, struct kw_invocation *in, struct kw_error *err)
{
    KW_AUTO(kw_buf) plain = KW_BUF_SECRET;
    struct summary summary;
    KW_TRY(start(w, in, false, err));
    if (kw_cli_flag(in, "signed") && (w->scope.tenant == NULL || w->scope.region == NULL))
        return kw_fail(err, KW_USAGE,
                       "say whose signature is expected: --tenant and --region go with --signed");
    KW_TRY(kw_input_expect_text(&w->input, err));
    KW_TRY(read_whole(w, KW_ENVELOPE_PLAINTEXT_MAX + KW_MESSAGE_SIGNED_OVERHEAD, err));
    KW_TRY(reach(w, in, err));
    KW_TRY(open_whole(w, in, &plain, &summary, err));
    KW_TRY(finish(w, kw_buf_bytes(&plain), err));
    summarise(w, &summary, in->json);
    return KW_OK;
}

KW_ERR kw_run_message_open(struct kw_invocation *in, struct kw_error *err)
{
    struct work w = WORK_INIT;
    kw_code code = open(&w, in, err);
    work_wipe(&w);
    return code;
}
