/*
 * The pool as nghttp2 wants it, and what its errors mean.
 */
#ifndef TRI_H2_MEMORY_NGHTTP2_H
#define TRI_H2_MEMORY_NGHTTP2_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>

#include "h2_memory.h"

nghttp2_mem tri__h2_memory_hooks(struct tri__h2_memory *memory);

/* Whether an error ends the session for too much of something. */
static inline bool tri__h2_is_flood_error(int error)
{
#ifdef TRI__NGHTTP2_HAS_MAX_CONTINUATIONS
    if (error == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS)
        return true;
#endif
    return error == NGHTTP2_ERR_FLOODED;
}

#endif
