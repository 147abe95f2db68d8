/*
 * A fiber: a function that runs on a small stack of its own and can wait without holding its
 * thread.
 *
 *     IDLE -> RUNNING <-> PARKED -> RUNNABLE -> RUNNING -> ... -> IDLE
 *
 * Only the thread that owns a fiber runs and wakes it, so fibers of a thread do not race.
 */
#ifndef TRI_FIBER_H
#define TRI_FIBER_H

#include <stdbool.h>
#include <stdint.h>

#include "stack_pool.h"
#include "wheel.h"

struct tri__scheduler;

enum tri__fiber_state {
    TRI__FIBER_IDLE,
    TRI__FIBER_RUNNING,
    TRI__FIBER_PARKED,
    TRI__FIBER_RUNNABLE
};

struct tri__fiber {
    void *context;           /* while it does not run */
    struct tri__fiber *next; /* of the runnable, or of the idle */
    struct tri__scheduler *scheduler;
    struct tri__stack_pool *pool;
    uint8_t *stack; /* its lowest usable byte */
    void (*function)(void *argument);
    void *argument;
    const char *name; /* of the method it serves, for reports; outlives the run */
    struct tri__timer timer;
    uint64_t parked_at; /* ns, by the scheduler's clock */
    uint8_t state;      /* enum tri__fiber_state */
    bool timed_out;
    bool was_trimmed; /* the pages below its top have been given back */
    void *fake_stack; /* ASan's */
    void *tsan_fiber; /* TSan's */
};

void tri__fiber_init(struct tri__fiber *fiber, struct tri__stack_pool *pool, uint8_t *stack);
void tri__fiber_fini(struct tri__fiber *fiber);

/* Gets an idle fiber ready to run its function from the start. */
void tri__fiber_prepare(struct tri__fiber *fiber);

/* The fiber that runs on this thread; NULL on a thread's own stack. */
struct tri__fiber *tri__fiber_current(void);

/*
 * Waits until tri__fiber_wake. A wake that came since the fiber last ran is not remembered: the
 * caller looks at what it waits for, then parks, with nothing of the same thread in between.
 */
void tri__fiber_park(void);

/*
 * The same with a time limit (ns, by the scheduler's clock; TRI__NEVER for none).
 *
 * Returns: false when the limit came first.
 */
bool tri__fiber_park_until(uint64_t deadline);

/* Lets the others of its thread run, and goes on after them. */
void tri__fiber_yield(void);

/* Makes a parked fiber runnable. It does no harm to one that is not parked. Thread: the fiber's. */
void tri__fiber_wake(struct tri__fiber *fiber);

/*
 * Runs `function(argument)` on the thread's own, large stack: for what needs more than a fiber has
 * (formatting, decoding, a user's hook). It must not park. On a thread's own stack it is a plain
 * call.
 */
void tri__on_thread_stack(void (*function)(void *argument), void *argument);

#endif
