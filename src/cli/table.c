#include "cli/table.h"

/* Bytes that continue a character of UTF-8 take no room. */
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static void put(struct kw_table *table, const char *text, size_t len)
{
    char cell[512];
    snprintf(cell, sizeof cell, "%.*s", (int)(len < sizeof cell ? len : sizeof cell - 1), text);
    size_t width = width_of(cell);
    size_t column = table->filled;
    if (width > table->width[column])
        table->width[column] = width;
    kw_buf_append(&table->cells, cell, strlen(cell) + 1);
    table->filled = (column + 1) % table->columns;
}

struct kw_table kw_table(const char *titles)
{
    struct kw_table table = {.columns = 1};
    for (const char *c = titles; *c != '\0'; c++)
        table.columns += *c == ',';
    for (size_t i = 0; i < table.columns; i++) {
        bool right = *titles == '>';
        titles += right;
        size_t len = strcspn(titles, ",");
        table.right |= right ? 1U << i : 0;
        put(&table, titles, len);
        titles += len + (titles[len] == ',');
    }
    return table;
}

void kw_table_cell(struct kw_table *table, const char *text)
{
    if (text != NULL && text[0] == '\0')
        put(table, "-", 1);
    else if (text != NULL)
        put(table, text, strcmp(text, " ") == 0 ? 0 : strlen(text));
    while (text == NULL && table->filled != 0)
        put(table, "", 0);
}

void kw_table_row(struct kw_table *table, const char *const *texts)
{
    while (*texts != NULL)
        kw_table_cell(table, *texts++);
    kw_table_cell(table, NULL);
}

size_t kw_table_rows(const struct kw_table *table)
{
    size_t cells = 0;
    for (size_t i = 0; i < table->cells.len; i++)
        cells += table->cells.data[i] == '\0';
    return cells / table->columns - 1;
}

static void pad(size_t count)
{
    while (count-- > 0)
        putchar(' ');
}

/* No spaces stand at the end of a line: they are only written once something follows them. */
void kw_table_print(const struct kw_table *table)
{
    size_t owed = 0;
    size_t column = 0;
    for (size_t at = 0; at < table->cells.len;) {
        const char *text = (const char *)table->cells.data + at;
        size_t space = table->width[column] - width_of(text);
        bool right = (table->right >> column & 1) != 0;
        owed += right ? space : 0;
        if (text[0] != '\0') {
            pad(owed);
            fputs(text, stdout);
            owed = 0;
        }
        owed += (right ? 0 : space) + 2;
        at += strlen(text) + 1;
        column = (column + 1) % table->columns;
        if (column == 0) {
            putchar('\n');
            owed = 0;
        }
    }
}
