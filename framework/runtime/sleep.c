#define _GNU_SOURCE
#include "sleep.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static uint64_t monotonic_now(void *context)
{
    struct timespec time;

    (void)context;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

#if defined(__x86_64__)

/* The time stamp counter of x86-64 processors runs at 1 GHz or more. */
static uint64_t read_ticks(void)
{
    return __builtin_ia32_rdtsc();
}

static uint64_t ticks_per_second(void)
{
    return 1000000000;
}

#elif defined(__aarch64__)

static uint64_t read_ticks(void)
{
    uint64_t ticks;

    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
}

static uint64_t ticks_per_second(void)
{
    uint64_t frequency;

    __asm__("mrs %0, cntfrq_el0" : "=r"(frequency));
    return frequency;
}

#endif

/* FUTEX_WAIT_BITSET takes the deadline itself, on the monotonic clock. */
static void futex_sleep(void *context, _Atomic uint32_t *word, uint32_t value, uint64_t deadline)
{
    struct timespec until = {.tv_sec = (time_t)(deadline / 1000000000),
                             .tv_nsec = (long)(deadline % 1000000000)};

    (void)context;
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value,
            deadline == TRI__NEVER ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
}

static void futex_wake(void *context, _Atomic uint32_t *word)
{
    (void)context;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void tri__sleep_init(struct tri__clock *clock, struct tri__sleeper *sleeper)
{
    *clock = (struct tri__clock){
        .now = monotonic_now,
        .ticks = read_ticks,
        .ticks_short = ticks_per_second() / (1000000000 / TRI__CLOCK_SHORT),
    };
    *sleeper = (struct tri__sleeper){.sleep = futex_sleep, .wake = futex_wake};
}
