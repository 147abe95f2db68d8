/*
 * Goal: fibers run in the order in which they were woken, wait as long as they are told and never
 * shorter, keep errno and their stack over a wait, and can borrow the thread's stack; whatever
 * allocation fails, nothing leaks. Method: one thread and a clock that the test sets.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "../base/failing_alloc.h"
#include "fibers.h"

#define MANY 10000
#define TICK (UINT64_C(1) << TRI__TICK_SHIFT)

static char order[64];
static size_t order_size;

static int set_up(void **state)
{
    (void)state;
    failing_start(0, false);
    order_size = 0;
    memset(order, 0, sizeof(order));
    return fibers_init();
}

static int tear_down(void **state)
{
    (void)state;
    tri__scheduler_fini(&scheduler);
    return failing.live_count == 0 ? 0 : -1;
}

struct letter {
    struct spawned spawned;
    struct tri__fiber *fiber;
    char letter;
    unsigned parks;
    uint64_t deadline;
    bool was_woken;
};

static void write_letter(void *argument)
{
    struct letter *letter = argument;

    letter->fiber = tri__fiber_current();
    for (unsigned i = 0; i < letter->parks; i++)
        tri__fiber_park();
    order[order_size++] = letter->letter;
}

static void fibers_run_in_the_order_of_their_wakes(void **state)
{
    struct letter letters[] = {{.letter = 'a', .parks = 1},
                               {.letter = 'b', .parks = 1},
                               {.letter = 'c', .parks = 2},
                               {.letter = 'd'}};

    (void)state;
    for (size_t i = 0; i < 3; i++)
        spawn(&letters[i].spawned, write_letter, &letters[i]);
    assert_int_equal(atomic_load(&scheduler.load), 3);
    run_all();
    assert_int_equal(order_size, 0);
    assert_int_equal(scheduler.fibers, 3);
    assert_int_equal(switches, 3);
    assert_null(tri__fiber_current());
    tri__fiber_wake(letters[2].fiber);
    tri__fiber_wake(letters[0].fiber);
    tri__fiber_wake(letters[0].fiber); /* does no harm */
    tri__fiber_wake(letters[1].fiber);
    spawn(&letters[3].spawned, write_letter, &letters[3]); /* what can go on goes first */
    assert_true(tri__scheduler_run(&scheduler, 2));
    assert_string_equal(order, "a");
    run_all();
    assert_string_equal(order, "abd");
    assert_int_equal(scheduler.fibers, 1);
    tri__fiber_wake(letters[2].fiber);
    run_all();
    assert_string_equal(order, "abdc");
    assert_int_equal(scheduler.fibers, 0);
    assert_int_equal(atomic_load(&scheduler.load), 0);
    assert_int_equal(atomic_load(&scheduler.progress), switches);
    assert_int_equal(switches, 8);
}

/* What wakes a fiber that runs is lost: it looks before it parks. */
static void wake_self_and_park(void *argument)
{
    struct letter *letter = argument;

    letter->fiber = tri__fiber_current();
    tri__fiber_wake(letter->fiber);
    tri__fiber_park();
    order[order_size++] = letter->letter;
}

static void a_wake_is_not_remembered(void **state)
{
    struct letter letter = {.letter = 'x'};

    (void)state;
    spawn(&letter.spawned, wake_self_and_park, &letter);
    run_all();
    assert_int_equal(order_size, 0);
    tri__fiber_wake(letter.fiber);
    run_all();
    assert_string_equal(order, "x");
}

static void wait_until(void *argument)
{
    struct letter *letter = argument;

    letter->fiber = tri__fiber_current();
    letter->was_woken = tri__fiber_park_until(letter->deadline);
    order[order_size++] = letter->letter;
}

