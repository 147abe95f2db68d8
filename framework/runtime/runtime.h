/*
 * The threads: cores, each a reactor with handlers placed inline and a worker beside it on the same
 * CPU. This is the one module that creates threads, reads clocks (the engine apart) and sleeps.
 *
 * Thread: the owner's (that of tri_server_start), but for what says otherwise.
 */
#ifndef TRI_RUNTIME_H
#define TRI_RUNTIME_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "log.h"
#include "reactor.h"
#include "scheduler.h"
#include "worker.h"

struct tri__runtime;

struct tri__core {
    struct tri__runtime *runtime;
    uint16_t index;
    int cpu; /* that both threads are pinned to; -1: none */

    /* The reactor's side: only its thread touches it while the runtime runs. */
    bool has_reactor, reactor_runs;
    pthread_t reactor_thread;
    struct tri__reactor reactor;
    struct tri__scheduler inline_scheduler; /* its poster is the reactor's too */
    void *service;                          /* what the module above hangs on the core */

    bool has_worker, worker_runs;
    pthread_t worker_thread;
    struct tri__worker worker;
};

struct tri__runtime_events {
    /*
     * On a reactor's thread, before its first turn and after its last. Returns: 0 or -errno, and
     * then reactor_stopped follows at once.
     */
    int (*reactor_started)(struct tri__core *core);
    void (*reactor_stopped)(struct tri__core *core);
};

struct tri__runtime_config {
    uint16_t reactors, workers;
    int pin; /* tri_switch's values */
    bool reports_overflow;
    size_t stack_size;
    uint64_t worker_stall_limit, inline_stall_limit; /* ns */
    const struct tri__log *log;
    const struct tri__runtime_events *events;
    void *owner;
};

struct tri__runtime {
    struct tri__runtime_config config;
    struct tri__core *cores; /* the larger of reactors and workers */
    uint16_t cores_count;
    struct tri__clock clock;
    struct tri__sleeper sleeper;
    _Atomic bool is_stopping;
    _Atomic uint32_t threads_running;
    _Atomic uint32_t reactors_started; /* or failed to: the owner sleeps on it */
    _Atomic int start_error;           /* the first */
};

/* How many CPUs this process may use. */
uint16_t tri__cpus_available(void);

/*
 * Lanes of a reactor's poster: a worker's index, or one of the two for what stays on the thread. A
 * worker's poster has a lane for each reactor.
 */
static inline uint16_t tri__lane_inline_down(const struct tri__runtime *runtime)
{
    return runtime->config.workers;
}

static inline uint16_t tri__lane_inline_up(const struct tri__runtime *runtime)
{
    return (uint16_t)(runtime->config.workers + 1);
}

/* Returns: 0 or -ENOMEM; nothing runs yet. */
int tri__runtime_init(struct tri__runtime *runtime, const struct tri__runtime_config *config);

/*
 * Starts the threads; returns when every reactor turns.
 *
 * Returns: 0; or -errno of what failed first, an engine that the kernel refuses for example; then
 * no thread is left.
 */
int tri__runtime_start(struct tri__runtime *runtime);

/*
 * Stops the threads and waits for them, until `limit` (ns from now) has passed for those that do
 * not return from a handler.
 *
 * Returns: 0, or -ETIMEDOUT when some are left: then nothing of the runtime may be freed.
 */
int tri__runtime_stop(struct tri__runtime *runtime, uint64_t limit);

void tri__runtime_fini(struct tri__runtime *runtime);

#endif
