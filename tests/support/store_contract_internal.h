/* Private to the store's contract: its tests, in three files, and what they share. */
#ifndef KW_TESTS_STORE_CONTRACT_INTERNAL_H
#define KW_TESTS_STORE_CONTRACT_INTERNAL_H

#include "store_contract.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define ok(call)          assert_int_equal((call), KW_OK)
#define fails(code, call) assert_int_equal((call), (code))

/* What the last failing call said. */
extern struct kw_error kw_contract_err;
#define err kw_contract_err

static inline void fill(struct kw_store *store, const char *id, uint64_t reference)
{
    ok(kw_test_store_fill(store, id, reference, &err));
}

/* store_contract_rows.c, store_contract_lists.c, store_contract_search.c */
void tenants_are_kept(void **state);
void bad_rows_are_refused(void **state);
void keys_are_kept(void **state);
void keys_are_set(void **state);
void versions_are_set(void **state);
void rows_belong_to_others(void **state);
void uses_are_counted(void **state);
void copies_are_replaced(void **state);
void copies_are_destroyed(void **state);
void tokens_are_kept(void **state);
void tenants_are_listed(void **state);
void the_rest_is_listed(void **state);
void due_keys_are_listed(void **state);
void a_list_may_not_call_back(void **state);
void everything_is_counted_and_checked(void **state);
void lacking_versions_are_found(void **state);
void lacking_versions_come_by_pages(void **state);
void expired_versions_are_found(void **state);
void copies_are_counted(void **state);
void costs_are_added_up(void **state);
void costs_are_listed(void **state);
void bad_costs_are_refused(void **state);

#endif
