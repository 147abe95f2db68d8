/*
 * The third engine behind framework/reactor/engine.h: completions in a seeded order, late, partial
 * and failing, over the network of the simulator.
 */
#include "engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define LISTEN_FD 50
#define READY_MAX 96

enum operation {
    OP_RECV,
    OP_SEND,
    OP_CLOSE,
    OP_SHUTDOWN,
    OP_ACCEPT,
    OP_STOP_ACCEPT
};

struct ready {
    enum operation operation;
    struct conn *conn;
};

struct engine {
    struct tri__engine base;
    struct task *owner;
    uint64_t deadline;
    bool is_waiting, was_woken;
    struct tri__acceptor *acceptor; /* armed, or stopping */
};

static struct engine *acceptor_engine; /* of the listener */
static bool is_listening;

static struct engine *engine_of(struct tri__engine *engine)
{
    return (struct engine *)(void *)engine;
}

/* Every operation but `wake` belongs to the reactor's own thread. */
static struct engine *enter(struct tri__engine *base)
{
    struct engine *engine = engine_of(base);

    expect_that(task_current() == engine->owner,
                "an engine is used by another thread than its own");
    preempt();
    return engine;
}

void engine_kick(struct engine *engine)
{
    if (engine->is_waiting)
        world_make_ready(&engine->owner->actor);
}

void engine_kick_acceptor(void)
{
    if (acceptor_engine != NULL)
        engine_kick(acceptor_engine);
}

bool engine_is_listening(void)
{
    return is_listening;
}

bool engine_is_waiting(const struct tri__engine *base, uint64_t *deadline)
{
    const struct engine *engine = (const struct engine *)(const void *)base;

    *deadline = engine->deadline;
    return engine->is_waiting && !engine->was_woken;
}

void engine_reset(void)
{
    acceptor_engine = NULL;
    is_listening = false;
}

static void op_fini(struct tri__engine *base)
{
    struct conn *conns[64];
    size_t count = net_conns(conns);

    for (size_t i = 0; i < count; i++)
        expect_that(conns[i]->engine != engine_of(base), "an engine ends with a socket open");
    if (acceptor_engine == engine_of(base))
        acceptor_engine = NULL;
    free(base);
}

static int op_listen(struct tri__engine *base, struct tri__address *address)
{
    struct engine *engine = enter(base);

    (void)address;
    if (world.profile.fails_start && chance(3)) {
        hit(FAULT_START_FAILED);
        return -EADDRINUSE;
    }
    is_listening = true;
    acceptor_engine = engine;
    for (uint32_t i = 0; i < world.actors_count; i++)
        world_make_ready(world.actors[i]);
    return LISTEN_FD;
}

static void op_unlisten(struct tri__engine *base, int fd, const struct tri__address *address)
{
    struct conn *conn;

    enter(base);
    (void)address;
    expect_that(fd == LISTEN_FD && is_listening, "a listener is closed that is not open");
    is_listening = false;
    /* The system resets what nobody has accepted. */
    while ((conn = net_next_unaccepted()) != NULL) {
        conn->is_accepted = true;
        conn->is_reset = true;
        net_server_close(conn);
    }
}

static void op_accept_start(struct tri__engine *base, struct tri__acceptor *acceptor)
{
    struct engine *engine = enter(base);

    expect_that(acceptor->fd == LISTEN_FD && is_listening, "accept on a closed listener");
    if (acceptor->is_armed)
        return;
    acceptor->is_armed = true;
    engine->acceptor = acceptor;
    note("accepting", 0, 0);
}

static void op_accept_stop(struct tri__engine *base, struct tri__acceptor *acceptor)
{
    struct engine *engine = enter(base);

    acceptor->is_stopping = true;
    acceptor->is_armed = true;
    engine->acceptor = acceptor;
}

static void op_recv_start(struct tri__engine *base, struct tri__socket *socket)
{
    struct engine *engine = enter(base);
    struct conn *conn = net_find(socket->fd);

    expect_that(conn->is_accepted && !conn->server_closed, "a receive on a closed descriptor");
    expect_that(conn->socket == NULL || conn->socket == socket, "two sockets for one descriptor");
    conn->socket = socket;
    conn->engine = engine;
    socket->wants_input = true;
}

static void op_recv_stop(struct tri__engine *base, struct tri__socket *socket)
{
    struct conn *conn = net_find(socket->fd);

    enter(base);
    conn->may_get_more = socket->wants_input && chance(3);
    socket->wants_input = false;
}

static void op_send(struct tri__engine *base, struct tri__socket *socket, const uint8_t *bytes,
                    size_t size)
{
    struct conn *conn = net_find(socket->fd);

    enter(base);
    expect_that(!socket->is_sending && !socket->is_closing && size > 0, "a send beside another");
    expect_that(!conn->wants_shutdown && !conn->down.has_ended, "a send after the shutdown");
    socket->send_bytes = bytes;
    socket->send_left = size;
    socket->is_sending = true;
    note("sends", (uint64_t)conn->fd, size);
    if (!chance(3))
        net_pump(conn);
}

