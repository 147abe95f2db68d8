#define _GNU_SOURCE
#include "stack_pool.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "alloc.h"
#include "assertion.h"
#include "fiber.h"
#include "sanitizer.h"

#define PAGE ((size_t)4096)
#define REGION_STACKS 64
/* Idle fibers above this many give their pages back: what a burst took does not stay. */
#define WARM_MAX 512
/*
 * Without MADV_GUARD_INSTALL each guard splits a mapping, and vm.max_map_count is 65,530 by
 * default.
 */
#define MPROTECT_MAX 30000

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

struct tri__stack_region {
    struct tri__stack_region *next;
    uint32_t mprotected; /* guards of it that are mappings of their own */
    uint8_t *memory;
    struct tri__fiber fibers[REGION_STACKS];
};

static _Atomic uint32_t mprotected; /* guards of the process that are mappings of their own */

static size_t slot_size(const struct tri__stack_pool *pool)
{
    return pool->stack_size + TRI__STACK_GUARD;
}

void tri__stack_pool_init(struct tri__stack_pool *pool, size_t stack_size)
{
    *pool = (struct tri__stack_pool){.stack_size =
                                         (stack_size * TRI__STACK_FACTOR + PAGE - 1) & ~(PAGE - 1)};
}

static void free_region(struct tri__stack_pool *pool, struct tri__stack_region *region)
{
    for (size_t i = 0; i < REGION_STACKS; i++)
        tri__fiber_fini(&region->fibers[i]);
    munmap(region->memory, slot_size(pool) * REGION_STACKS);
    atomic_fetch_sub_explicit(&mprotected, region->mprotected, memory_order_relaxed);
    tri__free(region);
}

void tri__stack_pool_fini(struct tri__stack_pool *pool)
{
    while (pool->regions != NULL) {
        struct tri__stack_region *region = pool->regions;

        pool->regions = region->next;
        free_region(pool, region);
    }
    pool->idle = NULL;
    pool->idle_count = 0;
}

static int install_guard(struct tri__stack_region *region, uint8_t *guard)
{
    if (madvise(guard, TRI__STACK_GUARD, MADV_GUARD_INSTALL) == 0)
        return 0;
    if (atomic_fetch_add_explicit(&mprotected, 1, memory_order_relaxed) >= MPROTECT_MAX) {
        atomic_fetch_sub_explicit(&mprotected, 1, memory_order_relaxed);
        return -ENOMEM;
    }
    region->mprotected++;
    return mprotect(guard, TRI__STACK_GUARD, PROT_NONE) == 0 ? 0 : -errno;
}

static int add_region(struct tri__stack_pool *pool)
{
    size_t size = slot_size(pool) * REGION_STACKS;
    struct tri__stack_region *region = tri__alloc_zeroed(1, sizeof(*region));

    if (region == NULL)
        return -ENOMEM;
    region->memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (region->memory == MAP_FAILED) {
        int error = errno;

        tri__free(region);
        return -error;
    }
    /* A huge page would make a hundred stacks resident at the first touch of one. */
    madvise(region->memory, size, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < REGION_STACKS; i++) {
        uint8_t *slot = region->memory + i * slot_size(pool);
        int r = install_guard(region, slot);

        if (r < 0) {
            for (size_t j = 0; j < i; j++)
                tri__fiber_fini(&region->fibers[j]);
            munmap(region->memory, size);
            atomic_fetch_sub_explicit(&mprotected, region->mprotected, memory_order_relaxed);
            tri__free(region);
            return r;
        }
        tri__fiber_init(&region->fibers[i], pool, slot + TRI__STACK_GUARD);
    }
    for (size_t i = REGION_STACKS; i-- > 0;) {
        region->fibers[i].next = pool->idle;
        pool->idle = &region->fibers[i];
    }
    pool->idle_count += REGION_STACKS;
    region->next = pool->regions;
    pool->regions = region;
    return 0;
}

struct tri__fiber *tri__stack_pool_take(struct tri__stack_pool *pool)
{
    if (pool->idle == NULL) {
        int r = add_region(pool);

        if (r < 0) {
            errno = -r;
            return NULL;
        }
    }
    struct tri__fiber *fiber = pool->idle;

    tri_assert(fiber != NULL);
    pool->idle = fiber->next;
    pool->idle_count--;
    fiber->next = NULL;
    return fiber;
}

/* Of the pages below the top one; the next touch brings zeroes. */
static void give_back(struct tri__fiber *fiber, size_t keep)
{
    madvise(fiber->stack, fiber->pool->stack_size - keep, MADV_DONTNEED);
}

void tri__stack_pool_give(struct tri__stack_pool *pool, struct tri__fiber *fiber)
{
    /* Whatever the frames of the last function left poisoned must not catch the next one's. */
    tri__unpoison(fiber->stack, pool->stack_size);
    if (pool->idle_count >= WARM_MAX)
        give_back(fiber, 0);
    else if (fiber->was_trimmed)
        fiber->was_trimmed = false;
    fiber->next = pool->idle;
    pool->idle = fiber;
    pool->idle_count++;
}

void tri__stack_pool_sweep(struct tri__stack_pool *pool, uint32_t visits, uint64_t since)
{
    while (visits-- > 0 && pool->regions != NULL) {
        if (pool->swept_region == NULL)
            pool->swept_region = pool->regions;
        struct tri__fiber *fiber = &pool->swept_region->fibers[pool->swept_index];

        if (fiber->state == TRI__FIBER_PARKED && !fiber->was_trimmed && fiber->parked_at < since) {
            size_t live = (size_t)(fiber->stack + pool->stack_size - (uint8_t *)fiber->context);

            /* 128 bytes below the stack pointer belong to it (the ABI's red zone). */
            give_back(fiber, (live + 128 + PAGE - 1) & ~(PAGE - 1));
            fiber->was_trimmed = true;
        }
        if (++pool->swept_index == REGION_STACKS) {
            pool->swept_index = 0;
            pool->swept_region = pool->swept_region->next;
        }
    }
}
