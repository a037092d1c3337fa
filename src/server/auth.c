/* From a connection and its headers to a caller. */
#include "server/internal.h"

#include "base/clock.h"

bool kw_server_from_loopback(const struct kw_http_request *req)
{
    return strncmp(req->peer->remote, "127.", 4) == 0 ||
           strncmp(req->peer->remote, "[::1]:", 6) == 0;
}

/* RFC 6750: the scheme's name is not case-sensitive, one space, then the token. */
static const char *bearer_of(const struct kw_http_request *req)
{
    const char *value = kw_http_header(req, "authorization");
    return value != NULL && strncasecmp(value, "Bearer ", 7) == 0 ? value + 7 : NULL;
}

static KW_ERR by_token(struct kw_server *server, const char *token, struct kw_server_identity *out,
                       struct kw_error *err)
{
    struct kw_token_row row;
    KW_TRY(kw_authority_token_check(kw_home_authority(server->options.home), kw_bytes_str(token),
                                    &row, err));
    KW_TRY(kw_roles_parse(row.roles, &out->rights, err));
    snprintf(out->principal, sizeof out->principal, "token:%s", row.principal);
    kw_buf_append_str(&out->scope, row.tenants);
    out->tenants = kw_buf_str(&out->scope);
    return kw_buf_status(&out->scope, err);
}

static KW_ERR refuse_id(struct kw_error *err, const char *why)
{
    return kw_fail(err, KW_BAD_CERTIFICATE, "the client certificate %s", why);
}

/* What follows spiffe://TRUST-DOMAIN/ in uri; NULL if it is of another domain. */
static const char *path_of(const char *uri, const char *domain)
{
    static const char scheme[] = "spiffe://";
    size_t len = strlen(domain);
    if (strncmp(uri, scheme, sizeof scheme - 1) != 0)
        return NULL;
    uri += sizeof scheme - 1;
    return strncmp(uri, domain, len) == 0 && uri[len] == '/' ? uri + len + 1 : NULL;
}

/* spiffe://TRUST-DOMAIN/ROLE/NAME. SPIFFE X.509-SVID, 2: exactly one URI name. */
static KW_ERR by_certificate(struct kw_server *server, const struct kw_http_peer *peer,
                             struct kw_server_identity *out, struct kw_error *err)
{
    char role[32];
    if (peer->not_after_ms <= kw_clock_wall_ms())
        return refuse_id(err, "has expired: renew it");
    if (peer->uri_count != 1 || peer->uri[0] == '\0')
        return refuse_id(err, "must have exactly one SPIFFE id");
    const char *path = path_of(peer->uri, server->options.trust_domain);
    if (path == NULL)
        return refuse_id(err, "is of another trust domain");
    size_t role_len = strcspn(path, "/");
    if (role_len == 0 || role_len >= sizeof role || path[role_len] != '/' ||
        path[role_len + 1] == '\0')
        return refuse_id(err, "has a SPIFFE id without role and name");
    memcpy(role, path, role_len);
    role[role_len] = '\0';
    if (strchr(role, ',') != NULL || kw_roles_parse(role, &out->rights, err) != KW_OK)
        return refuse_id(err, "names a role that there is not");
    memcpy(out->principal, peer->uri, strlen(peer->uri) + 1);
    out->tenants = "*";
    return KW_OK;
}

KW_ERR kw_server_identify(struct kw_server *server, const struct kw_http_request *req,
                          struct kw_server_identity *out, struct kw_error *err)
{
    const char *token = bearer_of(req);
    kw_server_source(req->peer->remote, out->source);
    if (token != NULL)
        return by_token(server, token, out, err);
    if (req->peer->verified)
        return by_certificate(server, req->peer, out, err);
    return kw_fail(err, KW_UNAUTHENTICATED,
                   "present a client certificate, or a token: Authorization: Bearer kwt_...");
}