static void op_shutdown(struct tri__engine *base, struct tri__socket *socket)
{
    struct conn *conn = net_find(socket->fd);

    enter(base);
    expect_that(!socket->is_sending && !socket->is_closing, "a shutdown within a send");
    conn->wants_shutdown = true;
    note("shuts down", (uint64_t)conn->fd, 0);
}

static void op_close(struct tri__engine *base, struct tri__socket *socket)
{
    struct conn *conn = net_find(socket->fd);

    enter(base);
    if (socket->is_closing)
        return;
    socket->is_closing = true;
    socket->wants_input = false;
    conn->may_get_more = false;
    if (world.profile.has_engine_faults && chance(2)) {
        hit(FAULT_CLOSE_LATE);
        conn->close_wait = (uint8_t)between(1, 20);
    }
    note("closing", (uint64_t)conn->fd, 0);
}

static void op_peer(struct tri__engine *base, struct tri__socket *socket, char *text, size_t size)
{
    enter(base);
    snprintf(text, size, "sim:%d", socket->fd);
}

static void op_refuse(struct tri__engine *base, int fd)
{
    struct conn *conn = net_find(fd);

    /* The end of a reactor is the thread's own too, but comes after its last turn. */
    enter(base);
    net_server_close(conn);
}

static void op_wake(struct tri__engine *base)
{
    struct engine *engine = engine_of(base);

    engine->was_woken = true;
    engine_kick(engine);
    note("wakes an engine", 0, 0);
    preempt();
}

/* --- what is ready, and what then happens --- */

static bool recv_is_ready(const struct conn *conn)
{
    const struct tri__socket *socket = conn->socket;

    if (socket->is_closing || conn->told_end || (!socket->wants_input && !conn->may_get_more))
        return false;
    return conn->up.size > 0 || ((conn->up.has_ended || conn->is_reset) && socket->wants_input);
}

static bool send_is_ready(const struct conn *conn)
{
    const struct tri__socket *socket = conn->socket;

    return socket->is_sending && !socket->is_closing &&
           (conn->send_moved > 0 || conn->is_reset || conn->peer_closed);
}

static size_t gather(struct engine *engine, struct ready *ready)
{
    struct conn *conns[64];
    size_t conns_count = net_conns(conns);
    size_t count = 0;

    for (size_t i = 0; i < conns_count; i++) {
        struct conn *conn = conns[i];

        if (conn->engine != engine || conn->socket == NULL)
            continue;
        if (!conn->socket->is_closing)
            net_pump(conn);
        if (send_is_ready(conn))
            ready[count++] = (struct ready){OP_SEND, conn};
        if (recv_is_ready(conn))
            ready[count++] = (struct ready){OP_RECV, conn};
        if (conn->wants_shutdown && !conn->socket->is_closing)
            ready[count++] = (struct ready){OP_SHUTDOWN, conn};
        if (conn->socket->is_closing)
            ready[count++] = (struct ready){OP_CLOSE, conn};
    }
    if (engine->acceptor != NULL && engine->acceptor->is_stopping)
        ready[count++] = (struct ready){OP_STOP_ACCEPT, NULL};
    else if (engine->acceptor != NULL && engine->acceptor->is_armed &&
             net_next_unaccepted() != NULL)
        ready[count++] = (struct ready){OP_ACCEPT, NULL};
    return count;
}

static void do_recv(struct conn *conn)
{
    struct tri__socket *socket = conn->socket;

    if (!recv_is_ready(conn))
        return;
    conn->may_get_more = false;
    if (world.profile.has_engine_faults && chance(10)) {
        hit(FAULT_RECV_STARVED); /* no buffer was free: again in the next turn */
        return;
    }
    if (conn->up.size > 0) {
        uint32_t size = conn->up.size > 65536 ? 65536 : conn->up.size;

        if (size > 1 && chance(world.profile.partial_one_in)) {
            hit(FAULT_RECV_PARTIAL);
            size = chance(2) ? between(1, size < 12 ? size : 12) : between(1, size);
        }
        /* Exactly so large, so that a sanitizer sees who reads beyond, and freed at once. */
        uint8_t *bytes = malloc(size);

        expect_that(bytes != NULL, "the machine itself has no memory");
        pipe_take(&conn->up, bytes, size);
        note("received", (uint64_t)conn->fd, size);
        world_make_ready(conn->peer);
        socket->events->received(socket, bytes, size);
        free(bytes);
        return;
    }
    conn->told_end = true;
    socket->wants_input = false;
    if (conn->is_reset)
        hit(FAULT_RECV_RESET);
    note("ended", (uint64_t)conn->fd, conn->is_reset);
    socket->events->ended(socket, conn->is_reset ? -ECONNRESET : 0);
}

static void do_send(struct conn *conn)
{
    struct tri__socket *socket = conn->socket;

    if (!send_is_ready(conn))
        return;
    socket->bytes_sent += conn->send_moved;
    conn->send_moved = 0;
    if (conn->is_reset || conn->peer_closed) {
        hit(FAULT_SEND_FAILED);
        socket->is_sending = false;
        note("send fails", (uint64_t)conn->fd, socket->send_left);
        socket->events->sent(socket, chance(2) ? -EPIPE : -ECONNRESET);
    } else if (socket->send_left == 0) {
        socket->is_sending = false;
        note("sent", (uint64_t)conn->fd, 0);
        socket->events->sent(socket, 0);
    }
}

