/*
 * Goal: stacks have the size that was asked for and are used again; a waiting fiber costs one
 * touched page, and what was touched below goes back after a while, but for live bytes; on the
 * thread's own stack there is much room and no fiber. Method: fibers that dig into their stacks;
 * mincore(2) over the stacks' pages, which only builds without sanitizers allow.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/mman.h>

#include "fibers.h"

#define PAGE ((size_t)4096)
#define KIB ((size_t)1024)
#define SECOND (UINT64_C(1000000000))

static int set_up(void **state)
{
    (void)state;
    return fibers_init();
}

static int tear_down(void **state)
{
    (void)state;
    tri__scheduler_fini(&scheduler);
    return 0;
}

struct digger {
    struct spawned spawned;
    struct tri__fiber *fiber;
    size_t depth; /* bytes of stack to touch before it waits */
    size_t live;  /* and while it waits */
    unsigned parks;
    uint64_t sum;
    uintptr_t lowest;
};

/* Touches the stack down to `until`. */
static __attribute__((noinline)) uint64_t dig(struct digger *digger, const uint8_t *until)
{
    volatile uint8_t room[512];
    uint64_t sum = 0;

    for (size_t i = 0; i < sizeof(room); i += 64)
        room[i] = (uint8_t)i;
    if (digger->lowest == 0 || (uintptr_t)room < digger->lowest)
        digger->lowest = (uintptr_t)room;
    if ((const uint8_t *)room > until)
        sum = dig(digger, until);
    for (size_t i = 0; i < sizeof(room); i += 64)
        sum += room[i];
    return sum;
}

/* Waits with `size` bytes of live stack. */
static __attribute__((noinline)) uint64_t wait_below(size_t size)
{
    volatile uint8_t room[1024];
    uint64_t sum = 0;

    for (size_t i = 0; i < sizeof(room); i++)
        room[i] = (uint8_t)(size / KIB + i);
    if (size > sizeof(room))
        sum = wait_below(size - sizeof(room));
    else
        tri__fiber_park();
    for (size_t i = 0; i < sizeof(room); i++)
        sum += room[i];
    return sum;
}

static uint64_t expected_sum(size_t size)
{
    uint64_t sum = 0;

    for (;; size -= 1024) {
        for (size_t i = 0; i < 1024; i++)
            sum += (uint8_t)(size / KIB + i);
        if (size <= 1024)
            return sum;
    }
}

static void run_digger(void *argument)
{
    struct digger *digger = argument;

    digger->fiber = tri__fiber_current();
    for (unsigned i = 0; i <= digger->parks; i++) {
        if (digger->depth > 0)
            dig(digger, digger->fiber->stack + digger->fiber->pool->stack_size - digger->depth);
        if (digger->live > 0)
            digger->sum = wait_below(digger->live);
        else
            tri__fiber_park();
    }
}

static void finish(struct digger *digger)
{
    while (scheduler.fibers > 0) {
        tri__fiber_wake(digger->fiber);
        run_all();
    }
}

static void stacks_have_the_size_that_was_asked_for(void **state)
{
    static const size_t sizes[] = {16 * KIB, 0, 20000, 256 * KIB, 1024 * KIB};
    struct digger diggers[5] = {0};

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        size_t asked = sizes[i] == 0 ? TRI__STACK_DEFAULT : sizes[i];

        diggers[i].spawned.stack_size = sizes[i];
        diggers[i].depth = asked - 2 * KIB; /* the rest is for the last frame */
        spawn(&diggers[i].spawned, run_digger, &diggers[i]);
        run_all();
        assert_int_equal(diggers[i].spawned.result, 0);
        assert_true(diggers[i].fiber->pool->stack_size >= asked * TRI__STACK_FACTOR);
        assert_int_equal(diggers[i].fiber->pool->stack_size % PAGE, 0);
        assert_true(diggers[i].lowest >= (uintptr_t)diggers[i].fiber->stack);
        assert_true(diggers[i].lowest <
                    (uintptr_t)diggers[i].fiber->stack + diggers[i].fiber->pool->stack_size);
    }
    assert_ptr_not_equal(diggers[0].fiber->pool, diggers[2].fiber->pool);
    for (size_t i = 0; i < 5; i++)
        tri__fiber_wake(diggers[i].fiber);
    run_all();
    assert_int_equal(scheduler.fibers, 0);
    /* A size that was there before makes no new pool. */
    diggers[0] = (struct digger){.spawned = {.stack_size = 256 * 1024}};
    spawn(&diggers[0].spawned, run_digger, &diggers[0]);
    run_all();
    assert_ptr_equal(diggers[0].fiber->pool, diggers[3].fiber->pool);
    assert_ptr_equal(diggers[0].fiber, diggers[3].fiber);
    finish(&diggers[0]);
}

