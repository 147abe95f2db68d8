/*
 * Setup: a ring with a single issuer whose completions are worked off only when we ask
 * (DEFER_TASKRUN), since completions that interrupt cost more than epoll does.
 *
 * Input is multishot receive from one ring of 64 buffers of 64 KiB. Its size is that of the cache:
 * the kernel takes buffers in turn, so all of them are touched again and again. Bytes are consumed
 * within the event, so a buffer goes straight back; running out of them is normal (-ENOBUFS), and a
 * starved socket is armed again at the next turn.
 *
 * A socket counts its operations in flight, and is closed when the last one has completed: no
 * completion can meet freed memory. What a completion belongs to stands in its user data, as a
 * pointer whose low bits hold the operation.
 */
#define _GNU_SOURCE
#include "uring.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"
#include "assertion.h"
#include "socket.h"
#include "wheel.h"

#define SQ_ENTRIES 1024
#define CQ_ENTRIES 8192
#define BUFFERS 64
#define BUFFER_SIZE ((size_t)64 * 1024)
#define BUFFER_GROUP 1
/* While the engine is crowded, a turn receives into so many at most. */
#define BUFFERS_CROWDED 8

enum operation {
    OP_RECV = 1,
    OP_SEND,
    OP_ACCEPT,
    OP_WAKE,
    OP_CLOSE,
    OP_CANCEL,
    OP_SHUTDOWN,
    OP_MASK = 7
};

struct uring {
    struct tri__engine base;
    struct io_uring ring;
    struct io_uring_buf_ring *buffer_ring;
    uint8_t *buffers;
    uint16_t withheld[BUFFERS]; /* buffers that are not in the ring */
    unsigned withheld_count;
    struct tri__socket *starved;
    int wake_fd;
};

static struct uring *uring_of(struct tri__engine *engine)
{
    return tri_container_of(engine, struct uring, base);
}

static uint64_t read_clock(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* A full submission queue is submitted on the spot; completions wait for the turn. */
static struct io_uring_sqe *get_sqe(struct uring *uring, enum operation operation, void *subject)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);

    while (tri_unlikely(sqe == NULL)) {
        io_uring_submit(&uring->ring);
        sqe = io_uring_get_sqe(&uring->ring);
    }
    tri_assert(((uintptr_t)subject & OP_MASK) == 0);
    sqe->user_data = (uintptr_t)subject | operation;
    return sqe;
}

/* io_uring_prep_* clears the user data in some versions of liburing: it is set again after them. */
static void set_data(struct io_uring_sqe *sqe, enum operation operation, void *subject)
{
    sqe->user_data = (uintptr_t)subject | operation;
}

static void arm_wake(struct uring *uring)
{
    struct io_uring_sqe *sqe = get_sqe(uring, OP_WAKE, NULL);

    /* Edge-triggered: each write to the eventfd completes it once, and nobody needs to read. */
    io_uring_prep_poll_multishot(sqe, uring->wake_fd, POLLIN);
    set_data(sqe, OP_WAKE, NULL);
}

static void uring_wake(struct tri__engine *engine)
{
    struct uring *uring = uring_of(engine);
    uint64_t one = 1;
    ssize_t written = write(uring->wake_fd, &one, sizeof(one));

    (void)written;
}

static void uring_accept_start(struct tri__engine *engine, struct tri__acceptor *acceptor)
{
    struct uring *uring = uring_of(engine);

    if (acceptor->is_armed)
        return;
    struct io_uring_sqe *sqe = get_sqe(uring, OP_ACCEPT, acceptor);

    io_uring_prep_multishot_accept(sqe, acceptor->fd, NULL, NULL, SOCK_CLOEXEC);
    set_data(sqe, OP_ACCEPT, acceptor);
    acceptor->is_armed = true;
}

static void uring_accept_stop(struct tri__engine *engine, struct tri__acceptor *acceptor)
{
    struct uring *uring = uring_of(engine);

    acceptor->is_stopping = true;
    if (!acceptor->is_armed) {
        /*
         * Nothing is in flight; a no-op brings the event, since none may come from within a call.
         */
        struct io_uring_sqe *sqe = get_sqe(uring, OP_ACCEPT, acceptor);

        io_uring_prep_nop(sqe);
        set_data(sqe, OP_ACCEPT, acceptor);
        acceptor->is_armed = true;
        return;
    }
    struct io_uring_sqe *sqe = get_sqe(uring, OP_CANCEL, NULL);

    io_uring_prep_cancel64(sqe, (uintptr_t)acceptor | OP_ACCEPT, 0);
    set_data(sqe, OP_CANCEL, NULL);
}

