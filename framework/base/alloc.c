#include "alloc.h"

#include <stdlib.h>
#include <string.h>

struct tri__allocator tri__allocator = {
    .allocate = malloc,
    .allocate_zeroed = calloc,
    .resize = realloc,
    .release = free,
};

char *tri__strndup(const char *text, size_t size)
{
    char *copy = tri__alloc(size + 1);

    if (copy != NULL) {
        memcpy(copy, text, size);
        copy[size] = '\0';
    }
    return copy;
}

char *tri__strdup(const char *text)
{
    return tri__strndup(text, strlen(text));
}
