#include "aws/codec.h"

#include "base/encode.h"
#include "base/utf8.h"
#include "json/json.h"
#include "json/write.h"

const char *kw_kms_target(enum kw_kms_op op)
{
    static const char *const targets[] = {
        [KW_KMS_ENCRYPT] = "TrentService.Encrypt",
        [KW_KMS_DECRYPT] = "TrentService.Decrypt",
        [KW_KMS_DESCRIBE_KEY] = "TrentService.DescribeKey",
        [KW_KMS_CREATE_KEY] = "TrentService.CreateKey",
        [KW_KMS_CREATE_ALIAS] = "TrentService.CreateAlias",
    };
    return targets[op];
}

/* The part of an ARN (arn:partition:service:region:account:resource) with this number. The last one
 * takes the rest. */
static struct kw_bytes arn_part(const char *arn, unsigned number)
{
    const char *at = arn;
    for (unsigned i = 0; i < number; i++) {
        at = strchr(at, ':');
        if (at == NULL)
            return kw_bytes(NULL, 0);
        at++;
    }
    return kw_bytes(at, number < 5 ? strcspn(at, ":") : strlen(at));
}

static bool is_arn(const char *key)
{
    return strncmp(key, "arn:", 4) == 0;
}

KW_ERR kw_kms_key_check(const struct kw_kms_peer *peer, const char *key, struct kw_error *err)
{
    if (!is_arn(key))
        return KW_OK;
    if (!kw_bytes_equal_str(arn_part(key, 2), "kms"))
        return kw_fail(err, KW_KEY_NOT_FOUND, "%s: %.160s is not the ARN of a KMS key", peer->who,
                       key);
    struct kw_bytes region = arn_part(key, 3);
    if (!kw_bytes_equal_str(region, peer->region))
        return kw_fail(err, KW_KEY_NOT_FOUND,
                       "%s: the key %.160s is in the AWS region %.*s, this provider in %s: name "
                       "a key of its own region",
                       peer->who, key, (int)region.len, (const char *)region.data, peer->region);
    return KW_OK;
}

static kw_code unusable(const struct kw_kms_peer *peer, const char *what, struct kw_error *err)
{
    return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "%s: its answer %s: is endpoint right?", peer->who,
                   what);
}

/* Requests. */

static KW_ERR check_pair(const struct kw_provider_call *call, size_t i, struct kw_error *err)
{
    const struct kw_provider_pair *pair = &call->context[i];
    if (!kw_utf8_valid(kw_bytes_str(pair->name)) || !kw_utf8_valid(kw_bytes_str(pair->value)))
        return kw_fail(err, KW_FORBIDDEN,
                       "AWS KMS cannot bind a context that is not UTF-8 (pair %zu)", i);
    for (size_t j = 0; j < i; j++)
        if (strcmp(call->context[j].name, pair->name) == 0)
            return kw_fail(err, KW_FORBIDDEN,
                           "AWS KMS cannot bind a context with one name twice (pairs %zu and %zu)",
                           j, i);
    return KW_OK;
}

/* By hand, since the writer's member names need no escaping, and these may. */
static KW_ERR write_context(const struct kw_provider_call *call, struct kw_json_writer *w,
                            struct kw_error *err)
{
    KW_AUTO(kw_buf) map = KW_BUF_INIT;
    if (call->context_count == 0)
        return KW_OK;
    for (size_t i = 0; i < call->context_count; i++) {
        KW_TRY(check_pair(call, i, err));
        struct kw_json_writer text = kw_json_writer(&map);
        kw_buf_append_byte(&map, i == 0 ? '{' : ',');
        kw_json_str(&text, NULL, call->context[i].name);
        text = kw_json_writer(&map);
        kw_buf_append_byte(&map, ':');
        kw_json_str(&text, NULL, call->context[i].value);
    }
    kw_buf_append_byte(&map, '}');
    KW_TRY(kw_buf_status(&map, err));
    kw_json_raw(w, "EncryptionContext", kw_buf_bytes(&map));
    return KW_OK;
}

static KW_ERR write_crypt(const struct kw_provider_call *call, const char *member,
                          struct kw_bytes value, struct kw_buf *body, struct kw_error *err)
{
    struct kw_json_writer w = kw_json_writer(body);
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "KeyId", call->key);
    kw_json_base64(&w, member, value);
    KW_TRY(write_context(call, &w, err));
    kw_json_end(&w);
    return kw_buf_status(body, err);
}