static void on_accept(struct tri__acceptor *acceptor, const struct io_uring_cqe *cqe)
{
    bool is_last = (cqe->flags & IORING_CQE_F_MORE) == 0;

    if (is_last)
        acceptor->is_armed = false;
    if (acceptor->is_stopping) {
        if (cqe->res > 0 && cqe->res > STDERR_FILENO)
            close(cqe->res);
        if (is_last)
            acceptor->stopped(acceptor);
        return;
    }
    if (cqe->res >= 0 || is_last)
        acceptor->accepted(acceptor, cqe->res);
}

static void arm_recv(struct uring *uring, struct tri__socket *socket)
{
    struct io_uring_sqe *sqe = get_sqe(uring, OP_RECV, socket);

    io_uring_prep_recv_multishot(sqe, socket->fd, NULL, 0, 0);
    set_data(sqe, OP_RECV, socket);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    socket->input_is_armed = true;
    socket->in_flight++;
}

static void uring_recv_start(struct tri__engine *engine, struct tri__socket *socket)
{
    socket->wants_input = true;
    if (!socket->input_is_armed && !socket->is_starved && !socket->is_closing)
        arm_recv(uring_of(engine), socket);
}

static void uring_recv_stop(struct tri__engine *engine, struct tri__socket *socket)
{
    struct uring *uring = uring_of(engine);

    socket->wants_input = false;
    if (!socket->input_is_armed)
        return;
    struct io_uring_sqe *sqe = get_sqe(uring, OP_CANCEL, NULL);

    io_uring_prep_cancel64(sqe, (uintptr_t)socket | OP_RECV, 0);
    set_data(sqe, OP_CANCEL, NULL);
}

static void submit_send(struct uring *uring, struct tri__socket *socket)
{
    struct io_uring_sqe *sqe = get_sqe(uring, OP_SEND, socket);

    io_uring_prep_send(sqe, socket->fd, socket->send_bytes, socket->send_left, MSG_NOSIGNAL);
    set_data(sqe, OP_SEND, socket);
    socket->in_flight++;
}

static void uring_send(struct tri__engine *engine, struct tri__socket *socket, const uint8_t *bytes,
                       size_t size)
{
    tri_assert(!socket->is_sending && !socket->is_closing && size > 0);
    socket->send_bytes = bytes;
    socket->send_left = size;
    socket->is_sending = true;
    submit_send(uring_of(engine), socket);
}

static void uring_shutdown(struct tri__engine *engine, struct tri__socket *socket)
{
    struct io_uring_sqe *sqe = get_sqe(uring_of(engine), OP_SHUTDOWN, socket);

    io_uring_prep_shutdown(sqe, socket->fd, SHUT_WR);
    set_data(sqe, OP_SHUTDOWN, socket);
    socket->in_flight++;
}

/* The close itself, once nothing else is in flight. */
static void submit_close(struct uring *uring, struct tri__socket *socket)
{
    struct io_uring_sqe *sqe = get_sqe(uring, OP_CLOSE, socket);

    io_uring_prep_close(sqe, socket->fd);
    set_data(sqe, OP_CLOSE, socket);
    socket->in_flight++;
    socket->is_cancelled = true;
}

static void unstarve(struct uring *uring, struct tri__socket *socket)
{
    struct tri__socket **link = &uring->starved;

    if (!socket->is_starved)
        return;
    while (*link != socket)
        link = &(*link)->next_starved;
    *link = socket->next_starved;
    socket->is_starved = false;
}

static void uring_close(struct tri__engine *engine, struct tri__socket *socket)
{
    struct uring *uring = uring_of(engine);

    if (socket->is_closing)
        return;
    socket->is_closing = true;
    socket->wants_input = false;
    unstarve(uring, socket);
    if (socket->in_flight == 0) {
        submit_close(uring, socket);
        return;
    }
    struct io_uring_sqe *sqe = get_sqe(uring, OP_CANCEL, NULL);

    io_uring_prep_cancel_fd(sqe, socket->fd, IORING_ASYNC_CANCEL_ALL);
    set_data(sqe, OP_CANCEL, NULL);
}

/* After each completion of a socket that is being closed. */
static void close_when_quiet(struct uring *uring, struct tri__socket *socket)
{
    if (socket->is_closing && socket->in_flight == 0 && !socket->is_cancelled)
        submit_close(uring, socket);
}

