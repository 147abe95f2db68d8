#include "arena.h"

#include <string.h>

#include "alloc.h"
#include "sanitizer.h"

/*
 * 128 blocks are 256 KiB: what the handlers of one batch need at once, not what a burst once took.
 */
#define IDLE_MAX 128
#define ALIGNMENT 16

void tri__block_cache_fini(struct tri__block_cache *cache)
{
    while (cache->idle != NULL) {
        struct tri__arena_block *block = cache->idle;

        cache->idle = block->next;
        tri__unpoison(block->bytes, block->size);
        tri__free(block);
    }
    cache->count = 0;
}

static struct tri__arena_block *take_block(struct tri__block_cache *cache, size_t size)
{
    struct tri__arena_block *block = cache->idle;

    if (size <= TRI__ARENA_BLOCK) {
        size = TRI__ARENA_BLOCK;
        if (block != NULL) {
            cache->idle = block->next;
            cache->count--;
            return block;
        }
    }
    block = tri__alloc(sizeof(*block) + size);
    if (block == NULL)
        return NULL;
    block->size = size;
    tri__poison(block->bytes, block->size);
    return block;
}

static void give_block(struct tri__block_cache *cache, struct tri__arena_block *block)
{
    if (block->size > TRI__ARENA_BLOCK || cache->count >= IDLE_MAX) {
        tri__unpoison(block->bytes, block->size);
        tri__free(block);
        return;
    }
    tri__poison(block->bytes, block->size);
    block->next = cache->idle;
    cache->idle = block;
    cache->count++;
}

static void *alloc_from_new_block(struct tri__arena *arena, size_t size)
{
    struct tri__arena_block *block = take_block(arena->cache, size);

    if (block == NULL)
        return NULL;
    /* A large piece gets a block of its own; the one in use stays in use. */
    if (size > TRI__ARENA_BLOCK && arena->blocks != NULL) {
        block->next = arena->blocks->next;
        arena->blocks->next = block;
    } else {
        block->next = arena->blocks;
        arena->blocks = block;
        arena->used = size;
    }
    tri__unpoison(block->bytes, size);
    return block->bytes;
}

void *tri__arena_alloc(struct tri__arena *arena, size_t size)
{
    struct tri__arena_block *block = arena->blocks;

    if (size > SIZE_MAX - sizeof(*block) - ALIGNMENT)
        return NULL;
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (block == NULL || size > block->size - arena->used)
        return alloc_from_new_block(arena, size);

    void *memory = block->bytes + arena->used;
    arena->used += size;
    tri__unpoison(memory, size);
    return memory;
}

void tri__arena_reset(struct tri__arena *arena)
{
    while (arena->blocks != NULL) {
        struct tri__arena_block *block = arena->blocks;

        arena->blocks = block->next;
        give_block(arena->cache, block);
    }
    arena->used = 0;
}
