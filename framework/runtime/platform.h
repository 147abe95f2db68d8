/*
 * What the threads of the library stand on: the clock, sleep and wake, engines, threads, and what
 * the owner of a server waits for. The system's own by default; a simulator puts its own in, and
 * then everything above it runs without the kernel.
 */
#ifndef TRI_PLATFORM_H
#define TRI_PLATFORM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "engine.h"
#include "signals.h"
#include "worker.h"

struct tri__platform {
    struct tri__clock clock;
    struct tri__sleeper sleeper;

    /* A new engine for the calling thread. Returns: 0 or -errno. */
    int (*open_engine)(struct tri__engine **engine);

    /* Starts a thread. Returns: 0 or -errno. */
    int (*start_thread)(pthread_t *thread, void *(*main)(void *), void *argument);
    /* What a thread of ours begins with: its name, and its CPU (-1: any). */
    void (*prepare_thread)(const char *name, int cpu);
    /* Waits for a thread's end, for `patience` ns at most. Returns: whether it has ended. */
    bool (*join_thread)(pthread_t thread, uint64_t patience);

    /* Behind tri__signals_wait and tri__signals_nudge. */
    enum tri__signal_event (*wait)(struct tri__signals *signals, int64_t duration);
    void (*nudge)(struct tri__signals *signals);
};

/* Replaced, if at all, while there is no server. */
extern struct tri__platform tri__platform;

#endif
