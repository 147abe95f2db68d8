/*
 * The fibers of one thread: those that can go on, tasks that wait for a fiber, their timers, and
 * what the thread posts to others. A worker has one, and so has a reactor for the handlers placed
 * inline.
 *
 * Thread: the owner's, but for `progress`, `running` and the counters, which anyone may read.
 */
#ifndef TRI_SCHEDULER_H
#define TRI_SCHEDULER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "clock.h"
#include "fiber.h"
#include "poster.h"
#include "wheel.h"

/* Something that is to be started on a fiber when its turn comes; a link in what it starts. */
struct tri__task {
    struct tri__task *next;
    void (*start)(struct tri__task *task, struct tri__scheduler *scheduler);
};

struct tri__scheduler_hooks {
    /* After each run of a fiber, with the time: to publish what it did. */
    void (*switched)(struct tri__scheduler *scheduler);
    /* A fiber held the thread for `held` ns, longer than the limit. */
    void (*stalled)(struct tri__scheduler *scheduler, const char *name, uint64_t held);
};

struct tri__scheduler {
    const struct tri__clock *clock;
    const struct tri__scheduler_hooks *hooks;
    void *owner;
    uint64_t stall_limit; /* ns */
    uint64_t now;         /* as of the last look at the clock: TRI__CLOCK_SHORT old at most */
    uint64_t ticks_at;    /* of tri__clock_may_have_moved */

    void *native; /* the thread's own context while a fiber runs */
    struct tri__fiber *current;
    struct tri__fiber *runnable_first, *runnable_last;
    struct tri__task *ready_first, *ready_last;
    struct tri__wheel wheel;
    struct tri__timer sweep;
    struct tri__stack_pool pool; /* of the default size; others hang off it */
    struct tri__block_cache blocks;
    struct tri__poster poster;
    uint32_t fibers; /* in use */
    uint32_t streak; /* fibers that ran since a task last started */

    _Alignas(TRI__NO_SHARING) _Atomic uint64_t progress; /* runs of fibers so far */
    _Atomic uint32_t load;                               /* fibers in use and tasks that wait */
    _Atomic uint64_t stalls;
    _Atomic(const char *) running; /* the name of the fiber that holds the thread, or NULL */

    const void *native_bottom; /* the sanitizers' */
    size_t native_size;
    void *native_fake_stack;
    void *native_tsan;
};

struct tri__scheduler_config {
    const struct tri__clock *clock;
    const struct tri__scheduler_hooks *hooks;
    void *owner;
    size_t stack_size;
    uint64_t stall_limit; /* ns */
    uint16_t lanes;       /* of the poster */
};

/* Returns: 0 or -ENOMEM. Thread: any, before the owner uses it. */
int tri__scheduler_init(struct tri__scheduler *scheduler,
                        const struct tri__scheduler_config *config);

/* No fiber may be left. */
void tri__scheduler_fini(struct tri__scheduler *scheduler);

/* Puts a task behind those that wait. */
void tri__scheduler_add(struct tri__scheduler *scheduler, struct tri__task *task);

/*
 * Runs `function(argument)` on a fiber, at once, until it first parks or returns. Called by a
 * task's `start`, on the thread's own stack.
 *
 * `name` is for reports and must outlive the run; a `stack_size` of 0 is the default.
 * Returns: 0, or -ENOMEM when there is no stack to be had.
 */
int tri__scheduler_start(struct tri__scheduler *scheduler, size_t stack_size,
                         void (*function)(void *), void *argument, const char *name);

/*
 * Runs what can run, at most `budget` times; fires the timers that are due first.
 *
 * Returns: whether there is more to do at once.
 */
bool tri__scheduler_run(struct tri__scheduler *scheduler, uint32_t budget);

/* Returns: whether there was need to read the clock. */
static inline bool tri__scheduler_look_at_clock(struct tri__scheduler *scheduler)
{
    if (!tri__clock_may_have_moved(scheduler->clock, &scheduler->ticks_at))
        return false;
    scheduler->now = tri__now(scheduler->clock);
    return true;
}

static inline bool tri__scheduler_is_idle(const struct tri__scheduler *scheduler)
{
    return scheduler->runnable_first == NULL && scheduler->ready_first == NULL;
}

#endif
