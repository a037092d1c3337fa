/* Inside the data plane: the steps of a batch. */
#ifndef KW_AUTHORITY_DATAKEY_INTERNAL_H
#define KW_AUTHORITY_DATAKEY_INTERNAL_H

#include "authority/datakey.h"
#include "authority/internal.h"

/* In the place of item.current: it waits for a batch key of a held key. */
enum { KW_DK_WAITS = UINT16_MAX };

/* held.c: makes batch keys for the items that wait for one, by calls of the customer's provider,
 * and holds them. An item whose key has changed meanwhile waits on: it is to be resolved again. */
void kw_dk_hold_batches(struct kw_dk_batch *batch);

/* A version, and how long it may serve the use that asks for it. */
struct kw_dk_version {
    uint64_t reference;
    uint32_t version;
    const struct kw_keyring_age *age;
};
/* The current version of a tenant's key. Texts are borrowed. */
struct kw_dk_current {
    const char *tenant, *region;
    const struct kw_keyring_age *age;
};

/* datakey_hold.c: room for holds. */
KW_ERR kw_dk_holds_init(struct kw_dk_batch *batch, struct kw_error *err);
/* Ends the batch's holds on keyring entries. */
void kw_dk_let_go(struct kw_dk_batch *batch);
/* Holds the version for the batch and says where. KW_AGAIN: only if !may_block, it is not resident.
 * A load's failure is remembered: it is the answer for every item that needs the version. */
kw_code kw_dk_hold(struct kw_dk_batch *batch, const struct kw_dk_version *what, bool may_block,
                   uint16_t *at);
/* By the ring's hint, which is only as good as what it leads to. KW_AGAIN: it led nowhere. Does not
 * block. */
kw_code kw_dk_hold_hinted(struct kw_dk_batch *batch, const struct kw_dk_current *what,
                          uint16_t *at);
/* Takes over what was found out elsewhere: a held entry, or why there is none. Returns code. */
kw_code kw_dk_remember(struct kw_dk_batch *batch, const struct kw_dk_version *what,
                       struct kw_keyring_entry *entry, kw_code code);
/* Ends the latest hold. */
void kw_dk_forget_last(struct kw_dk_batch *batch);
/* May the caller have this key? Whatever has become of another's, or whether it is there at all, is
 * not said. */
kw_code kw_dk_check_owner(const struct kw_dk_batch *batch, uint64_t reference);

/* datakey_ahead.c: loads the versions that the items will need and that are not resident, side by
 * side. What comes of it is remembered. Blocks. */
void kw_dk_load_ahead(struct kw_dk_batch *batch);

/* datakey_resolve.c: what the item's head names. */
kw_code kw_dk_version_of(const struct kw_dk_batch *batch, const struct kw_dk_item *item,
                         struct kw_dk_version *out);

/* datakey_resolve.c: finds the key version of every item and holds it; decides by role, scope,
 * tenant, region and class. Sets item.code. KW_AGAIN if !may_block and one is not resident (holds
 * are ended). */
KW_ERR kw_dk_resolve(struct kw_dk_batch *batch, bool may_block, struct kw_error *err);

/* datakey_crypt.c: generates, unwraps or re-wraps one resolved item. */
kw_code kw_dk_crypt(struct kw_dk_batch *batch, size_t i);

/* The class that an item names or that its head's tag says; NULL if it is not configured. */
const struct kw_data_class *kw_dk_class(const struct kw_dk_batch *batch,
                                        const struct kw_dk_item *item);

#endif
