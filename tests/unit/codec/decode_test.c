/*
 * Goal: what a peer may send is decoded, every field and what is not known of it, down to the limit
 * of nesting and no further. Method: round trips of every type of field; messages nested by hand up
 * to a million levels, through fields, lists, maps and oneofs. Run it under ASan and UBSan too.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../base/failing_alloc.h"
#include "codec_test.pb-c.h"
#include "hand.h"

static const struct tri__decode_limits defaults = DEFAULT_LIMITS;

static void every_field_comes_back(void **state)
{
    struct hand hand;
    size_t size;
    uint8_t *bytes = make_all(&size);

    (void)state;
    failing_start(0, false);
    hand_start(&hand);
    assert_int_equal(hand_decode(&hand, &codec_test__all__descriptor, defaults, bytes, size),
                     TRI_OK);
    const CodecTest__All *all = hand.message;

    assert_true(all->int64_field == INT64_MIN && all->uint64_field == UINT64_MAX);
    assert_int_equal(all->sint32_field, INT32_MIN);
    assert_string_equal(all->string_field, "a string");
    assert_int_equal(all->bytes_field.len, 3);
    assert_int_equal(all->n_packed_int32, 3);
    assert_int_equal(all->packed_int32[2], 300);
    assert_string_equal(all->strings[2], "ccc");
    assert_string_equal(all->map_field[0]->key, "key");
    assert_string_equal(all->choice_message->name, "flat");
    assert_string_equal(all->tree->branches[1]->name, "leaf");
    assert_encodes_to(all, bytes, size);
    hand_end(&hand);
    assert_int_equal(failing.live_count, 0);
    free(bytes);
}

static void nothing_is_a_message(void **state)
{
    static const void *const descriptors[] = {&codec_test__flat__descriptor,
                                              &codec_test__tree__descriptor};
    struct hand hand;

    (void)state;
    hand_start(&hand);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(hand_decode(&hand, descriptors[i], defaults, NULL, 0), TRI_OK);
        assert_int_equal(tri__encoded_size(hand.message), 0);
    }
    hand_end(&hand);
}

static void unknown_fields_are_kept(void **state)
{
    struct hand hand;
    size_t size;
    uint8_t *bytes = make_all(&size);

    (void)state;
    hand_start(&hand);
    assert_int_equal(hand_decode(&hand, &codec_test__some__descriptor, defaults, bytes, size),
                     TRI_OK);
    const CodecTest__Some *some = hand.message;

    assert_int_equal(some->int32_field, -5);
    assert_string_equal(some->string_field, "a string");
    assert_true(some->base.n_unknown_fields > 20);
    assert_int_equal(tri__encoded_size(some), size);

    uint8_t *again = malloc(size);

    tri__encode(some, again);
    assert_int_equal(hand_decode(&hand, &codec_test__all__descriptor, defaults, again, size),
                     TRI_OK);
    assert_encodes_to(hand.message, bytes, size);
    hand_end(&hand);
    free(again);
    free(bytes);
}

static void fields_may_come_twice(void **state)
{
    static const uint8_t twice[] = {0x0a, 1, 'a', 0x0a, 1, 'b', 0x10, 1, 0x10, 2};
    static const uint8_t merged[] = {0x12, 3, 0x0a, 1, 'a', 0x12, 2, 0x1a, 0, 0x12, 2, 0x1a, 0};
    struct hand hand;

    (void)state;
    hand_start(&hand);
    assert_int_equal(
        hand_decode(&hand, &codec_test__flat__descriptor, defaults, twice, sizeof(twice)), TRI_OK);
    assert_string_equal(((const CodecTest__Flat *)hand.message)->name, "b");
    assert_int_equal(((const CodecTest__Flat *)hand.message)->number, 2);
    assert_int_equal(
        hand_decode(&hand, &codec_test__tree__descriptor, defaults, merged, sizeof(merged)),
        TRI_OK);
    assert_string_equal(((const CodecTest__Tree *)hand.message)->left->name, "a");
    assert_int_equal(((const CodecTest__Tree *)hand.message)->left->n_branches, 2);
    hand_end(&hand);
}

/* Depth. */

static void expect_depth(const void *descriptor, unsigned field, unsigned levels, tri_code expected)
{
    struct hand hand;
    size_t size;
    uint8_t *bytes = nest(field, levels, &size);

    hand_start(&hand);
    assert_int_equal(hand_decode(&hand, descriptor, defaults, bytes, size), expected);
    if (expected == TRI_OK)
        assert_encodes_to(hand.message, bytes, size);
    else
        expect_error(&hand, "message nested 101 deep or more; the limit is 100");
    hand_end(&hand);
    free(bytes);
}

