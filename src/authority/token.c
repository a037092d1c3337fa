/* Bearer tokens: kwt_<32 hex digits>_<43 base64url digits>. The first part finds the row, the
 * second is 256 random bits, of which the store has the SHA-256: a hash of that much entropy needs
 * no salt and no stretching. */
#include "authority/change.h"

#include "base/clock.h"
#include "base/encode.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "json/write.h"

enum { ID_BYTES = 16, SECRET_BYTES = 32, ID_TEXT = 32, SECRET_TEXT = 43, CACHE_MS = 1000 };
static const char prefix[] = "kwt_";
enum { PREFIX_TEXT = sizeof prefix - 1, TOKEN_TEXT = PREFIX_TEXT + ID_TEXT + 1 + SECRET_TEXT };

static KW_ERR hash_secret(struct kw_bytes text, uint8_t out[KW_HASH_SIZE], struct kw_error *err)
{
    KW_AUTO(kw_secret) secret = KW_SECRET_INIT;
    KW_TRY(kw_secret_alloc(&secret, SECRET_BYTES, err));
    KW_TRY(kw_base64url_decode_exact(secret.data, SECRET_BYTES, text, err));
    kw_sha256_one(out, kw_bytes(secret.data, secret.len));
    return KW_OK;
}

/* Makes the token's text and fills id and hash of its row. */
static KW_ERR draw(struct kw_secret *text, struct kw_token_row *row, struct kw_error *err)
{
    uint8_t id[ID_BYTES];
    KW_AUTO(kw_secret) secret = KW_SECRET_INIT;
    KW_AUTO(kw_secret) whole = KW_SECRET_INIT;
    KW_AUTO(kw_buf) written = KW_BUF_SECRET;
    kw_random(id, sizeof id);
    KW_TRY(kw_random_secret(&secret, SECRET_BYTES, err));
    kw_hex_text(row->id, kw_bytes(id, sizeof id));
    kw_sha256_one(row->hash, kw_bytes(secret.data, secret.len));
    kw_buf_append_str(&written, prefix);
    kw_buf_append_str(&written, row->id);
    kw_buf_append_byte(&written, '_');
    kw_base64url_encode(&written, kw_bytes(secret.data, secret.len));
    kw_buf_append_byte(&written, '\0');
    KW_TRY(kw_buf_status(&written, err));
    KW_TRY(kw_secret_copy(&whole, written.data, written.len, err));
    kw_secret_move(text, &whole);
    return KW_OK;
}

/* So whoever manages cannot come by the right to use keys, not through a token of its own making
 * either: only who may use keys makes credentials that may. */
KW_ERR kw_authority_grant_check(const struct kw_caller *caller, const char *roles,
                                const char *tenants, struct kw_error *err)
{
    unsigned rights = 0;
    KW_TRY(kw_roles_parse(roles, &rights, err));
    if (strcmp(caller->tenants, "*") != 0 && strcmp(caller->tenants, tenants) != 0)
        return kw_fail(err, KW_FORBIDDEN, "nobody hands out a reach that they lack");
    if ((rights & ~caller->rights) != 0)
        return kw_fail(err, KW_FORBIDDEN,
                       "nobody hands out rights that they lack: who manages keys and access gives "
                       "no right to use keys, root does");
    return KW_OK;
}

static KW_ERR describe(const struct kw_token_row *row, struct kw_buf *out, struct kw_error *err)
{
    char time[KW_TIME_TEXT_SIZE];
    struct kw_json_writer w = kw_json_writer(out);
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "token", row->id);
    kw_json_str(&w, "principal", row->principal);
    kw_json_str(&w, "roles", row->roles);
    kw_json_str(&w, "tenants", row->tenants);
    if (row->expires_ms != 0)
        kw_json_str(&w, "expires_at", kw_time_text(row->expires_ms, time));
    kw_json_end(&w);
    return kw_buf_status(out, err);
}

