/* Credentials of the place where Keyward runs: a container's endpoint (ECS, EKS Pod Identity), or
 * the instance metadata service of EC2, version 2 alone (version 1 answers anybody who can make the
 * machine send a request). */
#include "aws/source.h"

enum { CONNECT_MS = 1000, ANSWER_MAX = 16384, ROLE_MAX = 128 };

/* Addresses that only this machine can reach. */
static const char *const container_hosts[] = {"169.254.170.2", "169.254.170.23", "[fd00:ec2::23]",
                                              NULL};
static const char *const metadata_hosts[] = {"169.254.169.254", "[fd00:ec2::254]", NULL};

struct remote {
    struct kw_web *web;
    char *url;        /* of the container's credentials, or of the metadata service */
    char *token_file; /* of the container, or NULL */
};

static void remote_free(void *state)
{
    struct remote *remote = state;
    kw_web_free(remote->web);
    free(remote->url);
    free(remote->token_file);
    free(remote);
}

static kw_code judge(const struct kw_web_response *response, struct kw_error *err)
{
    bool passes = response->status == 429 || response->status >= 500;
    return kw_fail(err, passes ? KW_PROVIDER_UNAVAILABLE : KW_FORBIDDEN,
                   "no AWS credentials: their endpoint answers with status %d: %s",
                   response->status,
                   passes ? "this passes" : "does this machine or container have a role?");
}

/* header may be NULL. */
static KW_ERR ask(const struct remote *remote, const char *method, const char *url,
                  const struct kw_web_header *header, int64_t deadline_ms,
                  struct kw_web_response *response, struct kw_error *err)
{
    const struct kw_web_request request = {.method = method,
                                           .url = url,
                                           .headers = header,
                                           .header_count = header != NULL ? 1 : 0,
                                           .max = ANSWER_MAX,
                                           .deadline_ms = deadline_ms};
    return kw_web_call_judged(remote->web, &request, judge, response, err);
}

static KW_ERR read_keys(const char *where, const struct kw_web_response *response,
                        struct kw_aws_keys *out, struct kw_error *err)
{
    struct kw_error why;
    kw_code code = kw_aws_keys_read_json(kw_buf_bytes(&response->body), out, &why);
    if (code == KW_BAD_FORMAT)
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "no AWS credentials from %s: %s", where,
                       why.text);
    return code == KW_OK ? KW_OK : kw_fail(err, code, "%s", why.text);
}

/* The value of the Authorization header; nothing if neither file nor variable is there. The file is
 * read each time, since EKS renews it. */
static KW_ERR container_token(const struct remote *remote, struct kw_buf *out, struct kw_error *err)
{
    KW_AUTO(kw_secret) token = KW_SECRET_INIT;
    const char *value = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    if (remote->token_file != NULL) {
        KW_TRY(kw_aws_file_read(remote->token_file, KW_WEB_HEADER_SIZE, &token, err));
        kw_buf_append(out, token.data, token.len);
    } else if (value != NULL) {
        kw_buf_append_str(out, value);
    }
    return kw_buf_status(out, err);
}

static kw_code fetch_container(void *state, int64_t deadline_ms, struct kw_aws_keys *out,
                               struct kw_error *err)
{
    const struct remote *remote = state;
    KW_AUTO(kw_buf) token = KW_BUF_SECRET;
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    KW_TRY(container_token(remote, &token, err));
    const struct kw_web_header header = {"Authorization", kw_buf_str(&token)};
    KW_TRY(ask(remote, "GET", remote->url, token.len > 0 ? &header : NULL, deadline_ms, &response,
               err));
    return read_keys("the container's endpoint", &response, out, err);
}

/* A role's name stands in the next URL, so it has to be one. */
static bool is_role(struct kw_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (!((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
              (c != '\0' && strchr("+=,.@_-", c) != NULL)))
            return false;
    }
    return text.len > 0 && text.len <= ROLE_MAX;
}

static KW_ERR metadata_role(const struct remote *remote, const struct kw_web_header *token,
                            int64_t deadline_ms, struct kw_buf *url, struct kw_error *err)
{
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    kw_buf_printf(url, "%s/latest/meta-data/iam/security-credentials/", remote->url);
    KW_TRY(ask(remote, "GET", kw_buf_str(url), token, deadline_ms, &response, err));
    struct kw_bytes role = kw_buf_bytes(&response.body);
    while (role.len > 0 && (role.data[role.len - 1] == '\n' || role.data[role.len - 1] == '\r'))
        role.len--;
    if (!is_role(role))
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE,
                       "no AWS credentials from the instance metadata service: it names no role");
    kw_buf_append(url, role.data, role.len);
    return kw_buf_status(url, err);
}

