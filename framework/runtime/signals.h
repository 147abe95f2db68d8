/*
 * What the thread in tri_server_run waits for: SIGTERM, SIGINT, a word from another thread, or a
 * time.
 */
#ifndef TRI_SIGNALS_H
#define TRI_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct tri__signals {
    int signal_fd, event_fd;
    sigset_t previous;
    bool is_blocking;
};

enum tri__signal_event {
    TRI__SIGNAL_TIMEOUT,
    TRI__SIGNAL_NUDGED, /* tri__signals_nudge */
    TRI__SIGNAL_TERMINATE
};

/* Returns: 0 or -errno. */
int tri__signals_init(struct tri__signals *signals);
void tri__signals_fini(struct tri__signals *signals);

/* Blocks the two signals in the calling thread, so that they come here; and puts the mask back. */
void tri__signals_block(struct tri__signals *signals);
void tri__signals_unblock(struct tri__signals *signals);

/* Waits for at most `duration` ns (negative: for ever). */
enum tri__signal_event tri__signals_wait(struct tri__signals *signals, int64_t duration);

/* Ends a wait, this one or the next. Thread: any, and signal handlers. */
void tri__signals_nudge(struct tri__signals *signals);

/* What the two do on the system itself: see platform.h. */
enum tri__signal_event tri__signals_wait_system(struct tri__signals *signals, int64_t duration);
void tri__signals_nudge_system(struct tri__signals *signals);

#endif