/* The grant is looked at in here, so that who reaches for too much is on record. */
static KW_ERR apply_create(struct kw_change *change, struct kw_error *err)
{
    const struct kw_token_row *row = change->arg;
    KW_TRY(describe(row, &change->detail, err));
    KW_TRY(kw_authority_grant_check(change->caller, row->roles, row->tenants, err));
    return kw_store_token_add(change->authority->store, row, err);
}

static KW_ERR fill_row(struct kw_token_row *row, const char *principal, const char *roles,
                       const char *tenants, int64_t lifetime_ms, struct kw_error *err)
{
    if (strlen(principal) > KW_PRINCIPAL_MAX || strlen(roles) >= sizeof row->roles ||
        strlen(tenants) > KW_SCOPE_MAX)
        return kw_fail(err, KW_TOO_LARGE, "the token's name, roles or tenants are too long");
    if (principal[0] == '\0' || tenants[0] == '\0')
        return kw_fail(err, KW_USAGE, "a token needs a name and tenants ('*' for all)");
    row->created_ms = kw_clock_wall_ms();
    row->expires_ms = lifetime_ms != 0 ? row->created_ms + lifetime_ms : 0;
    snprintf(row->principal, sizeof row->principal, "%s", principal);
    snprintf(row->roles, sizeof row->roles, "%s", roles);
    snprintf(row->tenants, sizeof row->tenants, "%s", tenants);
    return KW_OK;
}

KW_ERR kw_authority_token_create(struct kw_authority *authority, const struct kw_caller *caller,
                                 const char *principal, const char *roles, const char *tenants,
                                 int64_t lifetime_ms, struct kw_secret *text,
                                 struct kw_token_row *row, struct kw_error *err)
{
    KW_AUTO(kw_secret) drawn = KW_SECRET_INIT;
    struct kw_token_row fresh = {.revoked = false};
    KW_TRY(fill_row(&fresh, principal, roles, tenants, lifetime_ms, err));
    KW_TRY(draw(&drawn, &fresh, err));
    struct kw_change change = {.authority = authority,
                               .caller = caller,
                               .operation = "CreateToken",
                               .activity = KW_ACTIVITY_CREATE,
                               .right = KW_RIGHT_MANAGE_ACCESS,
                               .apply = apply_create,
                               .arg = &fresh};
    KW_TRY(kw_change_run(&change, err));
    kw_secret_move(text, &drawn);
    if (row != NULL)
        *row = fresh;
    return KW_OK;
}

/* Who may act for some tenants only has power over tokens of the same reach. */
static KW_ERR apply_revoke(struct kw_change *change, struct kw_error *err)
{
    const char *id = change->arg;
    struct kw_token_row row;
    KW_TRY(kw_store_token_get(change->authority->store, id, &row, err));
    if (strcmp(change->caller->tenants, "*") != 0 &&
        strcmp(change->caller->tenants, row.tenants) != 0)
        return kw_fail(err, KW_FORBIDDEN, "the token reaches further than who would revoke it");
    kw_buf_printf(&change->detail, "{\"token\":\"%s\"}", id);
    KW_TRY(kw_buf_status(&change->detail, err));
    return kw_store_token_revoke(change->authority->store, id, err);
}

static KW_ERR check_id(const char *id, struct kw_error *err)
{
    uint8_t bytes[ID_BYTES];
    return kw_hex_decode_exact(bytes, sizeof bytes, kw_bytes_str(id), err);
}

KW_ERR kw_authority_token_revoke(struct kw_authority *authority, const struct kw_caller *caller,
                                 const char *id, struct kw_error *err)
{
    char copy[ID_TEXT + 1];
    KW_TRY(check_id(id, err));
    snprintf(copy, sizeof copy, "%s", id);
    struct kw_change change = {.authority = authority,
                               .caller = caller,
                               .operation = "RevokeToken",
                               .activity = KW_ACTIVITY_DELETE,
                               .right = KW_RIGHT_MANAGE_ACCESS,
                               .apply = apply_revoke,
                               .arg = copy};
    KW_TRY(kw_change_run(&change, err));
    kw_token_forget(authority, id);
    return KW_OK;
}

