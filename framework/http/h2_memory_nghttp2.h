/*
 * The pool as nghttp2 wants it.
 */
#ifndef TRI_H2_MEMORY_NGHTTP2_H
#define TRI_H2_MEMORY_NGHTTP2_H

#include <nghttp2/nghttp2.h>

#include "h2_memory.h"

nghttp2_mem tri__h2_memory_hooks(struct tri__h2_memory *memory);

#endif
