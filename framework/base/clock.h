/*
 * The monotonic clock, handed down as a function so that tests can bring their own.
 */
#ifndef TRI_CLOCK_H
#define TRI_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tri__clock {
    uint64_t (*now)(void *context); /* ns */
    void *context;
    /*
     * A counter that costs less than `now`, for what asks with every message; NULL without one.
     * Fewer than `ticks_short` ticks are less than TRI__CLOCK_SHORT.
     */
    uint64_t (*ticks)(void);
    uint64_t ticks_short;
};

/* ns */
#define TRI__CLOCK_SHORT 10000

/*
 * Whether it is worth to read the clock again: not within TRI__CLOCK_SHORT of the last time that
 * this said so, which `*looked_at` keeps.
 */
static inline bool tri__clock_may_have_moved(const struct tri__clock *clock, uint64_t *looked_at)
{
    if (clock->ticks == NULL)
        return true;
    uint64_t ticks = clock->ticks();

    if (ticks - *looked_at < clock->ticks_short)
        return false;
    *looked_at = ticks;
    return true;
}

static inline uint64_t tri__now(const struct tri__clock *clock)
{
    return clock->now(clock->context);
}

#endif
