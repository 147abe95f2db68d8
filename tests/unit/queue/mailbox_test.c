/*
 * Goal: every node comes out once, in the order in which its producer pushed it; a consumer that
 * sleeps is woken, by one producer, and never misses a node; a node may be pushed again as soon as
 * its consumption begins. Method: single-threaded cases for each promise; then several producers
 * with chains of random length against one consumer that sleeps on a futex without a timeout, so
 * that a lost wake-up hangs the test until its alarm. Run it under ThreadSanitizer too.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "assertion.h"
#include "mailbox.h"

#define PRODUCERS 4
#define NODES 64 /* of one producer, in flight at most */
#define ROUNDS 40000
#define CHAIN_MAX 8

struct message {
    struct tri__node node;
    unsigned producer;
    uint32_t number;
    _Atomic uint32_t is_pushed;
};

/* Order and single wake-ups, on one thread. */

struct log {
    unsigned wakes;
    unsigned count;
    uint32_t numbers[32];
    struct tri__mailbox *pushes_to; /* consuming number 0 pushes it again, once */
};

static void on_wake_count(struct tri__mailbox *mailbox)
{
    ((struct log *)mailbox->consumer)->wakes++;
}

static void on_consume_log(struct tri__node *node, void *consumer)
{
    struct message *message = tri_container_of(node, struct message, node);
    struct log *log = consumer;

    log->numbers[log->count++] = message->number;
    if (log->pushes_to != NULL && message->number == 0) {
        struct tri__mailbox *mailbox = log->pushes_to;

        log->pushes_to = NULL;
        message->number = 100;
        tri__mailbox_push(mailbox, node, node);
    }
}

static const struct tri__node_kind logged = {on_consume_log};

static void make_chain(struct message *messages, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        messages[i].number = first + i;
        messages[i].node.kind = &logged;
        messages[i].node.next = i + 1 < count ? &messages[i + 1].node : NULL;
    }
}

static void chains_come_out_in_order(void **state)
{
    struct message messages[9];
    struct tri__mailbox mailbox;
    struct log log = {0};

    (void)state;
    tri__mailbox_init(&mailbox, on_wake_count, &log);
    assert_int_equal(tri__mailbox_drain(&mailbox), 0);
    make_chain(messages, 0, 1);
    make_chain(messages + 1, 1, 2);
    make_chain(messages + 3, 3, 6);
    tri__mailbox_push(&mailbox, &messages[0].node, &messages[0].node);
    tri__mailbox_push(&mailbox, &messages[1].node, &messages[2].node);
    tri__mailbox_push(&mailbox, &messages[3].node, &messages[8].node);
    assert_int_equal(tri__mailbox_drain(&mailbox), 9);
    assert_int_equal(log.count, 9);
    for (uint32_t i = 0; i < 9; i++)
        assert_int_equal(log.numbers[i], i);
    assert_int_equal(tri__mailbox_drain(&mailbox), 0);
    assert_int_equal(log.wakes, 0);
}

static void a_node_may_be_pushed_while_it_is_consumed(void **state)
{
    struct message messages[3];
    struct tri__mailbox mailbox;
    struct log log = {.pushes_to = &mailbox};

    (void)state;
    tri__mailbox_init(&mailbox, on_wake_count, &log);
    make_chain(messages, 0, 3);
    tri__mailbox_push(&mailbox, &messages[0].node, &messages[2].node);
    assert_int_equal(tri__mailbox_drain(&mailbox), 3);
    assert_int_equal(tri__mailbox_drain(&mailbox), 1);
    assert_int_equal(log.numbers[1], 1);
    assert_int_equal(log.numbers[2], 2);
    assert_int_equal(log.numbers[3], 100);
}

static void who_sleeps_is_woken_once(void **state)
{
    static const enum tri__sleeping ways[] = {TRI__DOZING, TRI__ASLEEP};
    struct message messages[1];
    struct tri__mailbox mailbox;
    struct log log = {0};

    (void)state;
    tri__mailbox_init(&mailbox, on_wake_count, &log);
    assert_true(tri__mailbox_is_awake(&mailbox));
    assert_false(tri__mailbox_wake(&mailbox));
    for (unsigned i = 0; i < 2; i++) {
        assert_true(tri__mailbox_may_sleep(&mailbox, ways[i]));
        assert_false(tri__mailbox_is_awake(&mailbox));
        assert_true(tri__mailbox_wake(&mailbox));
        assert_false(tri__mailbox_wake(&mailbox));
        assert_int_equal(log.wakes, i + 1);
        assert_true(tri__mailbox_is_awake(&mailbox));
    }
    make_chain(messages, 0, 1);
    tri__mailbox_push(&mailbox, &messages[0].node, &messages[0].node);
    assert_false(tri__mailbox_may_sleep(&mailbox, TRI__ASLEEP));
    tri__mailbox_woken(&mailbox);
    assert_false(tri__mailbox_wake(&mailbox));
    assert_int_equal(tri__mailbox_drain(&mailbox), 1);
    assert_int_equal(log.wakes, 2);
}

