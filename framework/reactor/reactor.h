/*
 * A reactor: one thread's loop over an engine, its timers, and its mailbox. What it does in a turn
 * is hung on it by the modules above, in four stages:
 *
 *     completions -> mailbox -> timers -> INPUT -> RUN -> WRITE -> POST -> wait
 *
 * Thread: the reactor's own, but for what says otherwise.
 */
#ifndef TRI_REACTOR_H
#define TRI_REACTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "engine.h"
#include "mailbox.h"
#include "wheel.h"

enum tri__stage {
    TRI__STAGE_INPUT, /* what a connection's share of the last turn left over */
    TRI__STAGE_RUN,   /* handlers placed inline */
    TRI__STAGE_WRITE, /* a send for each connection that has something to say */
    TRI__STAGE_POST,  /* what goes to workers, one push and at most one wake each */
    TRI__STAGES
};

struct tri__reactor {
    struct tri__engine *engine;
    struct tri__wheel wheel;
    struct tri__mailbox mailbox;
    struct tri__mailbox *partner; /* of the worker that shares the core; NULL without one */
    bool is_busy;      /* a stage has left something to do: the next turn does not wait */
    bool is_consuming; /* what workers have posted is being taken up */
    struct {
        bool (*run)(void *context); /* returns: whether there is more to do at once */
        void *context;
    } stages[TRI__STAGES];
};

/* Takes the engine over. */
void tri__reactor_init(struct tri__reactor *reactor, struct tri__engine *engine);
void tri__reactor_fini(struct tri__reactor *reactor);

/* The time of this turn, ns. */
static inline uint64_t tri__reactor_now(const struct tri__reactor *reactor)
{
    return reactor->engine->now;
}

static inline void tri__reactor_set_stage(struct tri__reactor *reactor, enum tri__stage stage,
                                          bool (*run)(void *context), void *context)
{
    reactor->stages[stage].run = run;
    reactor->stages[stage].context = context;
}

/* Runs one stage ahead of its time, for what was just set going. */
static inline void tri__reactor_run_stage(struct tri__reactor *reactor, enum tri__stage stage)
{
    if (reactor->stages[stage].run != NULL &&
        reactor->stages[stage].run(reactor->stages[stage].context))
        reactor->is_busy = true;
}

/* One turn: waits for work when there is none, but not beyond `limit` (ns), and does it. */
void tri__reactor_turn(struct tri__reactor *reactor, uint64_t limit);

#endif
