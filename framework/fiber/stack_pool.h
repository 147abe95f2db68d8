/*
 * Fibers with their stacks, pooled by the thread that uses them. Stacks lie in regions of 64, each
 * above a guard of 16 KiB; the fibers themselves lie apart from them, so that a waiting fiber costs
 * one touched page (its stack's top) and what is written about it touches no second one.
 *
 * Thread: the owner's.
 */
#ifndef TRI_STACK_POOL_H
#define TRI_STACK_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sanitizer.h"

struct tri__fiber;
struct tri__stack_region;

/* A sanitizer's checks, and its allocator, want a lot of stack for themselves. */
#if TRI__ASAN || TRI__TSAN
#define TRI__STACK_FACTOR ((size_t)8)
#else
#define TRI__STACK_FACTOR ((size_t)1)
#endif

#define TRI__STACK_GUARD ((size_t)16 * 1024)
#define TRI__STACK_MIN ((size_t)16 * 1024)
#define TRI__STACK_DEFAULT ((size_t)64 * 1024)
#define TRI__STACK_MAX ((size_t)256 * 1024 * 1024)

struct tri__stack_pool {
    struct tri__stack_pool *next; /* of another size */
    size_t stack_size; /* usable bytes, whole pages; TRI__STACK_FACTOR times what was asked for */
    struct tri__stack_region *regions;
    struct tri__fiber *idle; /* last in, first out: the warm one comes next */
    uint32_t idle_count;
    /* Where the sweep for long-parked fibers goes on. */
    struct tri__stack_region *swept_region;
    uint32_t swept_index;
};

void tri__stack_pool_init(struct tri__stack_pool *pool, size_t stack_size);

/* No fiber may be in use. */
void tri__stack_pool_fini(struct tri__stack_pool *pool);

/* Returns: an idle fiber, or NULL with errno (ENOMEM, for the lack of vm.max_map_count too). */
struct tri__fiber *tri__stack_pool_take(struct tri__stack_pool *pool);
void tri__stack_pool_give(struct tri__stack_pool *pool, struct tri__fiber *fiber);

/*
 * Looks at the next `visits` fibers of the pool and gives back the pages below the top of those
 * that have been parked since before `since` (ns).
 */
void tri__stack_pool_sweep(struct tri__stack_pool *pool, uint32_t visits, uint64_t since);

#endif
