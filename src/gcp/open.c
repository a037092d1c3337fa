/* Settings, and where tokens come from. */
#include "gcp/internal.h"

#include "base/clock.h"
#include "base/file.h"
#include "gcp/account.h"

enum { KEY_FILE_MAX = 16384, ANSWER_MAX = 65536 };

static const char token_path[] = "/computeMetadata/v1/instance/service-accounts/default/token";

static const char *setting(const struct kw_provider_settings *settings, const char *option,
                           const char *otherwise)
{
    const char *value = kw_provider_setting(settings, option);
    return value != NULL && value[0] != '\0' ? value : otherwise;
}

static KW_ERR bad_setting(const struct kw_provider_settings *settings, const char *option,
                          const struct kw_error *why, struct kw_error *err)
{
    return kw_fail(err, KW_BAD_CONFIG, "provider %s: %s: %.250s", settings->name, option,
                   why->text);
}

static KW_ERR copy_address(const struct kw_provider_settings *settings, const char *option,
                           const struct kw_buf *from, char out[512], struct kw_error *err)
{
    if (from->len >= 512)
        return kw_fail(err, KW_BAD_CONFIG, "provider %s: %s is too long", settings->name, option);
    memcpy(out, from->data, from->len);
    out[from->len] = '\0';
    return KW_OK;
}

static KW_ERR read_account(const char *path, struct kw_gcp_account *out, struct kw_error *err)
{
    KW_AUTO(kw_secret) file = KW_SECRET_INIT;
    struct kw_error why;
    KW_TRY(kw_file_read_secret(path, KEY_FILE_MAX, &file, err));
    kw_code code = kw_gcp_account_read(kw_bytes(file.data, file.len), out, &why);
    return code == KW_OK ? KW_OK : kw_fail(err, code, "%.200s: %s", path, why.text);
}

static KW_ERR sign_token(const struct kw_gcp *gcp, struct kw_bearer_grant *grant,
                         struct kw_error *err)
{
    KW_AUTO(kw_gcp_account) account = KW_GCP_ACCOUNT_INIT;
    KW_TRY(read_account(gcp->credentials_file, &account, err));
    return kw_gcp_account_token(&account, kw_clock_wall_ms() / 1000, grant, err);
}

