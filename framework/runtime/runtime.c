#define _GNU_SOURCE
#include "runtime.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>

#include "alloc.h"
#include "assertion.h"
#include "overflow.h"
#include "platform.h"
#include "sleep.h"

/* While threads are joined, ns. */
#define WAKE_AGAIN 10000000

/* Runs of inline fibers in one turn of the reactor. */
#define INLINE_BUDGET 256

uint16_t tri__cpus_available(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) < 0)
        return 1;
    int count = CPU_COUNT(&set);

    return (uint16_t)(count < 1 ? 1 : count);
}

/* The CPU number `index` among those that the process may use. */
static int cpu_at(uint16_t index)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) < 0)
        return -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET((size_t)cpu, &set) && index-- == 0)
            return cpu;
    }
    return -1;
}

static void report_stall(struct tri__runtime *runtime, const char *place, const char *name,
                         uint64_t held)
{
    tri__log(runtime->config.log, TRI_LOG_WARNING,
             "the handler of %s held its %s for %llu ms without a wait", name, place,
             (unsigned long long)(held / 1000000));
}

static void worker_stalled(struct tri__worker *worker, const char *name, uint64_t held)
{
    struct tri__core *core = worker->owner;

    report_stall(core->runtime, "worker", name, held);
}

static void inline_stalled(struct tri__scheduler *scheduler, const char *name, uint64_t held)
{
    struct tri__core *core = scheduler->owner;

    report_stall(core->runtime, "reactor", name, held);
}

/* What a handler has said is taken up while the call is in the cache, before the next one runs. */
static void inline_switched(struct tri__scheduler *scheduler)
{
    struct tri__core *core = scheduler->owner;

    tri__poster_consume_own(&scheduler->poster, tri__lane_inline_up(core->runtime), &core->reactor);
}

static const struct tri__scheduler_hooks inline_hooks = {.switched = inline_switched,
                                                         .stalled = inline_stalled};

static bool run_inline(void *context)
{
    struct tri__core *core = context;
    struct tri__scheduler *scheduler = &core->inline_scheduler;
    uint16_t down = tri__lane_inline_down(core->runtime);

    tri__poster_consume_own(&scheduler->poster, down, scheduler);
    /* A call that waited for the pop of its node is over with it, whether anything runs or not. */
    inline_switched(scheduler);
    if (tri__scheduler_is_idle(scheduler) &&
        tri__wheel_next(&scheduler->wheel) > tri__reactor_now(&core->reactor))
        return false;
    bool has_more = tri__scheduler_run(scheduler, INLINE_BUDGET);

    /* Of calls that ended without a fiber, and of those whose node was waited for. */
    inline_switched(scheduler);
    return has_more;
}

static bool post(void *context)
{
    struct tri__core *core = context;
    struct tri__scheduler *scheduler = &core->inline_scheduler;
    bool has_own = scheduler->poster.lanes[tri__lane_inline_down(core->runtime)].first != NULL;

    tri__poster_push(&scheduler->poster, tri__reactor_now(&core->reactor));
    return has_own;
}

static int init_core(struct tri__core *core, struct tri__runtime *runtime, uint16_t index)
{
    const struct tri__runtime_config *config = &runtime->config;
    int r = 0;

    core->runtime = runtime;
    core->index = index;
    core->cpu = -1;
    core->has_reactor = index < config->reactors;
    core->has_worker = index < config->workers;
    if (core->has_worker) {
        struct tri__worker_config worker = {
            .clock = &runtime->clock,
            .sleeper = &runtime->sleeper,
            .stalled = worker_stalled,
            .owner = core,
            .stack_size = config->stack_size,
            .stall_limit = config->worker_stall_limit,
            .lanes = config->reactors,
        };
        r = tri__worker_init(&core->worker, &worker);
    }
    if (r == 0 && core->has_reactor) {
        struct tri__scheduler_config scheduler = {
            .clock = &runtime->clock,
            .hooks = &inline_hooks,
            .owner = core,
            .stack_size = config->stack_size,
            .stall_limit = config->inline_stall_limit,
            .lanes = (uint16_t)(config->workers + 2),
        };
        r = tri__scheduler_init(&core->inline_scheduler, &scheduler);
    }
    return r;
}

/* Who posts to whom: every reactor to every worker, and back. */
static void connect_lanes(struct tri__runtime *runtime)
{
    for (uint16_t i = 0; i < runtime->cores_count; i++) {
        struct tri__core *core = &runtime->cores[i];

        for (uint16_t j = 0; core->has_reactor && j < runtime->config.workers; j++)
            core->inline_scheduler.poster.lanes[j].mailbox = &runtime->cores[j].worker.mailbox;
        for (uint16_t j = 0; core->has_worker && j < runtime->config.reactors; j++) {
            core->worker.scheduler.poster.lanes[j].mailbox = &runtime->cores[j].reactor.mailbox;
            core->worker.scheduler.poster.lanes[j].is_partner = i == j;
        }
    }
}

