/*
 * When the clock is worth a look: by a counter that costs less, or always without one.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "clock.h"

static uint64_t ticks;

static uint64_t read_test_ticks(void)
{
    return ticks;
}

static void without_a_counter_the_clock_is_always_read(void **state)
{
    static const struct tri__clock clock = {.ticks = NULL};
    uint64_t looked_at = 0;

    (void)state;
    assert_true(tri__clock_may_have_moved(&clock, &looked_at));
    assert_true(tri__clock_may_have_moved(&clock, &looked_at));
}

static void it_is_not_read_within_a_few_ticks(void **state)
{
    static const struct tri__clock clock = {.ticks = read_test_ticks, .ticks_short = 100};
    uint64_t looked_at = 0;

    (void)state;
    ticks = 1000;
    assert_true(tri__clock_may_have_moved(&clock, &looked_at));
    ticks += 99;
    assert_false(tri__clock_may_have_moved(&clock, &looked_at));
    ticks += 1;
    assert_true(tri__clock_may_have_moved(&clock, &looked_at));
    assert_int_equal(looked_at, 1100);
}

/* Another CPU's counter may be a little behind: that must not keep the clock from being read. */
static void a_counter_that_goes_back_reads_the_clock(void **state)
{
    static const struct tri__clock clock = {.ticks = read_test_ticks, .ticks_short = 100};
    uint64_t looked_at = 1000;

    (void)state;
    ticks = 999;
    assert_true(tri__clock_may_have_moved(&clock, &looked_at));
    assert_int_equal(looked_at, 999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_counter_the_clock_is_always_read),
        cmocka_unit_test(it_is_not_read_within_a_few_ticks),
        cmocka_unit_test(a_counter_that_goes_back_reads_the_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