static void do_close(struct conn *conn)
{
    struct tri__socket *socket = conn->socket;

    if (conn->close_wait > 0) {
        conn->close_wait--;
        return;
    }
    net_server_close(conn);
    socket->events->closed(socket);
}

static void do_shutdown(struct conn *conn)
{
    conn->wants_shutdown = false;
    conn->down.has_ended = true;
    world_make_ready(conn->peer);
}

static void do_accept(struct engine *engine)
{
    struct tri__acceptor *acceptor = engine->acceptor;
    struct conn *conn = net_next_unaccepted();

    if (acceptor == NULL || acceptor->is_stopping || !acceptor->is_armed || conn == NULL)
        return;
    if (world.profile.has_engine_faults && chance(6)) {
        hit(FAULT_ACCEPT_EMFILE);
        acceptor->is_armed = false;
        acceptor->accepted(acceptor, chance(2) ? -EMFILE : -ECONNABORTED);
        return;
    }
    if (chance(5)) {
        hit(FAULT_ACCEPT_ENDED);
        acceptor->is_armed = false;
    }
    conn->is_accepted = true;
    note("accepts", (uint64_t)conn->fd, 0);
    acceptor->accepted(acceptor, conn->fd);
}

static void do_stop_accept(struct engine *engine)
{
    struct tri__acceptor *acceptor = engine->acceptor;

    engine->acceptor = NULL;
    expect_that(acceptor != NULL, "accepting is stopped twice");
    acceptor->is_armed = false;
    acceptor->stopped(acceptor);
}

static void complete(struct engine *engine, const struct ready *ready)
{
    struct conn *conn = ready->conn;

    world.completions++;
    if (ready->operation == OP_ACCEPT)
        do_accept(engine);
    else if (ready->operation == OP_STOP_ACCEPT)
        do_stop_accept(engine);
    else if (conn == NULL || conn->socket == NULL)
        return; /* what completed before it in this turn has ended it */
    else if (ready->operation == OP_RECV)
        do_recv(conn);
    else if (ready->operation == OP_SEND)
        do_send(conn);
    else if (ready->operation == OP_CLOSE)
        do_close(conn);
    else
        do_shutdown(conn);
}

static void shuffle(struct ready *ready, size_t count)
{
    if (count < 2 || !chance(2))
        return;
    hit(FAULT_REORDERED);
    for (size_t i = count - 1; i > 0; i--) {
        size_t j = below((uint32_t)i + 1);
        struct ready swapped = ready[i];

        ready[i] = ready[j];
        ready[j] = swapped;
    }
}

/* Returns: how many of those that are ready complete in this turn, first in the array. */
static size_t choose(struct ready *ready, size_t count)
{
    size_t kept = 0;

    shuffle(ready, count);
    for (size_t i = 0; i < count; i++) {
        if (chance(world.profile.has_engine_faults ? 4 : 12)) {
            if (ready[i].operation == OP_SEND)
                hit(FAULT_SEND_DELAYED);
            continue;
        }
        ready[kept++] = ready[i];
    }
    return kept;
}

static void op_turn(struct tri__engine *base, uint64_t deadline)
{
    struct engine *engine = enter(base);
    struct ready ready[READY_MAX];
    size_t count;

    for (;;) {
        size_t possible = gather(engine, ready);

        count = choose(ready, possible);
        if (count > 0 || engine->was_woken || deadline <= world.now || chance(200))
            break;
        if (possible > 0) {
            task_yield();
            continue;
        }
        engine->is_waiting = true;
        engine->deadline = deadline;
        task_block(deadline);
        engine->is_waiting = false;
    }
    engine->was_woken = false;
    base->now = world.now;
    preempt();
    for (size_t i = 0; i < count; i++)
        complete(engine, &ready[i]);
}

static const struct tri__engine_ops ops = {
    .name = "simulator",
    .fini = op_fini,
    .listen = op_listen,
    .unlisten = op_unlisten,
    .accept_start = op_accept_start,
    .accept_stop = op_accept_stop,
    .recv_start = op_recv_start,
    .recv_stop = op_recv_stop,
    .send = op_send,
    .shutdown = op_shutdown,
    .close = op_close,
    .peer = op_peer,
    .refuse = op_refuse,
    .turn = op_turn,
    .wake = op_wake,
};

int engine_open(struct tri__engine **out)
{
    if (world.profile.fails_start && chance(4)) {
        hit(FAULT_START_FAILED);
        return chance(2) ? -ENOMEM : -EPERM;
    }
    struct engine *engine = calloc(1, sizeof(*engine));

    expect_that(engine != NULL, "the machine itself has no memory");
    engine->base.ops = &ops;
    engine->base.now = world.now;
    engine->owner = task_current();
    *out = &engine->base;
    return 0;
}
