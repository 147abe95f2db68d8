/*
 * Goal: a type is known to be flat, bounded or recursive, since that decides whether its messages
 * are scanned before protobuf-c may recurse into them. Method: generated types of every shape, and
 * one built by hand that is too long a chain; a failing allocator, which must make every type one
 * to be scanned.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "../base/failing_alloc.h"
#include "codec.h"
#include "codec_test.pb-c.h"

static struct tri__message_type type_of(const void *descriptor)
{
    struct tri__message_type type;

    memset(&type, 0xee, sizeof(type));
    tri__message_type_init(&type, descriptor);
    assert_ptr_equal(type.descriptor, descriptor);
    return type;
}

static void depths_are_counted(void **state)
{
    static const struct {
        const void *descriptor;
        uint32_t depth;
    } rows[] = {
        {&codec_test__flat__descriptor, 0},    {&codec_test__empty__descriptor, 0},
        {&codec_test__level3__descriptor, 1},  {&codec_test__level2__descriptor, 2},
        {&codec_test__level1__descriptor, 3},  {&codec_test__records__descriptor, 1},
        {&codec_test__empties__descriptor, 1},
    };

    (void)state;
    failing_start(0, false);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tri__message_type type = type_of(rows[i].descriptor);

        assert_false(type.needs_scan);
        assert_int_equal(type.depth, rows[i].depth);
        assert_int_equal(type.is_flat, rows[i].depth == 0);
    }
    assert_int_equal(failing.live_count, 0);
}

static void recursion_is_found(void **state)
{
    static const void *const descriptors[] = {
        &codec_test__tree__descriptor,   &codec_test__ping__descriptor,
        &codec_test__pong__descriptor,   &codec_test__struct__descriptor,
        &codec_test__value__descriptor,  &codec_test__list__descriptor,
        &codec_test__holder__descriptor, &codec_test__all__descriptor,
    };

    (void)state;
    failing_start(0, false);
    for (size_t i = 0; i < sizeof(descriptors) / sizeof(descriptors[0]); i++) {
        struct tri__message_type type = type_of(descriptors[i]);

        assert_true(type.needs_scan);
        assert_false(type.is_flat);
    }
    assert_int_equal(failing.live_count, 0);
}

#define CHAIN 1200

/* Each type has two fields of the next one's: without a memory of types, that is 2^1200 ways. */
static void a_type_may_be_large(void **state)
{
    static ProtobufCMessageDescriptor types[CHAIN];
    static ProtobufCFieldDescriptor fields[CHAIN][2];

    (void)state;
    for (size_t i = 0; i + 1 < CHAIN; i++) {
        for (size_t j = 0; j < 2; j++) {
            fields[i][j].type = PROTOBUF_C_TYPE_MESSAGE;
            fields[i][j].descriptor = &types[i + 1];
        }
        types[i].n_fields = 2;
        types[i].fields = fields[i];
    }
    failing_start(0, false);
    assert_int_equal(type_of(&types[CHAIN - 900]).depth, 899);
    assert_false(type_of(&types[CHAIN - 900]).needs_scan);
    assert_true(type_of(&types[0]).needs_scan);
    assert_int_equal(failing.live_count, 0);
}

static void without_memory_all_are_scanned(void **state)
{
    (void)state;
    failing_start(1, true);
    struct tri__message_type type = type_of(&codec_test__level1__descriptor);

    assert_true(type.needs_scan);
    assert_false(type.is_flat);
    assert_int_equal(failing.live_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(depths_are_counted),
        cmocka_unit_test(recursion_is_found),
        cmocka_unit_test(a_type_may_be_large),
        cmocka_unit_test(without_memory_all_are_scanned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
