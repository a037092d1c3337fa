/* /v1/costs: what provider calls cost, and what the keyring saved. Sums are of the whole range;
 * lines come in pages, in the order of tenants, whole tenants at a time. */
#include "api/internal.h"

#include "authority/cost.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/names.h"

#include <time.h>

struct request {
    struct kw_cost_query range;
    char tenant[KW_TENANT_MAX + 1];
    char cursor[KW_TENANT_MAX + 1];
    bool after; /* there is a cursor; "" is one: what is of no tenant comes first */
    uint64_t limit;
};

/* Where a page lies in the report. */
struct page {
    size_t line, line_end;
    size_t saving, saving_end;
    const char *last; /* tenant */
    bool more;
};

static int64_t today(void)
{
    return kw_clock_wall_ms() / 1000 / KW_DAY_SECONDS;
}

static int64_t first_of_month(int64_t day)
{
    time_t seconds = (time_t)(day * KW_DAY_SECONDS);
    struct tm tm;
    return gmtime_r(&seconds, &tm) == NULL ? day : day - tm.tm_mday + 1;
}

static KW_ERR read_day(const char *query, const char *name, int64_t *out, struct kw_error *err)
{
    char text[32];
    bool found = false;
    KW_TRY(kw_query_get(query, name, text, sizeof text, &found, err));
    return found ? kw_day_read(text, out, err) : KW_OK;
}

static KW_ERR read_request(const char *query, struct request *out, struct kw_error *err)
{
    bool one = false;
    *out = (struct request){.range = {.to_day = today()}, .limit = KW_API_PAGE};
    KW_TRY(read_day(query, "to", &out->range.to_day, err));
    out->range.from_day = first_of_month(out->range.to_day);
    KW_TRY(read_day(query, "from", &out->range.from_day, err));
    if (out->range.from_day > out->range.to_day)
        return kw_fail(err, KW_BAD_REQUEST, "'from' must not be after 'to'");
    KW_TRY(kw_query_get(query, "tenant", out->tenant, sizeof out->tenant, &one, err));
    KW_TRY(kw_query_get(query, "cursor", out->cursor, sizeof out->cursor, &out->after, err));
    KW_TRY(kw_query_u64(query, "limit", KW_API_PAGE_MAX, &out->limit, err));
    if (out->limit == 0)
        return kw_fail(err, KW_BAD_REQUEST, "the parameter 'limit' must be at least 1");
    if (one)
        KW_TRY(kw_tenant_name_check(out->tenant, err));
    out->range.tenant = one ? out->tenant : NULL;
    return KW_OK;
}

static const char *line_at(const struct kw_cost_report *report, size_t i)
{
    return i < report->line_count ? report->lines[i].tenant : NULL;
}

static const char *saving_at(const struct kw_cost_report *report, size_t i)
{
    return i < report->saving_count ? report->savings[i].tenant : NULL;
}

/* The tenant that comes first; NULL after the last. */
static const char *first_of(const char *line, const char *saving)
{
    if (line == NULL || saving == NULL)
        return line != NULL ? line : saving;
    return strcmp(saving, line) < 0 ? saving : line;
}

static bool up_to(const char *tenant, const char *last)
{
    return tenant != NULL && strcmp(tenant, last) <= 0;
}

/* Moves the page's end past all of this tenant. */
static void take(const struct kw_cost_report *report, struct page *page, const char *tenant)
{
    while (up_to(line_at(report, page->line_end), tenant))
        page->line_end++;
    while (up_to(saving_at(report, page->saving_end), tenant))
        page->saving_end++;
    page->last = tenant;
}

/* Both lists are in the order of tenants: the page is a piece of each. */
static struct page find_page(const struct kw_cost_report *report, const struct request *request)
{
    struct page page = {0};
    if (request->after)
        take(report, &page, request->cursor);
    page.line = page.line_end;
    page.saving = page.saving_end;
    const char *next = NULL;
    for (uint64_t tenants = 0; tenants <= request->limit; tenants++) {
        next = first_of(line_at(report, page.line_end), saving_at(report, page.saving_end));
        if (next == NULL || tenants == request->limit)
            break;
        take(report, &page, next);
    }
    page.more = next != NULL;
    return page;
}

static void write_line(struct kw_json_writer *w, const struct kw_cost_line *line)
{
    kw_json_begin(w, NULL, '{');
    kw_json_str(w, "tenant", line->tenant);
    kw_json_str(w, "region", line->region);
    kw_json_str(w, "provider", line->provider);
    kw_json_uint(w, "wraps", line->wraps);
    kw_json_uint(w, "unwraps", line->unwraps);
    kw_json_uint(w, "failures", line->failures);
    kw_write_amount(w, "spent", line->nano);
    kw_json_end(w);
}

static void write_saving(struct kw_json_writer *w, const struct kw_cost_saving *saving)
{
    kw_json_begin(w, NULL, '{');
    kw_json_str(w, "tenant", saving->tenant);
    kw_json_str(w, "region", saving->region);
    kw_json_uint(w, "uses", saving->uses);
    kw_json_uint(w, "calls", saving->calls);
    kw_write_amount(w, "spent", saving->spent_nano);
    kw_write_amount(w, "saved", saving->saved_nano);
    kw_json_end(w);
}

static void write_sums(struct kw_job *job, struct kw_json_writer *w,
                       const struct kw_cost_query *range, const struct kw_cost_report *report)
{
    char day[KW_DAY_TEXT_SIZE];
    kw_json_str(w, "currency", job->api->currency);
    kw_json_str(w, "from", kw_day_text(range->from_day, day));
    kw_json_str(w, "to", kw_day_text(range->to_day, day));
    kw_write_amount(w, "spent", report->spent_nano);
    kw_write_amount(w, "saved", report->saved_nano);
    kw_json_uint(w, "calls", report->calls);
    kw_json_uint(w, "uses", report->uses);
}

KW_ERR kw_handle_costs(struct kw_job *job, struct kw_error *err)
{
    KW_AUTO(kw_cost_report) report = {0};
    struct request request;
    KW_TRY(read_request(job->call->query != NULL ? job->call->query : "", &request, err));
    kw_code code =
        kw_authority_costs(job->api->authority, &job->call->caller, &request.range, &report, err);
    if (code != KW_OK) /* who asked for another's costs is on record */
        return kw_code_class(code) == KW_CLASS_DENIED ? kw_job_refuse(job, code, err) : code;
    struct page page = find_page(&report, &request);
    struct kw_json_writer w = kw_job_writer(job);
    kw_json_begin(&w, NULL, '{');
    write_sums(job, &w, &request.range, &report);
    kw_json_begin(&w, "lines", '[');
    for (size_t i = page.line; i < page.line_end; i++)
        write_line(&w, &report.lines[i]);
    kw_json_end(&w);
    kw_json_begin(&w, "savings", '[');
    for (size_t i = page.saving; i < page.saving_end; i++)
        write_saving(&w, &report.savings[i]);
    kw_json_end(&w);
    if (page.more)
        kw_json_str(&w, "next_cursor", page.last);
    kw_json_end(&w);
    return KW_OK;
}