KW_ERR kw_kms_encrypt_write(const struct kw_provider_call *call, const struct kw_secret *plaintext,
                            struct kw_buf *body, struct kw_error *err)
{
    return write_crypt(call, "Plaintext", kw_bytes(plaintext->data, plaintext->len), body, err);
}

KW_ERR kw_kms_decrypt_write(const struct kw_provider_call *call, struct kw_bytes wrapped,
                            struct kw_buf *body, struct kw_error *err)
{
    return write_crypt(call, "CiphertextBlob", wrapped, body, err);
}

/* An object of texts; a NULL name ends the list. */
static KW_ERR write_texts(const char *const pairs[][2], struct kw_buf *body, struct kw_error *err)
{
    struct kw_json_writer w = kw_json_writer(body);
    kw_json_begin(&w, NULL, '{');
    for (size_t i = 0; pairs[i][0] != NULL; i++)
        kw_json_str(&w, pairs[i][0], pairs[i][1]);
    kw_json_end(&w);
    return kw_buf_status(body, err);
}

KW_ERR kw_kms_key_write(const char *key, struct kw_buf *body, struct kw_error *err)
{
    const char *const pairs[][2] = {{"KeyId", key}, {NULL, NULL}};
    return write_texts(pairs, body, err);
}

KW_ERR kw_kms_create_write(const char *description, struct kw_buf *body, struct kw_error *err)
{
    const char *const pairs[][2] = {{"Description", description},
                                    {"KeyUsage", "ENCRYPT_DECRYPT"},
                                    {"KeySpec", "SYMMETRIC_DEFAULT"},
                                    {NULL, NULL}};
    return write_texts(pairs, body, err);
}

KW_ERR kw_kms_alias_write(const char *alias, const char *key, struct kw_buf *body,
                          struct kw_error *err)
{
    const char *const pairs[][2] = {{"AliasName", alias}, {"TargetKeyId", key}, {NULL, NULL}};
    return write_texts(pairs, body, err);
}

/* Answers. */

static KW_ERR parse(const struct kw_kms_peer *peer, struct kw_bytes body, struct kw_json_doc *doc,
                    struct kw_error *err)
{
    struct kw_error why;
    doc->secret = true;
    kw_code code = kw_json_parse(doc, body, &why);
    if (code == KW_NO_MEMORY)
        return kw_fail_code(err, code);
    if (code != KW_OK || doc->root->type != KW_JSON_OBJECT)
        return unusable(peer, "is not a JSON object", err);
    return KW_OK;
}

static const struct kw_json *text_member(const struct kw_json *object, const char *name)
{
    const struct kw_json *member = kw_json_get(object, name);
    return member != NULL && member->type == KW_JSON_STRING && member->len > 0 &&
                   strlen(member->text) == member->len
               ? member
               : NULL;
}

/* An answer names its key by ARN. One that was asked for by ARN or id must be that; an alias may
 * mean any key, but of this region. */
static KW_ERR check_answering_key(const struct kw_kms_peer *peer, const char *key,
                                  const struct kw_json *named, struct kw_error *err)
{
    struct kw_error why;
    if (named == NULL || !is_arn(named->text))
        return unusable(peer, "does not name its key", err);
    if (kw_kms_key_check(peer, named->text, &why) != KW_OK)
        return unusable(peer, "comes from another AWS region", err);
    struct kw_bytes wanted = is_arn(key) ? arn_part(key, 5) : kw_bytes_str(key);
    if (wanted.len >= 6 && memcmp(wanted.data, "alias/", 6) == 0)
        return KW_OK;
    struct kw_bytes got = arn_part(named->text, 5);
    if (!is_arn(key) && got.len > 4)
        got = kw_bytes(got.data + 4, got.len - 4); /* "key/" */
    return kw_bytes_equal(wanted, got) ? KW_OK : unusable(peer, "comes from another key", err);
}

KW_ERR kw_kms_encrypt_read(const struct kw_kms_peer *peer, const char *key, struct kw_bytes body,
                           struct kw_buf *out, struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    struct kw_error why;
    KW_TRY(parse(peer, body, &doc, err));
    const struct kw_json *blob = text_member(doc.root, "CiphertextBlob");
    KW_TRY(check_answering_key(peer, key, text_member(doc.root, "KeyId"), err));
    if (blob == NULL || kw_base64_decode(out, kw_bytes(blob->text, blob->len), &why) != KW_OK)
        return unusable(peer, "has no CiphertextBlob", err);
    return KW_OK;
}