static void a_wake_or_the_time_ends_a_wait(void **state)
{
    uint64_t begun = clock_now;
    struct letter woken = {.letter = 'w', .deadline = begun + 10 * TICK};
    struct letter late = {.letter = 'l', .deadline = begun + 20 * TICK};
    struct letter endless = {.letter = 'e', .deadline = TRI__NEVER};
    struct letter past = {.letter = 'p', .deadline = 1};

    (void)state;
    spawn(&woken.spawned, wait_until, &woken);
    spawn(&late.spawned, wait_until, &late);
    spawn(&endless.spawned, wait_until, &endless);
    run_all();
    clock_now = begun + 9 * TICK;
    tri__fiber_wake(woken.fiber);
    run_all();
    assert_string_equal(order, "w");
    assert_true(woken.was_woken);
    clock_now = begun + 20 * TICK - 1;
    run_all();
    assert_string_equal(order, "w");
    clock_now = begun + 21 * TICK;
    run_all();
    assert_string_equal(order, "wl");
    assert_false(late.was_woken);
    spawn(&past.spawned, wait_until, &past);
    run_all();
    clock_now += TICK;
    run_all();
    assert_string_equal(order, "wlp");
    assert_false(past.was_woken);
    clock_now += (uint64_t)1000 * 3600 * 1000 * 1000 * 1000;
    run_all();
    assert_string_equal(order, "wlp");
    tri__fiber_wake(endless.fiber);
    run_all();
    assert_string_equal(order, "wlpe");
    assert_true(endless.was_woken);
}

/* Woken in time, but its turn comes when the time is up: the limit did not come first. */
static void a_wake_in_time_wins_over_a_late_turn(void **state)
{
    struct letter letter = {.letter = 'w', .deadline = clock_now + 10 * TICK};

    (void)state;
    spawn(&letter.spawned, wait_until, &letter);
    run_all();
    tri__fiber_wake(letter.fiber);
    clock_now += 20 * TICK;
    run_all();
    assert_string_equal(order, "w");
    assert_true(letter.was_woken);
}

struct sleeper {
    struct spawned spawned;
    uint64_t deadline, woken_at;
};

static void sleep_until(void *argument)
{
    struct sleeper *sleeper = argument;

    if (!tri__fiber_park_until(sleeper->deadline))
        sleeper->woken_at = clock_now;
}

static void no_wait_ends_early_or_much_later(void **state)
{
    static struct sleeper sleepers[300];
    uint64_t before;

    (void)state;
    srandom(7);
    for (size_t i = 0; i < 300; i++) {
        uint64_t range = UINT64_C(1) << (10 + i % 30);

        sleepers[i] = (struct sleeper){.deadline = clock_now + (uint64_t)random() % range};
        spawn(&sleepers[i].spawned, sleep_until, &sleepers[i]);
    }
    run_all();
    while (scheduler.fibers > 0) {
        uint64_t next = tri__wheel_next(&scheduler.wheel);

        assert_true(next != TRI__NEVER);
        before = clock_now;
        clock_now = random() % 2 == 0 && next > clock_now ? next : clock_now + TICK / 3;
        run_all();
        for (size_t i = 0; i < 300; i++) {
            struct sleeper *sleeper = &sleepers[i];

            if (sleeper->woken_at == clock_now)
                assert_true(sleeper->deadline <= clock_now);
            else if (sleeper->woken_at == 0)
                assert_true(before < sleeper->deadline + 2 * TICK);
        }
    }
}

static void keep_errno(void *argument)
{
    int *result = argument;

    errno = *result;
    tri__fiber_park_until(clock_now + 1);
    *result = errno;
}

static void errno_is_kept_over_a_wait(void **state)
{
    struct spawned spawned[2] = {0};
    int results[2] = {ENOENT, EDOM};

    (void)state;
    spawn(&spawned[0], keep_errno, &results[0]);
    spawn(&spawned[1], keep_errno, &results[1]);
    run_all();
    errno = EIO;
    clock_now += 2 * TICK;
    run_all();
    assert_int_equal(results[0], ENOENT);
    assert_int_equal(results[1], EDOM);
}

