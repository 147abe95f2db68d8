/*
 * Memory for nghttp2, one pool for all sessions of a reactor: free lists by size, and a reserve,
 * since nghttp2 does not survive a failed allocation. When the reserve has been touched the pool
 * says so, and new streams are refused until there is memory again.
 *
 * Thread: the reactor's.
 */
#ifndef TRI_H2_MEMORY_H
#define TRI_H2_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRI__H2_CLASSES 33

struct tri__h2_memory {
    struct tri__h2_block *idle[TRI__H2_CLASSES];
    uint32_t idle_count[TRI__H2_CLASSES];
    struct tri__h2_block *reserve;
    uint32_t reserve_count;
};

/* Returns: 0 or -ENOMEM. */
int tri__h2_memory_init(struct tri__h2_memory *memory);
void tri__h2_memory_fini(struct tri__h2_memory *memory);

/* Whether the reserve has been touched; fills it up again when there is memory. */
bool tri__h2_memory_is_short(struct tri__h2_memory *memory);

#endif
