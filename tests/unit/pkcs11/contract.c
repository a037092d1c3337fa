/* The contract of every provider over SoftHSM, with each way in which modules treat IVs. */
#include "pkcs11_softhsm.h"
#include "provider_contract.h"

static kw_code softhsm(void *arg, struct kw_provider **out, struct kw_error *err)
{
    KW_UNUSED(arg);
    const struct kw_softhsm_options options = kw_softhsm_options(false);
    return kw_softhsm_provider(&options, out, err);
}

static kw_code own_iv(void *arg, struct kw_provider **out, struct kw_error *err)
{
    struct kw_softhsm_options options = kw_softhsm_options(true);
    options.iv = "module";
    atomic_store(&kw_softhsm_faults()->iv, *(const int *)arg);
    return kw_softhsm_provider(&options, out, err);
}

int main(void)
{
    if (!kw_softhsm_start())
        return KW_SOFTHSM_SKIPPED;
    int written = KW_FAULTY_IV_WRITTEN;
    int appended = KW_FAULTY_IV_APPENDED;
    const struct kw_provider_subject subjects[] = {
        {"softhsm", softhsm, NULL, "eu", "us", true},
        {"written IV", own_iv, &written, "eu", "us", true},
        {"appended IV", own_iv, &appended, "eu", "us", true},
    };
    int failed = 0;
    for (size_t i = 0; i < KW_COUNT(subjects); i++)
        failed += kw_provider_contract(&subjects[i]);
    kw_softhsm_stop();
    return failed;
}
