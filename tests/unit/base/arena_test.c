/*
 * Goal: an arena's pieces are aligned, do not overlap and are all given back; blocks are used
 * again, within bounds; a lack of memory is NULL and leaves the arena usable. Method: seeded random
 * sizes, each piece filled with its own byte and checked at the end; the counting and failing
 * allocator.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "failing_alloc.h"
#include "sanitizer.h"

static void pieces_are_aligned_and_apart(void **state)
{
    static const size_t sizes[] = {0,    1,    15,   16,   17,   100,  1000,
                                   2000, 2015, 2016, 2017, 5000, 70000};
    struct tri__block_cache cache = {0};
    struct tri__arena arena;
    unsigned seed = 7;

    (void)state;
    failing_start(0, false);
    tri__arena_init(&arena, &cache);
    for (int round = 0; round < 50; round++) {
        uint8_t *pieces[200];
        size_t piece_sizes[200];

        assert_true(tri__arena_is_empty(&arena));
        for (int i = 0; i < 200; i++) {
            size_t size = sizes[(size_t)rand_r(&seed) % (sizeof(sizes) / sizeof(sizes[0]))];

            if (size == 100)
                size = (size_t)rand_r(&seed) % 300;
            pieces[i] = tri__arena_alloc(&arena, size);
            assert_non_null(pieces[i]);
            assert_int_equal((uintptr_t)pieces[i] % 16, 0);
            memset(pieces[i], i, size);
            piece_sizes[i] = size;
        }
        for (int i = 0; i < 200; i++) {
            for (size_t j = 0; j < piece_sizes[i]; j++)
                assert_int_equal(pieces[i][j], (uint8_t)i);
        }
        tri__arena_reset(&arena);
    }
    tri__block_cache_fini(&cache);
    assert_int_equal(failing.live_count, 0);
}

static void a_block_is_filled_before_the_next(void **state)
{
    struct tri__block_cache cache = {0};
    struct tri__arena arena;

    (void)state;
    failing_start(0, false);
    tri__arena_init(&arena, &cache);
    for (size_t i = 0; i < TRI__ARENA_BLOCK / 16; i++)
        tri__arena_alloc(&arena, 9);
    assert_int_equal(failing.live_count, 1);
    tri__arena_alloc(&arena, 1);
    assert_int_equal(failing.live_count, 2);
    tri__arena_reset(&arena);
    tri__block_cache_fini(&cache);
}

static void a_large_piece_leaves_the_block_in_use(void **state)
{
    struct tri__block_cache cache = {0};
    struct tri__arena arena;

    (void)state;
    failing_start(0, false);
    tri__arena_init(&arena, &cache);
    uint8_t *before = tri__arena_alloc(&arena, 16);

    tri__arena_alloc(&arena, 10000);
    assert_ptr_equal(tri__arena_alloc(&arena, 16), before + 16);
    assert_int_equal(failing.live_count, 2);
    tri__arena_reset(&arena);
    assert_int_equal(failing.live_count, 1); /* the large one is not kept */
    assert_int_equal(cache.count, 1);
    tri__block_cache_fini(&cache);
}

static void blocks_are_used_again_the_warm_one_first(void **state)
{
    struct tri__block_cache cache = {0};
    struct tri__arena arena, other;

    (void)state;
    failing_start(0, false);
    tri__arena_init(&arena, &cache);
    tri__arena_init(&other, &cache);
    void *first = tri__arena_alloc(&arena, 100);
    void *second = tri__arena_alloc(&other, 100);

    tri__arena_reset(&other);
    tri__arena_reset(&arena);
    assert_ptr_equal(tri__arena_alloc(&other, 100), first);
    assert_ptr_equal(tri__arena_alloc(&arena, 100), second);
    assert_int_equal(failing.attempts, 2);
    tri__arena_reset(&arena);
    tri__arena_reset(&other);
    tri__block_cache_fini(&cache);
    assert_int_equal(failing.live_count, 0);
}

static void the_cache_has_a_bound(void **state)
{
    struct tri__block_cache cache = {0};
    struct tri__arena arena;

    (void)state;
    failing_start(0, false);
    tri__arena_init(&arena, &cache);
    for (int i = 0; i < 1000; i++)
        tri__arena_alloc(&arena, TRI__ARENA_BLOCK);
    assert_int_equal(failing.live_count, 1000);
    tri__arena_reset(&arena);
    assert_int_equal(failing.live_count, cache.count);
    assert_true(cache.count >= 16 && cache.count < 1000);
    tri__block_cache_fini(&cache);
    assert_int_equal(failing.live_count, 0);
    assert_int_equal(cache.count, 0);
}

static void without_memory_there_is_null(void **state)
{
    struct tri__block_cache cache = {0};
    struct tri__arena arena;

    (void)state;
    failing_start(1, true);
    tri__arena_init(&arena, &cache);
    assert_null(tri__arena_alloc(&arena, 1));
    assert_null(tri__arena_alloc(&arena, 10000));
    assert_true(tri__arena_is_empty(&arena));

    failing_start(2, true);
    uint8_t *piece = tri__arena_alloc(&arena, 2000);

    assert_non_null(piece);
    assert_null(tri__arena_alloc(&arena, 17));
    assert_null(tri__arena_alloc(&arena, 10000));
    /* What is left can still be had. */
    assert_ptr_equal(tri__arena_alloc(&arena, 16), piece + 2000);
    tri__arena_reset(&arena);
    tri__block_cache_fini(&cache);
    assert_int_equal(failing.live_count, 0);
}

static void a_size_that_overflows_is_null(void **state)
{
    struct tri__block_cache cache = {0};
    struct tri__arena arena;

    (void)state;
    failing_start(0, false);
    tri__arena_init(&arena, &cache);
    for (size_t less = 0; less < 64; less++)
        assert_null(tri__arena_alloc(&arena, SIZE_MAX - less));
    assert_int_equal(failing.live_count, 0);
}

static void what_is_given_back_is_poisoned(void **state)
{
    (void)state;
#if TRI__ASAN
    struct tri__block_cache cache = {0};
    struct tri__arena arena;

    failing_start(0, false);
    tri__arena_init(&arena, &cache);
    uint8_t *piece = tri__arena_alloc(&arena, 64);

    assert_false(__asan_address_is_poisoned(piece + 63));
    assert_true(__asan_address_is_poisoned(piece + 64));
    tri__arena_reset(&arena);
    assert_true(__asan_address_is_poisoned(piece));
    tri__block_cache_fini(&cache);
#else
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_apart),
        cmocka_unit_test(a_block_is_filled_before_the_next),
        cmocka_unit_test(a_large_piece_leaves_the_block_in_use),
        cmocka_unit_test(blocks_are_used_again_the_warm_one_first),
        cmocka_unit_test(the_cache_has_a_bound),
        cmocka_unit_test(without_memory_there_is_null),
        cmocka_unit_test(a_size_that_overflows_is_null),
        cmocka_unit_test(what_is_given_back_is_poisoned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
