/*
 * Goal: a worker takes what is sent to it, runs it on fibers, posts what they say after each run,
 * puts off the wake of a partner that dozes until its batch ends or 50 us have passed, sleeps only
 * with nothing to do, and until its next timer. Method: a clock and a sleeper of the test's, on one
 * thread; then two threads that send each other nodes and sleep on futexes.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <linux/futex.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "alloc.h"
#include "assertion.h"
#include "worker.h"

#define US UINT64_C(1000)

struct job {
    struct tri__node node; /* there and back */
    struct tri__task task;
    struct tri__fiber *fiber;
    uint64_t takes; /* ns */
    uint64_t sleeps_until;
    bool parks;
};

static uint64_t now;
static char told[128];
static unsigned sleeps, wakes_partner, wakes_other, returned;
static uint64_t slept_until;
static void (*while_asleep)(void);
static struct tri__worker worker;
static struct tri__mailbox partner, other;
static uint16_t reply_lane;

static uint64_t read_now(void *context)
{
    (void)context;
    return now;
}

static void fake_sleep(void *context, _Atomic uint32_t *word, uint32_t value, uint64_t deadline)
{
    (void)context;
    assert_int_equal(atomic_load(word), value);
    sleeps++;
    slept_until = deadline;
    if (while_asleep != NULL)
        while_asleep();
}

static void fake_wake(void *context, _Atomic uint32_t *word)
{
    (void)context;
    assert_ptr_equal(word, &worker.mailbox.sleeping);
    strcat(told, "w");
}

static void wake_partner(struct tri__mailbox *mailbox)
{
    assert_ptr_equal(mailbox, &partner);
    wakes_partner++;
}

static void wake_other(struct tri__mailbox *mailbox)
{
    assert_ptr_equal(mailbox, &other);
    wakes_other++;
}

static void consume_back(struct tri__node *node, void *consumer)
{
    (void)node, (void)consumer;
    returned++;
}

static const struct tri__node_kind back_kind = {consume_back};

static void run_job(void *argument)
{
    struct job *job = argument;

    job->fiber = tri__fiber_current();
    if (job->parks)
        tri__fiber_park();
    if (job->sleeps_until != 0)
        tri__fiber_park_until(job->sleeps_until);
    now += job->takes;
    job->node.kind = &back_kind;
    tri__poster_add(&worker.scheduler.poster, reply_lane, &job->node);
}

static void start_job(struct tri__task *task, struct tri__scheduler *scheduler)
{
    tri_assert(tri__scheduler_start(scheduler, 0, run_job, tri_container_of(task, struct job, task),
                                    "/a/b") == 0);
}

static void consume_job(struct tri__node *node, void *consumer)
{
    struct job *job = tri_container_of(node, struct job, node);

    job->task.start = start_job;
    tri__scheduler_add(consumer, &job->task);
}

static const struct tri__node_kind job_kind = {consume_job};

static void send_job(struct job *job)
{
    job->node.kind = &job_kind;
    tri__mailbox_push(&worker.mailbox, &job->node, &job->node);
    tri__mailbox_wake(&worker.mailbox);
}

static unsigned stalls;

static void on_stalled(struct tri__worker *of, const char *name, uint64_t held)
{
    assert_ptr_equal(of, &worker);
    assert_ptr_equal(of->owner, &now);
    assert_string_equal(name, "/a/b");
    assert_int_equal(held, 2000 * US);
    stalls++;
}

static int set_up(void **state)
{
    static const struct tri__clock clock = {.now = read_now};
    static const struct tri__sleeper sleeper = {.sleep = fake_sleep, .wake = fake_wake};
    const struct tri__worker_config config = {
        .clock = &clock,
        .sleeper = &sleeper,
        .stalled = on_stalled,
        .owner = &now,
        .stack_size = TRI__STACK_DEFAULT,
        .stall_limit = 1000 * US,
        .lanes = 2,
    };

    (void)state;
    now = 1000000 * US;
    told[0] = '\0';
    sleeps = wakes_partner = wakes_other = returned = stalls = 0;
    while_asleep = NULL;
    reply_lane = 0;
    tri__mailbox_init(&partner, wake_partner, NULL);
    tri__mailbox_init(&other, wake_other, NULL);
    if (tri__worker_init(&worker, &config) != 0)
        return -1;
    worker.scheduler.poster.lanes[0].mailbox = &partner;
    worker.scheduler.poster.lanes[0].is_partner = true;
    worker.scheduler.poster.lanes[1].mailbox = &other;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tri__worker_fini(&worker);
    return 0;
}

