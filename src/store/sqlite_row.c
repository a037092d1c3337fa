#include "base/checksum.h"
#include "store/sqlite.h"

/* How one column stands in a row: as a number, or as a text or blob. */
struct value {
    bool is_number;
    int64_t number;
    const void *data;
    size_t len;
};

static const uint8_t *member(const void *row, const struct sq_column *column)
{
    return (const uint8_t *)row + column->offset;
}

static int64_t number_of(const uint8_t *at, enum sq_kind kind)
{
    uint64_t wide;
    uint32_t narrow;
    switch (kind) {
    case SQ_U64:
        memcpy(&wide, at, sizeof wide);
        return (int64_t)wide;
    case SQ_U32:
    case SQ_STATE:
        memcpy(&narrow, at, sizeof narrow);
        return narrow;
    default:
        return *at;
    }
}

static struct value value_of(const void *row, const struct sq_column *column)
{
    const uint8_t *at = member(row, column);
    struct value value = {.data = at};
    switch (column->kind) {
    case SQ_TEXT:
        value.len = strnlen((const char *)at, column->size);
        break;
    case SQ_FIXED:
        value.len = column->size;
        break;
    case SQ_BLOB:
        memcpy(&value.len, (const uint8_t *)row + column->len_offset, sizeof value.len);
        break;
    default:
        value.is_number = true;
        value.number = number_of(at, column->kind);
    }
    return value;
}

static uint32_t checksum(const struct sq_table *table, unsigned count, const void *row)
{
    uint32_t sum = KW_CHECKSUM_INIT;
    for (unsigned i = 0; i < count; i++) {
        struct value value = value_of(row, &table->columns[i]);
        uint8_t head[8];
        kw_put_u64(head, value.is_number ? (uint64_t)value.number : value.len);
        sum = kw_checksum(sum, head, sizeof head);
        sum = kw_checksum(sum, value.data, value.is_number ? 0 : value.len);
    }
    return sum;
}

/* The checksum says how many columns it covers, so that a later schema may add columns behind them
 * without touching every row. Until such a row is next written its new columns are what the
 * migration made them, zero or empty; anything else in them is damage. */
int sq_row_bind(sqlite3_stmt *statement, const struct sq_table *table, const void *row)
{
    int rc = SQLITE_OK;
    for (int i = 0; i < table->count && rc == SQLITE_OK; i++) {
        struct value value = value_of(row, &table->columns[i]);
        if (value.is_number)
            rc = sqlite3_bind_int64(statement, i + 1, value.number);
        else if (table->columns[i].kind == SQ_TEXT)
            rc = sqlite3_bind_text(statement, i + 1, value.data, (int)value.len, SQLITE_STATIC);
        else
            rc = sqlite3_bind_blob(statement, i + 1, value.data, (int)value.len, SQLITE_STATIC);
    }
    int64_t sum = ((int64_t)table->count << 32) | checksum(table, table->count, row);
    return rc == SQLITE_OK ? sqlite3_bind_int64(statement, table->count + 1, sum) : rc;
}

static bool read_number(sqlite3_stmt *statement, int i, const struct sq_column *column, uint8_t *at)
{
    if (sqlite3_column_type(statement, i) != SQLITE_INTEGER)
        return false;
    int64_t value = sqlite3_column_int64(statement, i);
    uint32_t narrow = (uint32_t)value;
    switch (column->kind) {
    case SQ_U64:
        memcpy(at, &value, sizeof value);
        return true;
    case SQ_U32:
    case SQ_STATE:
        memcpy(at, &narrow, sizeof narrow);
        return value == (int64_t)narrow;
    case SQ_BOOL:
        *at = value == 1;
        return value == 0 || value == 1;
    default:
        *at = (uint8_t)value;
        return value >= 0 && value <= UINT8_MAX;
    }
}

static bool read_bytes(sqlite3_stmt *statement, int i, const struct sq_column *column, void *row)
{
    uint8_t *at = (uint8_t *)row + column->offset;
    bool text = column->kind == SQ_TEXT;
    if (sqlite3_column_type(statement, i) != (text ? SQLITE_TEXT : SQLITE_BLOB))
        return false;
    const void *data = sqlite3_column_blob(statement, i);
    size_t len = (size_t)sqlite3_column_bytes(statement, i);
    if (data == NULL || len > column->size - (text ? 1U : 0U))
        return len == 0 && text;
    if (column->kind == SQ_FIXED && len != column->size)
        return false;
    memcpy(at, data, len);
    if (column->kind == SQ_BLOB)
        memcpy((uint8_t *)row + column->len_offset, &len, sizeof len);
    return !text || memchr(data, 0, len) == NULL;
}

static bool read_column(sqlite3_stmt *statement, int i, const struct sq_column *column, void *row)
{
    switch (column->kind) {
    case SQ_TEXT:
    case SQ_FIXED:
    case SQ_BLOB:
        return read_bytes(statement, i, column, row);
    default:
        return read_number(statement, i, column, (uint8_t *)row + column->offset);
    }
}

/* Are the columns that the checksum does not cover yet as a migration leaves them? */
static bool rest_is_empty(const struct sq_table *table, unsigned covered, const void *row)
{
    for (unsigned i = covered; i < table->count; i++) {
        struct value value = value_of(row, &table->columns[i]);
        if (value.is_number ? value.number != 0 : value.len != 0)
            return false;
    }
    return true;
}

KW_ERR sq_row_read(struct sq_store *store, sqlite3_stmt *statement, const struct sq_table *table,
                   void *row, struct kw_error *err)
{
    int count = table->count;
    bool good = true;
    for (int i = 0; i < count && good; i++)
        good = read_column(statement, i, &table->columns[i], row);
    int64_t sum = sqlite3_column_int64(statement, count);
    int64_t covered = sum >> 32;
    good = good && covered > table->keys && covered <= count &&
           (uint32_t)sum == checksum(table, (unsigned)covered, row) &&
           rest_is_empty(table, (unsigned)covered, row);
    if (good && table->joined != NULL)
        good = read_column(statement, count + 1, table->joined, row);
    return good ? KW_OK : sq_damaged(store, table->name, err);
}

void sq_row_keep(const struct sq_table *table, void *row, const void *old)
{
    for (unsigned i = 0; i < table->count; i++) {
        const struct sq_column *column = &table->columns[i];
        if (!column->settable)
            memcpy((uint8_t *)row + column->offset, member(old, column), column->size);
    }
}
