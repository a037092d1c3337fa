#include "authority/attach_moves.h"

#include "authority/fanout.h"

/* Keys that are rotated every hour for seven years; far below what memory holds. */
enum { MOVES_MAX = 1 << 16, AT_ONCE = 8 };

/* A copy without the room that a row keeps for the largest. */
struct packed {
    char provider[KW_PROVIDER_MAX + 1];
    char provider_key[KW_PROVIDER_KEY_MAX + 1];
    size_t blob_len;
    uint8_t blob[];
};

struct kw_move {
    struct kw_version_row row;
    struct packed *copies[KW_ROUTES_MAX];
    size_t copy_count;
};

void kw_moves_wipe(struct kw_moves *moves)
{
    for (size_t i = 0; i < moves->count; i++)
        for (size_t c = 0; c < moves->list[i].copy_count; c++)
            free(moves->list[i].copies[c]);
    free(moves->list);
    *moves = (struct kw_moves){.list = NULL};
}

/* ---- Which ------------------------------------------------------------------------------------
 */

static bool grow(struct kw_moves *moves)
{
    size_t capacity = moves->capacity == 0 ? 16 : moves->capacity * 2;
    struct kw_move *grown = realloc(moves->list, capacity * sizeof *grown);
    if (grown == NULL)
        return false;
    moves->list = grown;
    moves->capacity = capacity;
    return true;
}

static bool list_move(void *arg, const struct kw_version_row *row)
{
    struct kw_moves *moves = arg;
    if (row->state == KW_KEY_IS_DESTROYED || kw_version_is_batch(row))
        return true;
    if (moves->count == MOVES_MAX)
        moves->failed = KW_TOO_LARGE;
    else if (moves->count == moves->capacity && !grow(moves))
        moves->failed = KW_NO_MEMORY;
    if (moves->failed != KW_OK)
        return false;
    moves->list[moves->count++] = (struct kw_move){.row = *row};
    return true;
}

/* ---- Making -----------------------------------------------------------------------------------
 */

static KW_ERR pack(struct kw_move *move, const struct kw_fresh_version *fresh, struct kw_error *err)
{
    for (size_t i = 0; i < fresh->copy_count && i < KW_COUNT(move->copies); i++) {
        const struct kw_copy_row *row = &fresh->copies[i];
        struct packed *packed = malloc(sizeof *packed + row->blob_len);
        if (packed == NULL)
            return kw_fail_code(err, KW_NO_MEMORY);
        memcpy(packed->provider, row->provider, sizeof packed->provider);
        memcpy(packed->provider_key, row->provider_key, sizeof packed->provider_key);
        memcpy(packed->blob, row->blob, row->blob_len);
        packed->blob_len = row->blob_len;
        move->copies[move->copy_count++] = packed;
    }
    return KW_OK;
}

/* A root key that may wrap and not unwrap is found out while the copies of before are there. */
static KW_ERR make_move(void *arg, size_t i, struct kw_error *err)
{
    const struct kw_moves *moves = arg;
    struct kw_move *move = &moves->list[i];
    KW_AUTO(kw_secret) material = KW_SECRET_INIT;
    KW_AUTO(kw_fresh_version) fresh = {.row = move->row};
    kw_code code = kw_version_open(moves->authority, moves->from, &move->row, &material, err);
    if (code == KW_MATERIAL_EXPIRED)
        return kw_fail(err, KW_STATE_CONFLICT,
                       "the imported material of version %u has ended: import it again first",
                       move->row.version);
    KW_TRY(code);
    KW_TRY(kw_version_wrap(moves->authority, moves->to, move->row.version, &material, NULL, NULL,
                           &fresh, err));
    KW_TRY(kw_version_prove(moves->authority, moves->to, &fresh, err));
    return pack(move, &fresh, err);
}

KW_ERR kw_moves_make(struct kw_moves *moves, struct kw_authority *authority,
                     const struct kw_key_row *from, const struct kw_key_row *to,
                     struct kw_error *err)
{
    moves->authority = authority;
    moves->from = from;
    moves->to = to;
    KW_TRY(kw_store_versions(authority->store, from->reference, list_move, moves, err));
    if (moves->failed == KW_TOO_LARGE)
        return kw_fail(err, KW_TOO_LARGE, "the key has more than %d versions to move", MOVES_MAX);
    if (moves->failed != KW_OK)
        return kw_fail_code(err, moves->failed);
    return kw_fanout(moves->count, AT_ONCE, make_move, moves, err);
}

/* ---- Putting ----------------------------------------------------------------------------------
 */

static KW_ERR put_copy(struct kw_store *store, const struct kw_version_row *version,
                       const struct packed *packed, struct kw_error *err)
{
    struct kw_copy_row row = {
        .reference = version->reference, .version = version->version, .blob_len = packed->blob_len};
    memcpy(row.provider, packed->provider, sizeof row.provider);
    memcpy(row.provider_key, packed->provider_key, sizeof row.provider_key);
    memcpy(row.blob, packed->blob, packed->blob_len);
    return kw_store_copy_put(store, &row, err);
}

/* Material that has ended, or a version that was destroyed meanwhile, is not brought back. */
static KW_ERR put_move(struct kw_store *store, const struct kw_move *move, uint64_t *destroyed,
                       struct kw_error *err)
{
    struct kw_version_row now;
    uint64_t gone = 0;
    KW_TRY(kw_store_version_get(store, move->row.reference, move->row.version, &now, err));
    KW_TRY(kw_store_copies_destroy(store, now.reference, now.version, &gone, err));
    if (gone == 0 || now.state == KW_KEY_IS_DESTROYED || now.expires_ms != move->row.expires_ms)
        return kw_fail_code(err, KW_AGAIN);
    for (size_t i = 0; i < move->copy_count; i++)
        KW_TRY(put_copy(store, &now, move->copies[i], err));
    *destroyed += gone;
    return KW_OK;
}

KW_ERR kw_moves_put(const struct kw_moves *moves, struct kw_authority *authority,
                    uint64_t *destroyed, struct kw_error *err)
{
    *destroyed = 0;
    for (size_t i = 0; i < moves->count; i++)
        KW_TRY(put_move(authority->store, &moves->list[i], destroyed, err));
    return KW_OK;
}
