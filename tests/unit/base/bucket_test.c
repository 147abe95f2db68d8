/*
 * Goal: within any span a peer gets no more than the burst and what the rate earns in it; and one
 * that keeps well below the rate always gets a token. Method: the exact sequence for small numbers,
 * then seeded random times against the bound.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "bucket.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)

static unsigned take_all(struct tri__bucket *bucket, uint64_t now, unsigned attempts)
{
    unsigned taken = 0;

    while (attempts-- > 0)
        taken += tri__bucket_take(bucket, now);
    return taken;
}

static void a_burst_then_the_rate(void **state)
{
    struct tri__bucket bucket;

    (void)state;
    tri__bucket_init(&bucket, 5, 10, 77);
    assert_int_equal(take_all(&bucket, 77, 20), 5);
    assert_int_equal(take_all(&bucket, 77 + 99 * MS, 20), 0);
    assert_int_equal(take_all(&bucket, 77 + 100 * MS, 20), 1);
    assert_int_equal(take_all(&bucket, 77 + 400 * MS, 20), 3);
}

static void it_holds_no_more_than_the_burst(void **state)
{
    struct tri__bucket bucket;

    (void)state;
    tri__bucket_init(&bucket, 5, 10, 0);
    take_all(&bucket, 0, 5);
    assert_int_equal(take_all(&bucket, 60 * SECOND, 20), 5);
    assert_int_equal(take_all(&bucket, UINT64_MAX / 2, 20), 5);
}

static void no_span_gives_more_than_burst_and_rate(void **state)
{
    unsigned seed = 3;

    (void)state;
    for (int round = 0; round < 300; round++) {
        uint32_t burst = 1 + (uint32_t)rand_r(&seed) % 1000;
        uint32_t rate = 1 + (uint32_t)rand_r(&seed) % 1000;
        uint64_t now = (uint64_t)rand_r(&seed) * 1000;
        uint64_t start = now;
        uint64_t taken = 0;
        struct tri__bucket bucket;

        tri__bucket_init(&bucket, burst, rate, now);
        for (int step = 0; step < 200; step++) {
            taken += take_all(&bucket, now, (unsigned)rand_r(&seed) % 50);
            assert_true(taken <= burst + (now - start) / 1000 * rate / 1000000 + 1);
            now += (uint64_t)rand_r(&seed) % (100 * MS);
        }
    }
}

static void who_is_slow_is_never_refused(void **state)
{
    struct tri__bucket bucket;
    uint64_t now = 0;

    (void)state;
    tri__bucket_init(&bucket, 100, 10, now);
    for (int i = 0; i < 100000; i++, now += 200 * MS) /* half of the rate */
        assert_true(tri__bucket_take(&bucket, now));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_then_the_rate),
        cmocka_unit_test(it_holds_no_more_than_the_burst),
        cmocka_unit_test(no_span_gives_more_than_burst_and_rate),
        cmocka_unit_test(who_is_slow_is_never_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
