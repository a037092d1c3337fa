/* What AWS's errors mean to us. The type is the last part of __type, or of the header: it comes as
 * "com.amazonaws.kms#DisabledException" and as "DisabledException:http://...", too. */
#include "aws/codec.h"

#include "json/json.h"

enum { TYPE_MAX = 64 };

struct meaning {
    const char *type;
    kw_code code;
    bool renew;
    const char *text; /* %s: the key */
};

static const char throttled[] = "it throttles: ask for a higher request quota, or cache for longer";
static const char no_rights[] =
    "access to the key %.100s is denied: grant its principal kms:Encrypt, kms:Decrypt and "
    "kms:DescribeKey on it, in the key policy or by IAM";
static const char troubled[] = "it has trouble of its own; this passes";
static const char unknown_keys[] =
    "it does not accept the credentials: check access key and secret";
static const char expired[] = "the session token has expired: renew the credentials";
static const char clock_off[] = "it finds the signature's time wrong: set this machine's clock "
                                "(NTP); five minutes off are too many";

static const struct meaning meanings[] = {
    {"ThrottlingException", KW_RATE_LIMITED, false, throttled},
    {"Throttling", KW_RATE_LIMITED, false, throttled},
    {"TooManyRequestsException", KW_RATE_LIMITED, false, throttled},
    {"RequestLimitExceeded", KW_RATE_LIMITED, false, throttled},
    {"LimitExceededException", KW_RATE_LIMITED, false, throttled},
    {"DisabledException", KW_KEY_SUSPENDED, false,
     "the key %.100s is disabled in AWS: enable it there"},
    {"NotFoundException", KW_KEY_NOT_FOUND, false,
     "there is no key %.100s in this account and region"},
    {"InvalidArnException", KW_KEY_NOT_FOUND, false, "%.100s is not the ARN of a key"},
    {"InvalidCiphertextException", KW_SEAL_BROKEN, false,
     "the copy was altered, or wrapped under another context"},
    {"IncorrectKeyException", KW_SEAL_BROKEN, false, "the copy was not wrapped by the key %.100s"},
    {"InvalidKeyUsageException", KW_FORBIDDEN, false,
     "the key %.100s is not a symmetric key for encryption: name one that is"},
    {"AccessDeniedException", KW_FORBIDDEN, false, no_rights},
    {"AccessDenied", KW_FORBIDDEN, false, no_rights},
    {"NotAuthorized", KW_FORBIDDEN, false, no_rights},
    {"OptInRequired", KW_FORBIDDEN, false, "the AWS account is not signed up for KMS"},
    {"KeyUnavailableException", KW_PROVIDER_UNAVAILABLE, false, troubled},
    {"DependencyTimeoutException", KW_PROVIDER_UNAVAILABLE, false, troubled},
    {"KMSInternalException", KW_PROVIDER_UNAVAILABLE, false, troubled},
    {"InternalFailure", KW_PROVIDER_UNAVAILABLE, false, troubled},
    {"ServiceUnavailable", KW_PROVIDER_UNAVAILABLE, false, troubled},
    {"ServiceUnavailableException", KW_PROVIDER_UNAVAILABLE, false, troubled},
    {"ExpiredTokenException", KW_PROVIDER_UNAVAILABLE, true, expired},
    {"ExpiredToken", KW_PROVIDER_UNAVAILABLE, true, expired},
    {"UnrecognizedClientException", KW_FORBIDDEN, true, unknown_keys},
    {"InvalidClientTokenId", KW_FORBIDDEN, true, unknown_keys},
    {"InvalidSignatureException", KW_FORBIDDEN, true, unknown_keys},
    {"SignatureDoesNotMatch", KW_FORBIDDEN, true, unknown_keys},
    {"MissingAuthenticationTokenException", KW_FORBIDDEN, true, unknown_keys},
    {"RequestExpired", KW_PROVIDER_UNAVAILABLE, false, clock_off},
    {"RequestExpiredException", KW_PROVIDER_UNAVAILABLE, false, clock_off},
    {"RequestTimeTooSkewed", KW_PROVIDER_UNAVAILABLE, false, clock_off},
};

