/*
 * A connection: its socket, its HTTP/2 session and its calls, on one reactor.
 *
 *     OPEN -> (DRAINING) -> LINGERING -> CLOSING -> freed
 *
 * OPEN       bytes in: guard, session, calls; bytes out: one send in flight DRAINING   the peer has
 * been told to go (GOAWAY); calls in flight finish LINGERING  all is said; our side is shut down,
 * what still comes is thrown away, for a second at most,
 *            since a close with unread input would take back what was sent
 * CLOSING    the engine gives up what is in flight; the calls have been told
 *
 * Thread: the reactor's.
 */
#ifndef TRI_LINK_H
#define TRI_LINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "call.h"
#include "engine.h"
#include "h2_session.h"
#include "list.h"
#include "log.h"
#include "reactor.h"

struct tri__link;
struct tri__link_host;

struct tri__link_limits {
    uint32_t streams_max;
    uint32_t outbound_pause_frames, outbound_close_frames;
    uint32_t turn_bytes;
    size_t connection_budget;
    int64_t handshake_timeout, headers_timeout, settings_ack_timeout;
    int64_t write_timeout, window_timeout, idle_timeout, age_max;
};

/* What the server decides for its links. */
struct tri__link_events {
    /* The method at `path`, or NULL. */
    const struct tri__method *(*route)(struct tri__link_host *host, const char *path, size_t size);
    /* Where a call of it runs: the two lanes. */
    void (*place)(struct tri__link_host *host, const struct tri__method *method, uint16_t *down,
                  uint16_t *up);
    /* A link has gone. */
    void (*closed)(struct tri__link_host *host);
};

struct tri__out_buffer;
struct tri__answer;

/* What a reactor has for its links. */
struct tri__link_host {
    struct tri__reactor *reactor;
    const struct tri__link_limits *limits;
    const struct tri__link_events *events;
    const struct tri__h2_config *h2_config;
    const struct tri__log *log;
    void *owner;
    struct tri__call_table calls;
    struct tri__h2_memory h2_memory;
    struct tri__list links;
    struct tri__list dirty; /* with something to write, perhaps */
    struct tri__list held;  /* with input that is left over */
    size_t held_bytes;      /* of all links */
    uint64_t turn;
    struct tri__answer *answer;
    struct tri__link *answered; /* the last one that a worker's reply went to; or NULL */
    bool is_writing;            /* that one, out of its turn */
    struct tri__out_buffer *idle_buffers;
    uint32_t idle_buffers_count;
    uint32_t count;
    bool is_draining;
    _Atomic uint64_t
        floods; /* connections ended for them; written by the reactor, read by anyone */
};

struct tri__link_host_config {
    struct tri__reactor *reactor;
    const struct tri__link_limits *limits;
    const struct tri__link_events *events;
    const struct tri__h2_config *h2_config;
    const struct tri__call_limits *call_limits;
    const struct tri__log *log;
    struct tri__poster *poster;
    _Atomic size_t *process_used;
    void *owner;
};

/* Returns: 0 or -ENOMEM. Takes the reactor's stages INPUT and WRITE. */
int tri__link_host_init(struct tri__link_host *host, const struct tri__link_host_config *config);

/* The reactor turns no more, but its engine is still there. No call may be live. */
void tri__link_host_fini(struct tri__link_host *host);

/* A connection that was accepted. Without memory it is refused: -ENOMEM. */
int tri__link_open(struct tri__link_host *host, int fd);

/*
 * The reactor's end: ends the calls of every link, so that what is live then are running handlers.
 */
void tri__link_host_cut(struct tri__link_host *host);

/*
 * Tells every peer to go, and lets the calls finish; then: ends them with UNAVAILABLE, and closes.
 */
void tri__link_host_drain(struct tri__link_host *host);
void tri__link_host_abandon(struct tri__link_host *host);

#endif
