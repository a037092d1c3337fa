/* The options: one table, in alphabetical order, that drives the file, the environment, the command
 * line, `keyward config show` and the reference page docs/configuration.md. Constant; thread-safe.
 */
#ifndef KW_CONFIG_OPTION_H
#define KW_CONFIG_OPTION_H

#include "base/bytes.h"

enum kw_option_type {
    KW_OPTION_TEXT,
    KW_OPTION_PATH,
    KW_OPTION_ADDRESS, /* host:port or [IPv6]:port */
    KW_OPTION_CHOICE,  /* one of the words in choices */
    KW_OPTION_LIST,    /* words, separated by commas */
    KW_OPTION_ROUTES,  /* words or NAME=VALUE, separated by commas; no name twice */
    KW_OPTION_BOOL,    /* true, false, yes, no, on, off */
    KW_OPTION_NUMBER,
    KW_OPTION_DURATION, /* 500ms, 30s, 5m, 12h, 7d, 0; as a number in milliseconds */
    KW_OPTION_SIZE,     /* bytes, or 64KiB, 64MiB, 1GiB; as a number in bytes */
    KW_OPTION_AMOUNT,   /* of money: 0.03, 250; as a number in billionths */
};

#define KW_AMOUNT_UNIT UINT64_C(1000000000)

/* A name with "*" between its dots stands for many: region.*.providers is region.eu.providers. */
struct kw_option {
    const char *name;
    enum kw_option_type type;
    const char *fallback; /* what holds if it is set nowhere; "": nothing */
    uint64_t min; /* of numbers: in milliseconds, bytes and billionths where they are such */
    uint64_t max;
    const char *choices; /* KW_OPTION_CHOICE: comma-separated */
    const char *help;    /* a sentence or two */
};

/* The option with this number, in alphabetical order; NULL after the last. */
const struct kw_option *kw_option_at(size_t index);

/* The option that name stands for, NULL if there is none. */
const struct kw_option *kw_option_find(const char *name);

/* The name in the table that is most like a wrong one, NULL if none is near. */
const char *kw_option_nearest(const char *name);

const char *kw_option_type_name(enum kw_option_type type);

/* Is value one of the option's? number receives its number, where it has one (a bool: 0 or 1).
 * KW_BAD_CONFIG, with a text that names neither option nor place. */
KW_ERR kw_option_parse(const struct kw_option *option, const char *value, uint64_t *number,
                       struct kw_error *err);

enum { KW_OPTION_ITEM_SIZE = 256, KW_OPTION_RANGE_SIZE = 80 };

/* What is accepted, for people: "1 to 64GiB". Numbers, durations, sizes and amounts only. */
void kw_option_range(const struct kw_option *option, char out[KW_OPTION_RANGE_SIZE]);

/* The index-th word of a list, without spaces around it; false if it has fewer. */
bool kw_list_item(const char *list, size_t index, char out[KW_OPTION_ITEM_SIZE]);

/* Is word one of the list's? */
bool kw_list_has(const char *list, const char *word);

/* The part NAME of a word NAME=VALUE, which becomes a text of its own, and VALUE; of a word without
 * "=": NULL. */
char *kw_route_split(char word[KW_OPTION_ITEM_SIZE]);

/* ---- Providers' settings: provider.NAME.SETTING ---- */

size_t kw_provider_option_count(void);
const struct kw_option *kw_provider_option_at(size_t index);
/* Which kinds know it: comma-separated; NULL: all of them do, or it is no setting of a provider. */
const char *kw_provider_option_kinds(const struct kw_option *option);
bool kw_provider_option_fits(const struct kw_option *option, const char *kind);
/* Appends the names of the settings that are the kind's own. */
void kw_provider_option_list(const char *kind, struct kw_buf *out);

#endif