static void be_held(void *argument)
{
    clock_now += *(uint64_t *)argument;
}

static void a_stall_is_counted_and_named(void **state)
{
    struct spawned short_one = {.name = "short"}, long_one = {.name = "long"};
    uint64_t just = STALL_LIMIT, beyond = STALL_LIMIT + 1;

    (void)state;
    spawn(&short_one, be_held, &just);
    run_all();
    assert_int_equal(stalls, 0);
    clock_now += 100 * STALL_LIMIT; /* nobody held the thread then */
    spawn(&long_one, be_held, &beyond);
    spawn(&short_one, be_held, &just);
    run_all();
    assert_int_equal(stalls, 1);
    assert_int_equal(atomic_load(&scheduler.stalls), 1);
    assert_string_equal(stalled_name, "long");
    assert_int_equal(stalled_for, beyond);
}

/* Every one has a pattern on its stack while it waits, and is woken once. */
static void keep_pattern(void *argument)
{
    struct letter *letter = argument;
    volatile uint64_t pattern[32];
    bool is_right = true;

    letter->fiber = tri__fiber_current();
    for (size_t i = 0; i < 32; i++)
        pattern[i] = (uint64_t)(uintptr_t)letter * (i + 1);
    tri__fiber_park();
    for (size_t i = 0; i < 32; i++)
        is_right = is_right && pattern[i] == (uint64_t)(uintptr_t)letter * (i + 1);
    letter->was_woken = is_right;
}

static void ten_thousand_wait_at_once(void **state)
{
    static struct letter letters[MANY];

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < MANY; i++) {
            letters[i] = (struct letter){.was_woken = false};
            spawn(&letters[i].spawned, keep_pattern, &letters[i]);
        }
        run_all();
        assert_int_equal(scheduler.fibers, MANY);
        assert_int_equal(atomic_load(&scheduler.load), MANY);
        for (size_t i = 0; i < MANY; i++) {
            /* 7919 and the number of letters have no common factor. */
            tri__fiber_wake(letters[i * 7919 % MANY].fiber);
        }
        run_all();
        assert_int_equal(scheduler.fibers, 0);
        for (size_t i = 0; i < MANY; i++) {
            assert_int_equal(letters[i].spawned.result, 0);
            assert_true(letters[i].was_woken);
        }
    }
}

static void a_start_without_memory_leaves_nothing_behind(void **state)
{
    struct letter letter = {.letter = 'x'};

    (void)state;
    for (size_t size = 0; size <= 131072; size += 131072) {
        for (uint64_t at = 1;; at++) {
            letter.spawned.stack_size = size;
            failing.attempts = 0;
            failing.fail_at = at;
            order_size = 0;
            spawn(&letter.spawned, write_letter, &letter);
            run_all();
            failing.fail_at = 0;
            assert_int_equal(scheduler.fibers, 0);
            assert_int_equal(atomic_load(&scheduler.load), 0);
            if (letter.spawned.result == 0)
                break;
            assert_int_equal(letter.spawned.result, -ENOMEM);
            assert_int_equal(order_size, 0);
        }
    }
}

static void no_scheduler_without_memory(void **state)
{
    (void)state;
    tri__scheduler_fini(&scheduler);
    failing_start(1, false);
    assert_int_equal(fibers_init(), -ENOMEM);
    failing_start(0, false);
    assert_int_equal(fibers_init(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fibers_run_in_the_order_of_their_wakes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_wake_is_not_remembered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_wake_or_the_time_ends_a_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_wake_in_time_wins_over_a_late_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_wait_ends_early_or_much_later, set_up, tear_down),
        cmocka_unit_test_setup_teardown(errno_is_kept_over_a_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stall_is_counted_and_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ten_thousand_wait_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_start_without_memory_leaves_nothing_behind, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(no_scheduler_without_memory, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
