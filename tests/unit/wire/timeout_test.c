/*
 * Goal: every grpc-timeout that a client may send is read right, and nothing else is taken. Method:
 * tables of texts with the expected duration, the edges of digits and of overflow among them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "wire_timeout.h"

#define UNTOUCHED ((tri_duration)-77)

static void expect(const char *text, int result, tri_duration expected)
{
    tri_duration timeout = UNTOUCHED;

    if (tri__timeout_parse(text, strlen(text), &timeout) != result || timeout != expected)
        fail_msg("\"%s\" gave %lld", text, (long long)timeout);
}

static void units_are_known(void **state)
{
    (void)state;
    expect("1n", 0, 1);
    expect("1u", 0, 1000);
    expect("1m", 0, 1000000);
    expect("1S", 0, 1000000000);
    expect("1M", 0, INT64_C(60000000000));
    expect("1H", 0, INT64_C(3600000000000));
    expect("2999950u", 0, INT64_C(2999950000));
}

static void zero_and_leading_zeros_are_numbers(void **state)
{
    (void)state;
    expect("0n", 0, 0);
    expect("00000000H", 0, 0);
    expect("000000000000000003S", 0, INT64_C(3000000000));
}

static void more_than_eight_digits_are_taken(void **state)
{
    (void)state;
    expect("99999999m", 0, INT64_C(99999999000000));
    expect("123456789m", 0, INT64_C(123456789000000));
    expect("999999999999999999n", 0, INT64_C(999999999999999999));
}

static void what_does_not_fit_is_the_longest_time(void **state)
{
    (void)state;
    expect("2562047H", 0, INT64_C(9223369200000000000));
    expect("2562048H", 0, INT64_MAX);
    expect("99999999H", 0, INT64_MAX);
    expect("999999999999999999m", 0, INT64_MAX);
}

static void all_else_is_refused(void **state)
{
    static const char *const texts[] = {
        "",    "n",    "1",  "12", "1 n", " 1n",  "1n ",   "-1n",
        "+1n", "1.5S", "1s", "1h", "1ms", "0x1n", "1\xb5", "1234567890123456789n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        expect(texts[i], -EINVAL, UNTOUCHED);

    tri_duration timeout = UNTOUCHED;

    assert_int_equal(tri__timeout_parse("1\0n", 3, &timeout), -EINVAL);
    assert_int_equal(tri__timeout_parse("5mgarbage", 2, &timeout), 0);
    assert_int_equal(timeout, 5000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_are_known),
        cmocka_unit_test(zero_and_leading_zeros_are_numbers),
        cmocka_unit_test(more_than_eight_digits_are_taken),
        cmocka_unit_test(what_does_not_fit_is_the_longest_time),
        cmocka_unit_test(all_else_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
