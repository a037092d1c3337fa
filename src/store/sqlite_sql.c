#include "store/sqlite.h"

/* What follows "SELECT ... FROM table t" for each way of looking. Texts are ?1 to ?3, then come
 * reference, version, now_ms, limit, from, to. */
static const struct {
    enum kw_store_table table;
    const char *where;
} finds[KW_FIND_COUNT] = {
    [KW_FIND_TENANT] = {KW_TABLE_TENANTS, "t.id = ?1"},
    [KW_FIND_TENANTS] = {KW_TABLE_TENANTS, "t.id >= ?1 AND t.id < ?2 ORDER BY t.id LIMIT ?7"},
    [KW_FIND_KEY] = {KW_TABLE_KEYS, "t.tenant = ?1 AND t.region = ?2"},
    [KW_FIND_KEY_BY_REFERENCE] = {KW_TABLE_KEYS, "t.reference = ?4"},
    [KW_FIND_KEYS] = {KW_TABLE_KEYS, "t.tenant = ?1 ORDER BY t.region"},
    [KW_FIND_KEYS_DUE] = {KW_TABLE_KEYS, "t.state = 6 AND t.destroy_at_ms <= ?6 "
                                         "ORDER BY t.destroy_at_ms, t.reference LIMIT ?7"},
    [KW_FIND_KEY_AHEAD] = {KW_TABLE_KEYS,
                           "t.reference = (SELECT reference FROM keys WHERE region = ?1 "
                           "AND reference > ?4 ORDER BY reference LIMIT 1 OFFSET ?7)"},
    [KW_FIND_VERSION] = {KW_TABLE_VERSIONS, "t.reference = ?4 AND t.version = ?5"},
    [KW_FIND_VERSIONS] = {KW_TABLE_VERSIONS, "t.reference = ?4 ORDER BY t.version"},
    /* A copy by the customer's provider that a key names stays alone: what was sealed while the key
     * was held. */
    [KW_FIND_VERSIONS_LACKING] =
        {KW_TABLE_VERSIONS,
         "k.region = ?1 AND k.reference >= ?4 AND k.reference <= ?9 AND k.state <> 7 "
         "AND k.custody IN ('managed', 'imported') AND (k.reference > ?4 OR t.version > ?5) "
         "AND t.state <> 7 AND t.sign_public <> zeroblob(32) "
         "AND NOT EXISTS(SELECT 1 FROM copies c WHERE c.reference = t.reference "
         "AND c.version = t.version AND c.provider = ?2 AND c.provider_key = ?3) "
         "AND EXISTS(SELECT 1 FROM copies c WHERE c.reference = t.reference "
         "AND c.version = t.version) "
         "AND NOT EXISTS(SELECT 1 FROM copies c WHERE c.reference = t.reference "
         "AND c.version = t.version AND c.provider = k.provider) "
         "ORDER BY k.reference, t.version LIMIT ?7"},
    [KW_FIND_VERSIONS_EXPIRED] = {KW_TABLE_VERSIONS,
                                  "t.expires_ms > 0 AND t.expires_ms <= ?6 "
                                  "AND EXISTS(SELECT 1 FROM copies c "
                                  "WHERE c.reference = t.reference AND c.version = t.version) "
                                  "ORDER BY t.expires_ms, t.reference, t.version LIMIT ?7"},
    [KW_FIND_COPIES] = {KW_TABLE_COPIES, "t.reference = ?4 AND t.version = ?5 ORDER BY t.provider"},
    [KW_FIND_TOKEN] = {KW_TABLE_TOKENS, "t.id = ?1"},
    [KW_FIND_TOKENS] = {KW_TABLE_TOKENS, "1 ORDER BY t.id"},
    [KW_FIND_COST] = {KW_TABLE_COSTS,
                      "t.day = ?8 AND t.tenant = ?1 AND t.region = ?2 AND t.provider = ?3"},
    [KW_FIND_COSTS] = {KW_TABLE_COSTS, "t.day >= ?8 AND t.day <= ?9 "
                                       "ORDER BY t.day, t.tenant, t.region, t.provider"},
    [KW_FIND_COSTS_OF] = {KW_TABLE_COSTS, "t.tenant = ?1 AND t.day >= ?8 AND t.day <= ?9 "
                                          "ORDER BY t.day, t.region, t.provider"},
};

/* Where another table comes first. */
static const char *const joins[KW_FIND_COUNT] = {
    [KW_FIND_VERSIONS_LACKING] = "keys k CROSS JOIN versions t ON t.reference = k.reference",
};

