/* Inside a home: its parts, and values that rest sealed in its store. */
#ifndef KW_HOME_INTERNAL_H
#define KW_HOME_INTERNAL_H

#include "base/file.h"
#include "home/home.h"
#include "home/providers.h"

struct kw_home {
    char dir[KW_PATH_SIZE];
    char ledger_dir[KW_PATH_SIZE];
    int lock;
    struct kw_home_facts facts;
    struct kw_store *store;
    struct kw_home_providers providers;
    struct kw_provider *root; /* software, one of them */
    struct kw_meter *meter;
    struct kw_router *router;
    struct kw_ledger *ledger;
    struct kw_authority *authority;
    struct kw_api *api;
    struct kw_api_pki pki;
    char currency[KW_OPTION_ITEM_SIZE];
    uint64_t ledger_size_noted;
};

/* lock.c: takes DIR/lock for this process; *out is its descriptor. KW_DATA_LOCKED. The file says
 * who holds it and whether that is a server; *was_serving, which may be NULL, tells whether the
 * last server ended without closing the store. _note writes it anew. */
KW_ERR kw_home_lock(const char *dir, int *out, bool *was_serving, struct kw_error *err);
void kw_home_lock_note(int lock, bool serving);

/* sealed.c: a value of the store, wrapped by the software root under its own name. */
KW_ERR kw_home_seal_put(struct kw_store *store, struct kw_provider *root, const char *name,
                        const struct kw_secret *value, struct kw_error *err);
KW_ERR kw_home_seal_get(struct kw_store *store, struct kw_provider *root, const char *name,
                        struct kw_secret *out, struct kw_error *err);
/* A short text of the store. */
KW_ERR kw_home_text_get(struct kw_store *store, const char *name, char *out, size_t size,
                        struct kw_error *err);

/* unfinished.c: a mark from the beginning to the end of making a home. _undo removes what such a
 * making has left. */
KW_ERR kw_home_unfinished_begin(const char *dir, struct kw_error *err);
bool kw_home_unfinished(const char *dir);
void kw_home_unfinished_end(const char *dir);
KW_ERR kw_home_unfinished_undo(const char *dir, struct kw_error *err);

/* home.c: opens the store and asks it whether the making was completed. kw_home_never_ready tells
 * from the code whether the store of a marked folder was never whole, rather than not to be had for
 * now. */
KW_ERR kw_home_ready(struct kw_home *home, struct kw_error *err);
/* Takes the lock and opens the store, with what it says of the authority. */
KW_ERR kw_home_open_locked(struct kw_home *home, const struct kw_home_options *options,
                           struct kw_error *err);
bool kw_home_never_ready(kw_code code);

/* certs.c */
KW_ERR kw_home_certs_init(struct kw_home *home, const struct kw_home_init_options *options,
                          struct kw_error *err);
void kw_home_certs_offer(struct kw_home *home); /* fills home->pki */

#endif
