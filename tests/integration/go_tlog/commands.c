/* The C side of the comparison with other people's logs.
 *
 *     commands make DIR SIZE            a ledger of SIZE entries, published in several steps
 *     commands receipt DIR INDEX        prints a receipt
 *     commands consistency DIR OLD      prints a consistency proof
 *     commands check-receipt DIR FILE INDEX
 *     commands check-consistency OLD SIZE FILE   FILE: two roots, hashes, an empty line
 *     commands check-checkpoint FILE    a verification key line, then a checkpoint
 */
#include "base/encode.h"
#include "base/file.h"
#include "ledger/ledger.h"
#include "ledger/reader.h"
#include "tlog/receipt.h"

static struct kw_secret seed;

static void must(kw_code code, const struct kw_error *err)
{
    if (code == KW_OK)
        return;
    fprintf(stderr, "commands: %s\n", err->text);
    exit(1);
}

static uint64_t number(const char *text)
{
    uint64_t out = 0;
    struct kw_error err;
    must(kw_parse_u64(kw_bytes_str(text), INT64_MAX, &out, &err), &err);
    return out;
}

static struct kw_ledger_options options(const char *dir)
{
    return (struct kw_ledger_options){.dir = dir, .origin = "keyward.example/audit", .seed = &seed};
}

static struct kw_bytes entry(uint64_t index, char text[4096])
{
    int len = snprintf(text, 4096, "entry %llu %*s", (unsigned long long)index,
                       (int)(index * 37 % 600), "");
    return kw_bytes(text, (size_t)len);
}

static struct kw_ledger *open_ledger(const char *dir)
{
    const struct kw_ledger_options how = options(dir);
    struct kw_ledger *ledger = NULL;
    struct kw_error err;
    must(kw_ledger_open(&how, &ledger, &err), &err);
    return ledger;
}

static void make(const char *dir, uint64_t size)
{
    const struct kw_ledger_options how = options(dir);
    struct kw_error err;
    KW_AUTO(kw_ledger_batch) batch = {0};
    static char text[4096];
    must(kw_ledger_create(&how, &err), &err);
    struct kw_ledger *ledger = open_ledger(dir);
    for (uint64_t i = 0; i < size;) {
        kw_ledger_batch_reset(&batch);
        for (uint64_t j = 0; j < 997 && i < size; j++, i++)
            must(kw_ledger_batch_add(&batch, entry(i, text), &err), &err);
        must(kw_ledger_append_wait(ledger, &batch, &err), &err);
        if (i % (3 * 997) == 0)
            must(kw_ledger_publish(ledger, &err), &err);
    }
    must(kw_ledger_close(ledger, &err), &err);
}

static void print(kw_code (*what)(struct kw_ledger *, uint64_t, struct kw_buf *, struct kw_error *),
                  const char *dir, uint64_t index)
{
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    struct kw_error err;
    struct kw_ledger *ledger = open_ledger(dir);
    must(what(ledger, index, &out, &err), &err);
    fwrite(out.data, 1, out.len, stdout);
    must(kw_ledger_close(ledger, &err), &err);
}

static void check_receipt(const char *dir, const char *file, uint64_t index)
{
    KW_AUTO(kw_buf) vkey = KW_BUF_INIT;
    KW_AUTO(kw_buf) receipt = KW_BUF_INIT;
    struct kw_note_key key;
    struct kw_error err;
    char path[KW_PATH_SIZE];
    static char text[4096];
    uint64_t found;
    must(kw_path_format(path, &err, "%s/vkey", dir), &err);
    must(kw_file_read(path, 1024, &vkey, &err), &err);
    must(kw_note_key_parse(&key, kw_buf_bytes(&vkey), &err), &err);
    must(kw_file_read(file, KW_NOTE_MAX, &receipt, &err), &err);
    must(
        kw_tlog_receipt_check(kw_buf_bytes(&receipt), &key, entry(index, text), &found, NULL, &err),
        &err);
    if (found != index)
        exit(1);
}

static bool take_hash(struct kw_bytes *text, struct kw_tlog_hash *out)
{
    const uint8_t *end = text->len > 0 ? memchr(text->data, '\n', text->len) : NULL;
    if (end == NULL || end == text->data)
        return false;
    size_t len = (size_t)(end - text->data);
    struct kw_error err;
    must(kw_base64_decode_exact(out, sizeof *out, kw_bytes(text->data, len), &err), &err);
    *text = kw_bytes(end + 1, text->len - len - 1);
    return true;
}

static void check_consistency(uint64_t old_size, uint64_t size, const char *file)
{
    KW_AUTO(kw_buf) content = KW_BUF_INIT;
    struct kw_error err;
    struct kw_tlog_tree old = {.size = old_size};
    struct kw_tlog_tree tree = {.size = size};
    struct kw_tlog_proof proof = {0};
    must(kw_file_read(file, KW_NOTE_MAX, &content, &err), &err);
    struct kw_bytes text = kw_buf_bytes(&content);
    if (!take_hash(&text, &old.root) || !take_hash(&text, &tree.root))
        exit(1);
    while (proof.count < KW_TLOG_PROOF_MAX && take_hash(&text, &proof.hash[proof.count]))
        proof.count++;
    must(kw_tlog_check_consistency(&proof, &old, &tree, &err), &err);
}

static void check_checkpoint(const char *file)
{
    KW_AUTO(kw_buf) content = KW_BUF_INIT;
    struct kw_note_key key;
    struct kw_tlog_tree tree;
    struct kw_error err;
    must(kw_file_read(file, KW_NOTE_MAX, &content, &err), &err);
    const uint8_t *end = memchr(content.data, '\n', content.len);
    if (end == NULL)
        exit(1);
    size_t len = (size_t)(end + 1 - content.data);
    must(kw_note_key_parse(&key, kw_bytes(content.data, len), &err), &err);
    must(kw_tlog_checkpoint_open(kw_bytes(end + 1, content.len - len), &key, &tree, &err), &err);
}

int main(int argc, char **argv)
{
    struct kw_error err;
    kw_secret_allow_unlocked();
    must(kw_secret_alloc(&seed, KW_SIGN_SEED_SIZE, &err), &err);
    for (unsigned i = 0; i < KW_SIGN_SEED_SIZE; i++)
        seed.data[i] = (uint8_t)i;
    if (argc == 4 && strcmp(argv[1], "make") == 0)
        make(argv[2], number(argv[3]));
    else if (argc == 4 && strcmp(argv[1], "receipt") == 0)
        print(kw_ledger_receipt, argv[2], number(argv[3]));
    else if (argc == 4 && strcmp(argv[1], "consistency") == 0)
        print(kw_ledger_consistency, argv[2], number(argv[3]));
    else if (argc == 5 && strcmp(argv[1], "check-receipt") == 0)
        check_receipt(argv[2], argv[3], number(argv[4]));
    else if (argc == 5 && strcmp(argv[1], "check-consistency") == 0)
        check_consistency(number(argv[2]), number(argv[3]), argv[4]);
    else if (argc == 3 && strcmp(argv[1], "check-checkpoint") == 0)
        check_checkpoint(argv[2]);
    else
        return 2;
    kw_secret_wipe(&seed);
    return 0;
}
