/* The home's own certificate authority: for TLS of the embedded server, and for its callers. */
#include "home/internal.h"

#include "base/clock.h"
#include "pki/pki.h"
#include "json/write.h"

#include <dirent.h>
#include <errno.h>

enum { CA_DAYS = 3650, SERVER_DAYS = 397, CLIENT_DAYS = 365, DAYS_MAX = 825 };

static KW_ERR put_pair(const char *dir, const char *name, const struct kw_buf *cert,
                       const struct kw_secret *key, struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    KW_TRY(kw_path_format(path, err, "%s/tls/%s.crt", dir, name));
    KW_TRY(kw_file_create(path, 0644, cert->data, cert->len, err));
    if (key == NULL)
        return KW_OK;
    KW_TRY(kw_path_format(path, err, "%s/tls/%s.key", dir, name));
    return kw_file_create(path, 0600, key->data, key->len, err);
}

struct authority_pair {
    struct kw_buf cert;
    struct kw_secret key;
};

static void authority_pair_wipe(struct authority_pair *pair)
{
    kw_buf_wipe(&pair->cert);
    kw_secret_wipe(&pair->key);
}
KW_CLEANUP_WIPE(authority_pair)

static KW_ERR issue_named(const struct kw_home *home, const struct authority_pair *ca,
                          struct kw_pki_request *request, const char *file, struct kw_error *err)
{
    KW_AUTO(kw_buf) cert = KW_BUF_INIT;
    KW_AUTO(kw_secret) key = KW_SECRET_INIT;
    request->ca_cert_pem = &ca->cert;
    request->ca_key_pem = &ca->key;
    KW_TRY(kw_pki_issue(request, &cert, &key, err));
    return put_pair(home->dir, file, &cert, &key, err);
}

static KW_ERR issue_server(const struct kw_home *home, const struct authority_pair *ca,
                           const struct kw_home_init_options *options, struct kw_error *err)
{
    const char *hosts[KW_PKI_HOSTS_MAX] = {"localhost", "127.0.0.1", "::1"};
    size_t count = 3;
    if (options->host_count > KW_PKI_HOSTS_MAX - count)
        return kw_fail(err, KW_TOO_LARGE, "a server certificate has at most %zu further hosts",
                       KW_PKI_HOSTS_MAX - count);
    for (size_t i = 0; i < options->host_count; i++)
        hosts[count++] = options->hosts[i];
    struct kw_pki_request request = {
        .common_name = "keyward", .hosts = hosts, .host_count = count, .days = SERVER_DAYS};
    return issue_named(home, ca, &request, "server", err);
}

static KW_ERR make_spiffe_id(const struct kw_home *home, const char *path,
                             char out[KW_PKI_NAME_MAX + 1], struct kw_error *err)
{
    int len = snprintf(out, KW_PKI_NAME_MAX + 1, "spiffe://%s/%s", home->facts.trust_domain, path);
    if (len < 0 || len > KW_PKI_NAME_MAX)
        return kw_fail(err, KW_BAD_NAME, "a SPIFFE id has at most %d characters", KW_PKI_NAME_MAX);
    return KW_OK;
}

/* The first administrator: who holds the folder holds the root key, so this takes nothing from
 * anybody. Narrower certificates come from 'keyward cert issue'. */
static KW_ERR issue_first_client(const struct kw_home *home, const struct authority_pair *ca,
                                 struct kw_error *err)
{
    char id[KW_PKI_NAME_MAX + 1];
    KW_TRY(make_spiffe_id(home, "root/admin", id, err));
    struct kw_pki_request request = {.common_name = "admin", .spiffe_id = id, .days = CLIENT_DAYS};
    return issue_named(home, ca, &request, "client", err);
}

static KW_ERR make_all(struct kw_home *home, const struct kw_home_init_options *options,
                       struct authority_pair *ca, struct kw_error *err)
{
    char name[64];
    char path[KW_PATH_SIZE];
    snprintf(name, sizeof name, "Keyward authority %s", home->facts.authority_id);
    KW_TRY(kw_path_format(path, err, "%s/tls/issued", home->dir));
    KW_TRY(kw_dir_make(path, 0700, err));
    KW_TRY(kw_pki_ca_create(name, CA_DAYS, &ca->cert, &ca->key, err));
    KW_TRY(kw_store_begin(home->store, err));
    kw_code code = kw_home_seal_put(home->store, home->root, "ca_key", &ca->key, err);
    if (code != KW_OK) {
        kw_store_rollback(home->store);
        return code;
    }
    KW_TRY(kw_store_commit(home->store, err));
    KW_TRY(put_pair(home->dir, "ca", &ca->cert, NULL, err));
    KW_TRY(issue_server(home, ca, options, err));
    return issue_first_client(home, ca, err);
}