static KW_ERR metadata_token(const struct remote *remote, int64_t deadline_ms, struct kw_buf *out,
                             struct kw_error *err)
{
    static const struct kw_web_header header = {"X-aws-ec2-metadata-token-ttl-seconds", "300"};
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    KW_AUTO(kw_buf) url = KW_BUF_INIT;
    struct kw_error why;
    kw_buf_printf(&url, "%s/latest/api/token", remote->url);
    kw_code code = ask(remote, "PUT", kw_buf_str(&url), &header, deadline_ms, &response, &why);
    if (code == KW_PROVIDER_UNAVAILABLE || code == KW_TIMEOUT)
        return kw_fail(err, code,
                       "no AWS credentials: %.200s (in a container on EC2: is the hop limit of its "
                       "metadata options 2?)",
                       why.text);
    if (code != KW_OK)
        return kw_fail(err, code, "%s", why.text);
    kw_buf_append(out, response.body.data, response.body.len);
    return kw_buf_status(out, err);
}

static kw_code fetch_instance(void *state, int64_t deadline_ms, struct kw_aws_keys *out,
                              struct kw_error *err)
{
    const struct remote *remote = state;
    KW_AUTO(kw_buf) token = KW_BUF_SECRET;
    KW_AUTO(kw_buf) url = KW_BUF_INIT;
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    KW_TRY(metadata_token(remote, deadline_ms, &token, err));
    const struct kw_web_header header = {"X-aws-ec2-metadata-token", kw_buf_str(&token)};
    KW_TRY(metadata_role(remote, &header, deadline_ms, &url, err));
    KW_TRY(ask(remote, "GET", kw_buf_str(&url), &header, deadline_ms, &response, err));
    return read_keys("the instance metadata service", &response, out, err);
}

static KW_ERR fill(struct remote *remote, const struct kw_web_options *options, const char *url,
                   struct kw_error *err)
{
    KW_TRY(kw_web_new(options, &remote->web, err));
    return kw_aws_text_copy(url, &remote->url, err);
}

static KW_ERR make(const struct kw_web_options *options, const char *url, const char *token_file,
                   struct kw_aws_source *out, struct kw_error *err)
{
    struct remote *remote = calloc(1, sizeof *remote);
    if (remote == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    kw_code code = fill(remote, options, url, err);
    if (code == KW_OK)
        code = kw_aws_text_copy(token_file, &remote->token_file, err);
    if (code != KW_OK) {
        remote_free(remote);
        return code;
    }
    *out = (struct kw_aws_source){.free = remote_free, .state = remote};
    return KW_OK;
}

KW_ERR kw_aws_container_source_new(const struct kw_provider_settings *settings,
                                   struct kw_aws_source *out, struct kw_error *err)
{
    static const struct kw_web_options options = {
        .who = "the container's credentials endpoint",
        .address_option = "container_endpoint",
        .plain = true,
        .tls12 = true,
        .connect_timeout_ms = CONNECT_MS,
    };
    const char *full = kw_aws_setting(settings, "container_endpoint", NULL);
    const char *relative = getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    KW_AUTO(kw_buf) address = KW_BUF_INIT;
    KW_AUTO(kw_buf) url = KW_BUF_INIT;
    if (full == NULL && relative != NULL && relative[0] == '/') {
        kw_buf_printf(&address, "http://%s%s", container_hosts[0], relative);
        full = kw_buf_str(&address);
    }
    if (full == NULL)
        full = getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (full == NULL)
        return kw_fail(err, KW_BAD_CONFIG,
                       "there is no container's credentials endpoint here: set "
                       "container_endpoint, or another kind of credentials");
    KW_TRY(kw_aws_address("container_endpoint", full, container_hosts, &url, err));
    KW_TRY(make(
        &options, kw_buf_str(&url),
        kw_aws_setting(settings, "container_token_file", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
        out, err));
    out->fetch = fetch_container;
    return KW_OK;
}

KW_ERR kw_aws_instance_source_new(const struct kw_provider_settings *settings,
                                  struct kw_aws_source *out, struct kw_error *err)
{
    static const struct kw_web_options options = {
        .who = "the instance metadata service",
        .address_option = "credentials",
        .plain = true,
        .tls12 = true,
        .connect_timeout_ms = CONNECT_MS,
    };
    KW_AUTO(kw_buf) url = KW_BUF_INIT;
    const char *address =
        kw_aws_setting(settings, "metadata_endpoint", "AWS_EC2_METADATA_SERVICE_ENDPOINT");
    if (address == NULL)
        address = "http://169.254.169.254";
    KW_TRY(kw_aws_address("metadata_endpoint", address, metadata_hosts, &url, err));
    KW_TRY(make(&options, kw_buf_str(&url), NULL, out, err));
    out->fetch = fetch_instance;
    return KW_OK;
}
