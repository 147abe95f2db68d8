/*
 * The seam under everything: what moves bytes and tells the time. Above it there is no system call
 * on a socket and no clock, so an engine can be io_uring, another interface of the kernel, or a
 * simulator.
 *
 * It is a completion model. An operation is started by a call and completes by one of the events
 * below, from within `turn` only: no event comes while an operation is being started, and an event
 * may start any operation.
 *
 * Thread: the reactor's, but for `wake`.
 */
#ifndef TRI_ENGINE_H
#define TRI_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct tri__engine;
struct tri__socket;
struct tri__acceptor;

struct tri__socket_events {
    /* Bytes have come. They are valid during the call only. */
    void (*received)(struct tri__socket *socket, const uint8_t *bytes, size_t size);
    /* No more will come: 0 at the end of the stream, else -errno. */
    void (*ended)(struct tri__socket *socket, int error);
    /* The send is through (0), or has failed (-errno). */
    void (*sent)(struct tri__socket *socket, int error);
    /* The last event: no operation is in flight, and the memory is the owner's again. */
    void (*closed)(struct tri__socket *socket);
};

/* A connected socket; part of what owns it. */
struct tri__socket {
    const struct tri__socket_events *events;
    int fd;
    uint64_t bytes_sent; /* so far: whether a slow write makes progress */

    /* The engine's. */
    const uint8_t *send_bytes;
    size_t send_left;
    struct tri__socket *next_starved;
    uint16_t in_flight;
    bool wants_input, input_is_armed, is_starved, is_sending, is_closing, is_cancelled;
};

struct tri__acceptor {
    /*
     * A connection, or -errno after which accepting has stopped: start it again when it makes
     * sense.
     */
    void (*accepted)(struct tri__acceptor *acceptor, int fd);
    /* The last event after accept_stop. */
    void (*stopped)(struct tri__acceptor *acceptor);
    int fd;

    /* The engine's. */
    bool is_armed, is_stopping;
};

/* An address to listen on. */
struct tri__address {
    struct sockaddr_storage socket;
    socklen_t size;
    int64_t user_timeout; /* TCP_USER_TIMEOUT of its connections, ns; 0: the system's */
};

struct tri__engine_ops {
    const char *name;

    void (*fini)(struct tri__engine *engine);
    /*
     * Opens a listener. Returns: its descriptor, and the address as it really is in `*address`;
     * -errno.
     */
    int (*listen)(struct tri__engine *engine, struct tri__address *address);

    /* Closes a listener that accepts no more; the file of a unix socket goes too. */
    void (*unlisten)(struct tri__engine *engine, int fd, const struct tri__address *address);

    /* The owner of an acceptor has set `accepted`, `stopped` and `fd`. */
    void (*accept_start)(struct tri__engine *engine, struct tri__acceptor *acceptor);
    void (*accept_stop)(struct tri__engine *engine, struct tri__acceptor *acceptor);

    /* Input goes on by itself until recv_stop, after which a little may still come. */
    void (*recv_start)(struct tri__engine *engine, struct tri__socket *socket);
    void (*recv_stop)(struct tri__engine *engine, struct tri__socket *socket);

    /* Sends all of it; one at a time. The bytes stay where they are until `sent`. */
    void (*send)(struct tri__engine *engine, struct tri__socket *socket, const uint8_t *bytes,
                 size_t size);

    /* No more will be sent: the peer sees the end of the stream. Not while a send is in flight. */
    void (*shutdown)(struct tri__engine *engine, struct tri__socket *socket);

    /* Gives up what is in flight and closes; `closed` follows, and no other event. */
    void (*close)(struct tri__engine *engine, struct tri__socket *socket);

    /* The peer's address as text, such as "127.0.0.1:41952". */
    void (*peer)(struct tri__engine *engine, struct tri__socket *socket, char *text, size_t size);

    /* Closes a connection that never became a socket of anybody's. */
    void (*refuse)(struct tri__engine *engine, int fd);

    /*
     * Submits what was started, waits until something completes, `deadline` (by the engine's clock;
     * 0 not at all, TRI__NEVER for ever) passes or `wake` is called, takes the time, and delivers
     * the events.
     */
    void (*turn)(struct tri__engine *engine, uint64_t deadline);

    /* Ends the wait of `turn`, this one or the next. Thread: any. */
    void (*wake)(struct tri__engine *engine);
};

struct tri__engine {
    const struct tri__engine_ops *ops;
    uint64_t now; /* monotonic, ns; taken after the wait of each turn */
    /* Set by the owner, who has more input than it can use: receive little in a turn. */
    bool is_crowded;
};

#endif
