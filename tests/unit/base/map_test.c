/*
 * Goal: the map finds what was added and nothing else, owns its keys, and a lack of memory at any
 * point leaves it as it was. Method: thousands of keys, keys with NULs and prefixes of each other,
 * and each allocation failing in its turn.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "failing_alloc.h"
#include "map.h"

#define KEYS 5000

static int values[KEYS];

static size_t make_key(char *key, size_t size, int number)
{
    return (size_t)snprintf(key, size, "/package.Service%d/Method", number);
}

static void what_was_added_is_found(void **state)
{
    struct tri__map map = {0};
    char key[64];

    (void)state;
    failing_start(0, false);
    assert_null(tri__map_get(&map, "x", 1));
    for (int i = 0; i < KEYS; i++) {
        size_t size = make_key(key, sizeof(key), i);

        assert_int_equal(tri__map_add(&map, key, size, &values[i]), 0);
        memset(key, 'z', sizeof(key));
    }
    assert_int_equal(map.count, KEYS);
    for (int i = 0; i < KEYS; i++) {
        size_t size = make_key(key, sizeof(key), i);

        assert_ptr_equal(tri__map_get(&map, key, size), &values[i]);
        assert_null(tri__map_get(&map, key, size - 1));
        key[size] = 'x';
        assert_null(tri__map_get(&map, key, size + 1));
        size = make_key(key, sizeof(key), KEYS + i);
        assert_null(tri__map_get(&map, key, size));
    }
    tri__map_fini(&map);
    assert_int_equal(failing.live_count, 0);
    assert_null(tri__map_get(&map, "x", 1));
}

static void a_key_is_added_once(void **state)
{
    struct tri__map map = {0};

    (void)state;
    failing_start(0, false);
    assert_int_equal(tri__map_add(&map, "a", 1, &values[0]), 0);
    assert_int_equal(tri__map_add(&map, "a", 1, &values[1]), -EEXIST);
    assert_ptr_equal(tri__map_get(&map, "a", 1), &values[0]);
    assert_int_equal(map.count, 1);
    tri__map_fini(&map);
    assert_int_equal(failing.live_count, 0);
}

static void keys_are_bytes(void **state)
{
    struct tri__map map = {0};

    (void)state;
    failing_start(0, false);
    assert_int_equal(tri__map_add(&map, "", 0, &values[0]), 0);
    assert_int_equal(tri__map_add(&map, "\0", 1, &values[1]), 0);
    assert_int_equal(tri__map_add(&map, "\0\0", 2, &values[2]), 0);
    assert_int_equal(tri__map_add(&map, "\xff\xfe", 2, &values[3]), 0);
    assert_ptr_equal(tri__map_get(&map, "", 0), &values[0]);
    assert_ptr_equal(tri__map_get(&map, "\0", 1), &values[1]);
    assert_ptr_equal(tri__map_get(&map, "\0\0", 2), &values[2]);
    assert_ptr_equal(tri__map_get(&map, "\xff\xfe", 2), &values[3]);
    tri__map_fini(&map);
}

static void without_memory_it_stays_as_it_was(void **state)
{
    char key[64];

    (void)state;
    for (uint64_t fail_at = 1; fail_at < 120; fail_at++) {
        struct tri__map map = {0};
        int failures = 0;

        failing_start(fail_at, false);
        for (int i = 0; i < 100; i++) {
            size_t size = make_key(key, sizeof(key), i);
            int r = tri__map_add(&map, key, size, &values[i]);

            if (r == -ENOMEM) {
                failures++;
                assert_null(tri__map_get(&map, key, size));
                assert_int_equal(map.count, i);
                r = tri__map_add(&map, key, size, &values[i]);
            }
            assert_int_equal(r, 0);
        }
        assert_int_equal(failures, fail_at <= failing.attempts ? 1 : 0);
        for (int i = 0; i < 100; i++) {
            size_t size = make_key(key, sizeof(key), i);

            assert_ptr_equal(tri__map_get(&map, key, size), &values[i]);
        }
        tri__map_fini(&map);
        assert_int_equal(failing.live_count, 0);
    }
}

/* Many keys, so that chains of them wrap round the end and lie across gaps. */
static void what_was_removed_is_gone_and_the_rest_is_found(void **state)
{
    struct tri__map map = {0};
    char key[64];
    size_t size;

    (void)state;
    failing_start(0, false);
    tri__map_remove(&map, "a", 1);
    for (int i = 0; i < 100; i++) {
        size = make_key(key, sizeof(key), i);
        assert_int_equal(tri__map_add(&map, key, size, &values[i]), 0);
    }
    for (int i = 0; i < 100; i++) {
        int removed = i * 37 % 100;

        size = make_key(key, sizeof(key), removed);
        tri__map_remove(&map, key, size);
        tri__map_remove(&map, key, size);
        assert_int_equal(map.count, 99 - i);
        for (int j = 0; j < 100; j++) {
            bool is_there = true;

            for (int k = 0; k <= i; k++)
                is_there = is_there && j != k * 37 % 100;
            size = make_key(key, sizeof(key), j);
            if (is_there)
                assert_ptr_equal(tri__map_get(&map, key, size), &values[j]);
            else
                assert_null(tri__map_get(&map, key, size));
        }
    }
    size = make_key(key, sizeof(key), 5);
    assert_int_equal(tri__map_add(&map, key, size, &values[6]), 0);
    assert_ptr_equal(tri__map_get(&map, key, size), &values[6]);
    tri__map_fini(&map);
    assert_int_equal(failing.live_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_is_found),
        cmocka_unit_test(a_key_is_added_once),
        cmocka_unit_test(keys_are_bytes),
        cmocka_unit_test(without_memory_it_stays_as_it_was),
        cmocka_unit_test(what_was_removed_is_gone_and_the_rest_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
