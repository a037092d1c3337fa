/* Shared credentials files: sections in brackets, name = value, lines that begin with # or ; are
 * comments. Read here and not by the configuration's reader, whose buffers are not wiped. */
#include "aws/keys.h"

struct found {
    bool profile;
    struct kw_bytes id;
    struct kw_bytes secret;
    struct kw_bytes token;
};

static struct kw_bytes trim(struct kw_bytes text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
        text = kw_bytes(text.data + 1, text.len - 1);
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t' ||
                            text.data[text.len - 1] == '\r'))
        text.len--;
    return text;
}

/* Takes a line off the front of rest. */
static struct kw_bytes take_line(struct kw_bytes *rest)
{
    const uint8_t *end = memchr(rest->data, '\n', rest->len);
    size_t len = end != NULL ? (size_t)(end - rest->data) : rest->len;
    struct kw_bytes line = trim(kw_bytes(rest->data, len));
    size_t used = end != NULL ? len + 1 : len;
    *rest = kw_bytes(rest->data + used, rest->len - used);
    return line;
}

static bool is_section(struct kw_bytes line, const char *profile)
{
    return line.data[line.len - 1] == ']' &&
           kw_bytes_equal_str(trim(kw_bytes(line.data + 1, line.len - 2)), profile);
}

/* KW_BAD_FORMAT: the profile gets its keys in a way that is not ours. */
static KW_ERR take_value(struct kw_bytes line, struct found *found, struct kw_error *err)
{
    static const char *const others[] = {"credential_process", "role_arn", "sso_session",
                                         "sso_start_url", "credential_source"};
    const uint8_t *equals = memchr(line.data, '=', line.len);
    if (equals == NULL)
        return KW_OK;
    size_t len = (size_t)(equals - line.data);
    struct kw_bytes name = trim(kw_bytes(line.data, len));
    struct kw_bytes value = trim(kw_bytes(equals + 1, line.len - len - 1));
    if (kw_bytes_equal_str(name, "aws_access_key_id"))
        found->id = value;
    else if (kw_bytes_equal_str(name, "aws_secret_access_key"))
        found->secret = value;
    else if (kw_bytes_equal_str(name, "aws_session_token"))
        found->token = value;
    for (size_t i = 0; i < KW_COUNT(others); i++)
        if (kw_bytes_equal_str(name, others[i]))
            return kw_fail(err, KW_BAD_FORMAT,
                           "the profile has %s, which is not supported here: give it keys, or use "
                           "credentials = web_identity, container or instance",
                           others[i]);
    return KW_OK;
}

KW_ERR kw_aws_keys_read_profile(struct kw_bytes text, const char *profile, struct kw_aws_keys *out,
                                struct kw_error *err)
{
    struct found found = {0};
    bool inside = false;
    for (struct kw_bytes rest = text; rest.len > 0;) {
        struct kw_bytes line = take_line(&rest);
        if (line.len == 0 || line.data[0] == '#' || line.data[0] == ';')
            continue;
        if (line.data[0] == '[') {
            inside = line.len > 2 && is_section(line, profile);
            found.profile = found.profile || inside;
        } else if (inside) {
            KW_TRY(take_value(line, &found, err));
        }
    }
    if (!found.profile)
        return kw_fail(err, KW_BAD_FORMAT, "the file has no profile [%.64s]", profile);
    return kw_aws_keys_set(out, found.id, found.secret, found.token, err);
}
