/*
 * Between fiber.c and scheduler.c: the switch itself, with what the sanitizers must be told of it.
 */
#ifndef TRI_FIBER_SWITCH_H
#define TRI_FIBER_SWITCH_H

#include "scheduler.h"

/* The scheduler whose fibers this thread is running; NULL outside tri__scheduler_run. */
extern _Thread_local struct tri__scheduler *tri__scheduler_here;

/* Where a fiber starts; `argument` is the fiber. */
void tri__fiber_entry(void *argument);

/* Goes to the fiber, and comes back when it parks or ends. */
void tri__fiber_enter(struct tri__scheduler *scheduler, struct tri__fiber *fiber);

#endif