static void assign_cpus(struct tri__runtime *runtime)
{
    bool fits = runtime->cores_count <= tri__cpus_available();

    if (runtime->config.pin == 2 || (runtime->config.pin == 0 && !fits))
        return;
    for (uint16_t i = 0; i < runtime->cores_count; i++)
        runtime->cores[i].cpu = cpu_at((uint16_t)(i % tri__cpus_available()));
}

int tri__runtime_init(struct tri__runtime *runtime, const struct tri__runtime_config *config)
{
    int r = 0;

    *runtime = (struct tri__runtime){.config = *config};
    runtime->cores_count = config->reactors > config->workers ? config->reactors : config->workers;
    runtime->clock = tri__platform.clock;
    runtime->clock.ticks_short = tri__ticks_short();
    runtime->sleeper = tri__platform.sleeper;
    runtime->cores = tri__alloc_zeroed(runtime->cores_count, sizeof(*runtime->cores));
    if (runtime->cores == NULL)
        return -ENOMEM;
    for (uint16_t i = 0; r == 0 && i < runtime->cores_count; i++)
        r = init_core(&runtime->cores[i], runtime, i);
    if (r < 0) {
        tri__runtime_fini(runtime);
        return r;
    }
    connect_lanes(runtime);
    assign_cpus(runtime);
    return 0;
}

void tri__runtime_fini(struct tri__runtime *runtime)
{
    for (uint16_t i = 0; i < runtime->cores_count; i++) {
        struct tri__core *core = &runtime->cores[i];

        if (core->has_worker && core->worker.scheduler.clock != NULL)
            tri__worker_fini(&core->worker);
        if (core->has_reactor && core->inline_scheduler.clock != NULL)
            tri__scheduler_fini(&core->inline_scheduler);
    }
    tri__free(runtime->cores);
}

/* What every thread of ours begins with. Signals were blocked by whoever created it. */
static void prepare_thread(const struct tri__core *core, const char *kind)
{
    char name[16];

    snprintf(name, sizeof(name), "tri-%s-%u", kind, core->index);
    tri__platform.prepare_thread(name, core->cpu);
    if (core->runtime->config.reports_overflow)
        tri__overflow_prepare_thread();
}

static void report_start(struct tri__runtime *runtime, int error)
{
    int none = 0;

    if (error < 0)
        atomic_compare_exchange_strong_explicit(&runtime->start_error, &none, error,
                                                memory_order_relaxed, memory_order_relaxed);
    atomic_fetch_add_explicit(&runtime->reactors_started, 1, memory_order_release);
    runtime->sleeper.wake(runtime->sleeper.context, &runtime->reactors_started);
}

static int open_reactor(struct tri__core *core)
{
    struct tri__engine *engine;
    int r = tri__platform.open_engine(&engine);

    if (r < 0)
        return r;
    tri__reactor_init(&core->reactor, engine);
    if (core->has_worker)
        core->reactor.partner = &core->worker.mailbox;
    tri__reactor_set_stage(&core->reactor, TRI__STAGE_RUN, run_inline, core);
    tri__reactor_set_stage(&core->reactor, TRI__STAGE_POST, post, core);
    r = core->runtime->config.events->reactor_started(core);
    if (r < 0)
        core->runtime->config.events->reactor_stopped(core);
    return r;
}

static void *reactor_main(void *argument)
{
    struct tri__core *core = argument;
    struct tri__runtime *runtime = core->runtime;

    prepare_thread(core, "reactor");
    int r = open_reactor(core);

    report_start(runtime, r);
    if (r == 0) {
        while (!atomic_load_explicit(&runtime->is_stopping, memory_order_acquire)) {
            /* An inline fiber's timer must not be slept through. */
            tri__reactor_turn(&core->reactor, tri__wheel_next(&core->inline_scheduler.wheel));
        }
        runtime->config.events->reactor_stopped(core);
    }
    tri__overflow_release_thread();
    atomic_fetch_sub_explicit(&runtime->threads_running, 1, memory_order_acq_rel);
    return NULL;
}

static void *worker_main(void *argument)
{
    struct tri__core *core = argument;
    struct tri__runtime *runtime = core->runtime;

    prepare_thread(core, "worker");
    while (!atomic_load_explicit(&runtime->is_stopping, memory_order_acquire))
        tri__worker_turn(&core->worker);
    tri__overflow_release_thread();
    atomic_fetch_sub_explicit(&runtime->threads_running, 1, memory_order_acq_rel);
    return NULL;
}