static void a_hundred_levels_are_the_limit(void **state)
{
    (void)state;
    for (unsigned field = 2; field <= 3; field++) {
        expect_depth(&codec_test__tree__descriptor, field, 1, TRI_OK);
        expect_depth(&codec_test__tree__descriptor, field, 100, TRI_OK);
        expect_depth(&codec_test__tree__descriptor, field, 101, TRI_RESOURCE_EXHAUSTED);
        expect_depth(&codec_test__tree__descriptor, field, 10000, TRI_RESOURCE_EXHAUSTED);
        expect_depth(&codec_test__tree__descriptor, field, 1000000, TRI_RESOURCE_EXHAUSTED);
    }
    expect_depth(&codec_test__ping__descriptor, 1, 100, TRI_OK);
    expect_depth(&codec_test__ping__descriptor, 1, 10000, TRI_RESOURCE_EXHAUSTED);
}

static void depth_counts_through_maps_and_oneofs(void **state)
{
    /* Struct.fields, its entry's value, Value.object. */
    static const uint8_t tags[] = {0x0a, 0x12, 0x1a};
    struct hand hand;

    (void)state;
    hand_start(&hand);
    for (unsigned levels = 1; levels < 30000; levels = levels < 110 ? levels + 1 : levels * 7) {
        size_t capacity = (size_t)levels * 7 + 1;
        uint8_t *bytes = malloc(capacity);
        uint8_t *at = bytes + capacity;

        for (unsigned i = levels; i-- > 0;) {
            uint8_t length[10];
            size_t length_size = put_varint(length, (uint64_t)(bytes + capacity - at));

            at -= length_size;
            memcpy(at, length, length_size);
            *--at = tags[i % 3];
        }
        tri_code code = hand_decode(&hand, &codec_test__struct__descriptor, defaults, at,
                                    (size_t)(bytes + capacity - at));

        assert_int_equal(code, levels <= 100 ? TRI_OK : TRI_RESOURCE_EXHAUSTED);
        free(bytes);
    }
    hand_end(&hand);
}

static void only_messages_count_as_depth(void **state)
{
    struct hand hand;
    size_t size;

    (void)state;
    hand_start(&hand);
    /*
     * Field 1 of Tree is a string, field 9 is not known: whatever they hold, it is not looked at.
     */
    for (unsigned field = 1; field <= 9; field += 8) {
        uint8_t *bytes = nest(field, 10000, &size);

        assert_int_equal(hand_decode(&hand, &codec_test__tree__descriptor, defaults, bytes, size),
                         TRI_OK);
        free(bytes);
    }
    hand_end(&hand);
}

static void a_lower_limit_holds_for_all_types(void **state)
{
    static const uint8_t bytes[] = {0x0a, 4, 0x0a, 2, 0x0a, 0};
    struct hand hand;

    (void)state;
    hand_start(&hand);
    for (uint32_t depth_max = 0; depth_max < 5; depth_max++) {
        struct tri__decode_limits limits = {.memory_max = 1 << 20, .depth_max = depth_max};
        tri_code code =
            hand_decode(&hand, &codec_test__level1__descriptor, limits, bytes, sizeof(bytes));

        assert_int_equal(code, depth_max < 3 ? TRI_RESOURCE_EXHAUSTED : TRI_OK);
    }
    struct tri__decode_limits limits = {.memory_max = 1 << 20, .depth_max = 2};

    hand_decode(&hand, &codec_test__level1__descriptor, limits, bytes, sizeof(bytes));
    expect_error(&hand, "message nested 3 deep or more; the limit is 2");
    hand_end(&hand);
}

static void only_a_message_of_the_type_is_sound(void **state)
{
    CodecTest__Flat flat = CODEC_TEST__FLAT__INIT;
    CodecTest__Flat forgotten = {.name = NULL};
    CodecTest__Tree tree = CODEC_TEST__TREE__INIT;
    struct tri__message_type type;

    (void)state;
    tri__message_type_init(&type, &codec_test__flat__descriptor);
    assert_true(tri__message_is_sound(&type, &flat));
    assert_false(tri__message_is_sound(&type, &forgotten));
    assert_false(tri__message_is_sound(&type, &tree));
    assert_false(tri__message_is_sound(&type, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_comes_back),
        cmocka_unit_test(nothing_is_a_message),
        cmocka_unit_test(unknown_fields_are_kept),
        cmocka_unit_test(fields_may_come_twice),
        cmocka_unit_test(a_hundred_levels_are_the_limit),
        cmocka_unit_test(depth_counts_through_maps_and_oneofs),
        cmocka_unit_test(only_messages_count_as_depth),
        cmocka_unit_test(a_lower_limit_holds_for_all_types),
        cmocka_unit_test(only_a_message_of_the_type_is_sound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
