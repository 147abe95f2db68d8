/*
 * For tests: counts what is allocated and lets the allocation of a given number fail, and all after
 * it too if asked. Not for several threads.
 */
#ifndef FAILING_ALLOC_H
#define FAILING_ALLOC_H

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "alloc.h"

static struct {
    uint64_t attempts;
    uint64_t fail_at; /* the number, from 1, of the attempt that fails; 0: none does */
    bool fails_on;    /* so do all after it */
    size_t live_count;
    size_t live_bytes, peak_bytes;
} failing;

/* More than this there is not, and the sanitizers do not like to be asked for it. */
#define FAILING_SIZE_MAX ((size_t)1 << 32)

static inline bool failing_refuses(size_t size)
{
    failing.attempts++;
    if (failing.fail_at != 0 && (failing.attempts == failing.fail_at ||
                                 (failing.fails_on && failing.attempts > failing.fail_at)))
        return true;
    return size > FAILING_SIZE_MAX;
}

static inline void *failing_count(void *memory)
{
    if (memory != NULL) {
        failing.live_count++;
        failing.live_bytes += malloc_usable_size(memory);
        if (failing.live_bytes > failing.peak_bytes)
            failing.peak_bytes = failing.live_bytes;
    }
    return memory;
}

static inline void failing_forget(void *memory)
{
    if (memory != NULL) {
        failing.live_count--;
        failing.live_bytes -= malloc_usable_size(memory);
    }
}

static void *failing_allocate(size_t size)
{
    return failing_refuses(size) ? NULL : failing_count(malloc(size));
}

static void *failing_allocate_zeroed(size_t count, size_t size)
{
    return failing_refuses(count * size) ? NULL : failing_count(calloc(count, size));
}

static void *failing_resize(void *memory, size_t size)
{
    if (failing_refuses(size))
        return NULL;
    failing_forget(memory);
    return failing_count(realloc(memory, size));
}

static void failing_release(void *memory)
{
    failing_forget(memory);
    free(memory);
}

/* Puts the table in and sets all counts to 0. */
static inline void failing_start(uint64_t fail_at, bool fails_on)
{
    tri__allocator.allocate = failing_allocate;
    tri__allocator.allocate_zeroed = failing_allocate_zeroed;
    tri__allocator.resize = failing_resize;
    tri__allocator.release = failing_release;
    failing.attempts = 0;
    failing.fail_at = fail_at;
    failing.fails_on = fails_on;
    failing.live_count = 0;
    failing.live_bytes = 0;
    failing.peak_bytes = 0;
}

#endif
