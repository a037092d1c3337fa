/* The software root under the contract of every provider, alone and behind the scripted double. */
#include "provider_contract.h"
#include "provider_doubles.h"

static kw_code software(void *arg, struct kw_provider **out, struct kw_error *err)
{
    KW_UNUSED(arg);
    return kw_provider_test_new("software", 7, out, err);
}

static kw_code scripted(void *arg, struct kw_provider **out, struct kw_error *err)
{
    struct kw_provider *behind;
    KW_TRY(kw_provider_test_new("behind", 7, &behind, err));
    return kw_provider_scripted_new("front", behind, arg, out, err);
}

int main(void)
{
    struct kw_script script = {0};
    const struct kw_provider_subject alone = {"software", software, NULL, "eu", "us", true};
    const struct kw_provider_subject behind = {"scripted", scripted, &script, "eu", "us", true};
    return kw_provider_contract(&alone) + kw_provider_contract(&behind);
}
