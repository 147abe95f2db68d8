#define _GNU_SOURCE
#include "sleep.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "wheel.h"

uint64_t tri__monotonic_now(void *context)
{
    struct timespec time;

    (void)context;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* FUTEX_WAIT_BITSET takes the deadline itself, on the monotonic clock. */
void tri__futex_sleep(void *context, _Atomic uint32_t *word, uint32_t value, uint64_t deadline)
{
    struct timespec until = {.tv_sec = (time_t)(deadline / 1000000000),
                             .tv_nsec = (long)(deadline % 1000000000)};

    (void)context;
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value,
            deadline == TRI__NEVER ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
}

void tri__futex_wake(void *context, _Atomic uint32_t *word)
{
    (void)context;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