static void starve(struct uring *uring, struct tri__socket *socket)
{
    socket->next_starved = uring->starved;
    uring->starved = socket;
    socket->is_starved = true;
}

static void return_buffer(struct uring *uring, unsigned id)
{
    io_uring_buf_ring_add(uring->buffer_ring, uring->buffers + id * BUFFER_SIZE, BUFFER_SIZE,
                          (unsigned short)id, io_uring_buf_ring_mask(BUFFERS), 0);
    io_uring_buf_ring_advance(uring->buffer_ring, 1);
}

/*
 * A multishot receive takes all that has come for its socket, buffer after buffer, before it can be
 * stopped: only a ring with few buffers bounds that.
 */
static void release_buffer(struct uring *uring, unsigned id)
{
    if (uring->base.is_crowded && uring->withheld_count < BUFFERS - BUFFERS_CROWDED)
        uring->withheld[uring->withheld_count++] = (uint16_t)id;
    else
        return_buffer(uring, id);
}

static void return_withheld(struct uring *uring)
{
    while (uring->withheld_count > 0)
        return_buffer(uring, uring->withheld[--uring->withheld_count]);
}

static void on_recv(struct uring *uring, struct tri__socket *socket, const struct io_uring_cqe *cqe)
{
    int result = cqe->res;
    bool is_last = (cqe->flags & IORING_CQE_F_MORE) == 0;

    if (is_last) {
        socket->input_is_armed = false;
        socket->in_flight--;
    }
    if (result > 0 && !socket->is_closing) {
        unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

        socket->events->received(socket, uring->buffers + id * BUFFER_SIZE, (size_t)result);
    }
    if ((cqe->flags & IORING_CQE_F_BUFFER) != 0)
        release_buffer(uring, cqe->flags >> IORING_CQE_BUFFER_SHIFT);
    if (is_last && !socket->is_closing) {
        if (result > 0 || result == -ENOBUFS || result == -ECANCELED || result == -EINTR) {
            if (socket->wants_input)
                starve(uring, socket);
        } else {
            socket->wants_input = false;
            socket->events->ended(socket, result);
        }
    }
    close_when_quiet(uring, socket);
}

static void on_send(struct uring *uring, struct tri__socket *socket, int result)
{
    socket->in_flight--;
    if (result > 0) {
        socket->bytes_sent += (size_t)result;
        socket->send_bytes += result;
        socket->send_left -= (size_t)result;
    }
    if (!socket->is_closing) {
        if ((result > 0 && socket->send_left > 0) || result == -EINTR || result == -EAGAIN) {
            submit_send(uring, socket);
        } else {
            socket->is_sending = false;
            socket->events->sent(socket, result < 0 ? result : 0);
        }
    }
    close_when_quiet(uring, socket);
}

static void on_completion(struct uring *uring, const struct io_uring_cqe *cqe)
{
    void *subject = (void *)(uintptr_t)(cqe->user_data & ~(uint64_t)OP_MASK);
    struct tri__socket *socket = subject;

    switch ((enum operation)(cqe->user_data & OP_MASK)) {
    case OP_RECV:
        on_recv(uring, socket, cqe);
        break;
    case OP_SEND:
        on_send(uring, socket, cqe->res);
        break;
    case OP_ACCEPT:
        on_accept(subject, cqe);
        break;
    case OP_WAKE:
        if ((cqe->flags & IORING_CQE_F_MORE) == 0)
            arm_wake(uring);
        break;
    case OP_SHUTDOWN:
        socket->in_flight--;
        close_when_quiet(uring, socket);
        break;
    case OP_CLOSE:
        socket->in_flight--;
        socket->events->closed(socket);
        break;
    case OP_CANCEL:
    default:
        break;
    }
}

static void feed_starved(struct uring *uring)
{
    while (uring->starved != NULL) {
        struct tri__socket *socket = uring->starved;

        uring->starved = socket->next_starved;
        socket->is_starved = false;
        if (socket->wants_input && !socket->input_is_armed)
            arm_recv(uring, socket);
    }
}

static void wait_for_completions(struct uring *uring, uint64_t deadline)
{
    struct io_uring_cqe *cqe;

    if (deadline == 0) {
        io_uring_submit_and_get_events(&uring->ring);
        return;
    }
    if (deadline == TRI__NEVER) {
        io_uring_submit_and_wait(&uring->ring, 1);
        return;
    }
    uint64_t now = read_clock();
    uint64_t wait = deadline > now ? deadline - now : 0;
    struct __kernel_timespec timeout = {.tv_sec = (int64_t)(wait / 1000000000),
                                        .tv_nsec = (long long)(wait % 1000000000)};

    io_uring_submit_and_wait_timeout(&uring->ring, &cqe, 1, &timeout, NULL);
}