static void what_is_sent_runs_and_is_answered(void **state)
{
    struct job jobs[3] = {{.takes = 1}, {.takes = 2000 * US}, {.takes = 1}};

    (void)state;
    for (int i = 0; i < 3; i++)
        send_job(&jobs[i]);
    assert_string_equal(told, ""); /* it was awake */
    tri__worker_turn(&worker);
    assert_int_equal(tri__mailbox_drain(&partner), 3);
    assert_int_equal(returned, 3);
    assert_int_equal(stalls, 1);
    assert_int_equal(worker.scheduler.fibers, 0);
    /* With nothing to do it sleeps until the sweep for long-parked fibers, or without bound. */
    tri__worker_turn(&worker);
    assert_true(sleeps > 0);
    assert_true(tri__mailbox_is_awake(&worker.mailbox));
}

static struct job late;

static void send_late(void)
{
    send_job(&late);
}

static void a_sleeper_is_woken_once(void **state)
{
    (void)state;
    late = (struct job){.takes = 1};
    while_asleep = send_late;
    tri__worker_turn(&worker);
    assert_int_equal(sleeps, 1);
    assert_string_equal(told, "w");
    while_asleep = NULL;
    tri__worker_turn(&worker);
    assert_int_equal(tri__mailbox_drain(&partner), 1);
}

static void it_sleeps_until_its_next_timer(void **state)
{
    struct job job = {.sleeps_until = now + 5000 * US};

    (void)state;
    send_job(&job);
    tri__worker_turn(&worker);
    tri__worker_turn(&worker);
    assert_in_range(slept_until, now, now + 7000 * US);
    while (tri__mailbox_drain(&partner) == 0) {
        assert_true(slept_until != TRI__NEVER);
        now = slept_until > now ? slept_until : now + 100 * US;
        tri__worker_turn(&worker);
    }
    assert_in_range(now, 1005000 * US, 1008000 * US);
}

static void a_partner_that_dozes_is_woken_at_the_end(void **state)
{
    struct job jobs[5] = {{.takes = 5 * US}, {.takes = 5 * US}, {.takes = 5 * US}};

    (void)state;
    assert_true(tri__mailbox_may_sleep(&partner, TRI__DOZING));
    for (int i = 0; i < 3; i++)
        send_job(&jobs[i]);
    tri__worker_turn(&worker);
    assert_int_equal(tri__mailbox_drain(&partner), 3);
    assert_int_equal(wakes_partner, 1);
    assert_int_equal(sleeps, 1); /* and before it slept */
}

static unsigned wakes_seen;

static void look_at_wakes(void *argument)
{
    wakes_seen = wakes_partner;
    run_job(argument);
}

static void start_looking(struct tri__task *task, struct tri__scheduler *scheduler)
{
    tri_assert(tri__scheduler_start(scheduler, 0, look_at_wakes,
                                    tri_container_of(task, struct job, task), "/a/b") == 0);
}