KW_ERR kw_home_certs_init(struct kw_home *home, const struct kw_home_init_options *options,
                          struct kw_error *err)
{
    KW_AUTO(authority_pair) ca = {.cert = KW_BUF_INIT, .key = KW_SECRET_INIT};
    return make_all(home, options, &ca, err);
}

/* ---- For the API ------------------------------------------------------------------------------
 */

static KW_ERR load_ca(const struct kw_home *home, struct authority_pair *ca, struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    KW_TRY(kw_path_format(path, err, "%s/tls/ca.crt", home->dir));
    KW_TRY(kw_file_read(path, 65536, &ca->cert, err));
    return kw_home_seal_get(home->store, home->root, "ca_key", &ca->key, err);
}

/* Kept beside the authority's own, so that they can be listed and their end be seen coming. */
static KW_ERR keep_issued(const struct kw_home *home, const struct kw_buf *cert,
                          struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    struct kw_pki_facts facts;
    KW_TRY(kw_pki_describe(kw_buf_bytes(cert), &facts, err));
    KW_TRY(kw_path_format(path, err, "%s/tls/issued/%s.crt", home->dir, facts.serial));
    return kw_file_create(path, 0644, cert->data, cert->len, err);
}

/* What is asked for, as the certificate authority wants it. spiffe_id is the caller's room for the
 * id. */
static KW_ERR fill_request(const struct kw_home *home, const struct kw_api_certificate *wanted,
                           struct kw_pki_request *request, char spiffe_id[KW_PKI_NAME_MAX + 1],
                           struct kw_error *err)
{
    if (wanted->days > DAYS_MAX)
        return kw_fail(err, KW_USAGE, "a certificate lasts at most %d days", DAYS_MAX);
    request->days = wanted->days != 0 ? wanted->days : CLIENT_DAYS;
    request->common_name = wanted->name;
    if (strcmp(wanted->kind, "server") == 0) {
        request->hosts = &wanted->name;
        request->host_count = 1;
        return KW_OK;
    }
    request->spiffe_id = spiffe_id;
    return make_spiffe_id(home, wanted->name, spiffe_id, err);
}

static KW_ERR issue(void *arg, const struct kw_api_certificate *wanted, struct kw_buf *cert_pem,
                    struct kw_secret *key_pem, struct kw_error *err)
{
    struct kw_home *home = arg;
    char spiffe_id[KW_PKI_NAME_MAX + 1];
    KW_AUTO(authority_pair) ca = {.cert = KW_BUF_INIT, .key = KW_SECRET_INIT};
    struct kw_pki_request request = {.ca_cert_pem = &ca.cert, .ca_key_pem = &ca.key};
    KW_TRY(fill_request(home, wanted, &request, spiffe_id, err));
    KW_TRY(load_ca(home, &ca, err));
    KW_TRY(kw_pki_issue(&request, cert_pem, key_pem, err));
    return keep_issued(home, cert_pem, err);
}

/* ---- Renewal ----------------------------------------------------------------------------------
 */

/* "a,b,c" in place into its parts. */
static size_t split_hosts(char *text, const char *out[KW_PKI_HOSTS_MAX])
{
    size_t count = 0;
    for (char *at = text; *at != '\0' && count < KW_PKI_HOSTS_MAX; count++) {
        out[count] = at;
        at += strcspn(at, ",");
        if (*at == ',')
            *at++ = '\0';
    }
    return count;
}

/* The key first: a server that is started between the two says that they do not fit, and the next
 * renewal mends it. */
static KW_ERR replace_pair(const struct kw_home *home, const char *name, const struct kw_buf *cert,
                           const struct kw_secret *key, struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    KW_TRY(kw_path_format(path, err, "%s/tls/%s.key", home->dir, name));
    KW_TRY(kw_file_replace(path, 0600, kw_bytes(key->data, key->len), err));
    KW_TRY(kw_path_format(path, err, "%s/tls/%s.crt", home->dir, name));
    return kw_file_replace(path, 0644, kw_buf_bytes(cert), err);
}

static KW_ERR read_facts(const struct kw_home *home, const char *name, struct kw_pki_facts *out,
                         struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    KW_AUTO(kw_buf) pem = KW_BUF_INIT;
    KW_TRY(kw_path_format(path, err, "%s/tls/%s.crt", home->dir, name));
    KW_TRY(kw_file_read(path, 65536, &pem, err));
    return kw_pki_describe(kw_buf_bytes(&pem), out, err);
}

