/*
 * The monotonic clock, handed down as a function so that tests can bring their own.
 */
#ifndef TRI_CLOCK_H
#define TRI_CLOCK_H

#include <stdint.h>

struct tri__clock {
    uint64_t (*now)(void *context); /* ns */
    void *context;
};

static inline uint64_t tri__now(const struct tri__clock *clock)
{
    return clock->now(clock->context);
}

#endif