/* No finished reply waits for a handler that takes long. */
static void but_no_later_than_after_50_us(void **state)
{
    struct job jobs[4] = {{.takes = 1}, {.takes = 20 * US}, {.takes = 40 * US}, {.takes = 1}};

    (void)state;
    assert_true(tri__mailbox_may_sleep(&partner, TRI__DOZING));
    for (int i = 0; i < 3; i++)
        send_job(&jobs[i]);
    tri__mailbox_drain(&worker.mailbox);
    jobs[3].task.start = start_looking;
    tri__scheduler_add(&worker.scheduler, &jobs[3].task);
    tri__worker_turn(&worker);
    assert_int_equal(wakes_seen, 1);
    assert_int_equal(tri__mailbox_drain(&partner), 4);
    /* One that sleeps, and a stranger, are woken at once. */
    reply_lane = 1;
    wakes_partner = 0;
    assert_true(tri__mailbox_may_sleep(&other, TRI__DOZING));
    jobs[0] = (struct job){.takes = 1};
    jobs[1] = (struct job){.takes = 1};
    send_job(&jobs[0]);
    send_job(&jobs[1]);
    tri__worker_turn(&worker);
    assert_int_equal(wakes_other, 1);
    assert_int_equal(tri__mailbox_drain(&other), 2);
}

static void parked_jobs_go_on_when_woken(void **state)
{
    static struct job jobs[200];

    (void)state;
    for (int i = 0; i < 200; i++) {
        jobs[i] = (struct job){.parks = true};
        send_job(&jobs[i]);
    }
    /* In batches, with a look at the mailbox between them. */
    tri__worker_turn(&worker);
    assert_int_equal(sleeps, 0);
    assert_in_range(worker.scheduler.fibers, 1, 199);
    while (sleeps == 0)
        tri__worker_turn(&worker);
    assert_int_equal(worker.scheduler.fibers, 200);
    for (int i = 0; i < 200; i++)
        tri__fiber_wake(jobs[i].fiber);
    while (worker.scheduler.fibers > 0)
        tri__worker_turn(&worker);
    assert_int_equal(tri__mailbox_drain(&partner), 200);
}

static _Atomic bool is_stopping;

/* Who has been told to stop sleeps no more: the flag is set before the last node is pushed. */
static void real_sleep(void *context, _Atomic uint32_t *word, uint32_t value, uint64_t deadline)
{
    (void)context, (void)deadline;
    if (!atomic_load(&is_stopping))
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void real_wake(void *context, _Atomic uint32_t *word)
{
    (void)context;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static const struct tri__sleeper real_sleeper = {.sleep = real_sleep, .wake = real_wake};

static void consume_stop(struct tri__node *node, void *consumer)
{
    (void)node, (void)consumer;
}

static void *work(void *argument)
{
    while (!atomic_load(&is_stopping))
        tri__worker_turn(&worker);
    return argument;
}

static void wake_us(struct tri__mailbox *mailbox)
{
    real_wake(NULL, &mailbox->sleeping);
}

/* One job at a time, so that both go to sleep again and again: a lost wake-up would never end. */
static void two_threads_wake_each_other(void **state)
{
    static const struct tri__node_kind stop_kind = {consume_stop};
    static struct tri__node stop = {.kind = &stop_kind};
    struct job job = {.takes = 0};
    pthread_t thread;

    (void)state;
    worker.sleeper = &real_sleeper;
    tri__mailbox_init(&partner, wake_us, NULL);
    assert_int_equal(pthread_create(&thread, NULL, work, NULL), 0);
    for (unsigned i = 0; i < 5000; i++) {
        send_job(&job);
        while (returned == i) {
            if (tri__mailbox_may_sleep(&partner, i % 2 == 0 ? TRI__ASLEEP : TRI__DOZING))
                real_sleep(NULL, &partner.sleeping, i % 2 == 0 ? TRI__ASLEEP : TRI__DOZING, 0);
            tri__mailbox_woken(&partner);
            tri__mailbox_drain(&partner);
        }
    }
    atomic_store(&is_stopping, true);
    tri__mailbox_push(&worker.mailbox, &stop, &stop);
    tri__mailbox_wake(&worker.mailbox);
    pthread_join(thread, NULL);
    assert_int_equal(returned, 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_sent_runs_and_is_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_sleeper_is_woken_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_sleeps_until_its_next_timer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_partner_that_dozes_is_woken_at_the_end, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(but_no_later_than_after_50_us, set_up, tear_down),
        cmocka_unit_test_setup_teardown(parked_jobs_go_on_when_woken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_threads_wake_each_other, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