KW_ERR kw_home_cert_renew(struct kw_home *home, const char *which, int64_t *not_after_ms,
                          struct kw_error *err)
{
    KW_AUTO(authority_pair) ca = {.cert = KW_BUF_INIT, .key = KW_SECRET_INIT};
    KW_AUTO(authority_pair) fresh = {.cert = KW_BUF_INIT, .key = KW_SECRET_INIT};
    const char *hosts[KW_PKI_HOSTS_MAX];
    struct kw_pki_facts facts;
    bool server = strcmp(which, "server") == 0;
    if (!server && strcmp(which, "client") != 0)
        return kw_fail(err, KW_USAGE, "'%.40s' cannot be renewed: server or client", which);
    KW_TRY(read_facts(home, which, &facts, err));
    KW_TRY(load_ca(home, &ca, err));
    struct kw_pki_request request = {.ca_cert_pem = &ca.cert,
                                     .ca_key_pem = &ca.key,
                                     .common_name = facts.common_name,
                                     .days = server ? SERVER_DAYS : CLIENT_DAYS};
    if (server) {
        request.hosts = hosts;
        request.host_count = split_hosts(facts.hosts, hosts);
    } else {
        request.spiffe_id = facts.spiffe_id;
    }
    KW_TRY(kw_pki_issue(&request, &fresh.cert, &fresh.key, err));
    KW_TRY(replace_pair(home, which, &fresh.cert, &fresh.key, err));
    if (not_after_ms == NULL)
        return KW_OK;
    KW_TRY(read_facts(home, which, &facts, err));
    *not_after_ms = facts.not_after_ms;
    return KW_OK;
}

/* ---- For the API: the list --------------------------------------------------------------------
 */

static void write_facts(struct kw_json_writer *w, const char *file,
                        const struct kw_pki_facts *facts)
{
    char time[KW_TIME_TEXT_SIZE];
    int64_t day_ms = 24LL * 3600 * 1000;
    kw_json_begin(w, NULL, '{');
    kw_json_str(w, "file", file);
    kw_json_str(w, "common_name", facts->common_name);
    if (facts->spiffe_id[0] != '\0')
        kw_json_str(w, "spiffe_id", facts->spiffe_id);
    if (facts->hosts[0] != '\0')
        kw_json_str(w, "hosts", facts->hosts);
    kw_json_str(w, "serial", facts->serial);
    kw_json_str(w, "not_before", kw_time_text(facts->not_before_ms, time));
    kw_json_str(w, "not_after", kw_time_text(facts->not_after_ms, time));
    kw_json_int(w, "days_left", (facts->not_after_ms - kw_clock_wall_ms()) / day_ms);
    kw_json_end(w);
}

static bool is_certificate(const char *file)
{
    size_t len = strlen(file);
    return len > 4 && strcmp(file + len - 4, ".crt") == 0;
}

static KW_ERR list_folder(const char *folder, const char *label, struct kw_json_writer *w,
                          struct kw_error *err)
{
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return kw_fail_errno(err, errno, "cannot list %s", folder);
    kw_code code = KW_OK;
    for (struct dirent *at = readdir(dir); at != NULL && code == KW_OK; at = readdir(dir)) {
        char path[KW_PATH_SIZE];
        KW_AUTO(kw_buf) pem = KW_BUF_INIT;
        struct kw_pki_facts facts;
        if (!is_certificate(at->d_name))
            continue;
        code = kw_path_format(path, err, "%s/%s", folder, at->d_name);
        if (code == KW_OK)
            code = kw_file_read(path, 65536, &pem, err);
        if (code == KW_OK)
            code = kw_pki_describe(kw_buf_bytes(&pem), &facts, err);
        if (code == KW_OK && kw_path_format(path, err, "%s%s", label, at->d_name) == KW_OK)
            write_facts(w, path, &facts);
    }
    closedir(dir);
    return code;
}

static KW_ERR list(void *arg, struct kw_buf *json_array, struct kw_error *err)
{
    struct kw_home *home = arg;
    char folder[KW_PATH_SIZE];
    struct kw_json_writer w = kw_json_writer(json_array);
    kw_json_begin(&w, NULL, '[');
    KW_TRY(kw_path_format(folder, err, "%s/tls", home->dir));
    KW_TRY(list_folder(folder, "tls/", &w, err));
    KW_TRY(kw_path_format(folder, err, "%s/tls/issued", home->dir));
    KW_TRY(list_folder(folder, "tls/issued/", &w, err));
    kw_json_end(&w);
    return kw_buf_status(json_array, err);
}

void kw_home_certs_offer(struct kw_home *home)
{
    home->pki = (struct kw_api_pki){.issue = issue, .list = list, .arg = home};
}
