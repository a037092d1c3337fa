/* The names that people give: which are accepted. They stand in key derivation, URLs, file names
 * and logs, so their alphabet is small and needs escaping nowhere. Thread-safe. */
#ifndef KW_BASE_NAMES_H
#define KW_BASE_NAMES_H

#include "base/error.h"

enum { KW_TENANT_NAME_MAX = 63, KW_REGION_NAME_MAX = 16, KW_CLASS_NAME_MAX = 32 };

/* KW_BAD_NAME, saying which name and what is allowed. NULL is refused too.
 *   tenant  [a-z0-9][a-z0-9._-]{0,62}
 *   region  [a-z][a-z0-9-]{0,15}
 *   class   [a-z][a-z0-9_-]{0,31} */
KW_ERR kw_tenant_name_check(const char *name, struct kw_error *err);
KW_ERR kw_region_name_check(const char *name, struct kw_error *err);
KW_ERR kw_class_name_check(const char *name, struct kw_error *err);

#endif
