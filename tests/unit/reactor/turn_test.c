/*
 * Goal: a turn of the loop consumes the mailbox, fires timers, runs the stages in their order, and
 * waits only when there is nothing to do: not while a stage is busy, not beyond its timers or its
 * limit, and not long while the worker on its core is awake. Method: an engine of the test's that
 * writes down how long it was to wait; then the real one, woken by another thread.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "assertion.h"
#include "reactor.h"
#include "uring.h"

#define MS UINT64_C(1000000)

static char told[64];
static uint64_t waited_until;
static unsigned wakes;
static enum tri__sleeping slept_as;
static struct tri__reactor *turning;

static void tell(char what)
{
    size_t size = strlen(told);

    tri_assert(size + 1 < sizeof(told));
    told[size] = what;
    told[size + 1] = '\0';
}

static void fake_turn(struct tri__engine *engine, uint64_t deadline)
{
    tell('e');
    waited_until = deadline;
    slept_as = (enum tri__sleeping)atomic_load(&turning->mailbox.sleeping);
    if (deadline != TRI__NEVER && deadline > engine->now)
        engine->now = deadline;
}

static void fake_wake(struct tri__engine *engine)
{
    (void)engine;
    wakes++;
}

static void fake_fini(struct tri__engine *engine)
{
    (void)engine;
}

static const struct tri__engine_ops fake_ops = {
    .name = "fake", .fini = fake_fini, .turn = fake_turn, .wake = fake_wake};

static bool stage(void *context)
{
    const char *what = context;

    tell(*what);
    return what[1] == '+';
}

static void consume(struct tri__node *node, void *consumer)
{
    (void)node;
    assert_ptr_equal(consumer, turning);
    tell('m');
}

static void fire(struct tri__timer *timer)
{
    (void)timer;
    tell('t');
}

static struct tri__engine engine;
static struct tri__reactor reactor;

static int set_up(void **state)
{
    (void)state;
    engine = (struct tri__engine){.ops = &fake_ops, .now = 100 * MS};
    tri__reactor_init(&reactor, &engine);
    turning = &reactor;
    told[0] = '\0';
    wakes = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tri__reactor_fini(&reactor);
    return 0;
}

static void stages_run_in_their_order(void **state)
{
    static const struct tri__node_kind kind = {consume};
    struct tri__node node = {.kind = &kind};
    struct tri__timer timer;

    (void)state;
    tri__reactor_set_stage(&reactor, TRI__STAGE_POST, stage, (void *)(uintptr_t) "4");
    tri__reactor_set_stage(&reactor, TRI__STAGE_INPUT, stage, (void *)(uintptr_t) "1");
    tri__reactor_set_stage(&reactor, TRI__STAGE_WRITE, stage, (void *)(uintptr_t) "3");
    tri__reactor_set_stage(&reactor, TRI__STAGE_RUN, stage, (void *)(uintptr_t) "2");
    tri__timer_init(&timer, fire);
    tri__timer_set(&reactor.wheel, &timer, engine.now + 5 * MS);
    tri__mailbox_push(&reactor.mailbox, &node, &node);
    tri__reactor_turn(&reactor, TRI__NEVER);
    assert_int_equal(waited_until, 0); /* there is a node */
    assert_string_equal(told, "em1234");
    told[0] = '\0';
    while (strchr(told, 't') == NULL) {
        told[0] = '\0';
        tri__reactor_turn(&reactor, TRI__NEVER);
        assert_true(waited_until <= 107 * MS);
    }
    assert_string_equal(told, "et1234");
    assert_true(engine.now >= 105 * MS);
}

static void it_waits_only_with_nothing_to_do(void **state)
{
    (void)state;
    tri__reactor_turn(&reactor, TRI__NEVER);
    assert_int_equal(waited_until, TRI__NEVER);
    assert_int_equal(slept_as, TRI__ASLEEP);
    assert_true(tri__mailbox_is_awake(&reactor.mailbox));
    tri__reactor_turn(&reactor, 103 * MS);
    assert_int_equal(waited_until, 103 * MS);
    tri__reactor_set_stage(&reactor, TRI__STAGE_RUN, stage, (void *)(uintptr_t) "2+");
    tri__reactor_turn(&reactor, TRI__NEVER);
    tri__reactor_turn(&reactor, TRI__NEVER);
    assert_int_equal(waited_until, 0);
    assert_int_equal(slept_as, TRI__AWAKE);
    tri__reactor_set_stage(&reactor, TRI__STAGE_RUN, stage, (void *)(uintptr_t) "2");
    tri__reactor_turn(&reactor, TRI__NEVER);
    tri__reactor_turn(&reactor, TRI__NEVER);
    assert_int_equal(waited_until, TRI__NEVER);
}

static void it_dozes_while_its_partner_is_awake(void **state)
{
    struct tri__mailbox partner;

    (void)state;
    tri__mailbox_init(&partner, NULL, NULL);
    reactor.partner = &partner;
    tri__reactor_turn(&reactor, TRI__NEVER);
    assert_int_equal(waited_until, 101 * MS);
    assert_int_equal(slept_as, TRI__DOZING);
    assert_true(tri__mailbox_may_sleep(&partner, TRI__ASLEEP));
    tri__reactor_turn(&reactor, TRI__NEVER);
    assert_int_equal(waited_until, TRI__NEVER);
    assert_int_equal(slept_as, TRI__ASLEEP);
}

#define NODES 20000

struct counted {
    struct tri__node node;
    unsigned number;
};

static struct tri__reactor real;
static struct counted nodes[NODES];
static unsigned consumed;

static void count(struct tri__node *node, void *consumer)
{
    (void)consumer;
    tri_assert(tri_container_of(node, struct counted, node)->number == consumed);
    consumed++;
}

static const struct tri__node_kind count_kind = {count};

static void *push_nodes(void *argument)
{
    for (unsigned i = 0; i < NODES; i++) {
        nodes[i] = (struct counted){.node.kind = &count_kind, .number = i};
        tri__mailbox_push(&real.mailbox, &nodes[i].node, &nodes[i].node);
        tri__mailbox_wake(&real.mailbox);
        if (i % 1000 == 0)
            sched_yield();
    }
    return argument;
}

/* A lost wake-up would be a test that never ends. */
static void what_is_pushed_wakes_it(void **state)
{
    struct tri__engine *uring;
    pthread_t thread;

    (void)state;
    assert_int_equal(tri__uring_new(&uring), 0);
    tri__reactor_init(&real, uring);
    assert_int_equal(pthread_create(&thread, NULL, push_nodes, NULL), 0);
    while (consumed < NODES)
        tri__reactor_turn(&real, TRI__NEVER);
    pthread_join(thread, NULL);
    assert_int_equal(consumed, NODES);
    tri__reactor_fini(&real);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(stages_run_in_their_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_waits_only_with_nothing_to_do, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_dozes_while_its_partner_is_awake, set_up, tear_down),
        cmocka_unit_test(what_is_pushed_wakes_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
