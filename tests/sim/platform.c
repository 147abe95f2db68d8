/*
 * What the runtime stands on, in the simulator: the clock, sleep and wake, threads, the owner's
 * wait, and memory.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "platform.h"
#include "server_private.h"
#include "sim.h"

struct thread {
    void *(*main)(void *);
    void *argument;
    struct task *task;
};

static struct thread threads[TASKS_MAX];
static uint32_t threads_count;
static struct tri_server *server;
static bool was_nudged, was_told; /* the owner */

/* --- the clock --- */

/* Time passes with every look: mostly a little, so that limits of 50 us and 1 ms are met. */
static uint64_t now(void *context)
{
    uint32_t dice = below(1024);

    (void)context;
    if (dice < 700)
        world.now += dice;
    else if (dice < 720)
        world.now += 60 * US;
    else if (dice < 723)
        world.now += 1200 * US;
    uint64_t time = world.now;

    preempt();
    return time;
}

/* --- sleep and wake --- */

static void sleep_on(void *context, _Atomic uint32_t *word, uint32_t value, uint64_t deadline)
{
    struct task *task = task_current();

    (void)context;
    preempt();
    if (atomic_load_explicit(word, memory_order_seq_cst) != value)
        return;
    if (chance(30)) {
        hit(FAULT_WOKEN_EARLY);
        task_yield();
        return;
    }
    note("sleeps", value, deadline == NEVER ? 0 : deadline - world.now);
    task->word = word;
    task_block(deadline);
    task->word = NULL;
}

static void wake(void *context, _Atomic uint32_t *word)
{
    (void)context;
    for (uint32_t i = 0; i < world.actors_count; i++) {
        struct actor *actor = world.actors[i];
        struct task *task = (struct task *)(void *)actor;

        if (actor->step == world.actors[0]->step && !actor->is_over && task->word == word) {
            task->word = NULL;
            world_make_ready(actor);
        }
    }
    note("wakes", 0, 0);
    preempt();
}

/* --- threads --- */

static void thread_main(void *argument)
{
    struct thread *thread = argument;

    thread->main(thread->argument);
}

static int start_thread(pthread_t *out, void *(*main)(void *), void *argument)
{
    static const char *const names[] = {"thread 1", "thread 2", "thread 3", "thread 4",
                                        "thread 5", "thread 6", "thread 7", "thread 8"};

    if (world.profile.fails_start && chance(4)) {
        hit(FAULT_START_FAILED);
        return -EAGAIN;
    }
    struct thread *thread = &threads[threads_count];

    *thread = (struct thread){main, argument, NULL};
    thread->task = task_start(names[threads_count], thread_main, thread);
    *out = threads_count++;
    preempt();
    return 0;
}

static void prepare_thread(const char *name, int cpu)
{
    const struct thread *thread = NULL;

    (void)name, (void)cpu;
    for (uint32_t i = 0; i < threads_count; i++) {
        if (&threads[i].task->actor == world.current)
            thread = &threads[i];
    }
    expect_that(thread != NULL, "a thread prepares itself that was never started");
    preempt();
}

static bool join_thread(pthread_t thread, uint64_t patience)
{
    const struct actor *actor = &threads[thread].task->actor;
    uint64_t deadline = world.now + patience;

    while (!actor->is_over && world.now < deadline)
        task_block(world.now + patience / 10);
    return actor->is_over;
}

/* --- the owner's wait --- */

static enum tri__signal_event wait_for_signal(struct tri__signals *signals, int64_t duration)
{
    uint64_t deadline = duration < 0 ? NEVER : world.now + (uint64_t)duration;

    (void)signals;
    preempt();
    for (;;) {
        if (world.is_terminating && !was_told) {
            was_told = true;
            return TRI__SIGNAL_TERMINATE;
        }
        /* A second signal ends the drain at once: calls may end in any way. */
        if (was_told && !world.profile.is_strict && chance(400)) {
            hit(FAULT_SECOND_SIGNAL);
            return TRI__SIGNAL_TERMINATE;
        }
        if (was_nudged) {
            was_nudged = false;
            return TRI__SIGNAL_NUDGED;
        }
        if (world.now >= deadline)
            return TRI__SIGNAL_TIMEOUT;
        task_block(deadline);
    }
}

static void nudge(struct tri__signals *signals)
{
    (void)signals;
    was_nudged = true;
    world_make_ready(world.actors[0]);
    preempt();
}

