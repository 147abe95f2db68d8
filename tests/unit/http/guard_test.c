/*
 * Goal: the guard sees the frames as they are, however the bytes are cut, and ends a turn between
 * frames when the connection's share is used up. Method: random sequences of frames against a naive
 * walk over them, in whole, and cut at every byte.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "frames.h"

/* What the guard should count: a walk over whole frames. */
struct counts {
    size_t frames, data, glitches, resets, settings, pings, updates;
    uint32_t data_streams[TRI__TURN_FRAMES_MAX];
    bool is_in_headers;
};

static struct counts walk(void)
{
    struct counts counts = {0};

    for (size_t at = 0; at < frames_size;) {
        const uint8_t *frame = frames + at;
        size_t size = (size_t)frame[0] << 16 | (size_t)frame[1] << 8 | frame[2];

        counts.frames++;
        switch (frame[3]) {
        case DATA:
            counts.data_streams[counts.data++] = (uint32_t)(frame[5] & 0x7f) << 24 |
                                                 (uint32_t)frame[6] << 16 |
                                                 (uint32_t)frame[7] << 8 | frame[8];
            counts.glitches += size == 0 && (frame[4] & 1) == 0;
            break;
        case HEADERS:
        case CONTINUATION:
            counts.is_in_headers = (frame[4] & 4) == 0;
            break;
        case RST_STREAM:
            counts.resets++;
            break;
        case SETTINGS:
            if ((frame[4] & 1) != 0)
                counts.glitches++;
            else
                counts.settings++;
            break;
        case PING:
            counts.pings++;
            break;
        case WINDOW_UPDATE:
            counts.updates++;
            break;
        default:
            counts.glitches++;
            break;
        }
        at += 9 + size;
    }
    return counts;
}

/* How many tokens have been taken. */
static size_t taken(const struct tri__bucket *bucket)
{
    return (size_t)((bucket->full_at - 1) / bucket->interval);
}

static void assert_counts(const struct tri__guard *guard, const struct counts *counts)
{
    assert_int_equal(wide.turn_frames - guard->frames_left, counts->frames);
    assert_int_equal(taken(&guard->glitches), counts->glitches);
    assert_int_equal(taken(&guard->resets), counts->resets);
    assert_int_equal(taken(&guard->settings), counts->settings);
    assert_int_equal(taken(&guard->pings), counts->pings);
    assert_int_equal(guard->updates, counts->updates);
    assert_int_equal(guard->is_in_headers, counts->is_in_headers);
}

static void make_random_frames(void)
{
    static const uint8_t types[] = {DATA, HEADERS, PRIORITY,    RST_STREAM,    SETTINGS,
                                    PING, GOAWAY,  UNKNOWN,     WINDOW_UPDATE, CONTINUATION,
                                    DATA, DATA,    PUSH_PROMISE};
    size_t count = 1 + (size_t)random() % 30;

    frames_size = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t type = types[(size_t)random() % sizeof(types)];
        size_t size = random() % 3 == 0 ? 0 : (size_t)random() % 40;

        /* 0x5a5a5a5a is no stream here, so no PRIORITY depends on itself. */
        add_frame(type, (uint8_t)random(), (uint32_t)(random() % 100 + 1), NULL, size);
    }
}

static void frames_are_counted_however_they_are_cut(void **state)
{
    struct tri__guard guard;
    enum tri__guard_verdict verdict;

    (void)state;
    for (unsigned seed = 1; seed <= 400; seed++) {
        struct counts counts;

        srandom(seed);
        begin(&guard, &wide);
        make_random_frames();
        counts = walk();
        assert_int_equal(tri__guard_admit(&guard, frames, frames_size, 1, &verdict), frames_size);
        assert_int_equal(verdict, TRI__GUARD_PASS);
        assert_counts(&guard, &counts);
        assert_int_equal(guard.data_count, counts.data);
        assert_memory_equal(guard.data_streams, counts.data_streams,
                            counts.data * sizeof(uint32_t));
        for (size_t cut = 0; cut <= frames_size + 1; cut++) {
            size_t data = 0, kept = frames_size, at = 0;

            begin(&guard, &wide);
            frames_size = kept;
            srandom(seed);
            make_random_frames();
            /* Once at `cut`, and the last time at every byte. */
            while (at < frames_size) {
                size_t size = cut > frames_size ? 1 : at < cut ? cut - at : frames_size - at;

                assert_int_equal(tri__guard_admit(&guard, frames + at, size, 1, &verdict), size);
                assert_int_equal(verdict, TRI__GUARD_PASS);
                for (size_t i = 0; i < guard.data_count; i++)
                    assert_int_equal(guard.data_streams[i], counts.data_streams[data++]);
                at += size;
            }
            assert_int_equal(data, counts.data);
            assert_counts(&guard, &counts);
        }
    }
}

