/* keyward ledger verify, prove, checkpoint, export, report */
#include "cli/command.h"

#include "base/clock.h"
#include "base/encode.h"
#include "base/file.h"
#include "cli/ledger_at.h"
#include "ledger/verify.h"
#include "tlog/receipt.h"
#include "json/write.h"

/* ---- verify -----------------------------------------------------------------------------------
 */

static void on_progress(void *arg, uint64_t done, uint64_t total)
{
    struct kw_progress *progress = arg;
    progress->total = total;
    if (done > progress->done)
        kw_progress_add(progress, done - progress->done);
}

static void print_verified(const struct kw_ledger_at *at, const struct kw_tlog_verified *log)
{
    char count[32];
    char size[32];
    char root[64];
    kw_base64_text(root, kw_bytes(log->tree.root.bytes, sizeof log->tree.root.bytes));
    printf("The ledger verifies: %s entries (%s), every tile and the signed checkpoint agree.\n",
           kw_cli_count_text(log->tree.size, count), kw_cli_size_text(log->bytes, size));
    printf("  origin  %s\n  key     %08x\n  root    %s\n", at->key.name, at->key.id, root);
    if (at->unpublished > 0)
        printf("  %s more entries are durable but not under a checkpoint yet%s\n",
               kw_cli_count_text(at->unpublished, count),
               at->in_use ? " (a server writes it)" : "");
    if (at->trusts_source)
        fprintf(stderr,
                "note: no --key was given, so the key is the one found with the log: who could "
                "rewrite the log could have replaced it. Keep the vkey line elsewhere.\n");
}

static void print_verified_json(const struct kw_ledger_at *at, const struct kw_tlog_verified *log)
{
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    struct kw_json_writer w = kw_json_writer(&text);
    kw_json_begin(&w, NULL, '{');
    kw_json_bool(&w, "verified", true);
    kw_json_str(&w, "origin", at->key.name);
    kw_json_uint(&w, "size", log->tree.size);
    kw_json_base64(&w, "root", kw_bytes(log->tree.root.bytes, sizeof log->tree.root.bytes));
    kw_json_uint(&w, "bytes", log->bytes);
    kw_json_uint(&w, "tiles", log->tiles);
    kw_json_uint(&w, "unpublished", at->unpublished);
    kw_json_bool(&w, "trusts_source", at->trusts_source);
    kw_json_end(&w);
    printf("%s\n", kw_buf_str(&text));
}

static KW_ERR run_verify(struct kw_invocation *in, struct kw_error *err)
{
    KW_AUTO(kw_ledger_at) at = KW_LEDGER_AT_INIT;
    KW_AUTO(kw_buf) old = KW_BUF_INIT;
    struct kw_tlog_verified log;
    struct kw_progress progress;
    const char *old_file = kw_cli_value(in, "old");
    if (old_file != NULL)
        KW_TRY(kw_file_read(old_file, KW_NOTE_MAX, &old, err));
    KW_TRY(kw_ledger_at_open(in, &at, err));
    kw_progress_start(&progress, "verifying", 0, false);
    kw_code code = kw_ledger_at_verify(&at, kw_buf_bytes(&old), on_progress, &progress, &log, err);
    kw_progress_end(&progress);
    KW_TRY(code);
    if (in->json)
        print_verified_json(&at, &log);
    else
        print_verified(&at, &log);
    return KW_OK;
}

/* ---- prove, check, checkpoint -----------------------------------------------------------------
 */

static KW_ERR run_prove(struct kw_invocation *in, struct kw_error *err)
{
    KW_AUTO(kw_answer) answer = KW_ANSWER_INIT;
    struct kw_backend *backend = NULL;
    uint64_t index = 0;
    char path[64];
    KW_TRY(kw_parse_u64(kw_bytes_str(in->operands[0]), UINT64_MAX, &index, err));
    snprintf(path, sizeof path, "/v1/ledger/%s?index=%llu",
             kw_cli_flag(in, "entry") ? "entry" : "proof", (unsigned long long)index);
    KW_TRY(kw_cli_backend(in, &backend, err));
    KW_TRY(kw_backend_call(backend, "GET", path, kw_bytes(NULL, 0), &answer, err));
    fwrite(answer.body.data, 1, answer.body.len, stdout);
    if (kw_cli_flag(in, "entry"))
        putchar('\n');
    return KW_OK;
}

