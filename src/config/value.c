#include "config/option.h"

#include "base/encode.h"

static const char *const type_names[] = {
    [KW_OPTION_TEXT] = "text",       [KW_OPTION_PATH] = "path",
    [KW_OPTION_ADDRESS] = "address", [KW_OPTION_CHOICE] = "choice",
    [KW_OPTION_LIST] = "list",       [KW_OPTION_BOOL] = "bool",
    [KW_OPTION_NUMBER] = "number",   [KW_OPTION_DURATION] = "duration",
    [KW_OPTION_SIZE] = "size",       [KW_OPTION_ROUTES] = "routes",
    [KW_OPTION_AMOUNT] = "amount",
};

const char *kw_option_type_name(enum kw_option_type type)
{
    return type_names[type];
}

bool kw_list_item(const char *list, size_t index, char out[KW_OPTION_ITEM_SIZE])
{
    for (const char *at = list; *list != '\0'; at += strcspn(at, ",") + 1) {
        size_t len = strcspn(at, ",");
        if (index-- == 0) {
            while (len > 0 && at[0] == ' ') {
                at++;
                len--;
            }
            while (len > 0 && at[len - 1] == ' ')
                len--;
            len = len < KW_OPTION_ITEM_SIZE ? len : KW_OPTION_ITEM_SIZE - 1;
            memcpy(out, at, len);
            out[len] = '\0';
            return true;
        }
        if (at[len] == '\0')
            break;
    }
    return false;
}

bool kw_list_has(const char *list, const char *word)
{
    char item[KW_OPTION_ITEM_SIZE];
    for (size_t i = 0; kw_list_item(list, i, item); i++)
        if (strcmp(item, word) == 0)
            return true;
    return false;
}

char *kw_route_split(char word[KW_OPTION_ITEM_SIZE])
{
    char *equals = strchr(word, '=');
    if (equals == NULL)
        return NULL;
    *equals = '\0';
    return equals + 1;
}

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit durations[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                        {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const struct unit sizes[] = {{"", 1},
                                    {"KiB", UINT64_C(1) << 10},
                                    {"MiB", UINT64_C(1) << 20},
                                    {"GiB", UINT64_C(1) << 30},
                                    {NULL, 0}};

/* Digits and a unit. 0 needs no unit. */
static KW_ERR parse_with_unit(const char *value, const struct unit *units, const char *forms,
                              uint64_t *number, struct kw_error *err)
{
    size_t digits = strspn(value, "0123456789");
    uint64_t count;
    if (kw_parse_u64(kw_bytes(value, digits), UINT64_MAX, &count, NULL) != KW_OK)
        return kw_fail(err, KW_BAD_CONFIG, "'%s' is not %s", value, forms);
    if (strcmp(value, "0") == 0) {
        *number = 0;
        return KW_OK;
    }
    for (const struct unit *unit = units; unit->name != NULL; unit++) {
        if (strcmp(value + digits, unit->name) != 0)
            continue;
        if (count > UINT64_MAX / unit->factor)
            return kw_fail(err, KW_BAD_CONFIG, "'%s' is too large", value);
        *number = count * unit->factor;
        return KW_OK;
    }
    return kw_fail(err, KW_BAD_CONFIG, "'%s' is not %s", value, forms);
}

static KW_ERR parse_bool(const char *value, uint64_t *number, struct kw_error *err)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; i < KW_COUNT(words); i++) {
        if (strcmp(value, words[i]) == 0) {
            *number = i % 2;
            return KW_OK;
        }
    }
    return kw_fail(err, KW_BAD_CONFIG, "'%s' is not true or false", value);
}

static KW_ERR parse_choice(const struct kw_option *option, const char *value, uint64_t *number,
                           struct kw_error *err)
{
    char word[KW_OPTION_ITEM_SIZE];
    for (size_t i = 0; kw_list_item(option->choices, i, word); i++) {
        if (strcmp(word, value) == 0) {
            *number = i;
            return KW_OK;
        }
    }
    return kw_fail(err, KW_BAD_CONFIG, "'%s' is not one of %s", value, option->choices);
}

