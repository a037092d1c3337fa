#include "providers/providers.h"

#include "aws/aws.h"
#include "azure/azure.h"
#include "gcp/gcp.h"
#include "peer/peer.h"
#include "pkcs11/pkcs11.h"
#include "vault/vault.h"

/* software needs its root, all others are made from their settings alone. */
static KW_ERR make_software(const struct kw_provider_settings *settings,
                            const struct kw_provider_place *place, struct kw_provider **out,
                            struct kw_error *err)
{
    if (place->software_root == NULL)
        return kw_fail(err, KW_BAD_CONFIG,
                       "provider %s: there is no software root key here: name another kind",
                       settings->name);
    return kw_provider_software_new(settings->name, place->software_root, out, err);
}

static const struct {
    const char *kind;
    KW_ERR(*make)
    (const struct kw_provider_settings *settings, struct kw_provider **out, struct kw_error *err);
} kinds[] = {
    {"software", NULL},
    {"aws", kw_provider_aws_new},
    {"gcp", kw_provider_gcp_new},
    {"azure", kw_provider_azure_new},
    {"vault", kw_provider_vault_new},
    {"pkcs11", kw_provider_pkcs11_new},
    {"keyward", kw_provider_peer_new},
};

KW_ERR kw_provider_make(const char *kind, const struct kw_provider_settings *settings,
                        const struct kw_provider_place *place, struct kw_provider **out,
                        struct kw_error *err)
{
    for (size_t i = 0; i < KW_COUNT(kinds); i++)
        if (strcmp(kinds[i].kind, kind) == 0)
            return kinds[i].make != NULL ? kinds[i].make(settings, out, err)
                                         : make_software(settings, place, out, err);
    return kw_fail(err, KW_BAD_CONFIG, "provider %s: there is no kind of provider named %.40s",
                   settings->name, kind);
}

const char *kw_provider_kind_at(size_t number)
{
    return number < KW_COUNT(kinds) ? kinds[number].kind : NULL;
}