/* How many bytes a base64 text stands for, if it is one. */
static size_t decoded_size(const struct kw_json *text)
{
    size_t len = text->len / 4 * 3;
    for (size_t i = text->len; i > 0 && len > 0 && text->text[i - 1] == '='; i--)
        len--;
    return len;
}

KW_ERR kw_kms_decrypt_read(const struct kw_kms_peer *peer, const char *key, struct kw_bytes body,
                           struct kw_secret *out, struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    struct kw_error why;
    KW_TRY(parse(peer, body, &doc, err));
    const struct kw_json *text = text_member(doc.root, "Plaintext");
    KW_TRY(check_answering_key(peer, key, text_member(doc.root, "KeyId"), err));
    size_t len = text != NULL ? decoded_size(text) : 0;
    if (len == 0)
        return unusable(peer, "has no Plaintext", err);
    KW_TRY(kw_secret_alloc(&plaintext, len, err));
    if (kw_base64_decode_exact(plaintext.data, len, kw_bytes(text->text, text->len), &why) != KW_OK)
        return unusable(peer, "has a Plaintext that is not base64", err);
    kw_secret_move(out, &plaintext);
    return KW_OK;
}

static bool member_is(const struct kw_json *object, const char *name, const char *value)
{
    const struct kw_json *member = text_member(object, name);
    return member != NULL && strcmp(member->text, value) == 0;
}

/* Is it that, or not said? */
static bool may_be(const struct kw_json *object, const char *name, const char *value)
{
    const struct kw_json *member = kw_json_get(object, name);
    return member == NULL || member->type == KW_JSON_NULL || member_is(object, name, value);
}

static KW_ERR check_state(const struct kw_kms_peer *peer, const char *key,
                          const struct kw_json *about, struct kw_error *err)
{
    static const struct {
        const char *state;
        kw_code code;
        const char *text;
    } states[] = {
        {"Disabled", KW_KEY_SUSPENDED, "is disabled in AWS: enable it there"},
        {"PendingImport", KW_KEY_SUSPENDED, "has no key material in AWS: import it there"},
        {"PendingDeletion", KW_KEY_PENDING,
         "is scheduled for deletion in AWS: cancel that there while there is time"},
        {"PendingReplicaDeletion", KW_KEY_PENDING,
         "is scheduled for deletion in AWS: cancel that there while there is time"},
    };
    if (member_is(about, "KeyState", "Enabled"))
        return KW_OK;
    for (size_t i = 0; i < KW_COUNT(states); i++)
        if (member_is(about, "KeyState", states[i].state))
            return kw_fail(err, states[i].code, "%s: the key %.100s %s", peer->who, key,
                           states[i].text);
    return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "%s: the key %.100s is not ready for use",
                   peer->who, key);
}

KW_ERR kw_kms_describe_read(const struct kw_kms_peer *peer, const char *key, struct kw_bytes body,
                            struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    KW_TRY(parse(peer, body, &doc, err));
    const struct kw_json *about = kw_json_get(doc.root, "KeyMetadata");
    if (about == NULL)
        return unusable(peer, "does not describe the key", err);
    KW_TRY(check_answering_key(peer, key, text_member(about, "Arn"), err));
    KW_TRY(check_state(peer, key, about, err));
    if (!may_be(about, "KeyUsage", "ENCRYPT_DECRYPT") ||
        !may_be(about, "KeySpec", "SYMMETRIC_DEFAULT"))
        return kw_fail(err, KW_FORBIDDEN,
                       "%s: the key %.100s is not a symmetric key for encryption: name one that is",
                       peer->who, key);
    return KW_OK;
}

KW_ERR kw_kms_create_read(const struct kw_kms_peer *peer, struct kw_bytes body, struct kw_buf *arn,
                          struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    KW_TRY(parse(peer, body, &doc, err));
    const struct kw_json *text = text_member(kw_json_get(doc.root, "KeyMetadata"), "Arn");
    KW_TRY(check_answering_key(peer, "alias/any", text, err));
    kw_buf_append(arn, text->text, text->len);
    return kw_buf_status(arn, err);
}
