/*
 * A hierarchical timing wheel: pure data, no clock. Seven levels of 64 slots, a tick of 2^20 ns
 * (about 1 ms). Adding and removing cost O(1); a timer moves down at most six times before it
 * fires, and never fires early.
 *
 * Invariant: a timer stands at the level of the highest base-64 digit in which its expiry differs
 * from the wheel's tick. So all timers of a level expire before all of the next one, no level wraps
 * round, and the lowest bit of the lowest level that is not empty is what comes next.
 */
#ifndef TRI_WHEEL_H
#define TRI_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRI__WHEEL_LEVELS 7
#define TRI__WHEEL_SLOTS 64
#define TRI__TICK_SHIFT 20
#define TRI__NEVER UINT64_MAX

struct tri__timer {
    struct tri__timer *next;
    struct tri__timer **link; /* what points at this one; NULL when it is not set */
    uint64_t expiry;          /* tick */
    uint16_t place;           /* level * 64 + slot */
    void (*fire)(struct tri__timer *timer);
};

struct tri__wheel {
    uint64_t tick;
    uint64_t
        floor; /* the earliest that a timer can be set to; while it advances, one beyond that */
    uint64_t occupied[TRI__WHEEL_LEVELS];
    struct tri__timer *slots[TRI__WHEEL_LEVELS][TRI__WHEEL_SLOTS];
};

void tri__wheel_init(struct tri__wheel *wheel, uint64_t now);

static inline void tri__timer_init(struct tri__timer *timer, void (*fire)(struct tri__timer *timer))
{
    timer->link = NULL;
    timer->fire = fire;
}

static inline bool tri__timer_is_set(const struct tri__timer *timer)
{
    return timer->link != NULL;
}

/*
 * Sets the timer to fire at `when` (ns), or moves it there. One in the past fires at the next
 * advance.
 */
void tri__timer_set(struct tri__wheel *wheel, struct tri__timer *timer, uint64_t when);

/* Takes it out; it does no harm when it was not set. */
void tri__timer_clear(struct tri__wheel *wheel, struct tri__timer *timer);

/*
 * Fires all that is due at `now` (ns). A timer is out of the wheel when its function runs, which
 * may set and clear any timer, its own too.
 */
void tri__wheel_advance(struct tri__wheel *wheel, uint64_t now);

/* When the wheel next wants to be advanced (ns), at the latest; TRI__NEVER when it is empty. */
uint64_t tri__wheel_next(const struct tri__wheel *wheel);

/* `now + duration` without overflow; TRI__NEVER for a negative duration. */
static inline uint64_t tri__time_after(uint64_t now, int64_t duration)
{
    if (duration < 0 || (uint64_t)duration > TRI__NEVER - 1 - now)
        return TRI__NEVER;
    return now + (uint64_t)duration;
}

#endif