static const struct meaning skewed = {"clock", KW_PROVIDER_UNAVAILABLE, false, clock_off};
static const struct meaning pending = {
    "pending", KW_KEY_PENDING, false,
    "the key %.100s is scheduled for deletion in AWS: cancel that there while there is time"};
static const struct meaning no_material = {
    "no material", KW_KEY_SUSPENDED, false,
    "the key %.100s has no key material in AWS: import it there"};
static const struct meaning other_state = {"state", KW_PROVIDER_UNAVAILABLE, false,
                                           "the key %.100s is not ready for use"};

/* Of body and header the one that says it; cut to the name alone. */
static void read_type(const struct kw_kms_refusal *refusal, const struct kw_json *body,
                      char type[TYPE_MAX])
{
    const struct kw_json *member = kw_json_get(body, "__type");
    struct kw_bytes text = refusal->type;
    if (member != NULL && member->type == KW_JSON_STRING)
        text = kw_bytes(member->text, member->len);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool letter = (c | 32) >= 'a' && (c | 32) <= 'z';
        if (c == '#') {
            len = 0;
        } else if (!letter || len + 1 == TYPE_MAX) {
            if (c != '.')
                break;
            len = 0;
        } else {
            type[len++] = (char)c;
        }
    }
    type[len] = '\0';
}

static bool says(const struct kw_json *body, const char *words)
{
    const struct kw_json *member = kw_json_get(body, "message");
    if (member == NULL)
        member = kw_json_get(body, "Message");
    return member != NULL && member->type == KW_JSON_STRING &&
           memmem(member->text, member->len, words, strlen(words)) != NULL;
}

/* Two types mean several things, which only the message tells apart. */
static const struct meaning *find_meaning(const char *type, const struct kw_json *body)
{
    if (strcmp(type, "KMSInvalidStateException") == 0) {
        if (says(body, "pending deletion") || says(body, "pending replica deletion"))
            return &pending;
        return says(body, "pending import") ? &no_material : &other_state;
    }
    if (strcmp(type, "InvalidSignatureException") == 0 ||
        strcmp(type, "SignatureDoesNotMatch") == 0)
        if (says(body, "Signature expired") || says(body, "Signature not yet current"))
            return &skewed;
    for (size_t i = 0; i < KW_COUNT(meanings); i++)
        if (strcmp(meanings[i].type, type) == 0)
            return &meanings[i];
    return NULL;
}

static kw_code unknown(const struct kw_kms_peer *peer, const struct kw_kms_refusal *refusal,
                       struct kw_error *err)
{
    if (refusal->status == 429)
        return kw_fail(err, KW_RATE_LIMITED, "%s: %s", peer->who, throttled);
    if (refusal->status >= 500)
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "%s: it answers with status %d; this passes",
                       peer->who, refusal->status);
    return kw_fail(err, KW_PROVIDER_UNAVAILABLE,
                   "%s: it answers with status %d and no error that is known: is endpoint right?",
                   peer->who, refusal->status);
}

kw_code kw_kms_refusal_read(const struct kw_kms_peer *peer, const struct kw_kms_refusal *refusal,
                            bool *renew, struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = {.secret = true};
    char type[TYPE_MAX];
    char text[KW_ERROR_TEXT_SIZE];
    struct kw_error why;
    *renew = false;
    if (kw_json_parse(&doc, refusal->body, &why) != KW_OK)
        doc.root = NULL; /* the header may say it all the same */
    read_type(refusal, doc.root, type);
    const struct meaning *meaning = find_meaning(type, doc.root);
    if (meaning == NULL)
        return unknown(peer, refusal, err);
    const char *key = strstr(meaning->text, "%.100s");
    if (key != NULL)
        snprintf(text, sizeof text, "%.*s%.100s%s", (int)(key - meaning->text), meaning->text,
                 refusal->key, key + 6);
    else
        snprintf(text, sizeof text, "%s", meaning->text);
    *renew = meaning->renew;
    return kw_fail(err, meaning->code, "%s: %s", peer->who, text);
}