static KW_ERR run_check(struct kw_invocation *in, struct kw_error *err)
{
    KW_AUTO(kw_buf) receipt = KW_BUF_INIT;
    KW_AUTO(kw_buf) entry = KW_BUF_INIT;
    struct kw_note_key key;
    struct kw_tlog_tree tree;
    uint64_t index = 0;
    const char *vkey = NULL;
    KW_TRY(kw_cli_required(in, "key", &vkey, err));
    KW_TRY(kw_ledger_key_option(vkey, &key, err));
    KW_TRY(kw_file_read(in->operands[0], KW_NOTE_MAX, &receipt, err));
    KW_TRY(kw_file_read(in->operands[1], 65536, &entry, err));
    if (entry.len > 0 && entry.data[entry.len - 1] == '\n')
        entry.len--;
    KW_TRY(kw_tlog_receipt_check(kw_buf_bytes(&receipt), &key, kw_buf_bytes(&entry), &index, &tree,
                                 err));
    printf("The entry is number %llu of the log %s (%llu entries).\n", (unsigned long long)index,
           key.name, (unsigned long long)tree.size);
    return KW_OK;
}

static KW_ERR run_checkpoint(struct kw_invocation *in, struct kw_error *err)
{
    KW_AUTO(kw_ledger_at) at = KW_LEDGER_AT_INIT;
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    KW_TRY(kw_ledger_at_open(in, &at, err));
    KW_TRY(at.source.fetch(at.source.arg, "checkpoint", KW_NOTE_MAX, &text, err));
    fwrite(text.data, 1, text.len, stdout);
    return KW_OK;
}

/* ---- export, report ---------------------------------------------------------------------------
 */

static KW_ERR print_entry(void *arg, uint64_t index, struct kw_bytes entry, struct kw_error *err)
{
    KW_UNUSED(arg);
    KW_UNUSED(index);
    if (fwrite(entry.data, 1, entry.len, stdout) != entry.len || putchar('\n') == EOF)
        return kw_fail(err, KW_IO, "standard output could not be written");
    return KW_OK;
}

/* What is exported was verified first: a report over an altered log would be worth less than none.
 */
static KW_ERR open_verified(struct kw_invocation *in, struct kw_ledger_at *at,
                            struct kw_tlog_verified *log, struct kw_error *err)
{
    KW_TRY(kw_ledger_at_open(in, at, err));
    return kw_ledger_at_verify(at, kw_bytes(NULL, 0), NULL, NULL, log, err);
}

static KW_ERR run_export(struct kw_invocation *in, struct kw_error *err)
{
    KW_AUTO(kw_ledger_at) at = KW_LEDGER_AT_INIT;
    struct kw_tlog_verified log;
    uint64_t from = 0;
    KW_TRY(open_verified(in, &at, &log, err));
    KW_TRY(kw_cli_number(in, "from", UINT64_MAX, &from, err));
    uint64_t to = log.tree.size;
    KW_TRY(kw_cli_number(in, "to", log.tree.size, &to, err));
    struct kw_tlog_range range = {.from = from < to ? from : to, .to = to, .size = log.tree.size};
    return kw_tlog_each(&at.source, range, print_entry, NULL, err);
}

struct report {
    const char *tenant;
    bool json;
    uint64_t matched;
};

static void print_event(uint64_t index, const struct kw_json *event)
{
    const struct kw_json *api = kw_json_get(event, "api");
    const struct kw_json *actor = kw_json_get(kw_json_get(event, "actor"), "user");
    const struct kw_json *response = kw_json_get(api, "response");
    const struct kw_json *metadata = kw_json_get(event, "metadata");
    const char *error = kw_cli_str(response, "error");
    char time[KW_TIME_TEXT_SIZE];
    printf("%8llu  %s  %-24s %-20s %s  %s\n", (unsigned long long)index,
           kw_time_text((int64_t)kw_cli_uint(event, "time"), time), kw_cli_str(api, "operation"),
           kw_cli_str(metadata, "tenant_uid"), error[0] != '\0' ? error : "ok",
           kw_cli_str(actor, "uid"));
}

