#include "context.h"

#include <stdint.h>
#include <string.h>

extern void tri__context_start(void);

#if defined(__x86_64__)

/* r15 r14 r13 r12 rbx rbp and the address to go on at, where the stack is empty, and so aligned. */
void *tri__context_make(void *top, void (*entry)(void *), void *argument)
{
    uintptr_t frame[7] = {
        [2] = (uintptr_t)entry, [3] = (uintptr_t)argument, [6] = (uintptr_t)tri__context_start};
    void *stack = (char *)top - sizeof(frame);

    memcpy(stack, frame, sizeof(frame));
    return stack;
}

#elif defined(__aarch64__)

/* x19 x20 ... x28, x29, x30, d8-d15 */
void *tri__context_make(void *top, void (*entry)(void *), void *argument)
{
    uintptr_t frame[20] = {
        [0] = (uintptr_t)argument, [1] = (uintptr_t)entry, [11] = (uintptr_t)tri__context_start};
    void *stack = (char *)top - sizeof(frame);

    memcpy(stack, frame, sizeof(frame));
    return stack;
}

#else
#error "no context switch for this processor: x86-64 and aarch64 have one"
#endif
