/*
 * A token bucket: how many events of a kind a peer may cause at once, and how many a second after
 * that.
 *
 * Kept as one time (the generic cell rate algorithm): that at which the bucket will be full again.
 * An event moves it on by the time that one token takes to come back, and is refused when that
 * would put it further ahead than the time that a whole burst takes.
 */
#ifndef TRI_BUCKET_H
#define TRI_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct tri__bucket {
    uint64_t interval;  /* ns for a token to come back */
    uint64_t tolerance; /* ns for a whole burst */
    uint64_t full_at;   /* ns */
};

/* `rate` is tokens a second, not 0. */
static inline void tri__bucket_init(struct tri__bucket *bucket, uint32_t burst, uint32_t rate,
                                    uint64_t now)
{
    bucket->interval = UINT64_C(1000000000) / rate;
    bucket->tolerance = bucket->interval * burst;
    bucket->full_at = now;
}

/* Takes one token. Returns: false when there is none left. */
static inline bool tri__bucket_take(struct tri__bucket *bucket, uint64_t now)
{
    uint64_t full_at = (bucket->full_at > now ? bucket->full_at : now) + bucket->interval;

    if (full_at - now > bucket->tolerance)
        return false;
    bucket->full_at = full_at;
    return true;
}

#endif
