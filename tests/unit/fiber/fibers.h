/*
 * For tests: a scheduler with a clock that the test sets, and fibers to put on it.
 */
#ifndef FIBERS_H
#define FIBERS_H

#include <string.h>

#include "alloc.h"
#include "assertion.h"
#include "scheduler.h"

struct spawned {
    struct tri__task task;
    void (*function)(void *argument);
    void *argument;
    const char *name;
    size_t stack_size;
    int result; /* of tri__scheduler_start */
};

static uint64_t clock_now;
static struct tri__scheduler scheduler;
static unsigned switches, stalls;
static const char *stalled_name;
static uint64_t stalled_for;

static uint64_t read_test_clock(void *context)
{
    (void)context;
    return clock_now;
}

static void on_switched(struct tri__scheduler *of)
{
    tri_assert(of == &scheduler && of->current == NULL);
    switches++;
}

static void on_stalled(struct tri__scheduler *of, const char *name, uint64_t held)
{
    tri_assert(of == &scheduler);
    stalls++;
    stalled_name = name;
    stalled_for = held;
}

#define STALL_LIMIT 1000000

static inline int fibers_init(void)
{
    static const struct tri__clock clock = {.now = read_test_clock};
    static const struct tri__scheduler_hooks hooks = {.switched = on_switched,
                                                      .stalled = on_stalled};
    const struct tri__scheduler_config config = {
        .clock = &clock,
        .hooks = &hooks,
        .stack_size = TRI__STACK_DEFAULT,
        .stall_limit = STALL_LIMIT,
        .lanes = 1,
    };

    clock_now = (uint64_t)1000 * 1000 * 1000;
    switches = 0;
    stalls = 0;
    return tri__scheduler_init(&scheduler, &config);
}

static void start_spawned(struct tri__task *task, struct tri__scheduler *on)
{
    struct spawned *spawned = tri_container_of(task, struct spawned, task);

    spawned->result = tri__scheduler_start(on, spawned->stack_size, spawned->function,
                                           spawned->argument, spawned->name);
}

/* Puts it on the scheduler; it starts when that runs. */
static inline void spawn(struct spawned *spawned, void (*function)(void *), void *argument)
{
    spawned->task.start = start_spawned;
    spawned->function = function;
    spawned->argument = argument;
    if (spawned->name == NULL)
        spawned->name = "/test.Service/Method";
    tri__scheduler_add(&scheduler, &spawned->task);
}

static inline void run_all(void)
{
    while (tri__scheduler_run(&scheduler, 1000000))
        ;
}

#endif
