/* Imported material: whether it has ended, and its end by the clock. authority/custody.h has what
 * callers do. */
#ifndef KW_AUTHORITY_MATERIAL_H
#define KW_AUTHORITY_MATERIAL_H

#include "authority/internal.h"

/* Has the imported material of this version ended, by its date or by command? Its copies are gone
 * then, or go with the next round. */
KW_ERR kw_material_ended(struct kw_authority *authority, const struct kw_version_row *version,
                         bool *ended, struct kw_error *err);

/* For the scheduler, in the thread of its due clock: destroys the copies of what has expired. One
 * that fails does not keep the others; the first failure is reported. */
KW_ERR kw_material_expire_due(struct kw_authority *authority, struct kw_error *err);

#endif
