/*
 * Goal: all memory comes through the one table, and its absence comes back as NULL.
 * Method: a table that counts and fails.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "alloc.h"
#include "failing_alloc.h"

static void all_goes_through_the_table(void **state)
{
    (void)state;
    failing_start(0, false);
    char *memory = tri__alloc(10);
    unsigned char *zeroed = tri__alloc_zeroed(3, 5);

    for (int i = 0; i < 15; i++)
        assert_int_equal(zeroed[i], 0);
    memory[9] = 'x';
    memory = tri__resize(memory, 5000);
    assert_non_null(memory);
    assert_int_equal(memory[9], 'x');
    assert_int_equal(failing.attempts, 3);
    assert_int_equal(failing.live_count, 2);
    tri__free(memory);
    tri__free(zeroed);
    tri__free(NULL);
    assert_int_equal(failing.live_count, 0);
}

static void strings_are_copied_with_a_nul(void **state)
{
    (void)state;
    failing_start(0, false);
    char *whole = tri__strdup("four");
    char *part = tri__strndup("four", 2);
    char *none = tri__strndup("x", 0);

    assert_string_equal(whole, "four");
    assert_string_equal(part, "fo");
    assert_string_equal(none, "");
    tri__free(whole);
    tri__free(part);
    tri__free(none);
    assert_int_equal(failing.live_count, 0);
}

static void without_memory_there_is_null(void **state)
{
    (void)state;
    failing_start(1, true);
    assert_null(tri__alloc(1));
    assert_null(tri__alloc_zeroed(1, 1));
    assert_null(tri__resize(NULL, 1));
    assert_null(tri__strdup("x"));
    assert_null(tri__strndup("x", 1));
    assert_int_equal(failing.attempts, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_goes_through_the_table),
        cmocka_unit_test(strings_are_copied_with_a_nul),
        cmocka_unit_test(without_memory_there_is_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
