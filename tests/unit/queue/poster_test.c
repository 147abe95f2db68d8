/*
 * Goal: a poster pushes what has gathered in one batch per receiver and wakes those that sleep at
 * once, but a partner that dozes only when the batch ends; its own lane runs in order without a
 * mailbox; the counters are right. Method: one thread plays all receivers, whose mailboxes count
 * their wake-ups, and sets their sleeping words; then two posting threads against two receivers
 * that doze and sleep on futexes, with every node accounted for.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"
#include "assertion.h"
#include "poster.h"

#define LANES 3

struct receiver {
    struct tri__mailbox mailbox;
    unsigned wakes;
    unsigned count;
    uint32_t numbers[16];
};

struct message {
    struct tri__node node;
    uint32_t number;
    struct tri__poster *adds_to; /* consuming it adds `added` to lane 0 */
    struct message *added;
};

static void on_wake_count(struct tri__mailbox *mailbox)
{
    ((struct receiver *)mailbox->consumer)->wakes++;
}

static void on_consume(struct tri__node *node, void *consumer)
{
    struct message *message = tri_container_of(node, struct message, node);
    struct receiver *receiver = consumer;

    receiver->numbers[receiver->count++] = message->number;
    if (message->added != NULL)
        tri__poster_add(message->adds_to, 0, &message->added->node);
}

static const struct tri__node_kind kind = {on_consume};

static struct tri__poster poster;
static struct receiver receivers[LANES];
static struct message messages[8];

/* Lane 0 is the sender's own, lane 1 its partner's, lane 2 another thread's. */
static int set_up(void **state)
{
    (void)state;
    assert_int_equal(tri__poster_init(&poster, LANES), 0);
    for (unsigned i = 0; i < LANES; i++) {
        memset(&receivers[i], 0, sizeof(receivers[i]));
        tri__mailbox_init(&receivers[i].mailbox, on_wake_count, &receivers[i]);
        poster.lanes[i].mailbox = i == 0 ? NULL : &receivers[i].mailbox;
    }
    poster.lanes[1].is_partner = true;
    for (uint32_t i = 0; i < 8; i++)
        messages[i] = (struct message){.node.kind = &kind, .number = i};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tri__poster_fini(&poster);
    return 0;
}

