/*
 * The network: connections as two pipes of bounded size, with halves that end and resets that
 * take back what was not read.
 */
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "sim.h"

#define FIRST_FD 100
#define CONNS_MAX 32

static struct conn conns[CONNS_MAX];
static uint32_t conns_count;

size_t pipe_room(const struct pipe *pipe)
{
    return pipe->capacity - pipe->size;
}

size_t pipe_put(struct pipe *pipe, const uint8_t *bytes, size_t size)
{
    size_t room = pipe_room(pipe);

    if (size > room)
        size = room;
    for (size_t done = 0; done < size;) {
        size_t to = (pipe->at + pipe->size) % pipe->capacity;
        size_t piece = pipe->capacity - to;

        if (piece > size - done)
            piece = size - done;
        memcpy(pipe->bytes + to, bytes + done, piece);
        pipe->size += (uint32_t)piece;
        done += piece;
    }
    pipe->total += size;
    return size;
}

size_t pipe_take(struct pipe *pipe, uint8_t *out, size_t size)
{
    if (size > pipe->size)
        size = pipe->size;
    for (size_t done = 0; done < size;) {
        size_t piece = pipe->capacity - pipe->at;

        if (piece > size - done)
            piece = size - done;
        memcpy(out + done, pipe->bytes + pipe->at, piece);
        pipe->at = (uint32_t)((pipe->at + piece) % pipe->capacity);
        pipe->size -= (uint32_t)piece;
        done += piece;
    }
    return size;
}

static void pipe_init(struct pipe *pipe)
{
    uint32_t capacity = world.profile.pipe_capacity;

    *pipe = (struct pipe){.bytes = malloc(capacity), .capacity = capacity};
    expect_that(pipe->bytes != NULL, "the machine itself has no memory");
}

void net_reset(void)
{
    for (uint32_t i = 0; i < conns_count; i++) {
        free(conns[i].up.bytes);
        free(conns[i].down.bytes);
    }
    conns_count = 0;
}

struct conn *net_connect(struct actor *peer)
{
    if (!engine_is_listening() || conns_count == CONNS_MAX)
        return NULL;
    struct conn *conn = &conns[conns_count];

    *conn = (struct conn){.fd = FIRST_FD + (int)conns_count, .peer = peer};
    pipe_init(&conn->up);
    pipe_init(&conn->down);
    conns_count++;
    note("connects", (uint64_t)conn->fd, 0);
    engine_kick_acceptor();
    return conn;
}

struct conn *net_next_unaccepted(void)
{
    for (uint32_t i = 0; i < conns_count; i++) {
        if (!conns[i].is_accepted && !conns[i].server_closed)
            return &conns[i];
    }
    return NULL;
}

struct conn *net_find(int fd)
{
    expect_that(fd >= FIRST_FD && fd < FIRST_FD + (int)conns_count,
                "descriptor %d is no connection", fd);
    return &conns[fd - FIRST_FD];
}

bool net_all_closed(void)
{
    for (uint32_t i = 0; i < conns_count; i++) {
        if (conns[i].is_accepted && !conns[i].server_closed)
            return false;
    }
    return true;
}

void net_pump(struct conn *conn)
{
    struct tri__socket *socket = conn->socket;

    if (socket == NULL || !socket->is_sending || socket->is_closing || conn->is_reset)
        return;
    size_t limit = socket->send_left;

    if (limit > 1 && chance(world.profile.partial_one_in)) {
        hit(FAULT_SEND_PARTIAL);
        limit = between(1, (uint32_t)limit);
    }
    size_t moved = pipe_put(&conn->down, socket->send_bytes, limit);

    if (moved == 0)
        return;
    socket->send_bytes += moved;
    socket->send_left -= moved;
    conn->send_moved += moved;
    world_make_ready(conn->peer);
}

static void reset(struct conn *conn)
{
    conn->is_reset = true;
    conn->up.size = 0;
    /* What was on its way to the other end may be lost, or come before the reset. */
    if (chance(2))
        conn->down.size = 0;
}

bool net_is_readable(const struct conn *conn)
{
    return conn->down.size > 0 || conn->down.has_ended || conn->is_reset;
}

bool net_is_at_end(const struct conn *conn)
{
    return conn->down.size == 0 && (conn->down.has_ended || conn->is_reset);
}

size_t net_read(struct conn *conn, uint8_t *out, size_t size)
{
    size_t taken = pipe_take(&conn->down, out, size);

    if (taken > 0 && conn->engine != NULL) {
        net_pump(conn);
        engine_kick(conn->engine);
    }
    return taken;
}

size_t net_write(struct conn *conn, const uint8_t *bytes, size_t size)
{
    if (conn->is_reset || conn->server_closed) {
        /* Into the void, and the answer is a reset. */
        conn->is_reset = true;
        return size;
    }
    size_t put = pipe_put(&conn->up, bytes, size);

    if (put > 0 && conn->engine != NULL)
        engine_kick(conn->engine);
    return put;
}

void net_finish(struct conn *conn)
{
    conn->up.has_ended = true;
    note("peer half-closes", (uint64_t)conn->fd, 0);
    if (conn->engine != NULL)
        engine_kick(conn->engine);
}

void net_close(struct conn *conn, bool with_reset)
{
    if (conn->peer_closed)
        return;
    conn->peer_closed = true;
    note("peer closes", (uint64_t)conn->fd, with_reset);
    if (with_reset || conn->down.size > 0)
        reset(conn);
    conn->up.has_ended = true;
    conn->peer = NULL;
    if (conn->engine != NULL)
        engine_kick(conn->engine);
}

/* The server's end is gone. With input that it has not read, the peer gets a reset. */
void net_server_close(struct conn *conn)
{
    expect_that(!conn->server_closed, "descriptor %d is closed twice", conn->fd);
    conn->server_closed = true;
    conn->socket = NULL;
    conn->engine = NULL;
    conn->send_moved = 0;
    note("server closes", (uint64_t)conn->fd, conn->up.size);
    if (conn->up.size > 0)
        reset(conn);
    conn->down.has_ended = true;
    world_make_ready(conn->peer);
}

size_t net_conns(struct conn **out)
{
    for (uint32_t i = 0; i < conns_count; i++)
        out[i] = &conns[i];
    return conns_count;
}
