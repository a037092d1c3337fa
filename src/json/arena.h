/* The memory of one document: chunks that are only added to and given back together. Private to
 * json/. Not thread-safe. */
#ifndef KW_JSON_ARENA_H
#define KW_JSON_ARENA_H

#include "base/bytes.h"

struct kw_json_arena;

/* hint: how many bytes will probably be asked for. secret: wiped when freed. NULL: no memory. */
struct kw_json_arena *kw_json_arena_new(size_t hint, bool secret);
void kw_json_arena_free(struct kw_json_arena *arena);

/* len bytes aligned for any type of ours, not zeroed; NULL: no memory. */
void *kw_json_arena_get(struct kw_json_arena *arena, size_t len);

#endif
