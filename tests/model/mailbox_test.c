/*
 * Goal: in every interleaving of two producers and a consumer that sleeps, no node is lost, comes
 * twice or out of its producer's order, nobody sleeps over a node, and one wake is done for each
 * sleeper. Method: framework/queue/mailbox.c itself, compiled with the operations of explore.h. The
 * same with deliberate mistakes, each of which some interleaving must bring to light.
 */
#include "explore.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

/* The source itself, with each atomic operation made a point of scheduling. */
#include "mailbox.c" /* NOLINT(bugprone-suspicious-include) */

#define PRODUCERS 2
#define NODES 2

enum mistake {
    NONE,
    NO_SECOND_LOOK,
    WAKE_BEFORE_PUSH,
    NEXT_AFTER_CONSUMING,
    PUSH_WITHOUT_CAS,
    SLEEPS_BEFORE_SAYING_SO
};

static struct {
    struct tri__mailbox mailbox;
    struct tri__node nodes[PRODUCERS][NODES];
    bool is_free[PRODUCERS][NODES]; /* the node may be pushed */
    bool is_awake;                  /* the futex */
    int wanted[PRODUCERS];
    uint32_t wakes, wakes_told;
    uint32_t consumed[PRODUCERS], expected;
} shared;

static enum mistake mistake;
static int rounds; /* of each producer: it pushes its nodes so often */
static bool in_chains;

static void on_wake(struct tri__mailbox *mailbox)
{
    explore_check(mailbox == &shared.mailbox);
    shared.wakes++;
    shared.is_awake = true;
}

static void consume(struct tri__node *node, void *consumer)
{
    size_t index = (size_t)(node - &shared.nodes[0][0]);
    size_t producer = index / NODES;

    (void)consumer;
    explore_check(index < (size_t)PRODUCERS * NODES);
    explore_check(!shared.is_free[producer][index % NODES]);
    explore_check(index % NODES == shared.consumed[producer] % NODES);
    shared.consumed[producer]++;
    shared.is_free[producer][index % NODES] = true;
    explore_step(); /* its producer may push it again right now */
}

static const struct tri__node_kind kind = {consume};

static void push(struct tri__node *first, struct tri__node *last)
{
    if (mistake == WAKE_BEFORE_PUSH)
        shared.wakes_told += tri__mailbox_wake(&shared.mailbox);
    if (mistake == PUSH_WITHOUT_CAS) {
        last->next = atomic_load_explicit(&shared.mailbox.head, memory_order_relaxed);
        atomic_store_explicit(&shared.mailbox.head, last, memory_order_seq_cst);
    } else {
        tri__mailbox_push(&shared.mailbox, first, last);
    }
    if (mistake != WAKE_BEFORE_PUSH)
        shared.wakes_told += tri__mailbox_wake(&shared.mailbox);
}

static bool is_wanted_free(int index)
{
    return shared.is_free[index][shared.wanted[index]];
}

static void produce(int index)
{
    struct tri__node *nodes = shared.nodes[index];
    bool *is_free = shared.is_free[index];

    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < NODES; i++) {
            shared.wanted[index] = i;
            if (!is_free[i])
                explore_wait(is_wanted_free);
            is_free[i] = false;
            nodes[i].kind = &kind;
            nodes[i].next = NULL;
            if (!in_chains)
                push(&nodes[i], &nodes[i]);
        }
        if (in_chains) {
            nodes[0].next = &nodes[1];
            push(&nodes[0], &nodes[1]);
        }
    }
}

static void drain(void)
{
    if (mistake != NEXT_AFTER_CONSUMING) {
        tri__mailbox_drain(&shared.mailbox);
        return;
    }
    struct tri__node *node =
        turn_round(atomic_exchange_explicit(&shared.mailbox.head, NULL, memory_order_acquire));

    for (; node != NULL; node = node->next)
        node->kind->consume(node, NULL);
}

static bool may_sleep(void)
{
    if (mistake == NO_SECOND_LOOK) {
        tri__mailbox_may_sleep(&shared.mailbox, TRI__ASLEEP);
        return true;
    }
    if (mistake == SLEEPS_BEFORE_SAYING_SO) {
        bool may = atomic_load_explicit(&shared.mailbox.head, memory_order_seq_cst) == NULL;

        return tri__mailbox_may_sleep(&shared.mailbox, TRI__ASLEEP) || may;
    }
    return tri__mailbox_may_sleep(&shared.mailbox, TRI__ASLEEP);
}

static bool is_awake(int index)
{
    (void)index;
    return shared.is_awake;
}

static void consume_all(int index)
{
    (void)index;
    while (shared.consumed[0] + shared.consumed[1] < shared.expected) {
        drain();
        if (may_sleep()) {
            /* The futex: it looks at the word and sleeps in one. */
            shared.is_awake =
                atomic_load_explicit(&shared.mailbox.sleeping, memory_order_seq_cst) != TRI__ASLEEP;
            explore_wait(is_awake);
        }
        tri__mailbox_woken(&shared.mailbox);
    }
}

static void reset(void)
{
    memset(&shared, 0, sizeof(shared));
    tri__mailbox_init(&shared.mailbox, on_wake, NULL);
    memset(shared.is_free, true, sizeof(shared.is_free));
    shared.is_awake = true;
    shared.expected = (uint32_t)(PRODUCERS * NODES * rounds);
}

static void check_end(void)
{
    explore_check(shared.consumed[0] + shared.consumed[1] == shared.expected);
    explore_check(shared.mailbox.head == NULL);
    explore_check(shared.wakes == shared.wakes_told);
}

static struct explore_result explore_mailbox(enum mistake made)
{
    static const struct explore_scenario scenario = {
        .functions = {produce, produce, consume_all},
        .threads = PRODUCERS + 1,
        .reset = reset,
        .check_end = check_end,
        .memory = &shared,
        .memory_size = sizeof(shared),
    };

    mistake = made;
    return explore(&scenario);
}

static void nothing_is_lost(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        in_chains = i == 1;
        for (rounds = 1; rounds <= (in_chains ? 2 : 1); rounds++) {
            struct explore_result result = explore_mailbox(NONE);

            printf(
                "mailbox: %d pushes of %d nodes by each of 2: %llu states, %llu runs, depth %d\n",
                in_chains ? rounds : 2 * rounds, in_chains ? 2 : 1,
                (unsigned long long)result.states, (unsigned long long)result.runs, result.depth);
            if (result.failure != NULL)
                fail_msg("%s", result.failure);
            assert_true(result.runs > 100);
        }
    }
}

static void mistakes_are_found(void **state)
{
    (void)state;
    for (int made = NO_SECOND_LOOK; made <= SLEEPS_BEFORE_SAYING_SO; made++) {
        bool is_found = false;

        for (int i = 0; i < 4 && !is_found; i++) {
            in_chains = (i & 1) != 0 && made != PUSH_WITHOUT_CAS;
            rounds = 1 + (i >> 1);
            struct explore_result result = explore_mailbox((enum mistake)made);

            is_found = result.failure != NULL;
            if (is_found)
                printf("mailbox: mistake %d found after %llu runs: %s\n", made,
                       (unsigned long long)result.runs, result.failure);
        }
        assert_true(is_found);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost),
        cmocka_unit_test(mistakes_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