/* The stress. */

struct consumer {
    struct tri__mailbox mailbox;
    _Atomic uint32_t futex; /* counts wake-ups */
    _Atomic uint64_t wakes;
    uint32_t expected[PRODUCERS];
    uint64_t consumed, disorder, sleeps;
};

struct producer {
    pthread_t thread;
    struct consumer *consumer;
    unsigned index;
    uint64_t woke;
    struct message messages[NODES];
};

static void on_wake_futex(struct tri__mailbox *mailbox)
{
    struct consumer *consumer = mailbox->consumer;

    atomic_fetch_add(&consumer->wakes, 1);
    atomic_fetch_add(&consumer->futex, 1);
    syscall(SYS_futex, &consumer->futex, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void on_consume_count(struct tri__node *node, void *context)
{
    struct message *message = tri_container_of(node, struct message, node);
    struct consumer *consumer = context;

    if (message->number != consumer->expected[message->producer]++)
        consumer->disorder++;
    consumer->consumed++;
    atomic_store_explicit(&message->is_pushed, 0, memory_order_release);
}

static const struct tri__node_kind counted = {on_consume_count};

static struct message *take_message(struct producer *producer, uint32_t number)
{
    struct message *message = &producer->messages[number % NODES];

    while (atomic_load_explicit(&message->is_pushed, memory_order_acquire) != 0)
        sched_yield();
    atomic_store_explicit(&message->is_pushed, 1, memory_order_relaxed);
    message->producer = producer->index;
    message->number = number;
    message->node.kind = &counted;
    message->node.next = NULL;
    return message;
}

static void *produce(void *argument)
{
    struct producer *producer = argument;
    unsigned seed = producer->index + 1;

    for (uint32_t number = 0; number < ROUNDS;) {
        uint32_t count = 1 + (uint32_t)rand_r(&seed) % CHAIN_MAX;
        struct message *first = take_message(producer, number++);
        struct message *last = first;

        while (--count > 0 && number < ROUNDS) {
            struct message *message = take_message(producer, number++);

            last->node.next = &message->node;
            last = message;
        }
        tri__mailbox_push(&producer->consumer->mailbox, &first->node, &last->node);
        producer->woke += tri__mailbox_wake(&producer->consumer->mailbox);
        if (rand_r(&seed) % 16 == 0)
            sched_yield();
        else if (rand_r(&seed) % 512 == 0)
            usleep(50); /* lets the consumer fall asleep */
    }
    return NULL;
}

static void consume_all(struct consumer *consumer)
{
    while (consumer->consumed < (uint64_t)PRODUCERS * ROUNDS) {
        if (tri__mailbox_drain(&consumer->mailbox) > 0)
            continue;
        uint32_t futex = atomic_load(&consumer->futex);

        if (tri__mailbox_may_sleep(&consumer->mailbox, TRI__ASLEEP)) {
            consumer->sleeps++;
            syscall(SYS_futex, &consumer->futex, FUTEX_WAIT_PRIVATE, futex, NULL, NULL, 0);
        }
        tri__mailbox_woken(&consumer->mailbox);
    }
}

static void many_producers_lose_nothing(void **state)
{
    static struct consumer consumer;
    static struct producer producers[PRODUCERS];
    uint64_t woke = 0;

    (void)state;
    alarm(120);
    tri__mailbox_init(&consumer.mailbox, on_wake_futex, &consumer);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        producers[i].consumer = &consumer;
        producers[i].index = i;
        assert_int_equal(pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);
    }
    consume_all(&consumer);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        pthread_join(producers[i].thread, NULL);
        assert_int_equal(consumer.expected[i], ROUNDS);
        woke += producers[i].woke;
    }
    alarm(0);
    assert_int_equal(consumer.disorder, 0);
    assert_int_equal(tri__mailbox_drain(&consumer.mailbox), 0);
    assert_int_equal(atomic_load(&consumer.wakes), woke);
    assert_true(consumer.sleeps > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_come_out_in_order),
        cmocka_unit_test(a_node_may_be_pushed_while_it_is_consumed),
        cmocka_unit_test(who_sleeps_is_woken_once),
        cmocka_unit_test(many_producers_lose_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