static void the_warm_stack_comes_next(void **state)
{
    struct digger diggers[3] = {0};
    struct tri__fiber *last;

    (void)state;
    for (size_t i = 0; i < 3; i++)
        spawn(&diggers[i].spawned, run_digger, &diggers[i]);
    run_all();
    last = diggers[1].fiber;
    for (size_t i = 0; i < 3; i++)
        tri__fiber_wake(diggers[i == 2 ? 1 : i * 2].fiber); /* 0, 2, 1 */
    run_all();
    diggers[0] = (struct digger){0};
    spawn(&diggers[0].spawned, run_digger, &diggers[0]);
    run_all();
    assert_ptr_equal(diggers[0].fiber, last);
    finish(&diggers[0]);
}

struct borrowed {
    const uint8_t *at;
    struct tri__fiber *current;
    struct borrowed *nested;
    uint64_t sum;
};

/* Far more than a fiber's stack has. */
static void use_thread_stack(void *argument)
{
    volatile uint8_t room[512 * 1024];
    struct borrowed *borrowed = argument;

    borrowed->at = (const uint8_t *)room;
    borrowed->current = tri__fiber_current();
    for (size_t i = 0; i < sizeof(room); i += 512) {
        room[i] = 1;
        borrowed->sum += room[i];
    }
    if (borrowed->nested != NULL)
        tri__on_thread_stack(use_thread_stack, borrowed->nested);
}

struct borrower {
    struct spawned spawned;
    struct borrowed outer, inner;
    struct tri__fiber *before, *after;
    bool is_right;
};

static void borrow(void *argument)
{
    struct borrower *borrower = argument;
    volatile uint8_t own[256];

    for (size_t i = 0; i < sizeof(own); i++)
        own[i] = (uint8_t)i;
    borrower->before = tri__fiber_current();
    borrower->outer.nested = &borrower->inner;
    tri__on_thread_stack(use_thread_stack, &borrower->outer);
    borrower->after = tri__fiber_current();
    tri__fiber_park();
    tri__on_thread_stack(use_thread_stack, &borrower->inner);
    borrower->is_right = true;
    for (size_t i = 0; i < sizeof(own); i++)
        borrower->is_right = borrower->is_right && own[i] == (uint8_t)i;
}

static bool is_on(const struct tri__fiber *fiber, const uint8_t *address)
{
    return address >= fiber->stack && address < fiber->stack + fiber->pool->stack_size;
}

static void the_threads_stack_can_be_borrowed(void **state)
{
    struct borrower borrowers[2] = {0};
    struct borrowed plain = {0}, nested = {0};

    (void)state;
    spawn(&borrowers[0].spawned, borrow, &borrowers[0]);
    spawn(&borrowers[1].spawned, borrow, &borrowers[1]);
    run_all();
    for (size_t i = 0; i < 2; i++) {
        struct borrower *borrower = &borrowers[i];

        assert_non_null(borrower->before);
        assert_ptr_equal(borrower->after, borrower->before);
        assert_null(borrower->outer.current);
        assert_null(borrower->inner.current);
        assert_false(is_on(borrower->before, borrower->outer.at));
        assert_false(is_on(borrower->before, borrower->inner.at));
        assert_true(borrower->inner.at < borrower->outer.at); /* below it */
        assert_int_equal(borrower->outer.sum, 1024);
        tri__fiber_wake(borrower->before);
    }
    run_all();
    assert_true(borrowers[0].is_right && borrowers[1].is_right);
    assert_int_equal(borrowers[1].inner.sum, 2048);
    /* On a thread's own stack it is a plain call. */
    plain.nested = &nested;
    tri__on_thread_stack(use_thread_stack, &plain);
    assert_int_equal(plain.sum, 1024);
    assert_int_equal(nested.sum, 1024);
    assert_null(nested.current);
}

