/*
 * A short way for the formats that replies are mostly made with: %s %d %u %ld %lu %zu %% and
 * nothing else, no flags and no widths. It needs a tenth of what vsnprintf does, and so little
 * stack that a fiber's will do.
 */
#ifndef TRI_CALL_FORMAT_H
#define TRI_CALL_FORMAT_H

#include <stdarg.h>
#include <stdbool.h>

#include "arena.h"

/*
 * Returns: false when the format has something else in it: then nothing was done. `*text` is NULL
 * without memory.
 */
bool tri__format_simple(struct tri__arena *arena, char **text, const char *format,
                        va_list *arguments);

#endif
