/* keyward key import, end-material, attach, detach: whose key it is. */
#include "cli/command.h"
#include "cli/data_io.h"

#include "base/encode.h"
#include "crypto/keywrap.h"
#include "json/write.h"

enum { MATERIAL_SIZE = 32, WRAPPED_MAX = 2048, PATH_SIZE = KW_CLI_PATH_SIZE };

static void write_why(struct kw_invocation *in, struct kw_json_writer *w)
{
    if (kw_cli_value(in, "justification") != NULL)
        kw_json_str(w, "justification", kw_cli_value(in, "justification"));
}

/* ---- import -----------------------------------------------------------------------------------
 */

static void print_imported(const struct kw_json *answer)
{
    const struct kw_json *again = kw_json_get(answer, "again");
    bool is_again = again != NULL && again->type == KW_JSON_TRUE;
    printf("version %s %s; commitment %s\n", kw_cli_str(answer, "version"),
           is_again ? "has its material back" : "is the imported material",
           kw_cli_str(answer, "commitment"));
}

static KW_ERR send_import(struct kw_invocation *in, const char *token, struct kw_bytes wrapped,
                          struct kw_error *err)
{
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    char path[PATH_SIZE];
    struct kw_json_writer w = kw_json_writer(&body);
    KW_TRY(kw_cli_key_path(path, in->operands[0], "/import", err));
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "token", token);
    kw_json_base64(&w, "wrapped", wrapped);
    if (kw_cli_value(in, "expires") != NULL)
        kw_json_str(&w, "expires_at", kw_cli_value(in, "expires"));
    write_why(in, &w);
    kw_json_end(&w);
    return kw_cli_show(in, "POST", path, &body, print_imported, err);
}

static KW_ERR ask_offer(struct kw_invocation *in, struct kw_answer *answer, struct kw_json_doc *doc,
                        struct kw_error *err)
{
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    char path[PATH_SIZE];
    struct kw_json_writer w = kw_json_writer(&body);
    KW_TRY(kw_cli_key_path(path, in->operands[0], "/import-offer", err));
    kw_json_begin(&w, NULL, '{');
    write_why(in, &w);
    kw_json_end(&w);
    return kw_cli_call(in, "POST", path, &body, answer, doc, err);
}