static bool can_count_pages(void)
{
    if (TRI__STACK_FACTOR == 1)
        return true;
    print_message("[  SKIP    ] a sanitizer touches pages of its own\n");
    return false;
}

static size_t resident(const struct tri__fiber *fiber)
{
    unsigned char pages[1024];
    size_t count = 0;

    assert_int_equal(mincore(fiber->stack, fiber->pool->stack_size, pages), 0);
    for (size_t i = 0; i < fiber->pool->stack_size / PAGE; i++)
        count += pages[i] & 1;
    return count;
}

static void a_waiting_fiber_costs_one_page(void **state)
{
    static struct digger diggers[200];

    (void)state;
    if (!can_count_pages())
        return;
    for (size_t i = 0; i < 200; i++)
        spawn(&diggers[i].spawned, run_digger, &diggers[i]);
    run_all();
    for (size_t i = 0; i < 200; i++)
        assert_int_equal(resident(diggers[i].fiber), 1);
    for (size_t i = 0; i < 200; i++)
        tri__fiber_wake(diggers[i].fiber);
    run_all();
}

/* Lets the sweep come round, `seconds` long. */
static void let_pass(unsigned seconds)
{
    for (unsigned i = 0; i < 4 * seconds; i++) {
        clock_now += SECOND / 4;
        run_all();
    }
}

static void the_sweep_keeps_live_bytes_alone(void **state)
{
    struct digger deep = {.depth = 56 * KIB, .parks = 1};
    struct digger living = {.depth = 56 * KIB, .live = 20 * KIB};

    (void)state;
    spawn(&deep.spawned, run_digger, &deep);
    spawn(&living.spawned, run_digger, &living);
    run_all();
    if (can_count_pages()) {
        assert_true(resident(deep.fiber) >= 14);
        let_pass(4);
        assert_true(resident(deep.fiber) >= 14); /* not parked for long */
        let_pass(2);
        assert_int_equal(resident(deep.fiber), 1);
        assert_in_range(resident(living.fiber), 5, 7);
        /* Once more, after it has been woken. */
        tri__fiber_wake(deep.fiber);
        run_all();
        assert_true(resident(deep.fiber) >= 14);
    }
    let_pass(7);
    if (TRI__STACK_FACTOR == 1)
        assert_int_equal(resident(deep.fiber), 1);
    tri__fiber_wake(living.fiber);
    run_all();
    assert_int_equal(living.sum, expected_sum(20 * KIB));
    tri__fiber_wake(deep.fiber);
    tri__fiber_wake(deep.fiber);
    finish(&deep);
}

/* What a burst took does not stay: beyond 512 idle stacks the pages go back at once. */
static void a_burst_gives_its_pages_back(void **state)
{
    static struct digger diggers[1200];
    size_t touched = 0;

    (void)state;
    if (!can_count_pages())
        return;
    for (size_t i = 0; i < 1200; i++)
        spawn(&diggers[i].spawned, run_digger, &diggers[i]);
    run_all();
    for (size_t i = 0; i < 1200; i++)
        tri__fiber_wake(diggers[i].fiber);
    run_all();
    for (size_t i = 0; i < 1200; i++)
        touched += resident(diggers[i].fiber);
    assert_in_range(touched, 1, 512 + 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(stacks_have_the_size_that_was_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_warm_stack_comes_next, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_threads_stack_can_be_borrowed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_waiting_fiber_costs_one_page, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_sweep_keeps_live_bytes_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_burst_gives_its_pages_back, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
