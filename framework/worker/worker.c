#include "worker.h"

#include "assertion.h"

/* Runs of fibers between two looks at the mailbox. */
#define BATCH 64

static struct tri__worker *worker_of(struct tri__scheduler *scheduler)
{
    return tri_container_of(scheduler, struct tri__worker, scheduler);
}

static void wake(struct tri__mailbox *mailbox)
{
    struct tri__worker *worker = tri_container_of(mailbox, struct tri__worker, mailbox);

    worker->sleeper->wake(worker->sleeper->context, &mailbox->sleeping);
}

static void publish(struct tri__scheduler *scheduler)
{
    tri__poster_push(&scheduler->poster, scheduler->now);
    if (tri__poster_is_overdue(&scheduler->poster, scheduler->now))
        tri__poster_settle(&scheduler->poster);
}

static void stalled(struct tri__scheduler *scheduler, const char *name, uint64_t held)
{
    struct tri__worker *worker = worker_of(scheduler);

    worker->stalled(worker, name, held);
}

static const struct tri__scheduler_hooks hooks = {.switched = publish, .stalled = stalled};

int tri__worker_init(struct tri__worker *worker, const struct tri__worker_config *config)
{
    struct tri__scheduler_config scheduler = {
        .clock = config->clock,
        .hooks = &hooks,
        .owner = config->owner,
        .stack_size = config->stack_size,
        .stall_limit = config->stall_limit,
        .lanes = config->lanes,
    };

    worker->sleeper = config->sleeper;
    worker->stalled = config->stalled;
    worker->owner = config->owner;
    tri__mailbox_init(&worker->mailbox, wake, &worker->scheduler);
    return tri__scheduler_init(&worker->scheduler, &scheduler);
}

void tri__worker_fini(struct tri__worker *worker)
{
    tri__scheduler_fini(&worker->scheduler);
}

void tri__worker_turn(struct tri__worker *worker)
{
    struct tri__scheduler *scheduler = &worker->scheduler;
    size_t taken = tri__mailbox_drain(&worker->mailbox);
    bool has_more = tri__scheduler_run(scheduler, BATCH);

    /* What was posted while nodes were consumed, outside of any fiber. */
    publish(scheduler);
    if (has_more)
        return;
    if (taken > 0) {
        /* Look once more before the wake: more may have come, and the batch grows. */
        if (atomic_load_explicit(&worker->mailbox.head, memory_order_relaxed) != NULL)
            return;
    }
    tri__poster_settle(&scheduler->poster);
    if (tri__mailbox_may_sleep(&worker->mailbox, TRI__ASLEEP))
        worker->sleeper->sleep(worker->sleeper->context, &worker->mailbox.sleeping, TRI__ASLEEP,
                               tri__wheel_next(&scheduler->wheel));
    tri__mailbox_woken(&worker->mailbox);
}