/* Straight into memory for secrets. */
static KW_ERR read_material(const char *path, struct kw_secret *out, struct kw_error *err)
{
    KW_AUTO(kw_input) file = KW_INPUT_INIT;
    KW_AUTO(kw_secret) room = KW_SECRET_INIT;
    size_t got = 0;
    KW_TRY(kw_input_open(&file, path, err));
    if (S_ISREG(file.st.st_mode) && (file.st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        fprintf(stderr, "keyward: others than its owner may read %s: chmod 600 it\n", file.name);
    KW_TRY(kw_secret_alloc(&room, MATERIAL_SIZE + 1, err));
    KW_TRY(kw_input_read(&file, room.data, MATERIAL_SIZE + 1, &got, err));
    if (got != MATERIAL_SIZE)
        return kw_fail(err, KW_USAGE, "%s has %s%zu bytes: key material is %d bytes, as they are",
                       file.name, got > MATERIAL_SIZE ? "more than " : "",
                       got > MATERIAL_SIZE ? (size_t)MATERIAL_SIZE : got, MATERIAL_SIZE);
    KW_TRY(kw_secret_alloc(out, MATERIAL_SIZE, err));
    memcpy(out->data, room.data, MATERIAL_SIZE);
    return KW_OK;
}

/* The material leaves this process only wrapped under the key that was offered. */
static KW_ERR import_material(struct kw_invocation *in, struct kw_error *err)
{
    KW_AUTO(kw_secret) material = KW_SECRET_INIT;
    KW_AUTO(kw_answer) answer = KW_ANSWER_INIT;
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    KW_AUTO(kw_buf) public_der = KW_BUF_INIT;
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    KW_TRY(read_material(kw_cli_value(in, "material"), &material, err));
    KW_TRY(ask_offer(in, &answer, &doc, err));
    const char *pem = kw_cli_str(doc.root, "public_key");
    KW_TRY(kw_rsa_public_from_pem(kw_bytes_str(pem), &public_der, err));
    KW_TRY(kw_rsa_aes_wrap(kw_buf_bytes(&public_der), &material, &wrapped, err));
    return send_import(in, kw_cli_str(doc.root, "token"), kw_buf_bytes(&wrapped), err);
}

/* The token alone goes to standard output, so that a script can catch it. */
static KW_ERR make_offer(struct kw_invocation *in, struct kw_error *err)
{
    KW_AUTO(kw_answer) answer = KW_ANSWER_INIT;
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    const char *out = kw_cli_value(in, "out");
    if (out == NULL && !in->json)
        return kw_fail(err, KW_USAGE, "--offer needs -o FILE, for the public key");
    KW_TRY(ask_offer(in, &answer, &doc, err));
    if (out != NULL)
        KW_TRY(kw_file_replace(out, 0644, kw_bytes_str(kw_cli_str(doc.root, "public_key")), err));
    if (in->json) {
        kw_cli_print_json(&answer);
        return KW_OK;
    }
    printf("%s\n", kw_cli_str(doc.root, "token"));
    fprintf(stderr,
            "The public key is in %s. Wrap 32 bytes under it (%s), then: keyward key import %s "
            "--token TOKEN --wrapped FILE, until %s\n",
            out, kw_cli_str(doc.root, "algorithm"), in->operands[0],
            kw_cli_str(doc.root, "expires_at"));
    return KW_OK;
}

static KW_ERR import_wrapped(struct kw_invocation *in, struct kw_error *err)
{
    KW_AUTO(kw_input) file = KW_INPUT_INIT;
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    const char *token = NULL;
    const char *path = NULL;
    size_t got = 0;
    KW_TRY(kw_cli_required(in, "token", &token, err));
    KW_TRY(kw_cli_required(in, "wrapped", &path, err));
    KW_TRY(kw_input_open(&file, path, err));
    KW_TRY(kw_input_append(&file, &wrapped, WRAPPED_MAX + 1, &got, err));
    if (got == 0 || got > WRAPPED_MAX)
        return kw_fail(err, KW_USAGE, "%s is no wrapped key material: %s", file.name,
                       got == 0 ? "it is empty" : "it is too large");
    return send_import(in, token, kw_buf_bytes(&wrapped), err);
}

static KW_ERR run_import(struct kw_invocation *in, struct kw_error *err)
{
    bool material = kw_cli_flag(in, "material");
    bool offer = kw_cli_flag(in, "offer");
    bool wrapped = kw_cli_flag(in, "token") || kw_cli_flag(in, "wrapped");
    if (material + offer + wrapped != 1)
        return kw_fail(err, KW_USAGE,
                       "one of these is needed: --material FILE; --offer -o FILE; --token TOKEN "
                       "--wrapped FILE");
    if (offer && kw_cli_flag(in, "expires"))
        return kw_fail(err, KW_USAGE, "--expires goes with the import, not with the offer");
    if (material)
        return import_material(in, err);
    return offer ? make_offer(in, err) : import_wrapped(in, err);
}

static KW_ERR run_end(struct kw_invocation *in, struct kw_error *err)
{
    char path[PATH_SIZE];
    KW_TRY(kw_cli_key_path(path, in->operands[0], "/end-material", err));
    return kw_cli_change(in, path, kw_cli_print_key, err);
}

/* ---- attach -----------------------------------------------------------------------------------
 */

static void print_custody(const struct kw_json *answer)
{
    printf("%s; version %s protects what comes\n", kw_cli_str(answer, "custody"),
           kw_cli_str(answer, "version"));
}

static KW_ERR run_attach(struct kw_invocation *in, struct kw_error *err)
{
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    char path[PATH_SIZE];
    const char *provider = NULL;
    const char *key = NULL;
    struct kw_json_writer w = kw_json_writer(&body);
    KW_TRY(kw_cli_key_path(path, in->operands[0], "/attach", err));
    KW_TRY(kw_cli_required(in, "provider", &provider, err));
    KW_TRY(kw_cli_required(in, "key", &key, err));
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "provider", provider);
    kw_json_str(&w, "key", key);
    if (kw_cli_flag(in, "hold"))
        kw_json_bool(&w, "hold", true);
    write_why(in, &w);
    kw_json_end(&w);
    return kw_cli_show(in, "POST", path, &body, print_custody, err);
}

static KW_ERR run_detach(struct kw_invocation *in, struct kw_error *err)
{
    char path[PATH_SIZE];
    KW_TRY(kw_cli_key_path(path, in->operands[0], "/detach", err));
    return kw_cli_change(in, path, print_custody, err);
}

static const struct kw_cli_option why_options[] = {
    {"justification", 0, "TEXT", "why; recorded in the ledger"},
    {NULL, 0, NULL, NULL},
};
static const struct kw_cli_option import_options[] = {
    {"material", 0, "FILE", "32 bytes, as they are ('-': standard input); wrapped here, then sent"},
    {"expires", 0, "DATE", "when it ends by itself: 2030-01-01, or 2030-01-01T12:00:00Z"},
    {"offer", 0, NULL, "only fetch a public key; prints the token of its import"},
    {"out", 'o', "FILE", "where the public key goes (PEM)"},
    {"token", 0, "TOKEN", "of the offer under whose key --wrapped was wrapped"},
    {"wrapped", 0, "FILE", "material that was wrapped elsewhere ('-': standard input)"},
    {"justification", 0, "TEXT", "why; recorded in the ledger"},
    {NULL, 0, NULL, NULL},
};
static const struct kw_cli_option attach_options[] = {
    {"provider", 0, "NAME", "the customer's provider, as configured"},
    {"key", 0, "KEY", "the customer's root key there"},
    {"hold", 0, NULL, "held: a key for each data key, and every use asks the customer"},
    {"justification", 0, "TEXT", "why; recorded in the ledger"},
    {NULL, 0, NULL, NULL},
};

const struct kw_command kw_commands_custody[] = {
    {"key import", "TENANT/REGION", 1, 1, "take in the customer's own key material",
     "The material becomes the key's next version; the same material again brings back a version "
     "that had\nended.\n"
     "Example: keyward key import acme/eu --material acme.key --expires 2030-01-01",
     import_options, run_import},
    {"key end-material", "TENANT/REGION", 1, 1, "end imported material now",
     "Nothing opens until the same material is imported again.", why_options, run_end},
    {"key attach", "TENANT/REGION", 1, 1, "put a key under the customer's own KMS",
     "Every version moves there and our copies are destroyed. A client's private key for the "
     "server is\nthen given by KEYWARD_KEY.\n"
     "Example: keyward key attach acme/eu --provider acme-kms --key alias/acme",
     attach_options, run_attach},
    {"key detach", "TENANT/REGION", 1, 1, "take it back from there",
     "What was sealed under a held key stays with the customer.", why_options, run_detach},
    {0},
};
