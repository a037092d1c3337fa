#include "aws/client.h"

#include "aws/sigv4.h"
#include "aws/source.h"
#include "base/clock.h"

enum { ANSWER_IN_MS = 30000, HEADERS = 6, REGION_MAX = 30 };

struct kw_kms_client {
    struct kw_kms_peer peer;
    struct kw_web *web;
    struct kw_aws_credentials *credentials;
    char *url;
    char *host;       /* as in the Host header: without the scheme's own port */
    const char *path; /* in url */
};

void kw_kms_client_free(struct kw_kms_client *client)
{
    if (client == NULL)
        return;
    kw_web_free(client->web);
    kw_aws_credentials_free(client->credentials);
    free(client->url);
    free(client->host);
    free(client);
}

const struct kw_kms_peer *kw_kms_client_peer(const struct kw_kms_client *client)
{
    return &client->peer;
}

/* A region's name stands in host names and in the signature. */
static KW_ERR set_peer(struct kw_kms_client *client, const struct kw_provider_settings *settings,
                       struct kw_error *err)
{
    const char *region = kw_aws_setting(settings, "region", NULL);
    if (region == NULL)
        return kw_fail(err, KW_BAD_CONFIG,
                       "provider %s: region is missing: it looks like eu-central-1",
                       settings->name);
    size_t len = strlen(region);
    if (len > REGION_MAX || strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") != len)
        return kw_fail(err, KW_BAD_CONFIG,
                       "provider %s: region = %.40s is not an AWS region: it looks like "
                       "eu-central-1",
                       settings->name, region);
    snprintf(client->peer.region, sizeof client->peer.region, "%s", region);
    snprintf(client->peer.who, sizeof client->peer.who, "AWS KMS (%s)", settings->name);
    return KW_OK;
}

/* Takes the address apart that kw_web_address has written. */
static KW_ERR set_address(struct kw_kms_client *client, struct kw_buf *address,
                          struct kw_error *err)
{
    kw_buf_append_byte(address, '/');
    KW_TRY(kw_buf_status(address, err));
    KW_TRY(kw_aws_text_copy(kw_buf_str(address), &client->url, err));
    const char *host = strstr(client->url, "://") + 3;
    size_t len = strcspn(host, "/");
    client->path = host + len;
    const char *port = strncmp(client->url, "https:", 6) == 0 ? ":443" : ":80";
    size_t port_len = strlen(port);
    if (len > port_len && strncmp(host + len - port_len, port, port_len) == 0)
        len -= port_len;
    client->host = strndup(host, len);
    return client->host != NULL ? KW_OK : kw_fail_code(err, KW_NO_MEMORY);
}

static KW_ERR find_endpoint(struct kw_kms_client *client,
                            const struct kw_provider_settings *settings, struct kw_error *err)
{
    KW_AUTO(kw_buf) usual = KW_BUF_INIT;
    KW_AUTO(kw_buf) address = KW_BUF_INIT;
    const char *endpoint = kw_aws_setting(settings, "endpoint", NULL);
    if (endpoint == NULL) {
        kw_buf_printf(&usual, "https://kms.%s.amazonaws.com%s", client->peer.region,
                      strncmp(client->peer.region, "cn-", 3) == 0 ? ".cn" : "");
        endpoint = kw_buf_str(&usual);
    }
    KW_TRY(kw_aws_address("endpoint", endpoint, NULL, &address, err));
    return set_address(client, &address, err);
}

static KW_ERR fill(struct kw_kms_client *client, const struct kw_provider_settings *settings,
                   struct kw_error *err)
{
    struct kw_aws_source source;
    KW_TRY(set_peer(client, settings, err));
    KW_TRY(find_endpoint(client, settings, err));
    const struct kw_web_options options = {
        .ca_file = kw_aws_setting(settings, "ca_file", NULL),
        .who = client->peer.who,
        .address_option = "endpoint",
        .plain = true, /* kw_aws_address has seen to what is reached by it */
        .tls12 = true,
    };
    KW_TRY(kw_web_new(&options, &client->web, err));
    KW_TRY(kw_aws_source_new(settings, client->peer.region, &source, err));
    return kw_aws_credentials_new(&source, &client->credentials, err);
}

KW_ERR kw_kms_client_new(const struct kw_provider_settings *settings, struct kw_kms_client **out,
                         struct kw_error *err)
{
    struct kw_error why;
    struct kw_kms_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    kw_code code = fill(client, settings, &why);
    if (code != KW_OK) {
        kw_kms_client_free(client);
        return strncmp(why.text, "provider ", 9) == 0
                   ? kw_fail(err, code, "%s", why.text)
                   : kw_fail(err, code, "provider %s: %s", settings->name, why.text);
    }
    *out = client;
    return KW_OK;
}

/* A request's headers and the texts behind them. */
struct signed_headers {
    struct kw_web_header list[HEADERS];
    size_t count;
    char time[KW_SIGV4_TIME_SIZE];
    struct kw_buf token;
    struct kw_buf authorization;
};

static void signed_headers_wipe(struct signed_headers *headers)
{
    kw_buf_wipe(&headers->token);
    kw_buf_wipe(&headers->authorization);
}
KW_CLEANUP_WIPE(signed_headers)

static void add(struct signed_headers *headers, const char *name, const char *value)
{
    headers->list[headers->count++] = (struct kw_web_header){name, value};
}

static KW_ERR sign(const struct kw_kms_client *client, struct kw_bytes body,
                   const struct kw_aws_keys *keys, struct signed_headers *headers,
                   struct kw_error *err)
{
    struct kw_sigv4_header signing[HEADERS];
    for (size_t i = 0; i < headers->count; i++)
        signing[i] = (struct kw_sigv4_header){headers->list[i].name, headers->list[i].value};
    const struct kw_sigv4_request request = {.method = "POST",
                                             .path = kw_bytes_str(client->path),
                                             .headers = signing,
                                             .header_count = headers->count,
                                             .body = body};
    const struct kw_sigv4_scope scope = {headers->time, client->peer.region, "kms"};
    const struct kw_sigv4_keys signer = {keys->id, &keys->secret};
    KW_TRY(kw_sigv4_authorization(&request, &scope, &signer, &headers->authorization, err));
    add(headers, "Authorization", kw_buf_str(&headers->authorization));
    return KW_OK;
}

static KW_ERR make_headers(const struct kw_kms_client *client, enum kw_kms_op op,
                           struct kw_bytes body, const struct kw_aws_keys *keys,
                           struct signed_headers *headers, struct kw_error *err)
{
    add(headers, "Host", client->host);
    add(headers, "Content-Type", "application/x-amz-json-1.1");
    add(headers, "X-Amz-Target", kw_kms_target(op));
    add(headers, "X-Amz-Date", kw_sigv4_time(kw_clock_wall_ms(), headers->time));
    if (keys->token.len > 0) {
        kw_buf_append(&headers->token, keys->token.data, keys->token.len);
        add(headers, "X-Amz-Security-Token", kw_buf_str(&headers->token));
        KW_TRY(kw_buf_status(&headers->token, err));
    }
    return sign(client, body, keys, headers, err);
}

static KW_ERR send_once(struct kw_kms_client *client, enum kw_kms_op op, struct kw_bytes body,
                        const struct kw_aws_keys *keys, int64_t deadline_ms,
                        struct kw_web_response *response, struct kw_error *err)
{
    KW_AUTO(signed_headers) headers = {.token = KW_BUF_SECRET};
    KW_TRY(make_headers(client, op, body, keys, &headers, err));
    const struct kw_web_request request = {.method = "POST",
                                           .url = client->url,
                                           .headers = headers.list,
                                           .header_count = headers.count,
                                           .body = body,
                                           .max = KW_KMS_ANSWER_MAX,
                                           .deadline_ms = deadline_ms};
    return kw_web_call(client->web, &request, response, err);
}

static kw_code judge(const struct kw_kms_client *client, const char *key,
                     const struct kw_web_response *response, bool *renew, struct kw_error *err)
{
    struct kw_kms_refusal refusal = {
        .status = response->status, .body = kw_buf_bytes(&response->body), .key = key};
    (void)kw_web_response_header(response, "x-amzn-errortype", &refusal.type);
    return kw_kms_refusal_read(&client->peer, &refusal, renew, err);
}

KW_ERR kw_kms_client_ask(struct kw_kms_client *client, enum kw_kms_op op, const char *key,
                         const struct kw_buf *body, int64_t deadline_ms,
                         struct kw_web_response *response, struct kw_error *err)
{
    if (deadline_ms == 0)
        deadline_ms = kw_clock_ms() + ANSWER_IN_MS;
    for (bool again = false;; again = true) {
        KW_AUTO(kw_aws_keys) keys = KW_AWS_KEYS_INIT;
        uint64_t number = 0;
        bool renew = false;
        KW_TRY(kw_aws_credentials_get(client->credentials, deadline_ms, &keys, &number, err));
        kw_web_response_wipe(response);
        KW_TRY(send_once(client, op, kw_buf_bytes(body), &keys, deadline_ms, response, err));
        if (response->status == 200)
            return KW_OK;
        kw_code code = judge(client, key, response, &renew, err);
        if (!renew || !kw_aws_credentials_refused(client->credentials, number) || again)
            return code;
    }
}
