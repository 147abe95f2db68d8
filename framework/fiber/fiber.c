#include "fiber.h"

#include <errno.h>

#include "assertion.h"
#include "context.h"
#include "fiber_switch.h"
#include "sanitizer.h"

#if TRI__ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#if TRI__TSAN
#include <sanitizer/tsan_interface.h>
#endif

_Thread_local struct tri__scheduler *tri__scheduler_here;

/*
 * What the sanitizers are told. ASan wants to know, before a switch, the bounds of the stack that
 * comes next and, after it, gives the bounds of the one that was left; TSan, which fiber runs.
 */
static inline void leave_for(void **fake_stack, const void *bottom, size_t size, void *tsan_fiber)
{
#if TRI__ASAN
    __sanitizer_start_switch_fiber(fake_stack, bottom, size);
#endif
#if TRI__TSAN
    __tsan_switch_to_fiber(tsan_fiber, 0);
#endif
    (void)fake_stack, (void)bottom, (void)size, (void)tsan_fiber;
}

static inline void arrived(void *fake_stack, const void **left_bottom, size_t *left_size)
{
#if TRI__ASAN
    __sanitizer_finish_switch_fiber(fake_stack, left_bottom, left_size);
#endif
    (void)fake_stack, (void)left_bottom, (void)left_size;
}

void tri__fiber_init(struct tri__fiber *fiber, struct tri__stack_pool *pool, uint8_t *stack)
{
    *fiber = (struct tri__fiber){.pool = pool, .stack = stack, .state = TRI__FIBER_IDLE};
#if TRI__TSAN
    fiber->tsan_fiber = __tsan_create_fiber(0);
#endif
}

void tri__fiber_fini(struct tri__fiber *fiber)
{
    tri_assert(fiber->state == TRI__FIBER_IDLE);
#if TRI__TSAN
    __tsan_destroy_fiber(fiber->tsan_fiber);
#endif
}

void tri__fiber_prepare(struct tri__fiber *fiber)
{
#if TRI__TSAN
    /* Its function never returned, so the old one's shadow stack would grow with every run. */
    __tsan_destroy_fiber(fiber->tsan_fiber);
    fiber->tsan_fiber = __tsan_create_fiber(0);
#endif
    fiber->context =
        tri__context_make(fiber->stack + fiber->pool->stack_size, tri__fiber_entry, fiber);
}

struct tri__fiber *tri__fiber_current(void)
{
    return tri__scheduler_here != NULL ? tri__scheduler_here->current : NULL;
}

void tri__fiber_enter(struct tri__scheduler *scheduler, struct tri__fiber *fiber)
{
#if TRI__TSAN
    scheduler->native_tsan = __tsan_get_current_fiber();
#endif
    leave_for(&scheduler->native_fake_stack, fiber->stack, fiber->pool->stack_size,
              fiber->tsan_fiber);
    tri__context_switch(&scheduler->native, fiber->context);
    arrived(scheduler->native_fake_stack, NULL, NULL);
}

static void go_to_native(struct tri__fiber *fiber, void **fake_stack)
{
    struct tri__scheduler *scheduler = fiber->scheduler;

    leave_for(fake_stack, scheduler->native_bottom, scheduler->native_size, scheduler->native_tsan);
    tri__context_switch(&fiber->context, scheduler->native);
    arrived(fiber->fake_stack, &scheduler->native_bottom, &scheduler->native_size);
}

void tri__fiber_entry(void *argument)
{
    struct tri__fiber *fiber = argument;

    arrived(NULL, &fiber->scheduler->native_bottom, &fiber->scheduler->native_size);
    fiber->function(fiber->argument);
    fiber->state = TRI__FIBER_IDLE;
    /* No place for the fake stack: this run of the fiber is over, and ASan frees it. */
    go_to_native(fiber, NULL);
    __builtin_unreachable();
}

void tri__fiber_park(void)
{
    struct tri__fiber *fiber = tri__fiber_current();
    int saved_errno = errno;

    tri_assert(fiber != NULL);
    fiber->state = TRI__FIBER_PARKED;
    go_to_native(fiber, &fiber->fake_stack);
    errno = saved_errno;
}

void tri__fiber_yield(void)
{
    struct tri__fiber *fiber = tri__fiber_current();
    int saved_errno = errno;

    tri_assert(fiber != NULL);
    fiber->state = TRI__FIBER_PARKED;
    tri__fiber_wake(fiber);
    go_to_native(fiber, &fiber->fake_stack);
    errno = saved_errno;
}

static void time_is_up(struct tri__timer *timer)
{
    struct tri__fiber *fiber = tri_container_of(timer, struct tri__fiber, timer);

    /* A wake that came in time, but whose turn has not come yet, was first. */
    if (fiber->state != TRI__FIBER_PARKED)
        return;
    fiber->timed_out = true;
    tri__fiber_wake(fiber);
}

bool tri__fiber_park_until(uint64_t deadline)
{
    struct tri__fiber *fiber = tri__fiber_current();

    tri_assert(fiber != NULL);
    fiber->timed_out = false;
    if (deadline == TRI__NEVER) {
        tri__fiber_park();
        return true;
    }
    tri__timer_init(&fiber->timer, time_is_up);
    tri__timer_set(&fiber->scheduler->wheel, &fiber->timer, deadline);
    tri__fiber_park();
    tri__timer_clear(&fiber->scheduler->wheel, &fiber->timer);
    return !fiber->timed_out;
}

void tri__fiber_wake(struct tri__fiber *fiber)
{
    struct tri__scheduler *scheduler = fiber->scheduler;

    if (fiber->state != TRI__FIBER_PARKED)
        return;
    fiber->state = TRI__FIBER_RUNNABLE;
    fiber->was_trimmed = false;
    fiber->next = NULL;
    if (scheduler->runnable_first == NULL)
        scheduler->runnable_first = fiber;
    else
        scheduler->runnable_last->next = fiber;
    scheduler->runnable_last = fiber;
}

#if TRI__ASAN

struct annotated_call {
    void (*function)(void *argument);
    void *argument;
    struct tri__fiber *fiber;
    void *native_fake_stack;
};

static void call_annotated(void *argument)
{
    struct annotated_call *call = argument;
    struct tri__fiber *fiber = call->fiber;

    arrived(call->native_fake_stack, NULL, NULL);
    call->function(call->argument);
    leave_for(&call->native_fake_stack, fiber->stack, fiber->pool->stack_size, fiber->tsan_fiber);
}

#endif

void tri__on_thread_stack(void (*function)(void *argument), void *argument)
{
    struct tri__fiber *fiber = tri__fiber_current();

    if (fiber == NULL) {
        function(argument);
        return;
    }
    struct tri__scheduler *scheduler = fiber->scheduler;

    /* While it runs there, the code is the thread's: it has no fiber to park. */
    scheduler->current = NULL;
#if TRI__ASAN
    struct annotated_call call = {function, argument, fiber, scheduler->native_fake_stack};
    void *fake_stack = NULL;

    leave_for(&fake_stack, scheduler->native_bottom, scheduler->native_size,
              scheduler->native_tsan);
    tri__context_call(call_annotated, &call, scheduler->native);
    arrived(fake_stack, NULL, NULL);
    scheduler->native_fake_stack = call.native_fake_stack;
#else
    tri__context_call(function, argument, scheduler->native);
#endif
    scheduler->current = fiber;
}
