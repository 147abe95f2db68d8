#include "assertion.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void tri__assert_failed(const char *expression, const char *file, int line)
{
    const char *name = strrchr(file, '/');
    char text[256];
    int length = snprintf(text, sizeof(text), "trireme: assertion failed: %s (%s:%d)\n", expression,
                          name != NULL ? name + 1 : file, line);

    if (length > 0) {
        size_t size = (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1;
        ssize_t written = write(STDERR_FILENO, text, size);
        (void)written;
    }
    abort();
}