/* NAME or NAME=VALUE, none of the names twice. VALUE is anything but a comma. */
static KW_ERR parse_routes(const char *value, uint64_t *number, struct kw_error *err)
{
    char word[KW_OPTION_ITEM_SIZE];
    char other[KW_OPTION_ITEM_SIZE];
    size_t count = 0;
    for (; kw_list_item(value, count, word); count++) {
        if (strlen(word) == KW_OPTION_ITEM_SIZE - 1)
            return kw_fail(err, KW_BAD_CONFIG, "'%.60s...' is too long", word);
        const char *given = kw_route_split(word);
        if (word[0] == '\0' || (given != NULL && given[0] == '\0'))
            return kw_fail(err, KW_BAD_CONFIG, "'%s' is not a list of NAME or NAME=KEY", value);
        for (size_t i = 0; i < count && kw_list_item(value, i, other); i++) {
            (void)kw_route_split(other);
            if (strcmp(word, other) == 0)
                return kw_fail(err, KW_BAD_CONFIG, "'%s' stands twice", word);
        }
    }
    *number = count;
    return KW_OK;
}

/* Words of letters, digits and -_.:/, none of them twice. */
static KW_ERR parse_list(const char *value, uint64_t *number, struct kw_error *err)
{
    char word[KW_OPTION_ITEM_SIZE];
    char other[KW_OPTION_ITEM_SIZE];
    size_t count = 0;
    for (; kw_list_item(value, count, word); count++) {
        size_t len = strlen(word);
        if (len == 0 || len == KW_OPTION_ITEM_SIZE - 1)
            return kw_fail(err, KW_BAD_CONFIG, "'%s' has an empty or too long word", value);
        if (strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/") !=
            len)
            return kw_fail(err, KW_BAD_CONFIG, "'%s' is not a word of a list", word);
        for (size_t i = 0; i < count && kw_list_item(value, i, other); i++)
            if (strcmp(word, other) == 0)
                return kw_fail(err, KW_BAD_CONFIG, "'%s' stands twice", word);
    }
    *number = count;
    return KW_OK;
}

static KW_ERR parse_address(const char *value, uint64_t *number, struct kw_error *err)
{
    const char *colon = strrchr(value, ':');
    size_t host = colon == NULL ? 0 : (size_t)(colon - value);
    bool six = host > 2 && value[0] == '[' && value[host - 1] == ']';
    if (host == 0 || (!six && memchr(value, ':', host) != NULL) ||
        kw_parse_u64(kw_bytes_str(colon + 1), 65535, number, NULL) != KW_OK)
        return kw_fail(err, KW_BAD_CONFIG, "'%s' is not an address such as 127.0.0.1:8443", value);
    return KW_OK;
}