/* --- memory --- */

static bool fails_now(void)
{
    struct profile *profile = &world.profile;

    if (!world.memory_is_armed || task_current() == NULL)
        return false;
    world.allocations++;
    if (profile->memory_nth != 0 && world.allocations == profile->memory_nth) {
        hit(FAULT_NO_MEMORY_NTH);
    } else if (chance(profile->memory_one_in)) {
        hit(FAULT_NO_MEMORY);
    } else {
        return false;
    }
    world.has_failed_memory = true;
    note("no memory", world.allocations, 0);
    return true;
}

static void *count_in(void *memory)
{
    if (memory == NULL)
        fail("the machine itself has no memory");
    world.blocks++;
    world.memory_used += malloc_usable_size(memory);
    if (world.memory_used > world.memory_peak)
        world.memory_peak = world.memory_used;
    if (chance(8))
        preempt();
    return memory;
}

static void count_out(void *memory)
{
    if (memory == NULL)
        return;
    expect_that(world.blocks > 0, "more was freed than was allocated");
    world.blocks--;
    world.memory_used -= malloc_usable_size(memory);
}

static void *allocate(size_t size)
{
    return fails_now() ? NULL : count_in(malloc(size));
}

static void *allocate_zeroed(size_t count, size_t size)
{
    return fails_now() ? NULL : count_in(calloc(count, size));
}

static void *resize(void *memory, size_t size)
{
    if (fails_now())
        return NULL;
    count_out(memory);
    return count_in(realloc(memory, size));
}

static void release(void *memory)
{
    count_out(memory);
    free(memory);
    if (memory != NULL && chance(16))
        preempt();
}

/* --- what must hold while nothing runs --- */

void platform_set_server(struct tri_server *running)
{
    server = running;
}

static bool is_asleep(pthread_t thread, bool runs)
{
    return runs && thread < threads_count && !threads[thread].task->actor.is_over;
}

static void check_worker(struct tri__core *core)
{
    struct tri__worker *worker = &core->worker;

    if (!core->has_worker || !is_asleep(core->worker_thread, core->worker_runs) ||
        threads[core->worker_thread].task->word == NULL)
        return;
    expect_that(atomic_load(&worker->mailbox.head) == NULL,
                "worker %u sleeps, but its mailbox is not empty: a wake-up was lost", core->index);
    expect_that(tri__scheduler_is_idle(&worker->scheduler),
                "worker %u sleeps, but a fiber could run", core->index);
    expect_that(worker->scheduler.poster.dirty == 0 && worker->scheduler.poster.owed_since == 0,
                "worker %u sleeps and owes a push or a wake-up", core->index);
}

static void check_reactor(struct tri__core *core)
{
    uint64_t deadline;

    if (!core->has_reactor || !is_asleep(core->reactor_thread, core->reactor_runs) ||
        core->reactor.engine == NULL || !engine_is_waiting(core->reactor.engine, &deadline))
        return;
    expect_that(atomic_load(&core->reactor.mailbox.head) == NULL,
                "reactor %u waits, but its mailbox is not empty: a wake-up was lost", core->index);
    expect_that(tri__scheduler_is_idle(&core->inline_scheduler),
                "reactor %u waits, but an inline fiber could run", core->index);
    expect_that(core->inline_scheduler.poster.dirty == 0, "reactor %u waits and owes a push",
                core->index);
}

void platform_check_quiet(void)
{
    if (server == NULL || server->state != TRI__SERVER_RUNNING)
        return;
    for (uint16_t i = 0; i < server->runtime.cores_count; i++) {
        check_worker(&server->runtime.cores[i]);
        check_reactor(&server->runtime.cores[i]);
    }
}

void platform_install(void)
{
    tri__platform = (struct tri__platform){
        .clock = {.now = now},
        .sleeper = {.sleep = sleep_on, .wake = wake},
        .open_engine = engine_open,
        .start_thread = start_thread,
        .prepare_thread = prepare_thread,
        .join_thread = join_thread,
        .wait = wait_for_signal,
        .nudge = nudge,
    };
    tri__allocator = (struct tri__allocator){allocate, allocate_zeroed, resize, release};
}

void platform_reset(void)
{
    threads_count = 0;
    server = NULL;
    was_nudged = false;
    was_told = false;
}
