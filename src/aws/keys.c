#include "aws/keys.h"

#include "json/json.h"

void kw_aws_keys_wipe(struct kw_aws_keys *keys)
{
    kw_secret_wipe(&keys->secret);
    kw_secret_wipe(&keys->token);
    *keys = (struct kw_aws_keys)KW_AWS_KEYS_INIT;
}

static bool is_id(struct kw_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (!((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_'))
            return false;
    }
    return text.len > 0 && text.len <= KW_AWS_ID_MAX;
}

static bool is_visible(struct kw_bytes text, size_t least, size_t most)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] <= ' ' || text.data[i] > '~')
            return false;
    return text.len >= least && text.len <= most;
}

KW_ERR kw_aws_keys_set(struct kw_aws_keys *out, struct kw_bytes id, struct kw_bytes secret,
                       struct kw_bytes token, struct kw_error *err)
{
    KW_AUTO(kw_aws_keys) keys = KW_AWS_KEYS_INIT;
    if (!is_id(id))
        return kw_fail(err, KW_BAD_FORMAT, "the access key id is missing or malformed");
    if (!is_visible(secret, 1, KW_AWS_SECRET_MAX))
        return kw_fail(err, KW_BAD_FORMAT, "the secret access key is missing or malformed");
    if (!is_visible(token, 0, KW_AWS_TOKEN_MAX))
        return kw_fail(err, KW_BAD_FORMAT, "the session token is malformed");
    memcpy(keys.id, id.data, id.len);
    KW_TRY(kw_secret_copy(&keys.secret, secret.data, secret.len, err));
    if (token.len > 0)
        KW_TRY(kw_secret_copy(&keys.token, token.data, token.len, err));
    *out = keys;
    keys = (struct kw_aws_keys)KW_AWS_KEYS_INIT;
    return KW_OK;
}

KW_ERR kw_aws_keys_copy(struct kw_aws_keys *to, const struct kw_aws_keys *from,
                        struct kw_error *err)
{
    KW_TRY(kw_aws_keys_set(to, kw_bytes_str(from->id),
                           kw_bytes(from->secret.data, from->secret.len),
                           kw_bytes(from->token.data, from->token.len), err));
    to->expires_wall_ms = from->expires_wall_ms;
    return KW_OK;
}

/* Digits from text at *at; -1: not that many digits. */
static int digits(struct kw_bytes text, size_t *at, size_t count)
{
    int value = 0;
    if (text.len < *at + count)
        return -1;
    for (size_t i = 0; i < count; i++) {
        uint8_t c = text.data[(*at)++];
        if (c < '0' || c > '9')
            return -1;
        value = value * 10 + (c - '0');
    }
    return value;
}

static bool read_fields(struct kw_bytes text, int fields[6], size_t *at)
{
    static const char marks[] = "--T::";
    static const int least[] = {1970, 1, 1, 0, 0, 0};
    static const int most[] = {9999, 12, 31, 23, 59, 60};
    for (size_t i = 0; i < 6; i++) {
        fields[i] = digits(text, at, i == 0 ? 4 : 2);
        if (fields[i] < least[i] || fields[i] > most[i])
            return false;
        if (i < 5 && (*at >= text.len || text.data[(*at)++] != (uint8_t)marks[i]))
            return false;
    }
    return true;
}

KW_ERR kw_aws_time_read(struct kw_bytes text, int64_t *wall_ms, struct kw_error *err)
{
    int fields[6];
    size_t at = 0;
    bool fits = read_fields(text, fields, &at);
    if (fits && at < text.len && text.data[at] == '.')
        for (at++; at < text.len && text.data[at] >= '0' && text.data[at] <= '9';)
            at++;
    if (!fits || at + 1 != text.len || text.data[at] != 'Z')
        return kw_fail(err, KW_BAD_FORMAT, "the time of expiry is malformed");
    struct tm tm = {.tm_year = fields[0] - 1900,
                    .tm_mon = fields[1] - 1,
                    .tm_mday = fields[2],
                    .tm_hour = fields[3],
                    .tm_min = fields[4],
                    .tm_sec = fields[5]};
    *wall_ms = (int64_t)timegm(&tm) * 1000;
    return KW_OK;
}

