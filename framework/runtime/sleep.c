#define _GNU_SOURCE
#include "sleep.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "wheel.h"

uint64_t tri__monotonic_now(void *context)
{
    struct timespec time;

    (void)context;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

#if defined(__x86_64__)

/* The time stamp counter of x86-64 processors runs at 1 GHz or more. */
uint64_t tri__ticks(void)
{
    return __builtin_ia32_rdtsc();
}

uint64_t tri__ticks_short(void)
{
    return TRI__CLOCK_SHORT;
}

#elif defined(__aarch64__)

uint64_t tri__ticks(void)
{
    uint64_t ticks;

    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
}

uint64_t tri__ticks_short(void)
{
    uint64_t frequency;

    __asm__("mrs %0, cntfrq_el0" : "=r"(frequency));
    return frequency / (1000000000 / TRI__CLOCK_SHORT);
}

#endif

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
