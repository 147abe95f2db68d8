/*
 * Goal: the pool gives memory of every size, aligned, keeps what it holds, uses blocks again,
 * stands in with its reserve when the allocator fails, says so, and loses nothing. Method: seeded
 * random use with a pattern in each block; the failing allocator.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/failing_alloc.h"
#include "h2_memory_nghttp2.h"

#define BLOCKS 400

static struct tri__h2_memory memory;
static nghttp2_mem hooks;

static int set_up(void **state)
{
    (void)state;
    failing_start(0, false);
    if (tri__h2_memory_init(&memory) != 0)
        return -1;
    hooks = tri__h2_memory_hooks(&memory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tri__h2_memory_fini(&memory);
    return failing.live_count == 0 ? 0 : -1;
}

static bool holds(const uint8_t *block, size_t size, uint8_t value)
{
    for (size_t i = 0; i < size; i++) {
        if (block[i] != value)
            return false;
    }
    return true;
}

static void every_block_keeps_what_it_holds(void **state)
{
    static uint8_t *blocks[BLOCKS];
    static size_t sizes[BLOCKS];

    (void)state;
    srandom(3);
    for (int round = 0; round < 20000; round++) {
        size_t i = (size_t)random() % BLOCKS;
        size_t size = (size_t)random() % (random() % 10 == 0 ? 40000 : 3000);

        if (blocks[i] != NULL)
            assert_true(holds(blocks[i], sizes[i], (uint8_t)i));
        switch (random() % 4) {
        case 0:
            hooks.free(blocks[i], hooks.mem_user_data);
            blocks[i] = NULL;
            continue;
        case 1:
            if (blocks[i] == NULL)
                sizes[i] = 0;
            blocks[i] = hooks.realloc(blocks[i], size, hooks.mem_user_data);
            assert_true(holds(blocks[i], size < sizes[i] ? size : sizes[i], (uint8_t)i));
            break;
        case 2:
            hooks.free(blocks[i], hooks.mem_user_data);
            blocks[i] = hooks.calloc(size / 8 + 1, 8, hooks.mem_user_data);
            assert_true(holds(blocks[i], size / 8 * 8, 0));
            size = size / 8 * 8;
            break;
        default:
            hooks.free(blocks[i], hooks.mem_user_data);
            blocks[i] = hooks.malloc(size, hooks.mem_user_data);
            break;
        }
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 16, 0);
        sizes[i] = size;
        memset(blocks[i], (int)(uint8_t)i, size);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        hooks.free(blocks[i], hooks.mem_user_data);
        blocks[i] = NULL;
    }
}

static void a_block_is_used_again(void **state)
{
    uint64_t attempts;

    (void)state;
    for (size_t size = 1; size <= 2048; size = size * 3 / 2 + 1) {
        void *first = hooks.malloc(size, hooks.mem_user_data);

        hooks.free(first, hooks.mem_user_data);
        attempts = failing.attempts;
        for (int i = 0; i < 10; i++) {
            void *again = hooks.malloc(size, hooks.mem_user_data);

            assert_ptr_equal(again, first);
            hooks.free(again, hooks.mem_user_data);
        }
        assert_int_equal(failing.attempts, attempts);
    }
}

/* A burst of blocks does not stay. */
static void idle_blocks_are_bounded(void **state)
{
    static void *blocks[5000];
    size_t before = failing.live_bytes;

    (void)state;
    for (size_t i = 0; i < 5000; i++)
        blocks[i] = hooks.malloc(2000, hooks.mem_user_data);
    for (size_t i = 0; i < 5000; i++)
        hooks.free(blocks[i], hooks.mem_user_data);
    assert_true(failing.live_bytes - before < (size_t)2 << 20);
}

static void the_reserve_stands_in(void **state)
{
    void *blocks[64];
    uint32_t count = 0;

    (void)state;
    assert_false(tri__h2_memory_is_short(&memory));
    failing.fail_at = 1;
    failing.fails_on = true;
    while (count < 64 && (blocks[count] = hooks.malloc(16384 + count, hooks.mem_user_data)) != NULL)
        memset(blocks[count++], 1, 16384);
    assert_true(count >= 16);
    assert_true(tri__h2_memory_is_short(&memory));
    assert_null(hooks.malloc(1000000, hooks.mem_user_data));
    assert_null(hooks.malloc(SIZE_MAX - 10, hooks.mem_user_data));
    assert_null(hooks.calloc(SIZE_MAX / 2, 3, hooks.mem_user_data));
    if (count > 0) {
        void *larger = hooks.realloc(blocks[0], 32 * 1024, hooks.mem_user_data);

        assert_ptr_equal(larger, blocks[0]); /* a block of the reserve has room */
        assert_null(hooks.realloc(blocks[0], 1 << 20, hooks.mem_user_data));
        assert_true(holds(blocks[0], 16384, 1)); /* and is still there */
    }
    /* What comes back fills the reserve again; and so does memory. */
    for (uint32_t i = 0; i < count; i++)
        hooks.free(blocks[i], hooks.mem_user_data);
    assert_false(tri__h2_memory_is_short(&memory));
    blocks[0] = hooks.malloc(20000, hooks.mem_user_data);
    assert_non_null(blocks[0]);
    assert_true(tri__h2_memory_is_short(&memory));
    failing.fail_at = 0;
    failing.fails_on = false;
    assert_false(tri__h2_memory_is_short(&memory));
    hooks.free(blocks[0], hooks.mem_user_data);
    hooks.free(NULL, hooks.mem_user_data);
}

static void no_pool_without_its_reserve(void **state)
{
    struct tri__h2_memory other;

    (void)state;
    for (uint64_t at = 1;; at++) {
        size_t before = failing.live_count;

        failing.attempts = 0;
        failing.fail_at = at;
        if (tri__h2_memory_init(&other) == 0)
            break;
        assert_int_equal(failing.live_count, before);
    }
    failing.fail_at = 0;
    tri__h2_memory_fini(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_block_keeps_what_it_holds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_block_is_used_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(idle_blocks_are_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_reserve_stands_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_pool_without_its_reserve, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
