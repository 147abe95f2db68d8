/*
 * Goal: broken bytes end in INTERNAL with the reason and the place, and do no harm.
 * Method: a table with every kind of broken byte; seeded mutations of a sound message, held against
 * what protobuf-c does without us. Run it under ASan and UBSan too.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "codec_scan.h"
#include "codec_test.pb-c.h"
#include "hand.h"
#include "required_test.pb-c.h"

static const struct tri__decode_limits defaults = DEFAULT_LIMITS;

#define FLAT &codec_test__flat__descriptor
#define ALL &codec_test__all__descriptor
#define TREE &codec_test__tree__descriptor
#define BYTES(...)                                                                                 \
    sizeof((uint8_t[]){__VA_ARGS__}),                                                              \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static void broken_bytes_are_explained(void **state)
{
    static const struct {
        const ProtobufCMessageDescriptor *descriptor;
        size_t size;
        uint8_t bytes[12];
        const char *error; /* after "malformed message: " */
    } rows[] = {
        {FLAT, BYTES(0x80), "a field's number that does not end at byte 0"},
        {FLAT, BYTES(0x10, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
         "a field's number that does not end at byte 2"},
        {FLAT, BYTES(0x10), "field 2 (number) has a value that does not end at byte 0"},
        {FLAT, BYTES(0x10, 1, 0x10, 0x80),
         "field 2 (number) has a value that does not end at byte 2"},
        {FLAT, BYTES(0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
         "field 2 (number) has a value that does not end at byte 0"},
        {FLAT, BYTES(0x0a), "field 1 (name) has a length that does not end at byte 0"},
        {FLAT, BYTES(0x0a, 3, 'a', 'b'), "field 1 (name) is longer than what is left at byte 0"},
        {FLAT, BYTES(0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3, 4, 5),
         "field 1 (name) is longer than what is left at byte 0"},
        {FLAT, BYTES(0x0a, 0xff, 0xff, 0xff, 0xff, 0x07, 1),
         "field 1 (name) is longer than what is left at byte 0"},
        {FLAT, BYTES(0x4a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3, 4, 5),
         "field 9 (not known) is longer than what is left at byte 0"},
        {FLAT, BYTES(0x08, 1), "field 1 (name) has the wrong wire type at byte 0"},
        {FLAT, BYTES(0x12, 0), "field 2 (number) has the wrong wire type at byte 0"},
        {FLAT, BYTES(0x15, 0, 0, 0, 0), "field 2 (number) has the wrong wire type at byte 0"},
        {FLAT, BYTES(0x4b, 0x4c),
         "field 9 (not known) is a group, which is not supported, at byte 0"},
        {FLAT, BYTES(0x4c), "field 9 (not known) is a group, which is not supported, at byte 0"},
        {FLAT, BYTES(0x0b), "field 1 (name) is a group, which is not supported, at byte 0"},
        {FLAT, BYTES(0x4e), "field 9 (not known) has a wire type that does not exist at byte 0"},
        {FLAT, BYTES(0x17), "field 2 (number) has a wire type that does not exist at byte 0"},
        {FLAT, BYTES(0x4d, 1, 2, 3), "field 9 (not known) is longer than what is left at byte 0"},
        {FLAT, BYTES(0x49, 1, 2, 3, 4, 5, 6, 7),
         "field 9 (not known) is longer than what is left at byte 0"},
        {ALL, BYTES(0xa2, 0x01, 3, 0, 0, 0),
         "field 20 (packed_fixed32) has half a value at byte 0"},
        {ALL, BYTES(0xaa, 0x01, 4, 0, 0, 0, 0),
         "field 21 (packed_double) has half a value at byte 0"},
        {ALL, BYTES(0x92, 0x01, 2, 1, 0x80),
         "field 18 (packed_int32) has a value that does not end at byte 0"},
        {ALL, BYTES(0x9a, 0x01, 1, 0x80),
         "field 19 (packed_bool) has a value that does not end at byte 0"},
        {TREE, BYTES(0x12, 4, 0x1a, 2, 0x08, 1),
         "field 1 (name) has the wrong wire type at byte 4"},
        {TREE, BYTES(0x12, 2, 0x0a, 1), "field 1 (name) is longer than what is left at byte 2"},
        {TREE, BYTES(0x10, 0), "field 2 (left) has the wrong wire type at byte 0"},
    };
    struct hand hand;

    (void)state;
    hand_start(&hand);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char expected[160];

        assert_int_equal(
            hand_decode(&hand, rows[i].descriptor, defaults, rows[i].bytes, rows[i].size),
            TRI_INTERNAL);
        snprintf(expected, sizeof(expected), "malformed message: %s", rows[i].error);
        expect_error(&hand, expected);
    }
    hand_end(&hand);
}

