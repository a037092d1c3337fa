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

/* Ends the batch's holds on keyring entries. */
void kw_dk_let_go(struct kw_dk_batch *batch);

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
