#include "json/arena.h"

#include "base/secret.h"

enum { ALIGN = 16, LARGEST_STEP = 1 << 20 };

struct chunk {
    struct chunk *before;
    size_t used;
    size_t size;
    size_t unused; /* keeps data aligned */
    uint8_t data[];
};

_Static_assert(sizeof(struct chunk) % ALIGN == 0, "data must be aligned");

/* Lies in its own first chunk: one allocation serves a small document. */
struct kw_json_arena {
    struct chunk *last;
    bool secret;
};

static struct chunk *chunk_new(size_t size, struct chunk *before)
{
    struct chunk *chunk = malloc(sizeof *chunk + size);
    if (chunk == NULL)
        return NULL;
    *chunk = (struct chunk){.before = before, .size = size};
    return chunk;
}

static void *take(struct chunk *chunk, size_t len)
{
    if (len > chunk->size - chunk->used)
        return NULL;
    void *room = chunk->data + chunk->used;
    chunk->used += (len + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    return room;
}

struct kw_json_arena *kw_json_arena_new(size_t hint, bool secret)
{
    struct chunk *chunk = chunk_new((hint + 2 * ALIGN) & ~(size_t)(ALIGN - 1), NULL);
    if (chunk == NULL)
        return NULL;
    struct kw_json_arena *arena = take(chunk, sizeof *arena);
    *arena = (struct kw_json_arena){.last = chunk, .secret = secret};
    return arena;
}

void kw_json_arena_free(struct kw_json_arena *arena)
{
    if (arena == NULL)
        return;
    bool secret = arena->secret; /* the arena itself lies in the chunk that is freed last */
    for (struct chunk *chunk = arena->last; chunk != NULL;) {
        struct chunk *before = chunk->before;
        if (secret)
            kw_cleanse(chunk->data, chunk->used); /* the rest was never written to */
        free(chunk);
        chunk = before;
    }
}

void *kw_json_arena_get(struct kw_json_arena *arena, size_t len)
{
    void *room = take(arena->last, len);
    if (room != NULL || len > SIZE_MAX / 4)
        return room;
    size_t size = 2 * arena->last->size;
    if (size > LARGEST_STEP)
        size = LARGEST_STEP;
    if (size < len)
        size = len;
    size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    struct chunk *chunk = chunk_new(size, arena->last);
    if (chunk == NULL)
        return NULL;
    arena->last = chunk;
    return take(chunk, len);
}