static uint64_t count_of(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void a_batch_is_pushed_at_once(void **state)
{
    (void)state;
    tri__poster_push(&poster, 5);
    assert_int_equal(count_of(&poster.batches), 0);
    for (uint32_t i = 0; i < 6; i++)
        tri__poster_add(&poster, i < 4 ? 1 : 2, &messages[i].node);
    assert_int_equal(tri__mailbox_drain(&receivers[1].mailbox), 0);
    tri__poster_push(&poster, 7);
    assert_int_equal(poster.pushed_at, 7);
    assert_int_equal(tri__mailbox_drain(&receivers[1].mailbox), 4);
    assert_int_equal(tri__mailbox_drain(&receivers[2].mailbox), 2);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(receivers[1].numbers[i], i);
    assert_int_equal(receivers[2].numbers[0], 4);
    assert_int_equal(receivers[2].numbers[1], 5);
    assert_int_equal(count_of(&poster.handoffs), 6);
    assert_int_equal(count_of(&poster.batches), 2);
    assert_int_equal(count_of(&poster.wakes), 0);
    assert_int_equal(poster.dirty, 0);
    tri__poster_push(&poster, 8);
    assert_int_equal(count_of(&poster.batches), 2);
}

static void who_sleeps_is_woken_at_once(void **state)
{
    (void)state;
    assert_true(tri__mailbox_may_sleep(&receivers[1].mailbox, TRI__ASLEEP));
    assert_true(tri__mailbox_may_sleep(&receivers[2].mailbox, TRI__DOZING));
    tri__poster_add(&poster, 1, &messages[0].node);
    tri__poster_add(&poster, 2, &messages[1].node);
    tri__poster_push(&poster, 5);
    assert_int_equal(receivers[1].wakes, 1);
    assert_int_equal(receivers[2].wakes, 1);
    assert_int_equal(count_of(&poster.wakes), 2);
    assert_false(tri__poster_is_overdue(&poster, INT64_MAX));
    tri__poster_add(&poster, 1, &messages[2].node);
    tri__poster_push(&poster, 6);
    assert_int_equal(receivers[1].wakes, 1); /* it is awake by now */
}

static void a_dozing_partner_is_woken_at_the_end(void **state)
{
    (void)state;
    assert_true(tri__mailbox_may_sleep(&receivers[1].mailbox, TRI__DOZING));
    tri__poster_add(&poster, 1, &messages[0].node);
    tri__poster_push(&poster, 1000);
    tri__poster_add(&poster, 1, &messages[1].node);
    tri__poster_push(&poster, 2000);
    assert_int_equal(receivers[1].wakes, 0);
    assert_false(tri__poster_is_overdue(&poster, 999));
    assert_false(tri__poster_is_overdue(&poster, 1000 + TRI__HOLD_MAX - 1));
    assert_true(tri__poster_is_overdue(&poster, 1000 + TRI__HOLD_MAX));
    tri__poster_settle(&poster);
    assert_int_equal(receivers[1].wakes, 1);
    assert_int_equal(count_of(&poster.wakes), 1);
    assert_false(tri__poster_is_overdue(&poster, INT64_MAX));
    tri__poster_settle(&poster);
    assert_int_equal(receivers[1].wakes, 1);
    assert_int_equal(tri__mailbox_drain(&receivers[1].mailbox), 2);
}

static void a_partner_that_woke_by_itself_is_left_alone(void **state)
{
    (void)state;
    assert_true(tri__mailbox_may_sleep(&receivers[1].mailbox, TRI__DOZING));
    tri__poster_add(&poster, 1, &messages[0].node);
    tri__poster_push(&poster, 1000);
    tri__mailbox_woken(&receivers[1].mailbox);
    tri__poster_settle(&poster);
    assert_int_equal(receivers[1].wakes, 0);
    assert_int_equal(count_of(&poster.wakes), 0);
}

static void a_partner_that_fell_asleep_is_woken(void **state)
{
    (void)state;
    assert_true(tri__mailbox_may_sleep(&receivers[1].mailbox, TRI__DOZING));
    tri__poster_add(&poster, 1, &messages[0].node);
    tri__poster_push(&poster, 1000);
    /* It dozed off, took what was there, and now sleeps without bound. */
    tri__mailbox_woken(&receivers[1].mailbox);
    assert_int_equal(tri__mailbox_drain(&receivers[1].mailbox), 1);
    assert_true(tri__mailbox_may_sleep(&receivers[1].mailbox, TRI__ASLEEP));
    tri__poster_add(&poster, 1, &messages[1].node);
    tri__poster_push(&poster, 2000);
    assert_int_equal(receivers[1].wakes, 1);
    tri__poster_settle(&poster);
    assert_int_equal(receivers[1].wakes, 1);
}

static void the_own_lane_runs_in_order(void **state)
{
    (void)state;
    messages[0].adds_to = &poster;
    messages[0].added = &messages[3];
    messages[2].adds_to = &poster;
    messages[2].added = &messages[4];
    for (uint32_t i = 0; i < 3; i++)
        tri__poster_add(&poster, 0, &messages[i].node);
    tri__poster_add(&poster, 2, &messages[7].node);
    tri__poster_push(&poster, 5); /* does not touch it */
    assert_int_equal(receivers[0].count, 0);
    assert_int_equal(poster.dirty, 1);
    assert_int_equal(tri__poster_consume_own(&poster, 0, &receivers[0]), 5);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(receivers[0].numbers[i], i);
    assert_int_equal(poster.dirty, 0);
    assert_int_equal(tri__poster_consume_own(&poster, 0, &receivers[0]), 0);
    assert_int_equal(poster.dirty, 0);
    assert_int_equal(count_of(&poster.handoffs), 1);

    messages[0].added = NULL;
    tri__poster_add(&poster, 0, &messages[0].node);
    assert_int_equal(tri__poster_consume_own(&poster, 0, &receivers[0]), 1);
    assert_int_equal(poster.lanes[0].count, 0);
}

static void *allocate_nothing(size_t count, size_t size)
{
    (void)count;
    (void)size;
    return NULL;
}

static void without_memory_there_is_no_poster(void **state)
{
    void *(*allocate_zeroed)(size_t, size_t) = tri__allocator.allocate_zeroed;
    struct tri__poster other;

    (void)state;
    tri__allocator.allocate_zeroed = allocate_nothing;
    assert_int_equal(tri__poster_init(&other, 4), -ENOMEM);
    tri__allocator.allocate_zeroed = allocate_zeroed;
    tri__poster_fini(&other);
}

/* The stress: two threads post to two receivers; each is the partner of one. */

#define THREADS 2
#define NODES 256
#define ROUNDS 30000

struct parcel {
    struct tri__node node;
    unsigned from;
    uint32_t number;
    _Atomic uint32_t is_pushed;
};

struct sleeper {
    pthread_t thread;
    struct tri__mailbox mailbox;
    _Atomic uint32_t futex;
    uint32_t expected[THREADS];
    uint64_t consumed, disorder;
};

struct sender {
    pthread_t thread;
    unsigned index;
    struct tri__poster poster;
    struct parcel parcels[THREADS][NODES];
};

static struct sleeper sleepers[THREADS];
static struct sender senders[THREADS];

static void on_wake_futex(struct tri__mailbox *mailbox)
{
    struct sleeper *sleeper = mailbox->consumer;

    atomic_fetch_add(&sleeper->futex, 1);
    syscall(SYS_futex, &sleeper->futex, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void on_consume_parcel(struct tri__node *node, void *consumer)
{
    struct parcel *parcel = tri_container_of(node, struct parcel, node);
    struct sleeper *sleeper = consumer;

    if (parcel->number != sleeper->expected[parcel->from]++)
        sleeper->disorder++;
    sleeper->consumed++;
    atomic_store_explicit(&parcel->is_pushed, 0, memory_order_release);
}

static const struct tri__node_kind parcel_kind = {on_consume_parcel};

static void *sleep_and_consume(void *argument)
{
    static const struct timespec doze = {.tv_nsec = 1000000};
    struct sleeper *sleeper = argument;
    unsigned turn = 0;

    while (sleeper->consumed < (uint64_t)THREADS * ROUNDS) {
        if (tri__mailbox_drain(&sleeper->mailbox) > 0)
            continue;
        bool dozes = turn++ % 2 == 0;
        uint32_t futex = atomic_load(&sleeper->futex);

        if (tri__mailbox_may_sleep(&sleeper->mailbox, dozes ? TRI__DOZING : TRI__ASLEEP))
            syscall(SYS_futex, &sleeper->futex, FUTEX_WAIT_PRIVATE, futex, dozes ? &doze : NULL,
                    NULL, 0);
        tri__mailbox_woken(&sleeper->mailbox);
    }
    return NULL;
}

static void post_one(struct sender *sender, unsigned to, uint32_t number)
{
    struct parcel *parcel = &sender->parcels[to][number % NODES];

    while (atomic_load_explicit(&parcel->is_pushed, memory_order_acquire) != 0) {
        tri__poster_push(&sender->poster, number);
        tri__poster_settle(&sender->poster);
        sched_yield();
    }
    atomic_store_explicit(&parcel->is_pushed, 1, memory_order_relaxed);
    parcel->from = sender->index;
    parcel->number = number;
    parcel->node.kind = &parcel_kind;
    tri__poster_add(&sender->poster, (uint16_t)to, &parcel->node);
}

static void *post_all(void *argument)
{
    struct sender *sender = argument;
    unsigned seed = sender->index + 9;

    for (uint32_t number = 0; number < ROUNDS; number++) {
        for (unsigned to = 0; to < THREADS; to++)
            post_one(sender, to, number);
        if (rand_r(&seed) % 4 == 0)
            tri__poster_push(&sender->poster, number + 1);
        if (rand_r(&seed) % 16 == 0)
            tri__poster_settle(&sender->poster);
        if (rand_r(&seed) % 1024 == 0)
            usleep(50);
    }
    tri__poster_push(&sender->poster, ROUNDS);
    tri__poster_settle(&sender->poster);
    return NULL;
}

static void many_posters_lose_nothing(void **state)
{
    (void)state;
    alarm(120);
    for (unsigned i = 0; i < THREADS; i++)
        tri__mailbox_init(&sleepers[i].mailbox, on_wake_futex, &sleepers[i]);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(tri__poster_init(&senders[i].poster, THREADS), 0);
        senders[i].index = i;
        for (unsigned to = 0; to < THREADS; to++) {
            senders[i].poster.lanes[to].mailbox = &sleepers[to].mailbox;
            senders[i].poster.lanes[to].is_partner = to == i;
        }
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&sleepers[i].thread, NULL, sleep_and_consume, &sleepers[i]),
                         0);
        assert_int_equal(pthread_create(&senders[i].thread, NULL, post_all, &senders[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(senders[i].thread, NULL);
        pthread_join(sleepers[i].thread, NULL);
    }
    alarm(0);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(sleepers[i].disorder, 0);
        assert_int_equal(sleepers[i].consumed, (uint64_t)THREADS * ROUNDS);
        assert_int_equal(count_of(&senders[i].poster.handoffs), (uint64_t)THREADS * ROUNDS);
        assert_true(count_of(&senders[i].poster.batches) <= (uint64_t)THREADS * ROUNDS);
        assert_true(count_of(&senders[i].poster.wakes) > 0);
        tri__poster_fini(&senders[i].poster);
    }
}

#define with_poster(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_poster(a_batch_is_pushed_at_once),
        with_poster(who_sleeps_is_woken_at_once),
        with_poster(a_dozing_partner_is_woken_at_the_end),
        with_poster(a_partner_that_woke_by_itself_is_left_alone),
        with_poster(a_partner_that_fell_asleep_is_woken),
        with_poster(the_own_lane_runs_in_order),
        cmocka_unit_test(without_memory_there_is_no_poster),
        cmocka_unit_test(many_posters_lose_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
