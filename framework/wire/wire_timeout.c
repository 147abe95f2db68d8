#include "wire_timeout.h"

#include <errno.h>

/* As many as a 64-bit number holds, whatever they are. */
#define DIGITS_MAX 18

static tri_duration unit_of(char letter)
{
    switch (letter) {
    case 'H':
        return TRI_SECONDS(3600);
    case 'M':
        return TRI_SECONDS(60);
    case 'S':
        return TRI_SECONDS(1);
    case 'm':
        return TRI_MS(1);
    case 'u':
        return TRI_US(1);
    case 'n':
        return 1;
    default:
        return 0;
    }
}

int tri__timeout_parse(const char *text, size_t size, tri_duration *timeout)
{
    if (size < 2 || size > DIGITS_MAX + 1)
        return -EINVAL;
    tri_duration unit = unit_of(text[size - 1]);
    tri_duration count = 0;

    if (unit == 0)
        return -EINVAL;
    for (size_t i = 0; i < size - 1; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -EINVAL;
        count = count * 10 + (text[i] - '0');
    }
    if (__builtin_mul_overflow(count, unit, timeout))
        *timeout = INT64_MAX;
    return 0;
}