static struct kw_bytes json_text(const struct kw_json *object, const char *name)
{
    const struct kw_json *member = kw_json_get(object, name);
    return member != NULL && member->type == KW_JSON_STRING ? kw_bytes(member->text, member->len)
                                                            : kw_bytes(NULL, 0);
}

KW_ERR kw_aws_keys_read_json(struct kw_bytes text, struct kw_aws_keys *out, struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = {.secret = true};
    struct kw_error why;
    int64_t expires;
    if (kw_json_parse(&doc, text, &why) != KW_OK || doc.root->type != KW_JSON_OBJECT)
        return kw_fail(err, KW_BAD_FORMAT, "the answer is not a JSON object");
    struct kw_bytes code = json_text(doc.root, "Code");
    if (code.len > 0 && !kw_bytes_equal_str(code, "Success"))
        return kw_fail(err, KW_BAD_FORMAT, "the answer says that there are no credentials");
    KW_TRY(kw_aws_time_read(json_text(doc.root, "Expiration"), &expires, err));
    KW_TRY(kw_aws_keys_set(out, json_text(doc.root, "AccessKeyId"),
                           json_text(doc.root, "SecretAccessKey"), json_text(doc.root, "Token"),
                           err));
    out->expires_wall_ms = expires;
    return KW_OK;
}

/* Where the tag <name> or </name> begins; NULL: nowhere. */
static const uint8_t *find_tag(struct kw_bytes text, const char *slash, const char *name)
{
    char tag[64];
    int len = snprintf(tag, sizeof tag, "<%s%s>", slash, name);
    return text.len > 0 ? memmem(text.data, text.len, tag, (size_t)len) : NULL;
}

/* What stands between the only <name> and the only </name>. */
static bool xml_inside(struct kw_bytes text, const char *name, struct kw_bytes *out)
{
    const uint8_t *open = find_tag(text, "", name);
    const uint8_t *close = find_tag(text, "/", name);
    if (open == NULL || close == NULL)
        return false;
    const uint8_t *from = open + strlen(name) + 2;
    const uint8_t *end = text.data + text.len;
    const uint8_t *after = close + strlen(name) + 3;
    if (close < from || find_tag(kw_bytes(from, (size_t)(end - from)), "", name) != NULL ||
        find_tag(kw_bytes(after, (size_t)(end - after)), "/", name) != NULL)
        return false;
    *out = kw_bytes(from, (size_t)(close - from));
    return true;
}

bool kw_aws_xml_element(struct kw_bytes text, const char *name, struct kw_bytes *out)
{
    struct kw_bytes inside;
    if (!xml_inside(text, name, &inside))
        return false;
    for (size_t i = 0; i < inside.len; i++)
        if (inside.data[i] == '<' || inside.data[i] == '&')
            return false;
    *out = inside;
    return true;
}

KW_ERR kw_aws_keys_read_xml(struct kw_bytes text, struct kw_aws_keys *out, struct kw_error *err)
{
    static const char *const names[] = {"AccessKeyId", "SecretAccessKey", "SessionToken",
                                        "Expiration"};
    struct kw_bytes inside;
    struct kw_bytes values[KW_COUNT(names)];
    int64_t expires;
    if (!xml_inside(text, "Credentials", &inside))
        return kw_fail(err, KW_BAD_FORMAT, "the answer has no credentials");
    for (size_t i = 0; i < KW_COUNT(names); i++)
        if (!kw_aws_xml_element(inside, names[i], &values[i]))
            return kw_fail(err, KW_BAD_FORMAT, "the answer has no %s", names[i]);
    KW_TRY(kw_aws_time_read(values[3], &expires, err));
    KW_TRY(kw_aws_keys_set(out, values[0], values[1], values[2], err));
    out->expires_wall_ms = expires;
    return KW_OK;
}
