#include "reactor.h"

/*
 * How long a wait lasts at most while the worker on the same core is awake: it may owe us a
 * wake-up.
 */
#define DOZE ((uint64_t)1000 * 1000)

static void wake_engine(struct tri__mailbox *mailbox)
{
    struct tri__reactor *reactor = mailbox->consumer;

    reactor->engine->ops->wake(reactor->engine);
}

void tri__reactor_init(struct tri__reactor *reactor, struct tri__engine *engine)
{
    *reactor = (struct tri__reactor){.engine = engine};
    tri__wheel_init(&reactor->wheel, engine->now);
    tri__mailbox_init(&reactor->mailbox, wake_engine, reactor);
}

void tri__reactor_fini(struct tri__reactor *reactor)
{
    reactor->engine->ops->fini(reactor->engine);
}

/* Says that the reactor sleeps, and for how long it may. */
static uint64_t prepare_to_wait(struct tri__reactor *reactor, uint64_t limit)
{
    uint64_t deadline = tri__wheel_next(&reactor->wheel);
    uint64_t doze_until = tri__reactor_now(reactor) + DOZE;
    bool may_sleep;

    if (reactor->is_busy)
        return 0;
    if (deadline > limit)
        deadline = limit;
    may_sleep = tri__mailbox_may_sleep(&reactor->mailbox, TRI__ASLEEP);
    if (reactor->partner != NULL && tri__mailbox_is_awake(reactor->partner)) {
        may_sleep = tri__mailbox_may_sleep(&reactor->mailbox, TRI__DOZING);
        if (deadline > doze_until)
            deadline = doze_until;
    }
    return may_sleep ? deadline : 0;
}

void tri__reactor_turn(struct tri__reactor *reactor, uint64_t limit)
{
    struct tri__engine *engine = reactor->engine;
    uint64_t deadline = prepare_to_wait(reactor, limit);

    reactor->is_busy = false;
    engine->ops->turn(engine, deadline);
    tri__mailbox_woken(&reactor->mailbox);
    reactor->is_consuming = true;
    tri__mailbox_drain(&reactor->mailbox);
    reactor->is_consuming = false;
    tri__wheel_advance(&reactor->wheel, engine->now);
    for (int i = 0; i < TRI__STAGES; i++)
        tri__reactor_run_stage(reactor, (enum tri__stage)i);
}