static KW_ERR check_text(const char *value, struct kw_error *err)
{
    for (const char *p = value; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return kw_fail(err, KW_BAD_CONFIG, "the value has a control character");
    return KW_OK;
}

/* A decimal number with at most nine places, in billionths. */
static KW_ERR parse_amount(const char *value, uint64_t *number, struct kw_error *err)
{
    static const char form[] = "an amount such as 250 or 0.000003, with up to nine places";
    size_t whole_len = strcspn(value, ".");
    const char *places = value[whole_len] == '.' ? value + whole_len + 1 : NULL;
    uint64_t whole;
    uint64_t part = 0;
    if (kw_parse_u64(kw_bytes(value, whole_len), UINT64_MAX / KW_AMOUNT_UNIT - 1, &whole, NULL) !=
        KW_OK)
        return kw_fail(err, KW_BAD_CONFIG, "'%s' is not %s", value, form);
    size_t count = places != NULL ? strspn(places, "0123456789") : 0;
    if (places != NULL && (count == 0 || count > 9 || places[count] != '\0'))
        return kw_fail(err, KW_BAD_CONFIG, "'%s' is not %s", value, form);
    for (size_t i = 0; i < 9; i++)
        part = part * 10 + (i < count ? (uint64_t)(places[i] - '0') : 0);
    *number = whole * KW_AMOUNT_UNIT + part;
    return KW_OK;
}

static KW_ERR parse_number(const struct kw_option *option, const char *value, uint64_t *number,
                           struct kw_error *err)
{
    if (option->type == KW_OPTION_DURATION)
        return parse_with_unit(value, durations, "a time such as 500ms, 30s, 5m, 12h or 7d", number,
                               err);
    if (option->type == KW_OPTION_SIZE)
        return parse_with_unit(value, sizes, "a size such as 4096, 64KiB, 64MiB or 1GiB", number,
                               err);
    if (option->type == KW_OPTION_AMOUNT)
        return parse_amount(value, number, err);
    if (kw_parse_u64(kw_bytes_str(value), UINT64_MAX, number, NULL) != KW_OK)
        return kw_fail(err, KW_BAD_CONFIG, "'%s' is not a number", value);
    return KW_OK;
}

static const struct unit amounts[] = {{"", KW_AMOUNT_UNIT}, {NULL, 0}};

/* A bound as people write it: in the largest unit that leaves it whole. */
static void bound_text(const struct kw_option *option, uint64_t value, char out[32])
{
    const struct unit *units = option->type == KW_OPTION_DURATION ? durations
                               : option->type == KW_OPTION_SIZE   ? sizes
                               : option->type == KW_OPTION_AMOUNT ? amounts
                                                                  : NULL;
    const struct unit *best = NULL;
    for (const struct unit *unit = units; unit != NULL && unit->name != NULL && value > 0; unit++)
        if (value % unit->factor == 0)
            best = unit;
    snprintf(out, 32, "%llu%s", (unsigned long long)(best == NULL ? value : value / best->factor),
             best == NULL ? "" : best->name);
}

void kw_option_range(const struct kw_option *option, char out[KW_OPTION_RANGE_SIZE])
{
    char low[32];
    char high[32];
    bound_text(option, option->min, low);
    bound_text(option, option->max, high);
    snprintf(out, KW_OPTION_RANGE_SIZE, "%s to %s", low, high);
}

static KW_ERR parse_bounded(const struct kw_option *option, const char *value, uint64_t *number,
                            struct kw_error *err)
{
    uint64_t found;
    char range[KW_OPTION_RANGE_SIZE];
    KW_TRY(parse_number(option, value, &found, err));
    kw_option_range(option, range);
    if (found < option->min || found > option->max)
        return kw_fail(err, KW_BAD_CONFIG, "'%s' is out of range (%s)", value, range);
    *number = found;
    return KW_OK;
}

KW_ERR kw_option_parse(const struct kw_option *option, const char *value, uint64_t *number,
                       struct kw_error *err)
{
    KW_TRY(check_text(value, err));
    if (value[0] == '\0' && option->fallback[0] == '\0') {
        *number = 0;
        return KW_OK; /* set to nothing, as it is by itself */
    }
    if (value[0] == '\0')
        return kw_fail(err, KW_BAD_CONFIG, "the value is empty");
    switch (option->type) {
    case KW_OPTION_TEXT:
    case KW_OPTION_PATH:
        *number = 0;
        return KW_OK;
    case KW_OPTION_ADDRESS:
        return parse_address(value, number, err);
    case KW_OPTION_CHOICE:
        return parse_choice(option, value, number, err);
    case KW_OPTION_ROUTES:
        return parse_routes(value, number, err);
    case KW_OPTION_LIST:
        return parse_list(value, number, err);
    case KW_OPTION_BOOL:
        return parse_bool(value, number, err);
    default:
        return parse_bounded(option, value, number, err);
    }
}
