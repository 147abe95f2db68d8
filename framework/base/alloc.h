/*
 * Where all of the library's memory comes from. Programs choose the allocator when they link (the
 * bundled ones link jemalloc); tests put their own table in to make allocations fail.
 */
#ifndef TRI_ALLOC_H
#define TRI_ALLOC_H

#include <stddef.h>

struct tri__allocator {
    void *(*allocate)(size_t size);
    void *(*allocate_zeroed)(size_t count, size_t size);
    void *(*resize)(void *memory, size_t size);
    void (*release)(void *memory);
};

/* Replaced, if at all, before the first thread of the library starts. */
extern struct tri__allocator tri__allocator;

static inline void *tri__alloc(size_t size)
{
    return tri__allocator.allocate(size);
}

static inline void *tri__alloc_zeroed(size_t count, size_t size)
{
    return tri__allocator.allocate_zeroed(count, size);
}

static inline void *tri__resize(void *memory, size_t size)
{
    return tri__allocator.resize(memory, size);
}

static inline void tri__free(void *memory)
{
    tri__allocator.release(memory);
}

/* Copies with a NUL after it. Returns: NULL without memory. */
char *tri__strdup(const char *text);
char *tri__strndup(const char *text, size_t size);

#endif
