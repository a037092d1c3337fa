/* States of keys, and what errors mean. */
#include "gcp/codec.h"

#include "json/json.h"

enum { SAID_MAX = 180 };

/* States of a version, by the number that the API has for each: what they mean to us. */
static const struct {
    const char *name;
    kw_code code;
} states[] = {
    {"CRYPTO_KEY_VERSION_STATE_UNSPECIFIED", KW_PROVIDER_UNAVAILABLE},
    {"ENABLED", KW_OK},
    {"DISABLED", KW_KEY_SUSPENDED},
    {"DESTROYED", KW_KEY_DESTROYED},
    {"DESTROY_SCHEDULED", KW_KEY_PENDING},
    {"PENDING_GENERATION", KW_PROVIDER_UNAVAILABLE},
    {"PENDING_IMPORT", KW_KEY_SUSPENDED},
    {"IMPORT_FAILED", KW_KEY_SUSPENDED},
    {"GENERATION_FAILED", KW_KEY_SUSPENDED},
    {"PENDING_EXTERNAL_DESTRUCTION", KW_KEY_PENDING},
    {"EXTERNAL_DESTRUCTION_FAILED", KW_KEY_PENDING},
};

enum { ENCRYPT_DECRYPT = 1 }; /* of the purposes */

/* An enumeration's value: its name, or its number. */
static bool is_value(const struct kw_json *value, const char *name, size_t number)
{
    char digits[24];
    if (value == NULL)
        return false;
    snprintf(digits, sizeof digits, "%zu", number);
    if (value->type == KW_JSON_STRING)
        return strcmp(value->text, name) == 0;
    return value->type == KW_JSON_NUMBER && strcmp(value->text, digits) == 0;
}

static kw_code fail_for_state(struct kw_error *err, kw_code code, const char *state)
{
    static const char *const remedies[] = {"restore or enable it there", "it cannot come back",
                                           "try again soon"};
    size_t which = code == KW_KEY_DESTROYED ? 1 : code == KW_PROVIDER_UNAVAILABLE ? 2 : 0;
    return kw_fail(err, code, "the key's version at Google Cloud KMS is %s: %s", state,
                   remedies[which]);
}

static KW_ERR check_state(const struct kw_json *state, struct kw_error *err)
{
    for (size_t i = 0; i < KW_COUNT(states); i++)
        if (is_value(state, states[i].name, i))
            return states[i].code == KW_OK ? KW_OK
                                           : fail_for_state(err, states[i].code, states[i].name);
    return kw_fail(err, KW_PROVIDER_UNAVAILABLE,
                   "Google Cloud KMS: its answer has no state of the key that is known here");
}

KW_ERR kw_gcp_check_key(struct kw_bytes body, struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    kw_code code = kw_json_parse(&doc, body, NULL);
    if (code == KW_NO_MEMORY)
        return kw_fail_code(err, code);
    const struct kw_json *purpose = code == KW_OK ? kw_json_get(doc.root, "purpose") : NULL;
    if (purpose == NULL)
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "Google Cloud KMS: its answer is no key");
    if (!is_value(purpose, "ENCRYPT_DECRYPT", ENCRYPT_DECRYPT))
        return kw_fail(err, KW_FORBIDDEN,
                       "the key at Google Cloud KMS has another purpose than ENCRYPT_DECRYPT: a "
                       "root key is a symmetric key");
    const struct kw_json *primary = kw_json_get(doc.root, "primary");
    if (primary == NULL || primary->type != KW_JSON_OBJECT)
        return kw_fail(err, KW_KEY_SUSPENDED,
                       "the key at Google Cloud KMS has no primary version: set one there");
    return check_state(kw_json_get(primary, "state"), err);
}

/* ---- Errors ---- */

struct said {
    int http;
    const char *status; /* "" where the answer has none */
    const char *message;
    bool decrypting;
};

/* "... is not enabled, current state is: DESTROYED." The names are looked for longest first, since
 * one may hold another. */
