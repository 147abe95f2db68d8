/*
 * Goal: codes and message prefixes are on the wire as gRPC has them.
 * Method: all 17 codes, all 14 errors of HTTP/2 and numbers beyond them; prefixes of known bytes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "wire_frame.h"
#include "wire_status.h"

static void digits_are_those_of_the_code(void **state)
{
    (void)state;
    for (int code = 0; code <= 16; code++) {
        char expected[16];
        size_t size;

        snprintf(expected, sizeof(expected), "%d", code);
        const char *digits = tri__code_digits((tri_code)code, &size);

        assert_string_equal(digits, expected);
        assert_int_equal(size, strlen(expected));
    }
}

static void a_number_that_is_no_code_is_unknown(void **state)
{
    static const int numbers[] = {-1, 17, 99, 1 << 30};

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        size_t size;

        assert_string_equal(tri__code_digits((tri_code)numbers[i], &size), "2");
        assert_int_equal(size, 1);
    }
}

static void resets_have_the_codes_of_the_specification(void **state)
{
    (void)state;
    for (uint32_t error = 0; error <= 13; error++) {
        tri_code expected = error == 7    ? TRI_UNAVAILABLE
                            : error == 8  ? TRI_CANCELLED
                            : error == 11 ? TRI_RESOURCE_EXHAUSTED
                            : error == 12 ? TRI_PERMISSION_DENIED
                                          : TRI_INTERNAL;

        assert_int_equal(tri__code_from_rst(error), expected);
    }
    assert_int_equal(tri__code_from_rst(14), TRI_UNKNOWN);
    assert_int_equal(tri__code_from_rst(UINT32_MAX), TRI_UNKNOWN);
}

static void a_prefix_is_a_flag_and_a_length(void **state)
{
    static const uint32_t sizes[] = {0, 1, 0xff, 0x100, 0x01020304, 0x80000000, UINT32_MAX};
    uint8_t prefix[TRI__PREFIX_SIZE];

    (void)state;
    tri__prefix_write(prefix, 0x01020304);
    assert_memory_equal(prefix, "\0\1\2\3\4", 5);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        memset(prefix, 0xee, sizeof(prefix));
        tri__prefix_write(prefix, sizes[i]);
        assert_int_equal(prefix[0], 0);
        assert_int_equal(tri__prefix_size(prefix), sizes[i]);
    }
    assert_int_equal(tri__prefix_size((const uint8_t *)"\1\0\0\1\0"), 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digits_are_those_of_the_code),
        cmocka_unit_test(a_number_that_is_no_code_is_unknown),
        cmocka_unit_test(resets_have_the_codes_of_the_specification),
        cmocka_unit_test(a_prefix_is_a_flag_and_a_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
