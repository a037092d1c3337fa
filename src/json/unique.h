/* Whether an object's member names differ. Private to json/. */
#ifndef KW_JSON_UNIQUE_H
#define KW_JSON_UNIQUE_H

#include "json/json.h"

/* Small objects pair by pair, large ones by sorting: never quadratic, whatever the names.
 * KW_NO_MEMORY. */
KW_ERR kw_json_unique(const struct kw_json *object, bool *out, struct kw_error *err);

#endif
