#include "authority/custody.h"

static const char *const names[] = {[KW_MANAGED] = "managed",
                                    [KW_IMPORTED] = "imported",
                                    [KW_ATTACHED] = "attached",
                                    [KW_HELD] = "held"};

const char *kw_custody_name(enum kw_custody custody)
{
    return names[custody];
}

KW_ERR kw_custody_from_name(const char *name, enum kw_custody *out, struct kw_error *err)
{
    for (size_t i = KW_MANAGED; i < KW_COUNT(names); i++) {
        if (strcmp(names[i], name) == 0) {
            *out = (enum kw_custody)i;
            return KW_OK;
        }
    }
    return kw_fail(err, KW_STORE_CORRUPT, "a key with the custody '%.16s': restore a backup", name);
}
