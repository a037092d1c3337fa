/* GET /v1/tenants: pages in the order of ids. Who may act for some tenants only sees those, each
 * looked up by its name: a page costs the same however many tenants there are. */
#include "api/internal.h"

enum { SCOPE_IDS_MAX = KW_SCOPE_MAX / 2 + 1 };

struct page {
    struct kw_json_writer w;
    size_t limit;
    size_t count;
    char last[KW_TENANT_MAX + 1];
    bool more;
};

struct selection {
    char prefix[KW_TENANT_MAX + 1];
    char cursor[KW_TENANT_MAX + 1];
};

/* One row more than the page holds is asked for, to know whether there is a next one. */
static bool write_row(void *arg, const struct kw_tenant_row *row)
{
    struct page *page = arg;
    if (page->count == page->limit) {
        page->more = true;
        return false;
    }
    kw_write_tenant_begin(&page->w, row);
    kw_json_end(&page->w);
    memcpy(page->last, row->id, sizeof page->last);
    page->count++;
    return true;
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(a, b);
}

static size_t split_scope(const char *scope, char ids[][KW_TENANT_MAX + 1])
{
    size_t count = 0;
    while (*scope != '\0' && count < SCOPE_IDS_MAX) {
        size_t len = strcspn(scope, ",");
        if (len > 0 && len <= KW_TENANT_MAX) {
            memcpy(ids[count], scope, len);
            ids[count++][len] = '\0';
        }
        scope += len + (scope[len] == ',');
    }
    return count;
}

static bool selected(const struct selection *selection, const char *id, const char *before)
{
    return strncmp(id, selection->prefix, strlen(selection->prefix)) == 0 &&
           strcmp(id, selection->cursor) > 0 && (before == NULL || strcmp(id, before) != 0);
}

static KW_ERR list_some(struct kw_job *job, const struct selection *selection, struct page *page,
                        struct kw_error *err)
{
    char(*ids)[KW_TENANT_MAX + 1] = calloc(SCOPE_IDS_MAX, sizeof *ids);
    if (ids == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    size_t count = split_scope(job->call->caller.tenants, ids);
    kw_code code = KW_OK;
    bool room = true;
    qsort(ids, count, sizeof *ids, compare_ids);
    for (size_t i = 0; i < count && room && code == KW_OK; i++) {
        struct kw_tenant_row row;
        if (!selected(selection, ids[i], i > 0 ? ids[i - 1] : NULL))
            continue;
        code = kw_store_tenant_get(kw_job_store(job), ids[i], &row, err);
        if (code == KW_OK)
            room = write_row(page, &row);
        else if (code == KW_TENANT_NOT_FOUND || code == KW_BAD_NAME)
            code = KW_OK;
    }
    free(ids);
    return code;
}

static KW_ERR read_query(struct kw_job *job, struct selection *selection, uint64_t *limit,
                         struct kw_error *err)
{
    const char *query = job->call->query != NULL ? job->call->query : "";
    bool found = false;
    KW_TRY(kw_query_get(query, "prefix", selection->prefix, sizeof selection->prefix, &found, err));
    KW_TRY(kw_query_get(query, "cursor", selection->cursor, sizeof selection->cursor, &found, err));
    KW_TRY(kw_query_u64(query, "limit", KW_API_PAGE_MAX, limit, err));
    if (*limit == 0)
        return kw_fail(err, KW_BAD_REQUEST, "the parameter 'limit' must be at least 1");
    return KW_OK;
}

KW_ERR kw_handle_tenants_list(struct kw_job *job, struct kw_error *err)
{
    struct selection selection = {.prefix = ""};
    uint64_t limit = KW_API_PAGE;
    KW_TRY(read_query(job, &selection, &limit, err));
    struct page page = {.w = kw_job_writer(job), .limit = (size_t)limit};
    kw_json_begin(&page.w, NULL, '{');
    kw_json_begin(&page.w, "tenants", '[');
    if (kw_caller_may_touch(&job->call->caller, "*"))
        KW_TRY(kw_store_tenants(kw_job_store(job), selection.prefix,
                                selection.cursor[0] != '\0' ? selection.cursor : NULL,
                                page.limit + 1, write_row, &page, err));
    else
        KW_TRY(list_some(job, &selection, &page, err));
    kw_json_end(&page.w);
    if (page.more)
        kw_json_str(&page.w, "next_cursor", page.last);
    kw_json_end(&page.w);
    return KW_OK;
}
