/*
 * Allocators of a program with one thread. For nghttp2: free lists by size, the class of a block
 * stands in front of it; running out of memory ends the program.
 */
#ifndef BENCH_POOL_H
#define BENCH_POOL_H

#include <err.h>
#include <nghttp2/nghttp2.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define UNUSED __attribute__((unused))

enum {
    POOL_STEP = 64,
    POOL_CLASSES = 32
};

union pool_block {
    size_t class;
    union pool_block *next;
    max_align_t align;
};
static union pool_block *pool_free_blocks[POOL_CLASSES];

static void *pool_alloc(size_t size, void *user UNUSED)
{
    size_t class = size / POOL_STEP + 1;
    union pool_block *block = class < POOL_CLASSES ? pool_free_blocks[class] : NULL;
    if (block)
        pool_free_blocks[class] = block->next;
    else if ((block = malloc(sizeof(*block) + class * POOL_STEP)))
        block++->class = class;
    else
        errx(1, "out of memory");
    return block;
}

static void pool_free(void *pointer, void *user UNUSED)
{
    union pool_block *block = pointer;
    if (block && block[-1].class < POOL_CLASSES) {
        block->next = pool_free_blocks[block[-1].class];
        pool_free_blocks[block[-1].class] = block;
    } else if (block) {
        free(block - 1);
    }
}

static void *pool_calloc(size_t count, size_t size, void *user)
{
    return memset(pool_alloc(count * size, user), 0, count * size);
}

static void *pool_realloc(void *pointer, size_t size, void *user)
{
    size_t old = pointer ? ((union pool_block *)pointer)[-1].class * POOL_STEP : 0;
    if (size <= old)
        return pointer;
    void *grown = pool_alloc(size, user);
    if (pointer)
        memcpy(grown, pointer, old);
    pool_free(pointer, user);
    return grown;
}

static nghttp2_mem pool = {NULL, pool_alloc, pool_free, pool_calloc, pool_realloc};

#endif
