/*
 * The switch from one stack to another, in assembly: what the ABI says a function must keep, and no
 * more. The floating-point control words are not saved: a handler must not change rounding modes
 * over a wait.
 */
#ifndef TRI_CONTEXT_H
#define TRI_CONTEXT_H

#include <stddef.h>

/*
 * Saves this stack's context in `*from` and goes on with `to`. Returns when something switches
 * back.
 */
void tri__context_switch(void **from, void *to);

/*
 * A context for a new stack that ends at `top` (16-byte aligned): the first switch to it calls
 * `entry(argument)`, which must never return.
 */
void *tri__context_make(void *top, void (*entry)(void *), void *argument);

/*
 * Calls `function(argument)` on the stack whose context is saved in `stack`, below what is there,
 * and comes back to this one.
 */
void tri__context_call(void (*function)(void *), void *argument, void *stack);

#endif