/* ---- Checking ---------------------------------------------------------------------------------
 */

/* Ids are random, so two of their digits spread them well over the places of the cache. */
static size_t place_of(const char *id)
{
    return ((size_t)(uint8_t)id[0] * 31 + (uint8_t)id[1] * 7 + (uint8_t)id[2]) % KW_TOKEN_CACHE;
}

void kw_token_forget(struct kw_authority *authority, const char *id)
{
    pthread_mutex_lock(&authority->token_lock);
    authority->tokens[place_of(id)].checked_ms = 0;
    authority->tokens_revoked++;
    pthread_mutex_unlock(&authority->token_lock);
}

/* Where it does not know the token, *seen lets remember() tell whether its row, to be
 * read from the store now, was overtaken by a revocation. */
static bool recall(struct kw_authority *authority, const char *id, struct kw_token_row *out,
                   uint64_t *seen)
{
    size_t place = place_of(id);
    pthread_mutex_lock(&authority->token_lock);
    bool found = authority->tokens[place].checked_ms != 0 &&
                 kw_clock_ms() - authority->tokens[place].checked_ms < CACHE_MS &&
                 strcmp(authority->tokens[place].row.id, id) == 0;
    if (found)
        *out = authority->tokens[place].row;
    *seen = authority->tokens_revoked;
    pthread_mutex_unlock(&authority->token_lock);
    return found;
}

/* The time is from before the row was read: its second begins there. */
static void remember(struct kw_authority *authority, const struct kw_token_row *row,
                     int64_t read_ms, uint64_t seen)
{
    size_t place = place_of(row->id);
    pthread_mutex_lock(&authority->token_lock);
    if (authority->tokens_revoked == seen) {
        authority->tokens[place].row = *row;
        authority->tokens[place].checked_ms = read_ms;
    }
    pthread_mutex_unlock(&authority->token_lock);
}

static KW_ERR refuse(struct kw_error *err)
{
    return kw_fail(err, KW_UNAUTHENTICATED, "the token is not known, or not complete");
}

static KW_ERR get_row(struct kw_authority *authority, const char *id, struct kw_token_row *out,
                      struct kw_error *err)
{
    uint64_t seen = 0;
    if (recall(authority, id, out, &seen))
        return KW_OK;
    int64_t read_ms = kw_clock_ms();
    kw_code code = kw_store_token_get(authority->store, id, out, err);
    if (code == KW_NOT_FOUND)
        return refuse(err);
    if (code == KW_OK)
        remember(authority, out, read_ms, seen);
    return code;
}

KW_ERR kw_authority_token_check(struct kw_authority *authority, struct kw_bytes text,
                                struct kw_token_row *out, struct kw_error *err)
{
    char id[ID_TEXT + 1] = {0};
    uint8_t hash[KW_HASH_SIZE];
    if (text.len != TOKEN_TEXT || memcmp(text.data, prefix, PREFIX_TEXT) != 0 ||
        text.data[PREFIX_TEXT + ID_TEXT] != '_')
        return refuse(err);
    memcpy(id, text.data + PREFIX_TEXT, ID_TEXT);
    struct kw_bytes secret = kw_bytes(text.data + PREFIX_TEXT + ID_TEXT + 1, SECRET_TEXT);
    if (check_id(id, err) != KW_OK || hash_secret(secret, hash, err) != KW_OK)
        return refuse(err);
    struct kw_token_row row;
    KW_TRY(get_row(authority, id, &row, err));
    if (!kw_equal_ct(hash, row.hash, sizeof hash) || row.revoked)
        return refuse(err);
    if (row.expires_ms != 0 && kw_clock_wall_ms() >= row.expires_ms)
        return kw_fail(err, KW_TOKEN_EXPIRED, "the token has expired: make another");
    *out = row;
    return KW_OK;
}
