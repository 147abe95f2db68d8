#include "scheduler.h"

#include <errno.h>

#include "alloc.h"
#include "assertion.h"
#include "context.h"
#include "fiber_switch.h"

/* Long-parked fibers are looked for this often, so many at a time. */
#define SWEEP_PERIOD ((int64_t)500 * 1000 * 1000)
#define SWEEP_VISITS 4096
/* After so many fibers in a row a task that waits for its first turn gets it. */
#define TASK_SHARE 4
#define PARKED_LONG ((uint64_t)5 * 1000 * 1000 * 1000)

static void sweep(struct tri__timer *timer)
{
    struct tri__scheduler *scheduler = tri_container_of(timer, struct tri__scheduler, sweep);

    for (struct tri__stack_pool *pool = &scheduler->pool; pool != NULL; pool = pool->next) {
        if (scheduler->now > PARKED_LONG)
            tri__stack_pool_sweep(pool, SWEEP_VISITS, scheduler->now - PARKED_LONG);
    }
    if (scheduler->fibers > 0)
        tri__timer_set(&scheduler->wheel, timer, tri__time_after(scheduler->now, SWEEP_PERIOD));
}

int tri__scheduler_init(struct tri__scheduler *scheduler,
                        const struct tri__scheduler_config *config)
{
    *scheduler = (struct tri__scheduler){
        .clock = config->clock,
        .hooks = config->hooks,
        .owner = config->owner,
        .stall_limit = config->stall_limit,
    };
    scheduler->now = tri__now(config->clock);
    tri__wheel_init(&scheduler->wheel, scheduler->now);
    tri__timer_init(&scheduler->sweep, sweep);
    tri__stack_pool_init(&scheduler->pool, config->stack_size);
    return tri__poster_init(&scheduler->poster, config->lanes);
}

void tri__scheduler_fini(struct tri__scheduler *scheduler)
{
    tri_assert(scheduler->fibers == 0);
    tri__stack_pool_fini(&scheduler->pool);
    while (scheduler->pool.next != NULL) {
        struct tri__stack_pool *pool = scheduler->pool.next;

        scheduler->pool.next = pool->next;
        tri__stack_pool_fini(pool);
        tri__free(pool);
    }
    tri__block_cache_fini(&scheduler->blocks);
    tri__poster_fini(&scheduler->poster);
}

static void note_load(struct tri__scheduler *scheduler, int32_t change)
{
    uint32_t load = atomic_load_explicit(&scheduler->load, memory_order_relaxed);

    atomic_store_explicit(&scheduler->load, load + (uint32_t)change, memory_order_relaxed);
}

void tri__scheduler_add(struct tri__scheduler *scheduler, struct tri__task *task)
{
    task->next = NULL;
    if (scheduler->ready_first == NULL)
        scheduler->ready_first = task;
    else
        scheduler->ready_last->next = task;
    scheduler->ready_last = task;
    note_load(scheduler, 1);
}

static struct tri__stack_pool *pool_for(struct tri__scheduler *scheduler, size_t stack_size)
{
    struct tri__stack_pool *pool = &scheduler->pool;
    struct tri__stack_pool wanted;

    if (stack_size == 0)
        return pool;
    tri__stack_pool_init(&wanted, stack_size);
    while (pool->stack_size != wanted.stack_size) {
        if (pool->next == NULL) {
            pool->next = tri__alloc(sizeof(wanted));
            if (pool->next != NULL)
                *pool->next = wanted;
            return pool->next;
        }
        pool = pool->next;
    }
    return pool;
}

/*
 * Runs a fiber until it parks or ends. The time is taken once, after it: that is the next one's
 * start.
 */
static void resume(struct tri__scheduler *scheduler, struct tri__fiber *fiber)
{
    uint64_t started = scheduler->now;
    const char *name = fiber->name;

    fiber->state = TRI__FIBER_RUNNING;
    scheduler->current = fiber;
    atomic_store_explicit(&scheduler->running, name, memory_order_relaxed);
    tri__fiber_enter(scheduler, fiber);
    atomic_store_explicit(&scheduler->running, NULL, memory_order_relaxed);
    scheduler->current = NULL;
    tri__scheduler_look_at_clock(scheduler);

    if (fiber->state == TRI__FIBER_IDLE) {
        tri__stack_pool_give(fiber->pool, fiber);
        scheduler->fibers--;
        note_load(scheduler, -1);
    } else {
        fiber->parked_at = scheduler->now;
    }
    atomic_store_explicit(&scheduler->progress,
                          atomic_load_explicit(&scheduler->progress, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    if (tri_unlikely(scheduler->now - started > scheduler->stall_limit)) {
        atomic_fetch_add_explicit(&scheduler->stalls, 1, memory_order_relaxed);
        scheduler->hooks->stalled(scheduler, name, scheduler->now - started);
    }
    scheduler->hooks->switched(scheduler);
}

int tri__scheduler_start(struct tri__scheduler *scheduler, size_t stack_size,
                         void (*function)(void *), void *argument, const char *name)
{
    tri_assert(scheduler->current == NULL);
    struct tri__stack_pool *pool = pool_for(scheduler, stack_size);
    struct tri__fiber *fiber = pool != NULL ? tri__stack_pool_take(pool) : NULL;

    if (fiber == NULL)
        return -ENOMEM;
    if (scheduler->fibers++ == 0 && !tri__timer_is_set(&scheduler->sweep))
        tri__timer_set(&scheduler->wheel, &scheduler->sweep,
                       tri__time_after(scheduler->now, SWEEP_PERIOD));
    note_load(scheduler, 1);
    fiber->scheduler = scheduler;
    fiber->function = function;
    fiber->argument = argument;
    fiber->name = name;
    tri__fiber_prepare(fiber);
    resume(scheduler, fiber);
    return 0;
}

static void start_task(struct tri__scheduler *scheduler)
{
    struct tri__task *task = scheduler->ready_first;

    scheduler->ready_first = task->next;
    note_load(scheduler, -1);
    task->start(task, scheduler);
}

bool tri__scheduler_run(struct tri__scheduler *scheduler, uint32_t budget)
{
    struct tri__scheduler *outer = tri__scheduler_here;

    tri__scheduler_here = scheduler;
    scheduler->now = tri__now(scheduler->clock);
    tri__wheel_advance(&scheduler->wheel, scheduler->now);
    while (budget > 0 && !tri__scheduler_is_idle(scheduler)) {
        /* Busy fibers must not keep what has not begun from ever beginning. */
        bool is_tasks_turn = scheduler->streak >= TASK_SHARE && scheduler->ready_first != NULL;

        budget--;
        if (scheduler->runnable_first != NULL && !is_tasks_turn) {
            struct tri__fiber *fiber = scheduler->runnable_first;

            scheduler->streak++;
            scheduler->runnable_first = fiber->next;
            resume(scheduler, fiber);
        } else {
            scheduler->streak = 0;
            start_task(scheduler);
        }
    }
    tri__scheduler_here = outer;
    return !tri__scheduler_is_idle(scheduler);
}
