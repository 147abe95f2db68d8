/*
 * Goal: every timer fires once, never early, in the first advance that reaches its tick, in the
 * order of ticks, and tri__wheel_next never tells a time after the next timer's. Method: a naive
 * model beside it (an array that is searched whole) under seeded random sets, moves, clears and
 * jumps from nanoseconds to years; then timers that touch timers from their functions.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "assertion.h"
#include "wheel.h"

#define TIMERS 200
#define TICK (UINT64_C(1) << TRI__TICK_SHIFT)

struct entry {
    struct tri__timer timer;
    bool is_set;
    uint64_t when;
    uint64_t tick; /* at which it is due */
};

static struct tri__wheel wheel;
static struct entry entries[TIMERS];
static uint64_t now, last_tick, random_state;
static unsigned fired;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* A span from nothing to about 2^57 ns, four years: each power of two is as likely. */
static uint64_t random_span(void)
{
    return next_random() & ((UINT64_C(1) << next_random() % 58) - 1);
}

static void on_fire(struct tri__timer *timer)
{
    struct entry *entry = tri_container_of(timer, struct entry, timer);

    assert_true(entry->is_set);
    assert_false(tri__timer_is_set(timer));
    assert_true(entry->when <= now);
    assert_true(entry->tick >= last_tick);
    last_tick = entry->tick;
    entry->is_set = false;
    fired++;
}

static uint64_t ceiling_tick(uint64_t when)
{
    return when / TICK + (when % TICK != 0);
}

static void set(struct entry *entry, uint64_t when)
{
    tri__timer_set(&wheel, &entry->timer, when);
    entry->is_set = true;
    entry->when = when;
    entry->tick = ceiling_tick(when) < now / TICK ? now / TICK : ceiling_tick(when);
    assert_true(tri__timer_is_set(&entry->timer));
}

/* The model's view after an advance: nothing that is due is left, and all that is not due is. */
static void check(void)
{
    uint64_t earliest = TRI__NEVER;

    for (size_t i = 0; i < TIMERS; i++) {
        assert_int_equal(entries[i].is_set, tri__timer_is_set(&entries[i].timer));
        if (entries[i].is_set && entries[i].tick < earliest)
            earliest = entries[i].tick;
    }
    if (earliest == TRI__NEVER) {
        assert_true(tri__wheel_next(&wheel) == TRI__NEVER);
        return;
    }
    assert_true(earliest > now / TICK);
    assert_true(tri__wheel_next(&wheel) <= earliest * TICK);
    assert_true(tri__wheel_next(&wheel) > now);
}

static void advance_to(uint64_t when)
{
    now = when;
    last_tick = 0;
    tri__wheel_advance(&wheel, now);
    check();
}

static void start(uint64_t seed, uint64_t time)
{
    random_state = seed;
    now = time;
    fired = 0;
    tri__wheel_init(&wheel, now);
    for (size_t i = 0; i < TIMERS; i++) {
        entries[i].is_set = false;
        tri__timer_init(&entries[i].timer, on_fire);
    }
}

static void the_wheel_agrees_with_the_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        start(seed * UINT64_C(0x9e3779b97f4a7c15), seed * UINT64_C(1234567890123));
        for (int step = 0; step < 400; step++) {
            for (int i = 0; i < 8; i++) {
                struct entry *entry = &entries[next_random() % TIMERS];

                switch (next_random() % 8) {
                case 0:
                    tri__timer_clear(&wheel, &entry->timer);
                    entry->is_set = false;
                    break;
                case 1: /* the past */
                    set(entry, now - random_span() % (now / 2));
                    break;
                default:
                    set(entry, now + random_span());
                    break;
                }
            }
            if (next_random() % 4 != 0 && tri__wheel_next(&wheel) != TRI__NEVER &&
                tri__wheel_next(&wheel) > now)
                advance_to(tri__wheel_next(&wheel));
            else
                advance_to(now + random_span() % (UINT64_C(1) << 50));
        }
        assert_true(fired > 500);
    }
}

static void a_timer_is_moved_at_most_six_times(void **state)
{
    (void)state;
    start(1, 12345);
    for (unsigned power = 0; power < 61; power++) {
        unsigned advances = 0;
        uint64_t when = now + (UINT64_C(1) << power);

        set(&entries[0], when);
        while (entries[0].is_set) {
            advance_to(tri__wheel_next(&wheel));
            advances++;
        }
        assert_true(now >= when && now - when < 2 * TICK);
        assert_true(advances <= TRI__WHEEL_LEVELS);
    }
}

static void one_that_never_comes_does_not(void **state)
{
    (void)state;
    start(1, 0);
    tri__timer_set(&wheel, &entries[0].timer, TRI__NEVER);
    assert_true(tri__wheel_next(&wheel) != TRI__NEVER);
    tri__wheel_advance(&wheel, UINT64_C(1) << 61); /* 73 years */
    assert_true(tri__timer_is_set(&entries[0].timer));
    tri__timer_clear(&wheel, &entries[0].timer);
    tri__timer_clear(&wheel, &entries[0].timer);
    assert_true(tri__wheel_next(&wheel) == TRI__NEVER);
}

static void on_fire_clear_next(struct tri__timer *timer)
{
    struct entry *entry = tri_container_of(timer, struct entry, timer);

    fired++;
    for (size_t i = 0; i < TIMERS; i++) {
        if (&entries[i] != entry)
            tri__timer_clear(&wheel, &entries[i].timer);
    }
}

static void a_function_may_clear_all_others(void **state)
{
    (void)state;
    start(1, 0);
    for (size_t i = 0; i < TIMERS; i++) {
        tri__timer_init(&entries[i].timer, on_fire_clear_next);
        tri__timer_set(&wheel, &entries[i].timer, TICK * 5 + i % 3);
    }
    tri__wheel_advance(&wheel, TICK * 100);
    assert_int_equal(fired, 1);
    assert_true(tri__wheel_next(&wheel) == TRI__NEVER);
}

static void on_fire_again_later(struct tri__timer *timer)
{
    fired++;
    tri__timer_set(&wheel, timer, now + 1);
}

static void a_function_may_set_its_own_timer(void **state)
{
    (void)state;
    start(1, 0);
    tri__timer_init(&entries[0].timer, on_fire_again_later);
    tri__timer_set(&wheel, &entries[0].timer, TICK);
    for (unsigned turn = 1; turn <= 100; turn++) {
        now = turn * TICK;
        tri__wheel_advance(&wheel, now);
        assert_int_equal(fired, turn); /* once an advance, since it is set for after now */
    }
}

static void times_do_not_overflow(void **state)
{
    (void)state;
    assert_true(tri__time_after(5, 7) == 12);
    assert_true(tri__time_after(5, 0) == 5);
    assert_true(tri__time_after(5, -1) == TRI__NEVER);
    assert_true(tri__time_after(5, INT64_MIN) == TRI__NEVER);
    assert_true(tri__time_after(UINT64_C(1) << 63, INT64_MAX) == TRI__NEVER);
    assert_true(tri__time_after((UINT64_C(1) << 63) - 1, INT64_MAX) == TRI__NEVER - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_wheel_agrees_with_the_model),
        cmocka_unit_test(a_timer_is_moved_at_most_six_times),
        cmocka_unit_test(one_that_never_comes_does_not),
        cmocka_unit_test(a_function_may_clear_all_others),
        cmocka_unit_test(a_function_may_set_its_own_timer),
        cmocka_unit_test(times_do_not_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
