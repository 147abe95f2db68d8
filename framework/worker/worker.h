/*
 * A worker: a thread that runs tasks on fibers. Nodes come through its mailbox; what consumes them
 * (the module above) puts tasks on its scheduler.
 *
 * A reply is published at every switch of fibers. The wake-up of the reactor that shares the
 * worker's core can wait until the batch ends, for 50 us at most, so that one system call serves
 * many replies.
 *
 * Thread: the worker's own, but for what says otherwise.
 */
#ifndef TRI_WORKER_H
#define TRI_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "mailbox.h"
#include "scheduler.h"

/* How a worker sleeps: on a futex, or as a simulator has it. */
struct tri__sleeper {
    /*
     * Waits while `*word` is `value`, until `deadline` (ns; TRI__NEVER for ever). May return early.
     */
    void (*sleep)(void *context, _Atomic uint32_t *word, uint32_t value, uint64_t deadline);
    /* Wakes the thread that sleeps on `word`. Thread: any. */
    void (*wake)(void *context, _Atomic uint32_t *word);
    void *context;
};

struct tri__worker;

struct tri__worker_config {
    const struct tri__clock *clock;
    const struct tri__sleeper *sleeper;
    void (*stalled)(struct tri__worker *worker, const char *name, uint64_t held);
    void *owner;
    size_t stack_size;
    uint64_t stall_limit; /* ns */
    uint16_t lanes;
};

struct tri__worker {
    struct tri__mailbox mailbox; /* its consumer is the scheduler */
    struct tri__scheduler scheduler;
    const struct tri__sleeper *sleeper;
    void (*stalled)(struct tri__worker *worker, const char *name, uint64_t held);
    void *owner;
};

/* Returns: 0 or -ENOMEM. Thread: any, before the worker's runs. */
int tri__worker_init(struct tri__worker *worker, const struct tri__worker_config *config);
void tri__worker_fini(struct tri__worker *worker);

/* Works off a batch; sleeps when there is nothing to do. */
void tri__worker_turn(struct tri__worker *worker);

#endif
