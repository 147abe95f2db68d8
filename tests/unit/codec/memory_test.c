/*
 * Goal: a message takes no more memory than its limit, and a lack of memory ends the call and
 * nothing else. Method: the empty lists that grow 72-fold; every budget from nothing upward; every
 * allocation failing in its turn. Run it under ASan and UBSan too.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "../base/failing_alloc.h"
#include "codec_test.pb-c.h"
#include "hand.h"

static const struct tri__decode_limits defaults = DEFAULT_LIMITS;

static void lists_of_nothing_stay_within_the_budget(void **state)
{
    size_t size = 4000000;
    uint8_t *bytes = malloc(size);
    struct hand hand;

    (void)state;
    for (size_t i = 0; i < size; i += 2) {
        bytes[i] = 0x0a;
        bytes[i + 1] = 0;
    }
    failing_start(0, false);
    hand_start(&hand);
    assert_int_equal(hand_decode(&hand, &codec_test__empties__descriptor, defaults, bytes, size),
                     TRI_RESOURCE_EXHAUSTED);
    assert_null(hand.message);
    assert_non_null(strstr(hand.error, "when decoded; the limit is 33554432"));
    assert_true(failing.peak_bytes < defaults.memory_max * 11 / 10);
    hand_end(&hand);
    assert_int_equal(failing.live_count, 0);

    /* Field 9 is not known, and each such field is copied. */
    memset(bytes, 0, size);
    for (size_t i = 0; i < size; i += 2)
        bytes[i] = 9 << 3;
    failing_start(0, false);
    hand_start(&hand);
    assert_int_equal(hand_decode(&hand, &codec_test__flat__descriptor, defaults, bytes, size),
                     TRI_RESOURCE_EXHAUSTED);
    assert_true(failing.peak_bytes < defaults.memory_max * 11 / 10);
    hand_end(&hand);
    free(bytes);
}

static void notes_on_many_fields_are_not_kept(void **state)
{
    CodecTest__Records records = CODEC_TEST__RECORDS__INIT;
    CodecTest__Record record = CODEC_TEST__RECORD__INIT;
    struct hand hand;

    (void)state;
    record.f01 = record.f02 = record.f03 = record.f04 = record.f05 = record.f06 = record.f07 = 1;
    record.f08 = record.f09 = record.f10 = record.f11 = record.f12 = record.f13 = record.f14 = 1;
    record.f15 = record.f16 = record.f17 = record.f18 = record.f19 = 1;
    record.f20 = (char[]){"x"};
    records.n_items = 10000;
    records.items = malloc(records.n_items * sizeof(*records.items));
    for (size_t i = 0; i < records.n_items; i++)
        records.items[i] = &record;
    size_t size = tri__encoded_size(&records);
    uint8_t *bytes = malloc(size);

    tri__encode(&records, bytes);
    free(records.items);

    /* A record's notes take 1 KiB, 10 MiB for all. */
    struct tri__decode_limits limits = {.memory_max = 4u << 20, .depth_max = 100};

    hand_start(&hand);
    assert_int_equal(hand_decode(&hand, &codec_test__records__descriptor, limits, bytes, size),
                     TRI_OK);
    assert_encodes_to(hand.message, bytes, size);
    hand_end(&hand);
    free(bytes);
}

static void every_budget_is_kept(void **state)
{
    size_t size, needed = 0;
    uint8_t *bytes = make_all(&size);
    struct hand hand;

    (void)state;
    for (size_t memory_max = 0; needed == 0; memory_max += 8) {
        struct tri__decode_limits limits = {.memory_max = memory_max, .depth_max = 100};

        assert_true(memory_max < 100000);
        hand_start(&hand);
        tri_code code = hand_decode(&hand, &codec_test__all__descriptor, limits, bytes, size);

        if (code == TRI_OK) {
            assert_encodes_to(hand.message, bytes, size);
            needed = memory_max;
        } else {
            char limit[64];

            assert_int_equal(code, TRI_RESOURCE_EXHAUSTED);
            assert_null(hand.message);
            snprintf(limit, sizeof(limit), "when decoded; the limit is %zu", memory_max);
            assert_non_null(strstr(hand.error, limit));
            assert_true(strtoul(hand.error + strlen("message needs "), NULL, 10) > memory_max);
        }
        hand_end(&hand);
    }
    assert_true(needed > 500);
    free(bytes);
}

static void without_memory_the_call_ends(void **state)
{
    size_t size;
    uint8_t *all = make_all(&size);
    uint8_t *bytes = malloc(size + 6000);
    struct hand hand;
    bool has_failed = true;

    (void)state;
    /* A long string as well, so that the arena asks for more than one block. */
    memcpy(bytes, all, size);
    bytes[size++] = 14 << 3 | 2;
    size += put_varint(bytes + size, 5000);
    memset(bytes + size, 'x', 5000);
    size += 5000;
    for (uint64_t fail_at = 1; has_failed; fail_at++) {
        struct tri__message_type type;

        failing_start(0, false);
        tri__message_type_init(&type, &codec_test__all__descriptor);
        hand_start(&hand);
        failing_start(fail_at, false);
        tri_code code = tri__decode(&type, &hand.arena, &defaults, bytes, size, &hand.message,
                                    hand.error, sizeof(hand.error));

        has_failed = failing.attempts >= fail_at;
        assert_int_equal(code, has_failed ? TRI_RESOURCE_EXHAUSTED : TRI_OK);
        if (has_failed) {
            char expected[64];

            snprintf(expected, sizeof(expected), "no memory to decode a message of %zu bytes",
                     size);
            expect_error(&hand, expected);
        }
        hand_end(&hand);
        assert_int_equal(failing.live_count, 0);
        assert_true(has_failed || fail_at > 2);
    }
    free(all);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_of_nothing_stay_within_the_budget),
        cmocka_unit_test(notes_on_many_fields_are_not_kept),
        cmocka_unit_test(every_budget_is_kept),
        cmocka_unit_test(without_memory_the_call_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