/* Signs once, so that a key file that is no good shows at the start. */
static KW_ERR open_account(const struct kw_provider_settings *settings, const char *path,
                           struct kw_gcp *gcp, struct kw_error *err)
{
    struct kw_bearer_grant grant = {.token = KW_SECRET_INIT};
    struct kw_error why = {.code = KW_OK};
    gcp->credentials_file = strdup(path);
    if (gcp->credentials_file == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    kw_code code = sign_token(gcp, &grant, &why);
    kw_secret_wipe(&grant.token);
    return code == KW_OK ? KW_OK : bad_setting(settings, "credentials_file", &why, err);
}

static KW_ERR open_metadata(const struct kw_provider_settings *settings, struct kw_gcp *gcp,
                            struct kw_error *err)
{
    static const struct kw_web_options options = {
        .plain = true, /* it has no TLS; the address is of this machine's own link */
        .http1 = true,
        .tls12 = true,
        .who = "Google's metadata server",
        .address_option = "metadata_address",
    };
    KW_AUTO(kw_buf) address = KW_BUF_INIT;
    struct kw_error why;
    const char *text = setting(settings, "metadata_address", "http://169.254.169.254");
    if (kw_web_address(text, true, false, &address, &why) != KW_OK)
        return bad_setting(settings, "metadata_address", &why, err);
    KW_TRY(copy_address(settings, "metadata_address", &address, gcp->metadata_address, err));
    return kw_web_new(&options, &gcp->metadata, err);
}

static KW_ERR open_web(const struct kw_provider_settings *settings, struct kw_gcp *gcp,
                       struct kw_error *err)
{
    const struct kw_web_options options = {
        .ca_file = kw_provider_setting(settings, "ca_file"),
        .tls12 = true,
        .plain = true, /* on this machine only: see kw_web_endpoint */
        .who = "Google Cloud KMS",
        .address_option = "address",
        .ca_option = "ca_file",
    };
    KW_AUTO(kw_buf) address = KW_BUF_INIT;
    struct kw_error why;
    const char *text = setting(settings, "address", "https://cloudkms.googleapis.com");
    if (kw_web_endpoint(text, &address, &why) != KW_OK)
        return bad_setting(settings, "address", &why, err);
    KW_TRY(copy_address(settings, "address", &address, gcp->address, err));
    kw_code code = kw_web_new(&options, &gcp->web, &why);
    return code == KW_OK ? KW_OK : bad_setting(settings, "ca_file", &why, err);
}

KW_ERR kw_gcp_open(const struct kw_provider_settings *settings, struct kw_gcp *out,
                   struct kw_error *err)
{
    const char *path = setting(settings, "credentials_file", NULL);
    KW_TRY(open_web(settings, out, err));
    if (path != NULL)
        KW_TRY(open_account(settings, path, out, err));
    else
        KW_TRY(open_metadata(settings, out, err));
    return kw_bearer_new(kw_gcp_fetch_token, out, &out->bearer, err);
}

void kw_gcp_close(struct kw_gcp *gcp)
{
    kw_bearer_free(gcp->bearer);
    kw_web_free(gcp->metadata);
    kw_web_free(gcp->web);
    free(gcp->credentials_file);
}

/* ---- Tokens ---- */

static kw_code judge_metadata(const struct kw_web_response *response, struct kw_error *err)
{
    int status = response->status;
    kw_code code = status == 429                                    ? KW_RATE_LIMITED
                   : status >= 400 && status < 500 && status != 408 ? KW_FORBIDDEN
                                                                    : KW_PROVIDER_UNAVAILABLE;
    return kw_fail(err, code,
                   "Google's metadata server answers %d: does this machine have a service account "
                   "with the scope cloudkms?",
                   status);
}

/* The header in the answer shows that it is the metadata server, and not what else is at that
 * address outside Google's cloud. */
static KW_ERR ask_metadata(struct kw_gcp *gcp, int64_t deadline_ms, struct kw_bearer_grant *grant,
                           struct kw_error *err)
{
    static const struct kw_web_header header = {"Metadata-Flavor", "Google"};
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    char url[sizeof gcp->metadata_address + sizeof token_path];
    struct kw_bytes flavor;
    snprintf(url, sizeof url, "%s%s", gcp->metadata_address, token_path);
    const struct kw_web_request request = {.method = "GET",
                                           .url = url,
                                           .headers = &header,
                                           .header_count = 1,
                                           .max = ANSWER_MAX,
                                           .deadline_ms = deadline_ms};
    KW_TRY(kw_web_call_judged(gcp->metadata, &request, judge_metadata, &response, err));
    if (!kw_web_response_header(&response, "Metadata-Flavor", &flavor) ||
        !kw_bytes_equal_str(flavor, "Google"))
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE,
                       "what answers at %.100s is not Google's metadata server",
                       gcp->metadata_address);
    return kw_gcp_metadata_token(kw_buf_bytes(&response.body), grant, err);
}

kw_code kw_gcp_fetch_token(void *arg, int64_t deadline_ms, struct kw_bearer_grant *grant,
                           struct kw_error *err)
{
    struct kw_gcp *gcp = arg;
    struct kw_error why;
    if (gcp->metadata != NULL)
        return ask_metadata(gcp, deadline_ms, grant, err);
    kw_code code = sign_token(gcp, grant, &why);
    if (code == KW_OK || code == KW_NO_MEMORY || code == KW_NO_SECURE_MEMORY)
        return code == KW_OK ? KW_OK : kw_fail_code(err, code);
    return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "no token for Google Cloud KMS: %.300s", why.text);
}