static int start_thread(struct tri__runtime *runtime, pthread_t *thread, void *(*main)(void *),
                        void *argument)
{
    atomic_fetch_add_explicit(&runtime->threads_running, 1, memory_order_acq_rel);
    int r = tri__platform.start_thread(thread, main, argument);

    if (r < 0)
        atomic_fetch_sub_explicit(&runtime->threads_running, 1, memory_order_acq_rel);
    return r;
}

/* Reactors first, all of them: a worker may only run when every mailbox it posts to is there. */
static int start_threads(struct tri__runtime *runtime)
{
    uint32_t created = 0;
    uint32_t started;
    int r = 0;

    for (uint16_t i = 0; r == 0 && i < runtime->config.reactors; i++) {
        struct tri__core *core = &runtime->cores[i];

        r = start_thread(runtime, &core->reactor_thread, reactor_main, core);
        core->reactor_runs = r == 0;
        created += core->reactor_runs;
    }
    while ((started = atomic_load_explicit(&runtime->reactors_started, memory_order_acquire)) <
           created)
        runtime->sleeper.sleep(runtime->sleeper.context, &runtime->reactors_started, started,
                               TRI__NEVER);
    if (r == 0)
        r = atomic_load_explicit(&runtime->start_error, memory_order_relaxed);
    for (uint16_t i = 0; r == 0 && i < runtime->config.workers; i++) {
        struct tri__core *core = &runtime->cores[i];

        r = start_thread(runtime, &core->worker_thread, worker_main, core);
        core->worker_runs = r == 0;
    }
    return r;
}

int tri__runtime_start(struct tri__runtime *runtime)
{
    sigset_t all, previous;

    if (runtime->config.reports_overflow) {
        int r = tri__overflow_install();

        if (r < 0)
            return r;
    }
    /* Our threads take no signal but those that a fault raises; they inherit the mask. */
    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGABRT);
    pthread_sigmask(SIG_BLOCK, &all, &previous);
    int r = start_threads(runtime);

    pthread_sigmask(SIG_SETMASK, &previous, NULL);
    if (r < 0)
        tri__runtime_stop(runtime, TRI__NEVER);
    return r;
}

static void wake_all(struct tri__runtime *runtime)
{
    for (uint16_t i = 0; i < runtime->cores_count; i++) {
        struct tri__core *core = &runtime->cores[i];

        /* A reactor whose engine did not open has left its thread already. */
        if (core->reactor_runs && core->reactor.engine != NULL)
            core->reactor.engine->ops->wake(core->reactor.engine);
        if (core->worker_runs) {
            tri__mailbox_woken(&core->worker.mailbox);
            runtime->sleeper.wake(runtime->sleeper.context, &core->worker.mailbox.sleeping);
        }
    }
}

/*
 * Joins a thread within what is left of the limit. All are woken again and again: one that was just
 * about to sleep when it was woken sleeps on. Returns: whether it has ended.
 */
static bool join(struct tri__runtime *runtime, pthread_t thread, uint64_t deadline)
{
    for (;;) {
        /* Asked before the wait: a process that was frozen meanwhile still wakes them once more. */
        bool is_late = tri__now(&runtime->clock) >= deadline;

        if (tri__platform.join_thread(thread, WAKE_AGAIN))
            return true;
        if (is_late)
            return false;
        wake_all(runtime);
    }
}

int tri__runtime_stop(struct tri__runtime *runtime, uint64_t limit)
{
    uint64_t deadline = limit == TRI__NEVER ? TRI__NEVER : tri__now(&runtime->clock) + limit;
    bool all_ended = true;

    atomic_store_explicit(&runtime->is_stopping, true, memory_order_release);
    wake_all(runtime);
    for (uint16_t i = 0; i < runtime->cores_count; i++) {
        struct tri__core *core = &runtime->cores[i];

        if (core->worker_runs && join(runtime, core->worker_thread, deadline))
            core->worker_runs = false;
        all_ended = all_ended && !core->worker_runs;
    }
    for (uint16_t i = 0; i < runtime->cores_count; i++) {
        struct tri__core *core = &runtime->cores[i];

        if (core->reactor_runs && join(runtime, core->reactor_thread, deadline)) {
            core->reactor_runs = false;
            /* Only now: until the thread was joined, somebody might have been waking its engine. */
            if (core->reactor.engine != NULL)
                tri__reactor_fini(&core->reactor);
        }
        all_ended = all_ended && !core->reactor_runs;
    }
    if (!all_ended)
        return -ETIMEDOUT;
    if (runtime->config.reports_overflow)
        tri__overflow_uninstall();
    return 0;
}
