#define _GNU_SOURCE
#include "platform.h"

#include <sched.h>
#include <time.h>

#include "sleep.h"
#include "uring.h"

static int start_thread(pthread_t *thread, void *(*main)(void *), void *argument)
{
    return -pthread_create(thread, NULL, main, argument);
}

static void prepare_thread(const char *name, int cpu)
{
    pthread_setname_np(pthread_self(), name);
    if (cpu >= 0) {
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET((size_t)cpu, &set);
        pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
    }
}

static bool join_thread(pthread_t thread, uint64_t patience)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)(patience % 1000000000);
    until.tv_sec += (time_t)(patience / 1000000000) + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return pthread_timedjoin_np(thread, NULL, &until) == 0;
}

struct tri__platform tri__platform = {
    .clock = {.now = tri__monotonic_now, .ticks = tri__ticks},
    .sleeper = {.sleep = tri__futex_sleep, .wake = tri__futex_wake},
    .open_engine = tri__uring_new,
    .start_thread = start_thread,
    .prepare_thread = prepare_thread,
    .join_thread = join_thread,
    .wait = tri__signals_wait_system,
    .nudge = tri__signals_nudge_system,
};