static void a_required_field_is_missed(void **state)
{
    static const uint8_t below[] = {0x0a, 1, 'a', 0x1a, 2, 0x10, 1};
    struct hand hand;

    (void)state;
    hand_start(&hand);
    for (size_t size = 0; size <= sizeof(below); size += sizeof(below)) {
        assert_int_equal(
            hand_decode(&hand, &codec_test__required__descriptor, defaults, below, size),
            TRI_INTERNAL);
        expect_error(&hand, "malformed message: not a codec_test.Required, "
                            "or without a required field");
    }
    assert_int_equal(hand_decode(&hand, &codec_test__required__descriptor, defaults, below, 3),
                     TRI_OK);
    assert_int_equal(((const CodecTest__Required *)hand.message)->number, 7);
    hand_end(&hand);
}

static void the_reason_is_cut_to_fit(void **state)
{
    struct tri__message_type type;
    struct hand hand;
    char error[9] = "xxxxxxxx";

    (void)state;
    hand_start(&hand);
    tri__message_type_init(&type, &codec_test__flat__descriptor);
    assert_int_equal(tri__decode(&type, &hand.arena, &defaults, (const uint8_t *)"\x80", 1,
                                 &hand.message, error, sizeof(error)),
                     TRI_INTERNAL);
    assert_string_equal(error, "malforme");
    hand_end(&hand);
}

/*
 * A mutated message is decoded, or refused with a reason; when it is decoded, what it says survives
 * another round; and the scan finds fault with nothing that protobuf-c takes.
 */
static void mutations_do_no_harm(void **state)
{
    const ProtobufCMessageDescriptor *descriptor = &codec_test__all__descriptor;
    struct tri__decode_limits limits = {.memory_max = 1 << 20, .depth_max = 100};
    unsigned seed = 4711, taken = 0;
    size_t whole;
    uint8_t *original = make_all(&whole);
    uint8_t *bytes = malloc(whole);
    struct hand hand;

    (void)state;
    hand_start(&hand);
    for (int round = 0; round < 30000; round++) {
        size_t size = round % 4 == 0 ? (size_t)rand_r(&seed) % (whole + 1) : whole;

        memcpy(bytes, original, whole);
        for (int i = rand_r(&seed) % 4; size > 0 && i >= 0; i--)
            bytes[(size_t)rand_r(&seed) % size] ^= (uint8_t)(1 << rand_r(&seed) % 8);
        tri_code code = hand_decode(&hand, descriptor, limits, bytes, size);
        ProtobufCMessage *plain = protobuf_c_message_unpack(descriptor, NULL, size, bytes);

        if (plain != NULL)
            assert_int_equal(tri__scan(descriptor, 100, bytes, size, hand.error, 160), TRI_OK);
        assert_int_equal(code, plain != NULL ? TRI_OK : TRI_INTERNAL);
        if (code == TRI_OK) {
            size_t again_size = tri__encoded_size(plain);
            uint8_t *again = malloc(again_size);

            protobuf_c_message_pack(plain, again);
            assert_encodes_to(hand.message, again, again_size);
            free(again);
            taken++;
        } else {
            assert_memory_equal(hand.error, "malformed message: ", 19);
        }
        protobuf_c_message_free_unpacked(plain, NULL);
        tri__arena_reset(&hand.arena);
    }
    assert_true(taken > 1000);
    hand_end(&hand);
    free(original);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_bytes_are_explained),
        cmocka_unit_test(a_required_field_is_missed),
        cmocka_unit_test(the_reason_is_cut_to_fit),
        cmocka_unit_test(mutations_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
