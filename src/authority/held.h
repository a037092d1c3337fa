/* Batch keys: what a held key (HYOK) has in the place of versions that last. Each is 32 fresh bytes
 * that the customer's KMS alone wraps, made for some data keys of one request. In the store it is a
 * version that is deactivated from the start and has no signing key.
 * docs/custody.md, docs/adr/0006-held-keys-are-batch-keys.md. */
#ifndef KW_AUTHORITY_HELD_H
#define KW_AUTHORITY_HELD_H

#include "authority/datakey_internal.h"

/* Data keys of one request, tenant, region and class: they may share batch keys. */
struct kw_held_group {
    const char *tenant, *region;
    const struct kw_data_class *cls;
    size_t items;
    size_t first, count; /* of the batch keys that they share */
    struct kw_key_row key;
    uint64_t marker; /* of the keyring, from before the key was read */
    kw_code code;    /* why there is none; KW_AGAIN: the key has changed meanwhile */
};

struct kw_held_key {
    struct kw_held_group *group;
    uint32_t version;
    struct kw_secret material;
    struct kw_fresh_version fresh;
    bool written;                   /* the store has it: its number is used up */
    struct kw_keyring_entry *entry; /* until the request holds it */
    uint16_t at;                    /* from then on: its place there */
    kw_code code;
};

struct kw_held_making {
    struct kw_authority *authority;
    struct kw_held_group *groups;
    size_t group_count;
    struct kw_held_key *keys;
    size_t key_count;
};

/* held_make.c: keys are laid out for the groups (groups[].first and count); makes them, by one call
 * of the customer's provider each, some at a time. Sets the codes of groups and keys. Items wait
 * for as long as the slowest of them. */
void kw_held_make(struct kw_held_making *making);

/* held_numbers.c: the numbers of versions for the keys of a group that may be used. Reads the key,
 * and reserves what is not there in reserve by one transaction. Failure is the group's. */
KW_ERR kw_held_numbers_take(struct kw_held_making *making, struct kw_held_group *group,
                            struct kw_error *err);
/* Numbers that were not used, since the customer refused or did not answer: they are kept in
 * reserve, so that a client that tries again and again does not use them up. */
void kw_held_numbers_return(struct kw_held_making *making);

#endif