static KW_ERR report_entry(void *arg, uint64_t index, struct kw_bytes entry, struct kw_error *err)
{
    struct report *report = arg;
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    KW_TRY(kw_json_parse(&doc, entry, err));
    const char *tenant = kw_cli_str(kw_json_get(doc.root, "metadata"), "tenant_uid");
    if (report->tenant != NULL && strcmp(tenant, report->tenant) != 0)
        return KW_OK;
    report->matched++;
    if (report->json)
        return print_entry(NULL, index, entry, err);
    print_event(index, doc.root);
    return KW_OK;
}

static KW_ERR run_report(struct kw_invocation *in, struct kw_error *err)
{
    KW_AUTO(kw_ledger_at) at = KW_LEDGER_AT_INIT;
    struct kw_tlog_verified log;
    struct report report = {.tenant = kw_cli_value(in, "tenant"), .json = in->json};
    KW_TRY(open_verified(in, &at, &log, err));
    struct kw_tlog_range range = {.to = log.tree.size, .size = log.tree.size};
    KW_TRY(kw_tlog_each(&at.source, range, report_entry, &report, err));
    if (!in->json)
        fprintf(stderr, "%llu of %llu entries, of a log that verifies (%s)\n",
                (unsigned long long)report.matched, (unsigned long long)log.tree.size, at.key.name);
    return KW_OK;
}

static const struct kw_cli_option verify_options[] = {
    {"key", 0, "VKEY", "the verification key line, or a file that holds it"},
    {"old", 0, "FILE", "a checkpoint kept from before: the log must extend it"},
    {NULL, 0, NULL, NULL},
};
static const struct kw_cli_option at_options[] = {
    {"key", 0, "VKEY", "the verification key line, or a file that holds it"},
    {NULL, 0, NULL, NULL},
};
static const struct kw_cli_option prove_options[] = {
    {"entry", 0, NULL, "print the entry itself instead of its receipt"},
    {NULL, 0, NULL, NULL},
};
static const struct kw_cli_option export_options[] = {
    {"key", 0, "VKEY", "the verification key line, or a file that holds it"},
    {"from", 0, "INDEX", "the first entry [0]"},
    {"to", 0, "INDEX", "the one after the last [all]"},
    {NULL, 0, NULL, NULL},
};
static const struct kw_cli_option report_options[] = {
    {"key", 0, "VKEY", "the verification key line, or a file that holds it"},
    {"tenant", 0, "TENANT", "only what concerns this tenant"},
    {NULL, 0, NULL, NULL},
};

const struct kw_command kw_commands_ledger[] = {
    {"ledger verify", "[DIR|URL]", 0, 1, "check a whole ledger from its verification key alone",
     "DIR is a ledger's folder or a data folder; URL a server's /v1/ledger or any copy over HTTP. "
     "Nothing of\nthe server is believed but the signature that --key verifies: every entry is "
     "hashed, every tile compared.",
     verify_options, run_verify},
    {"ledger prove", "INDEX", 1, 1, "the receipt of an entry: its proof under the checkpoint", NULL,
     prove_options, run_prove},
    {"ledger check", "RECEIPT ENTRY", 2, 2, "check a receipt against an entry, offline: --key VKEY",
     NULL, at_options, run_check},
    {"ledger checkpoint", "[DIR|URL]", 0, 1, "print the signed checkpoint", NULL, at_options,
     run_checkpoint},
    {"ledger export", "[DIR|URL]", 0, 1, "verify, then print every entry as JSON lines", NULL,
     export_options, run_export},
    {"ledger report", "[DIR|URL]", 0, 1, "verify, then who did what, for one tenant or all", NULL,
     report_options, run_report},
    {0},
};
