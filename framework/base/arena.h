/*
 * Arenas: memory that is given out piece by piece and taken back all at once. Blocks of one size
 * come from the cache of a thread; an arena may be used on that thread only.
 */
#ifndef TRI_ARENA_H
#define TRI_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Usable bytes of a block that comes from a cache. */
#define TRI__ARENA_BLOCK 2016

struct tri__arena_block {
    struct tri__arena_block *next;
    size_t size; /* usable bytes; above TRI__ARENA_BLOCK it is not for the cache */
    uint8_t bytes[] __attribute__((aligned(16)));
};

/* Idle blocks of one thread, last in first out so that the warm one comes next. */
struct tri__block_cache {
    struct tri__arena_block *idle;
    uint32_t count;
};

void tri__block_cache_fini(struct tri__block_cache *cache);

struct tri__arena {
    struct tri__block_cache *cache;
    struct tri__arena_block *blocks; /* the one in use comes first */
    size_t used;                     /* bytes of the first block that are taken */
};

static inline void tri__arena_init(struct tri__arena *arena, struct tri__block_cache *cache)
{
    arena->cache = cache;
    arena->blocks = NULL;
    arena->used = 0;
}

/*
 * Memory aligned for any type, not cleared; it lives until the arena is reset.
 *
 * Returns: NULL when there is no memory.
 */
void *tri__arena_alloc(struct tri__arena *arena, size_t size);

/* Gives all of it back; with ASan, what was handed out may not be touched any more. */
void tri__arena_reset(struct tri__arena *arena);

static inline bool tri__arena_is_empty(const struct tri__arena *arena)
{
    return arena->blocks == NULL;
}

#endif