static kw_code precondition(const struct said *said, struct kw_error *err)
{
    size_t found = 0;
    for (size_t i = 2; i < KW_COUNT(states); i++)
        if (strstr(said->message, states[i].name) != NULL &&
            (found == 0 || strlen(states[i].name) > strlen(states[found].name)))
            found = i;
    if (found != 0)
        return fail_for_state(err, states[found].code, states[found].name);
    return kw_fail(err, KW_KEY_SUSPENDED, "Google Cloud KMS cannot use the key as it is: %.*s",
                   SAID_MAX, said->message);
}

/* It also says so of checksums, which are ours and right: they were damaged on the way. */
static kw_code bad_argument(const struct said *said, struct kw_error *err)
{
    if (strcasestr(said->message, "crc32c") != NULL ||
        strcasestr(said->message, "checksum") != NULL)
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE,
                       "Google Cloud KMS: the request was damaged on its way: %.*s", SAID_MAX,
                       said->message);
    if (said->decrypting)
        return kw_fail(
            err, KW_SEAL_BROKEN,
            "Google Cloud KMS does not open this copy: altered, or wrapped under another "
            "key or context");
    return kw_fail(err, KW_FORBIDDEN, "Google Cloud KMS refuses the request: %.*s", SAID_MAX,
                   said->message);
}

static kw_code forbidden(const struct said *said, struct kw_error *err)
{
    return kw_fail(
        err, KW_FORBIDDEN,
        "Google Cloud KMS does not permit this to the service account (it needs the role "
        "Cloud KMS CryptoKey Encrypter/Decrypter): %.*s",
        SAID_MAX, said->message);
}

static kw_code unauthenticated(const struct said *said, struct kw_error *err)
{
    return kw_fail(err, KW_UNAUTHENTICATED,
                   "Google Cloud KMS refuses the credentials (is the service account's key still "
                   "valid, and this machine's clock right?): %.*s",
                   SAID_MAX, said->message);
}

static kw_code missing(const struct said *said, struct kw_error *err)
{
    return kw_fail(err, KW_KEY_NOT_FOUND, "Google Cloud KMS has no such key: %.*s", SAID_MAX,
                   said->message);
}

static kw_code throttled(const struct said *said, struct kw_error *err)
{
    return kw_fail(err, KW_RATE_LIMITED, "Google Cloud KMS: the project's quota is used up: %.*s",
                   SAID_MAX, said->message);
}

static kw_code exists(const struct said *said, struct kw_error *err)
{
    return kw_fail(err, KW_EXISTS, "Google Cloud KMS: %.*s", SAID_MAX, said->message);
}

static kw_code unavailable(const struct said *said, struct kw_error *err)
{
    return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "Google Cloud KMS answers %d %s: %.*s", said->http,
                   said->status, SAID_MAX, said->message);
}

/* By the API's own word, or where there is none by the status. */
static const struct {
    const char *status;
    int http;
    kw_code (*fail)(const struct said *said, struct kw_error *err);
} meanings[] = {
    {"UNAUTHENTICATED", 401, unauthenticated},
    {"PERMISSION_DENIED", 403, forbidden},
    {"NOT_FOUND", 404, missing},
    {"RESOURCE_EXHAUSTED", 429, throttled},
    {"FAILED_PRECONDITION", 412, precondition},
    {"INVALID_ARGUMENT", 400, bad_argument},
    {"ALREADY_EXISTS", 0, exists},
};

static kw_code mean(const struct said *said, struct kw_error *err)
{
    for (size_t i = 0; i < KW_COUNT(meanings); i++)
        if (strcmp(said->status, meanings[i].status) == 0)
            return meanings[i].fail(said, err);
    for (size_t i = 0; i < KW_COUNT(meanings) && said->status[0] == '\0'; i++)
        if (said->http == meanings[i].http && said->http != 400)
            return meanings[i].fail(said, err);
    return unavailable(said, err);
}

kw_code kw_gcp_error(int status, struct kw_bytes body, bool decrypting, struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    struct said said = {.http = status, .status = "", .message = "", .decrypting = decrypting};
    if (kw_json_parse(&doc, body, NULL) == KW_OK) {
        const struct kw_json *error = kw_json_get(doc.root, "error");
        (void)!kw_json_get_str(error, "status", false, &said.status, NULL);
        (void)!kw_json_get_str(error, "message", false, &said.message, NULL);
    }
    return mean(&said, err);
}
