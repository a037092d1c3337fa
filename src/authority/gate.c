#include "authority/internal.h"

static kw_code gate_tenant(enum kw_tenant_state tenant)
{
    switch (tenant) {
    case KW_TENANT_IS_ACTIVE:
        return KW_OK;
    case KW_TENANT_IS_SUSPENDED:
        return KW_TENANT_SUSPENDED;
    case KW_TENANT_IS_CLOSED:
        return KW_TENANT_CLOSED;
    default:
        return KW_STORE_CORRUPT;
    }
}

static kw_code gate_state(enum kw_key_state state)
{
    switch (state) {
    case KW_KEY_IS_ACTIVE:
        return KW_OK;
    case KW_KEY_IS_PRE_ACTIVATION:
        return KW_VERSION_NOT_ACTIVE;
    case KW_KEY_IS_SUSPENDED:
        return KW_KEY_SUSPENDED;
    case KW_KEY_IS_PENDING:
        return KW_KEY_PENDING;
    case KW_KEY_IS_DESTROYED:
        return KW_KEY_DESTROYED;
    default:
        return KW_STORE_CORRUPT;
    }
}

/* A destroyed key is named as that whatever its tenant's state. SP 800-57 part 1, 7.2, lets a
 * suspended key process what it protected; here suspension and a pending destruction stop opening,
 * too, since to stop a tenant at once is what they are for. */
kw_code kw_gate_key(enum kw_tenant_state tenant, enum kw_key_state key)
{
    if (key == KW_KEY_IS_DESTROYED)
        return KW_KEY_DESTROYED;
    kw_code code = gate_tenant(tenant);
    return code != KW_OK ? code : gate_state(key);
}

/* A deactivated or compromised version opens what it protected, so that it can be re-wrapped. */
kw_code kw_gate_version(enum kw_key_state version, bool protect)
{
    if (version == KW_KEY_IS_DEACTIVATED || version == KW_KEY_IS_COMPROMISED)
        return protect ? KW_VERSION_NOT_ACTIVE : KW_OK;
    return gate_state(version);
}