static void bytes_are_counted_however_they_are_cut(void **state)
{
    (void)state;
    srandom(1);
    make_random_frames();
    for (size_t piece = frames_size; piece > 0; piece--) {
        struct tri__guard guard;
        enum tri__guard_verdict verdict;

        begin(&guard, &wide);
        srandom(1);
        make_random_frames();
        for (size_t at = 0; at < frames_size;)
            at +=
                tri__guard_admit(&guard, frames + at,
                                 frames_size - at < piece ? frames_size - at : piece, 1, &verdict);
        assert_int_equal(wide.turn_bytes - guard.bytes_left, frames_size);
    }
}

/* Of 128 frames at most, or so many bytes: a turn ends between frames, and loses nothing. */
static void a_turns_share_ends_between_frames(void **state)
{
    static const struct {
        uint32_t frames, resets, bytes;
    } shares[] = {{1, 8, 1 << 20}, {3, 8, 1 << 20}, {128, 2, 1 << 20},
                  {128, 8, 50},    {128, 8, 1},     {2, 1, 100}};

    (void)state;
    for (unsigned seed = 1; seed <= 300; seed++) {
        struct tri__guard_limits limits = wide;
        enum tri__guard_verdict verdict = TRI__GUARD_TURN_END;
        struct tri__guard guard;
        size_t at = 0, turns = 0, seen = 0;
        struct counts counts;

        limits.turn_frames = shares[seed % 6].frames;
        limits.turn_resets = shares[seed % 6].resets;
        limits.turn_bytes = shares[seed % 6].bytes;
        srandom(seed);
        begin(&guard, &limits);
        make_random_frames();
        counts = walk();
        while (verdict == TRI__GUARD_TURN_END) {
            size_t begun = at, resets = 0;

            assert_true(turns++ < 1000);
            tri__guard_begin_turn(&guard);
            at += tri__guard_admit(&guard, frames + at, frames_size - at, 1, &verdict);
            if (verdict != TRI__GUARD_TURN_END) {
                assert_int_equal(at, frames_size);
                break;
            }
            /* Whole frames, and not one more than the share. */
            for (size_t from = begun, last = begun; from < at; last = from) {
                assert_true(from - begun < limits.turn_bytes);
                assert_true(resets < limits.turn_resets);
                resets += frames[from + 3] == RST_STREAM;
                from += 9 + ((size_t)frames[from] << 16 | (size_t)frames[from + 1] << 8 |
                             frames[from + 2]);
                assert_true(from <= at && last < from);
                seen++;
            }
            assert_true(at > begun);
        }
        assert_int_equal(taken(&guard.resets), counts.resets);
        assert_int_equal(taken(&guard.glitches), counts.glitches);
        assert_true(seen <= counts.frames);
    }
}

static void the_preface_is_no_frame(void **state)
{
    static const uint8_t preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    (void)state;
    for (size_t cut = 0; cut <= TRI__H2_PREFACE_SIZE; cut++) {
        struct tri__guard guard;
        enum tri__guard_verdict verdict;

        tri__guard_init(&guard, &wide, 1);
        assert_int_equal(tri__guard_admit(&guard, preface, cut, 1, &verdict), cut);
        assert_int_equal(
            tri__guard_admit(&guard, preface + cut, TRI__H2_PREFACE_SIZE - cut, 1, &verdict),
            TRI__H2_PREFACE_SIZE - cut);
        assert_int_equal(verdict, TRI__GUARD_PASS);
        assert_int_equal(guard.frames_left, wide.turn_frames);
        assert_int_equal(guard.header_size, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_counted_however_they_are_cut),
        cmocka_unit_test(bytes_are_counted_however_they_are_cut),
        cmocka_unit_test(a_turns_share_ends_between_frames),
        cmocka_unit_test(the_preface_is_no_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
