/* Tables for people: columns as wide as their widest cell, two spaces between them. Not
 * thread-safe. */
#ifndef KW_CLI_TABLE_H
#define KW_CLI_TABLE_H

#include "base/bytes.h"

enum { KW_TABLE_COLUMNS_MAX = 12 };

struct kw_table {
    struct kw_buf cells; /* texts, each with its NUL, row by row; the titles first */
    size_t columns;
    size_t filled;  /* cells in the row that is being filled */
    unsigned right; /* bit a column: numbers, to the right */
    size_t width[KW_TABLE_COLUMNS_MAX];
};

/* titles: with commas between them; one that begins with '>' heads a column of numbers. */
struct kw_table kw_table(const char *titles);
/* The next cell of the row: "-" stands for "", nothing for " ". NULL ends the row. */
void kw_table_cell(struct kw_table *table, const char *text);
/* A row's texts, from the first on, ended by NULL. */
void kw_table_row(struct kw_table *table, const char *const *texts);
size_t kw_table_rows(const struct kw_table *table);
/* To standard output. */
void kw_table_print(const struct kw_table *table);
static inline void kw_table_wipe(struct kw_table *table)
{
    kw_buf_wipe(&table->cells);
}
KW_CLEANUP_WIPE(kw_table)

#endif