/* Copies end by being emptied, in their place, and are never deleted; new ones only go to the end.
 * So no cell of the table ever moves: SQLite wipes the place of a cell that shrinks
 * (secure_delete), but leaves old bytes behind where it moves cells between pages, as deletions and
 * insertions in between would make it do. The test of destroyed copies finds them if this is
 * changed. */
#define RETIRE                                                                                     \
    "UPDATE copies SET reference = NULL, version = NULL, provider = '', provider_key = '',"        \
    " blob = x'', row_check = 0 WHERE reference = ?1 AND "

static const char *const others[] = {
    [SQ_DESTROY - SQ_DESTROY] = RETIRE "(?2 = 0 OR version = ?2)",
    [SQ_RETIRE - SQ_DESTROY] = RETIRE "version = ?2 AND provider = ?3",
    [SQ_META_GET - SQ_DESTROY] = "SELECT value, row_check FROM meta WHERE name = ?1",
    [SQ_META_PUT - SQ_DESTROY] = "INSERT INTO meta(name, value, row_check) VALUES(?1, ?2, ?3) "
                                 "ON CONFLICT(name) DO UPDATE SET value = ?2, row_check = ?3",
    [SQ_COUNTS - SQ_DESTROY] =
        "SELECT (SELECT count(*) FROM tenants), (SELECT count(*) FROM keys), "
        "(SELECT count(*) FROM versions)",
    [SQ_CENSUS - SQ_DESTROY] =
        "SELECT k.region, c.provider, count(*) FROM copies c JOIN keys k ON k.reference = "
        "c.reference GROUP BY k.region, c.provider ORDER BY k.region, c.provider",
    [SQ_BEGIN_READ - SQ_DESTROY] = "BEGIN",
    [SQ_BEGIN - SQ_DESTROY] = "BEGIN IMMEDIATE",
    [SQ_COMMIT - SQ_DESTROY] = "COMMIT",
    [SQ_ROLLBACK - SQ_DESTROY] = "ROLLBACK",
};

static void select_sql(struct kw_buf *out, enum kw_store_find find)
{
    const struct sq_table *table = &sq_tables[finds[find].table];
    kw_buf_append_str(out, "SELECT ");
    for (unsigned i = 0; i < table->count; i++)
        kw_buf_printf(out, "t.%s, ", table->columns[i].name);
    kw_buf_append_str(out, "t.row_check");
    if (table->joined != NULL)
        kw_buf_printf(out, ", j.%s", table->joined->name);
    if (joins[find] != NULL)
        kw_buf_printf(out, " FROM %s", joins[find]);
    else
        kw_buf_printf(out, " FROM %s t%s", table->name, table->join != NULL ? table->join : "");
    kw_buf_printf(out, " WHERE %s", finds[find].where);
}

static void add_sql(struct kw_buf *out, const struct sq_table *table)
{
    kw_buf_printf(out, "INSERT INTO %s(", table->name);
    for (unsigned i = 0; i < table->count; i++)
        kw_buf_printf(out, "%s, ", table->columns[i].name);
    kw_buf_append_str(out, "row_check) VALUES(");
    for (unsigned i = 0; i <= table->count; i++)
        kw_buf_printf(out, i == 0 ? "?%u" : ", ?%u", i + 1);
    kw_buf_append_str(out, ")");
}

/* All but the key is written: the caller has merged the row with the stored one before. */
static void set_sql(struct kw_buf *out, const struct sq_table *table)
{
    kw_buf_printf(out, "UPDATE %s SET ", table->name);
    for (unsigned i = table->keys; i < table->count; i++)
        kw_buf_printf(out, "%s = ?%u, ", table->columns[i].name, i + 1);
    kw_buf_printf(out, "row_check = ?%u WHERE ", table->count + 1U);
    for (unsigned i = 0; i < table->keys; i++)
        kw_buf_printf(out, i == 0 ? "%s = ?%u" : " AND %s = ?%u", table->columns[i].name, i + 1);
}

void sq_sql(unsigned number, struct kw_buf *out)
{
    if (number < SQ_ADD)
        select_sql(out, (enum kw_store_find)(number - SQ_FIND));
    else if (number < SQ_SET)
        add_sql(out, &sq_tables[number - SQ_ADD]);
    else if (number < SQ_DESTROY)
        set_sql(out, &sq_tables[number - SQ_SET]);
    else
        kw_buf_append_str(out, others[number - SQ_DESTROY]);
}