static void uring_turn(struct tri__engine *engine, uint64_t deadline)
{
    struct uring *uring = uring_of(engine);
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;

    if (!engine->is_crowded)
        return_withheld(uring);
    feed_starved(uring);
    /* -EINTR and the like need no answer: what was not submitted or seen is so in the next turn. */
    wait_for_completions(uring, deadline);
    engine->now = read_clock();
    io_uring_for_each_cqe (&uring->ring, head, cqe) {
        /* The copy lets the slot be reused while the event submits. */
        struct io_uring_cqe copy = *cqe;

        on_completion(uring, &copy);
        count++;
    }
    io_uring_cq_advance(&uring->ring, count);
}

static int uring_listen(struct tri__engine *engine, struct tri__address *address)
{
    (void)engine;
    return tri__socket_listen(address);
}

static void uring_unlisten(struct tri__engine *engine, int fd, const struct tri__address *address)
{
    (void)engine;
    tri__socket_unlisten(fd, address);
}

static void uring_peer(struct tri__engine *engine, struct tri__socket *socket, char *text,
                       size_t size)
{
    (void)engine;
    tri__socket_peer(socket->fd, text, size);
}

static void uring_refuse(struct tri__engine *engine, int fd)
{
    (void)engine;
    close(fd);
}

static void uring_fini(struct tri__engine *engine)
{
    struct uring *uring = uring_of(engine);

    io_uring_queue_exit(&uring->ring);
    if (uring->wake_fd >= 0)
        close(uring->wake_fd);
    free(uring->buffer_ring);
    free(uring->buffers);
    tri__free(uring);
}

static const struct tri__engine_ops uring_ops = {
    .name = "io_uring",
    .fini = uring_fini,
    .listen = uring_listen,
    .unlisten = uring_unlisten,
    .accept_start = uring_accept_start,
    .accept_stop = uring_accept_stop,
    .recv_start = uring_recv_start,
    .recv_stop = uring_recv_stop,
    .send = uring_send,
    .shutdown = uring_shutdown,
    .close = uring_close,
    .peer = uring_peer,
    .refuse = uring_refuse,
    .turn = uring_turn,
    .wake = uring_wake,
};

/* Page-aligned memory that the kernel and we share; no allocator of ours promises that. */
static int make_buffers(struct uring *uring)
{
    struct io_uring_buf_reg registration = {.ring_entries = BUFFERS, .bgid = BUFFER_GROUP};

    if (posix_memalign((void **)&uring->buffer_ring, 4096, BUFFERS * sizeof(struct io_uring_buf)) !=
            0 ||
        posix_memalign((void **)&uring->buffers, 4096, BUFFERS * BUFFER_SIZE) != 0)
        return -ENOMEM;
    registration.ring_addr = (uintptr_t)uring->buffer_ring;
    int r = io_uring_register_buf_ring(&uring->ring, &registration, 0);

    if (r < 0)
        return r;
    io_uring_buf_ring_init(uring->buffer_ring);
    for (unsigned short i = 0; i < BUFFERS; i++)
        io_uring_buf_ring_add(uring->buffer_ring, uring->buffers + i * BUFFER_SIZE, BUFFER_SIZE, i,
                              io_uring_buf_ring_mask(BUFFERS), i);
    io_uring_buf_ring_advance(uring->buffer_ring, BUFFERS);
    return 0;
}

int tri__uring_new(struct tri__engine **engine)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_CQSIZE,
        .cq_entries = CQ_ENTRIES,
    };
    struct uring *uring = tri__alloc_zeroed(1, sizeof(*uring));

    if (uring == NULL)
        return -ENOMEM;
    uring->base.ops = &uring_ops;
    uring->base.now = read_clock();
    int r = io_uring_queue_init_params(SQ_ENTRIES, &uring->ring, &params);

    if (r < 0) {
        tri__free(uring);
        return r;
    }
    uring->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r = uring->wake_fd < 0 ? -errno : make_buffers(uring);
    if (r < 0) {
        uring_fini(&uring->base);
        return r;
    }
    /* Spares a look-up of the ring's file in each system call; older kernels do without. */
    io_uring_register_ring_fd(&uring->ring);
    arm_wake(uring);
    *engine = &uring->base;
    return 0;
}
