/*
 * Goal: each kind of flood has its bucket, what a busy peer does is none, and what is wrong with
 * PRIORITY is found. Method: frames of one kind until the bucket is empty, and again after a while.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "frames.h"

/* `frame` until the guard refuses. Returns: how many passed. */
static size_t flood(struct tri__guard *guard, uint64_t now, uint8_t type, uint8_t flags,
                    size_t size)
{
    enum tri__guard_verdict verdict = TRI__GUARD_PASS;
    size_t count = 0;

    for (;; count++) {
        frames_size = 0;
        add_frame(type, flags, 1, NULL, size);
        tri__guard_begin_turn(guard);
        tri__guard_admit(guard, frames, frames_size, now, &verdict);
        if (verdict != TRI__GUARD_PASS || count > 5000)
            break;
    }
    assert_int_equal(verdict, TRI__GUARD_FLOOD);
    assert_non_null(guard->reason);
    /* The frame that was too much: its header was taken, its payload not. */
    guard->header_size = 0;
    guard->payload_left = 0;
    return count;
}

static void each_flood_has_its_bucket(void **state)
{
    static const struct tri__guard_limits limits = {.turn_frames = 128,
                                                    .turn_resets = 8,
                                                    .turn_bytes = 1 << 20,
                                                    .reset_burst = 20,
                                                    .reset_rate = 2,
                                                    .glitch_burst = 30,
                                                    .glitch_rate = 3,
                                                    .settings_burst = 40,
                                                    .settings_rate = 4,
                                                    .ping_burst = 50,
                                                    .ping_rate = 5};
    static const struct {
        uint8_t type, flags;
        size_t size, burst, rate;
    } kinds[] = {
        {RST_STREAM, 0, 4, 20, 2},    {SETTINGS, 0, 0, 40, 4}, {SETTINGS, 0, 60, 40, 4},
        {PING, 0, 8, 50, 5},          {PING, 1, 8, 50, 5},     {DATA, 0, 0, 30, 3},
        {SETTINGS, 1, 0, 30, 3},      {PRIORITY, 0, 5, 30, 3}, {UNKNOWN, 0, 7, 30, 3},
        {PUSH_PROMISE, 4, 10, 30, 3}, {GOAWAY, 0, 8, 30, 3},   {WINDOW_UPDATE, 0, 4, 1030, 3},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        struct tri__guard guard;

        begin(&guard, &limits);
        assert_int_equal(flood(&guard, 1, kinds[i].type, kinds[i].flags, kinds[i].size),
                         kinds[i].burst);
        assert_int_equal(flood(&guard, 1, kinds[i].type, kinds[i].flags, kinds[i].size), 0);
        assert_int_equal(
            flood(&guard, 1 + 2 * SECOND + 1000, kinds[i].type, kinds[i].flags, kinds[i].size),
            2 * kinds[i].rate);
    }
}

/* What a busy peer does is no flood. */
static void honest_frames_are_free(void **state)
{
    static const struct tri__guard_limits narrow = {.turn_frames = 128,
                                                    .turn_resets = 8,
                                                    .turn_bytes = 1 << 20,
                                                    .reset_burst = 1,
                                                    .reset_rate = 1,
                                                    .glitch_burst = 1,
                                                    .glitch_rate = 1,
                                                    .settings_burst = 1,
                                                    .settings_rate = 1,
                                                    .ping_burst = 1,
                                                    .ping_rate = 1};
    struct tri__guard guard;
    enum tri__guard_verdict verdict;

    (void)state;
    begin(&guard, &narrow);
    for (int i = 0; i < 5000; i++) {
        frames_size = 0;
        add_frame(HEADERS, 4, 1, NULL, 20);
        add_frame(DATA, 0, 1, NULL, 10);
        add_frame(DATA, 1, 1, NULL, 0); /* the end of a stream */
        add_frame(WINDOW_UPDATE, 0, 1, NULL, 4);
        add_frame(WINDOW_UPDATE, 0, 0, NULL, 4);
        tri__guard_begin_turn(&guard);
        assert_int_equal(tri__guard_admit(&guard, frames, frames_size, 1, &verdict), frames_size);
        assert_int_equal(verdict, TRI__GUARD_PASS);
        tri__guard_sent_data(&guard, 1); /* which the updates are for */
    }
    assert_true(tri__guard_glitch(&guard, 1));
    assert_false(tri__guard_glitch(&guard, 1));
    assert_true(tri__guard_fault(&guard, 1));
    assert_false(tri__guard_fault(&guard, 1));
    assert_string_equal(guard.reason, "too many streams reset");
}

static void continuations_are_counted_by_block(void **state)
{
    struct tri__guard guard;
    enum tri__guard_verdict verdict;

    (void)state;
    begin(&guard, &wide);
    guard.continuation_max = 3;
    for (int block = 0; block < 100; block++) {
        frames_size = 0;
        add_frame(HEADERS, 0, 1, NULL, 5);
        for (int i = 0; i < 3; i++)
            add_frame(CONTINUATION, i == 2 ? 4 : 0, 1, NULL, 1);
        tri__guard_begin_turn(&guard);
        assert_int_equal(tri__guard_admit(&guard, frames, frames_size, 1, &verdict), frames_size);
        assert_int_equal(verdict, TRI__GUARD_PASS);
    }
    add_frame(CONTINUATION, 4, 1, NULL, 1);
    tri__guard_admit(&guard, frames + frames_size - 10, 10, 1, &verdict);
    assert_int_equal(verdict, TRI__GUARD_FLOOD);
    assert_string_equal(guard.reason, "too many CONTINUATION frames");
}

static void priority_is_looked_at(void **state)
{
    static const struct {
        uint32_t stream;
        uint8_t payload[5];
        enum tri__guard_verdict verdict;
    } cases[] = {
        {1, {0, 0, 0, 3, 16}, TRI__GUARD_PASS},
        {3, {0, 0, 0, 3, 16}, TRI__GUARD_PROTOCOL},
        {3, {0x80, 0, 0, 3, 16}, TRI__GUARD_PROTOCOL}, /* exclusive */
        {0x7fffffff, {0xff, 0xff, 0xff, 0xff, 0}, TRI__GUARD_PROTOCOL},
        {3, {0, 0, 3, 3, 16}, TRI__GUARD_PASS},
        {0, {0, 0, 0, 3, 16}, TRI__GUARD_PROTOCOL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        for (size_t cut = 1; cut <= 14; cut++) {
            struct tri__guard guard;
            enum tri__guard_verdict verdict;

            begin(&guard, &wide);
            add_frame(PRIORITY, 0, cases[i].stream, cases[i].payload, 5);
            tri__guard_admit(&guard, frames, cut, 1, &verdict);
            if (verdict == TRI__GUARD_PASS && cut < 14)
                tri__guard_admit(&guard, frames + cut, 14 - cut, 1, &verdict);
            assert_int_equal(verdict, cases[i].verdict);
            if (verdict == TRI__GUARD_PROTOCOL)
                assert_non_null(guard.reason);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_flood_has_its_bucket),
        cmocka_unit_test(honest_frames_are_free),
        cmocka_unit_test(continuations_are_counted_by_block),
        cmocka_unit_test(priority_is_looked_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
