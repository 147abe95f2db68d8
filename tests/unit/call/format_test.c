/*
 * Goal: the short way of tri_call_printf writes what printf writes, and leaves to it what it does
 * not know. Method: formats with numbers at their ends, held against vsnprintf.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "../base/failing_alloc.h"
#include "call_format.h"

static struct tri__block_cache cache;
static struct tri__arena arena;

/* Returns: whether it was simple; then it was the same. */
static __attribute__((format(printf, 1, 2))) bool is_simple(const char *format, ...)
{
    char wanted[512], *text = NULL;
    va_list arguments, again;
    bool is;

    va_start(arguments, format);
    va_copy(again, arguments);
    vsnprintf(wanted, sizeof(wanted), format, again);
    va_end(again);
    is = tri__format_simple(&arena, &text, format, &arguments);
    va_end(arguments);
    if (is) {
        assert_non_null(text);
        assert_string_equal(text, wanted);
    }
    tri__arena_reset(&arena);
    return is;
}

static void simple_ones_are_as_printf_has_them(void **state)
{
    (void)state;
    assert_true(is_simple("nothing to convert"));
    assert_true(is_simple("%s", ""));
    assert_true(is_simple("<%s|%s>", "one", "two"));
    assert_true(is_simple("%d %d %d", INT_MIN, 0, INT_MAX));
    assert_true(is_simple("%d%d", -1, 10));
    assert_true(is_simple("%u and %u", 0u, UINT_MAX));
    assert_true(is_simple("%ld%%%ld", LONG_MIN, LONG_MAX));
    assert_true(is_simple("%lu %zu", ULONG_MAX, SIZE_MAX));
    assert_true(is_simple("%%"));
}

static void what_is_not_known_is_left(void **state)
{
    (void)state;
    assert_false(is_simple("%x", 1u));
    assert_false(is_simple("%5d", 1));
    assert_false(is_simple("%lx", 1ul));
    assert_false(is_simple("%zd", (ssize_t)1));
    assert_false(is_simple("%.2f", 0.5));
    assert_false(is_simple("%c", 'c'));
    /* More pieces than there is room for. */
    assert_false(is_simple("%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d", 1, 2, 3, 4, 5, 6, 7,
                           8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24));
}

/* Which glibc's own printf does as well; gcc would warn of a NULL that it can see. */
static const char *volatile nothing;

static void no_string_is_null(void **state)
{
    (void)state;
    assert_true(is_simple("%s", nothing));
}

static __attribute__((format(printf, 2, 3))) bool format(char **text, const char *format, ...)
{
    va_list arguments;
    bool is;

    va_start(arguments, format);
    is = tri__format_simple(&arena, text, format, &arguments);
    va_end(arguments);
    return is;
}

static void without_memory_there_is_no_text(void **state)
{
    static char unset;
    char *text = &unset;

    (void)state;
    failing_start(1, true);
    assert_true(format(&text, "%d", 1));
    assert_null(text);
    failing_start(0, false);
}

static int set_up(void **state)
{
    (void)state;
    failing_start(0, false);
    tri__arena_init(&arena, &cache);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tri__arena_reset(&arena);
    tri__block_cache_fini(&cache);
    return failing.live_count == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(simple_ones_are_as_printf_has_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_known_is_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_string_is_null, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_memory_there_is_no_text, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
