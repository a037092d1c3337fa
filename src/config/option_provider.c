/* What [provider.NAME] may set: one table, in alphabetical order, with the kinds that know each.
 * The constructors of the kinds ask for these names and check the values; what they default to is
 * theirs. */
#include "config/option.h"

#define AMOUNT_MAX (UINT64_C(1000000) * KW_AMOUNT_UNIT)
#define SLOT_MAX   UINT64_C(4294967295)

static const struct provider_option {
    struct kw_option option;
    const char *kinds; /* comma-separated; NULL: all */
} options[] = {
    {{"provider.*.access_key_id", KW_OPTION_TEXT, "", 0, 0, NULL,
      "The id of an access key whose secret is in secret_access_key_file."},
     "aws"},
    {{"provider.*.access_key_id_env", KW_OPTION_TEXT, "", 0, 0, NULL,
      "The environment variable that holds the access key's id."},
     "aws"},
    {{"provider.*.address", KW_OPTION_TEXT, "", 0, 0, NULL,
      "Where it answers: an address that begins with https://."},
     "gcp,vault,keyward"},
    {{"provider.*.approle_mount", KW_OPTION_TEXT, "", 0, 0, NULL,
      "Where AppRole is mounted. Not set: approle."},
     "vault"},
    {{"provider.*.authority", KW_OPTION_TEXT, "", 0, 0, NULL,
      "Who gives tokens. Not set: https://login.microsoftonline.com."},
     "azure"},
    {{"provider.*.ca_file", KW_OPTION_PATH, "", 0, 0, NULL,
      "PEM file of the CAs that are trusted in place of the system's."},
     "aws,gcp,azure,vault,keyward"},
    {{"provider.*.cert_file", KW_OPTION_PATH, "", 0, 0, NULL,
      "PEM file of our client certificate there. Set together with key_file."},
     "vault,keyward"},
    {{"provider.*.class", KW_OPTION_TEXT, "", 0, 0, NULL,
      "The data class there under which it seals. Not set: default."},
     "keyward"},
    {{"provider.*.client_id", KW_OPTION_TEXT, "", 0, 0, NULL, "The application's id."}, "azure"},
    {{"provider.*.client_secret_env", KW_OPTION_TEXT, "", 0, 0, NULL,
      "The environment variable that holds the application's secret."},
     "azure"},
    {{"provider.*.client_secret_file", KW_OPTION_PATH, "", 0, 0, NULL,
      "File with the application's secret alone."},
     "azure"},
    {{"provider.*.container_endpoint", KW_OPTION_TEXT, "", 0, 0, NULL,
      "Where a container's credentials are had."},
     "aws"},
    {{"provider.*.container_token_file", KW_OPTION_PATH, "", 0, 0, NULL,
      "File with the token that container_endpoint asks for."},
     "aws"},
    {{"provider.*.credentials", KW_OPTION_CHOICE, "", 0, 0,
      "auto,keys,environment,web_identity,profile,container,instance",
      "Where credentials come from. Not set: auto."},
     "aws"},
    {{"provider.*.credentials_file", KW_OPTION_PATH, "", 0, 0, NULL,
      "File with credentials: profiles (aws), a service account's key (gcp)."},
     "aws,gcp"},
    {{"provider.*.endpoint", KW_OPTION_TEXT, "", 0, 0, NULL,
      "Where KMS answers. Not set: https://kms.REGION.amazonaws.com."},
     "aws"},
    {{"provider.*.hsm", KW_OPTION_BOOL, "false", 0, 1, NULL,
      "Its keys do not leave hardware: you vouch for that, where no kind can tell."},
     NULL},
    {{"provider.*.iv", KW_OPTION_CHOICE, "", 0, 0, "ours,module",
      "Who makes the IV of a wrap. Not set: ours."},
     "pkcs11"},
    {{"provider.*.key", KW_OPTION_TEXT, "", 0, 0, NULL,
      "The root key there, for regions that name none by NAME=KEY; of a customer's: the only one "
      "that keys may be attached to."},
     NULL},
    {{"provider.*.key_file", KW_OPTION_PATH, "", 0, 0, NULL,
      "PEM file of the private key of cert_file."},
     "vault,keyward"},
    {{"provider.*.key_type", KW_OPTION_CHOICE, "", 0, 0, "RSA-HSM,RSA",
      "What a key is that Keyward makes there. Not set: RSA-HSM."},
     "azure"},
    {{"provider.*.kind", KW_OPTION_CHOICE, "", 0, 0, "software,aws,gcp,azure,vault,pkcs11,keyward",
      "What it is: the kinds are those of providers.md. Every provider needs it but software."},
     NULL},
    {{"provider.*.metadata_address", KW_OPTION_TEXT, "", 0, 0, NULL,
      "The machine's metadata server. Not set: http://169.254.169.254."},
     "gcp"},
    {{"provider.*.metadata_endpoint", KW_OPTION_TEXT, "", 0, 0, NULL,
      "The instance metadata service. Not set: that of EC2."},
     "aws"},
    {{"provider.*.module", KW_OPTION_PATH, "", 0, 0, NULL,
      "The PKCS#11 module of the HSM's maker, a shared object."},
     "pkcs11"},
    {{"provider.*.mount", KW_OPTION_TEXT, "", 0, 0, NULL,
      "Where the Transit engine is mounted. Not set: transit."},
     "vault"},
    {{"provider.*.namespace", KW_OPTION_TEXT, "", 0, 0, NULL,
      "The namespace, sent with every request."},
     "vault"},
    {{"provider.*.pin_env", KW_OPTION_TEXT, "", 0, 0, NULL,
      "The environment variable that holds the user PIN."},
     "pkcs11"},
    {{"provider.*.pin_file", KW_OPTION_PATH, "", 0, 0, NULL, "File with the user PIN alone."},
     "pkcs11"},
    {{"provider.*.price", KW_OPTION_AMOUNT, "0", 0, AMOUNT_MAX, NULL,
      "What one call costs, in cost.currency."},
     NULL},
    {{"provider.*.profile", KW_OPTION_TEXT, "", 0, 0, NULL,
      "The profile in credentials_file. Not set: default."},
     "aws"},
    {{"provider.*.region", KW_OPTION_TEXT, "", 0, 0, NULL, "The AWS region, such as eu-central-1."},
     "aws"},
    {{"provider.*.regions", KW_OPTION_LIST, "", 0, 0, NULL,
      "Of a customer's provider: the regions of this authority in which it may hold their keys."},
     NULL},
    {{"provider.*.role_arn", KW_OPTION_TEXT, "", 0, 0, NULL,
      "The role that a web identity is exchanged for."},
     "aws"},
    {{"provider.*.role_id", KW_OPTION_TEXT, "", 0, 0, NULL,
      "The AppRole's id. Set together with secret_id_file."},
     "vault"},
    {{"provider.*.role_session_name", KW_OPTION_TEXT, "", 0, 0, NULL,
      "The session's name in AWS's logs. Not set: keyward."},
     "aws"},
    {{"provider.*.secret_access_key_env", KW_OPTION_TEXT, "", 0, 0, NULL,
      "The environment variable that holds the access key's secret."},
     "aws"},
    {{"provider.*.secret_access_key_file", KW_OPTION_PATH, "", 0, 0, NULL,
      "File with the access key's secret alone."},
     "aws"},
    {{"provider.*.secret_id_file", KW_OPTION_PATH, "", 0, 0, NULL,
      "File with the AppRole's secret id alone."},
     "vault"},
    {{"provider.*.session_token_env", KW_OPTION_TEXT, "", 0, 0, NULL,
      "The environment variable that holds the session token."},
     "aws"},
    {{"provider.*.session_token_file", KW_OPTION_PATH, "", 0, 0, NULL,
      "File with the session token alone."},
     "aws"},
    {{"provider.*.sessions", KW_OPTION_NUMBER, "8", 1, 64, NULL,
      "How many calls may be in the module at once."},
     "pkcs11"},
    {{"provider.*.slot", KW_OPTION_NUMBER, "", 0, SLOT_MAX, NULL,
      "The token's slot, in place of its label."},
     "pkcs11"},
    {{"provider.*.sts_endpoint", KW_OPTION_TEXT, "", 0, 0, NULL,
      "Where STS answers. Not set: that of the AWS region."},
     "aws"},
    {{"provider.*.tenant", KW_OPTION_TEXT, "", 0, 0, NULL,
      "The directory (Entra ID). Not set: the one that the vault names."},
     "azure"},
    {{"provider.*.tenants", KW_OPTION_LIST, "", 0, 0, NULL,
      "Of a customer's provider: the tenants whose keys it may hold, and nobody else's. Needs "
      "regions."},
     NULL},
    {{"provider.*.token", KW_OPTION_TEXT, "", 0, 0, NULL, "The token's label in the HSM."},
     "pkcs11"},
    {{"provider.*.token_env", KW_OPTION_TEXT, "", 0, 0, NULL,
      "The environment variable that holds our token there."},
     "vault"},
    {{"provider.*.token_file", KW_OPTION_PATH, "", 0, 0, NULL, "File with our token there, alone."},
     "vault,keyward"},
    {{"provider.*.vault", KW_OPTION_TEXT, "", 0, 0, NULL,
      "The key vault, such as https://NAME.vault.azure.net."},
     "azure"},
    {{"provider.*.web_identity_token_file", KW_OPTION_PATH, "", 0, 0, NULL,
      "File with the token that role_arn is had for."},
     "aws"},
};

size_t kw_provider_option_count(void)
{
    return KW_COUNT(options);
}

const struct kw_option *kw_provider_option_at(size_t index)
{
    return index < KW_COUNT(options) ? &options[index].option : NULL;
}

const char *kw_provider_option_kinds(const struct kw_option *option)
{
    for (size_t i = 0; i < KW_COUNT(options); i++)
        if (&options[i].option == option)
            return options[i].kinds;
    return NULL;
}

bool kw_provider_option_fits(const struct kw_option *option, const char *kind)
{
    const char *kinds = kw_provider_option_kinds(option);
    return kinds == NULL || kw_list_has(kinds, kind);
}

void kw_provider_option_list(const char *kind, struct kw_buf *out)
{
    const char *separator = "";
    for (size_t i = 0; i < KW_COUNT(options); i++) {
        if (options[i].kinds == NULL || !kw_list_has(options[i].kinds, kind))
            continue;
        kw_buf_printf(out, "%s%s", separator, strrchr(options[i].option.name, '.') + 1);
        separator = ", ";
    }
}
