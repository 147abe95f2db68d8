/*
 * The bare loop: a gRPC server without a framework, only io_uring, nghttp2 and protobuf-c; at most
 * 250 lines. It is real HTTP/2 and gRPC (all frames go through nghttp2 with its checks on, all
 * messages through protobuf-c) without limits, deadlines, cancellation or metadata, for 1,000
 * connections.
 *
 * A turn: each completion feeds its session and then writes what the session has into one buffer,
 * at most one send in flight per connection; one io_uring_enter submits it all and waits.
 */
#include "greeter.h"
#include "pool.h"

#include <errno.h>
#include <liburing.h>
#include <netinet/tcp.h>
#include <unistd.h>

#define SERVICE "/org.apache.dubbo.samples.proto.Greeter/"
#define IS(bytes, size, text) ((size) == sizeof(text) - 1 && !memcmp(bytes, text, sizeof(text) - 1))
#define FIELD(name, text)                                                                          \
    {                                                                                              \
        (uint8_t *)(name), (uint8_t *)(text), sizeof(name) - 1, sizeof(text) - 1, STATIC           \
    }

enum {
    STATIC = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE
};
enum {
    BUFFERS = 64,
    BUFFER_SIZE = 64 << 10,
    OUT_MARK = 64 << 10,
    OUT_SIZE = 96 << 10,
    SENT = 1
};
static const nghttp2_nv head[] = {FIELD(":status", "200"),
                                  FIELD("content-type", "application/grpc")};
static const nghttp2_nv trailer[] = {FIELD("grpc-status", "0"), FIELD("grpc-status", "12"),
                                     FIELD("grpc-status", "13")};

struct connection {
    LIST_HEAD(, stream) streams;
    nghttp2_session *session;
    int fd;
    bool is_receiving, is_dead;
    size_t received, sending; /* bytes to give back to the window; bytes in flight */
    uint8_t out[OUT_SIZE];
};

static struct io_uring ring;
static struct io_uring_buf_ring *buffer_ring;
static uint8_t *buffers;
static nghttp2_session_callbacks *callbacks;
static nghttp2_option *options;

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *out, size_t room,
                       uint32_t *flags, nghttp2_data_source *source, void *user UNUSED)
{
    struct stream *stream = source->ptr;
    size_t used = stream_fill(stream, out, room);
    if (stream_is_sent(stream)) {
        *flags = NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        nghttp2_submit_trailer(session, id, &trailer[OK], 1);
    }
    return (ssize_t)used;
}

/* Each request has one :path, which nghttp2 has checked: a stream begins with it. */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t size, uint8_t flags UNUSED,
                     void *user)
{
    struct connection *connection = user;
    if (!IS(name, name_size, ":path"))
        return 0;
    struct stream *stream = pool_calloc(1, sizeof(*stream), NULL);
    if (IS(value, size, SERVICE "sayHello"))
        stream->method = SAY_HELLO;
    if (IS(value, size, SERVICE "serverStream"))
        stream->method = SERVER_STREAM;
    LIST_INSERT_HEAD(&connection->streams, stream, link);
    return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t size, void *user)
{
    struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
    stream->data = pool_realloc(stream->data, 2 * (stream->length + size), NULL);
    memcpy(stream->data + stream->length, data, size);
    stream->length += size;
    ((struct connection *)user)->received += size;
    return flags & NGHTTP2_FLAG_END_STREAM ? 0 : nghttp2_session_consume_stream(session, id, size);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user UNUSED)
{
    int32_t id = frame->hd.stream_id;
    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) || frame->hd.type > NGHTTP2_HEADERS)
        return 0;
    struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
    nghttp2_data_provider reply = {{.ptr = stream}, on_read};
    enum status status = stream_run(stream);
    nghttp2_nv failure[] = {head[0], head[1], trailer[status]};
    return status == OK ? nghttp2_submit_response(session, id, head, 2, &reply)
                        : nghttp2_submit_response(session, id, failure, 3, NULL);
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error UNUSED, void *user UNUSED)
{
    struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
    if (stream)
        stream_free(stream);
    return 0;
}

static struct connection *connection_new(int fd)
{
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000},
                                               {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20},
                                               {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1}};
    struct connection *connection = calloc(1, sizeof(*connection));
    if (fd < 0 || !connection)
        errx(1, "no connection: %s", strerror(-fd));
    connection->fd = fd;
    nghttp2_session_server_new3(&connection->session, callbacks, connection, options, &pool);
    nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings, 3);
    nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0, 16 << 20);
    return connection;
}

/* Once nothing of it is in flight; the completions of what still is come back here. */
static void connection_close(struct connection *connection)
{
    connection->is_dead = true;
    shutdown(connection->fd, SHUT_RDWR);
    if (connection->is_receiving || connection->sending)
        return;
    while (!LIST_EMPTY(&connection->streams))
        stream_free(LIST_FIRST(&connection->streams));
    nghttp2_session_del(connection->session);
    close(connection->fd);
    free(connection);
}

/* Writes what the session has, as far as one send takes it, and keeps receiving. */
static void connection_settle(struct connection *connection)
{
    const uint8_t *frame;
    size_t used = 0;
    nghttp2_session_consume_connection(connection->session, connection->received);
    connection->received = 0;
    for (ssize_t size; !connection->sending && used < OUT_MARK; used += (size_t)size) {
        if ((size = nghttp2_session_mem_send(connection->session, &frame)) <= 0)
            break;
        memcpy(connection->out + used, frame, (size_t)size);
    }
    if (used > 0) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
        io_uring_prep_send(sqe, connection->fd, connection->out, used, MSG_WAITALL | MSG_NOSIGNAL);
        io_uring_sqe_set_data64(sqe, (uintptr_t)connection | SENT);
        connection->sending = used;
    }
    if (!connection->is_receiving) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
        io_uring_prep_recv_multishot(sqe, connection->fd, NULL, 0, 0);
        sqe->flags |= IOSQE_BUFFER_SELECT;
        io_uring_sqe_set_data(sqe, connection);
        connection->is_receiving = true;
    }
    if (!connection->sending && !nghttp2_session_want_read(connection->session))
        connection_close(connection);
}

static void on_completion(const struct io_uring_cqe *cqe)
{
    struct connection *connection = (void *)(uintptr_t)(cqe->user_data & ~(uint64_t)SENT);
    if (!connection)
        return connection_settle(connection_new(cqe->res));
    bool ok = !connection->is_dead;
    if (cqe->user_data & SENT) {
        ok = ok && cqe->res == (int)connection->sending;
        connection->sending = 0;
    } else {
        ok = ok && (cqe->res > 0 || cqe->res == -ENOBUFS);
        connection->is_receiving = cqe->flags & IORING_CQE_F_MORE;
    }
    if (cqe->flags & IORING_CQE_F_BUFFER) {
        unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
        uint8_t *buffer = buffers + (size_t)id * BUFFER_SIZE;
        ok = ok && nghttp2_session_mem_recv(connection->session, buffer, (size_t)cqe->res) >= 0;
        io_uring_buf_ring_add(buffer_ring, buffer, BUFFER_SIZE, (unsigned short)id, BUFFERS - 1, 0);
        io_uring_buf_ring_advance(buffer_ring, 1);
    }
    ok ? connection_settle(connection) : connection_close(connection);
}

static void setup(void)
{
    unsigned flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                     IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
    struct io_uring_params params = {.cq_entries = 16384, .flags = flags};
    struct io_uring_buf_reg reg = {.ring_entries = BUFFERS};
    if (posix_memalign((void **)&buffer_ring, 4096, BUFFERS * sizeof(struct io_uring_buf)) ||
        posix_memalign((void **)&buffers, 4096, BUFFERS * BUFFER_SIZE))
        errx(1, "out of memory");
    reg.ring_addr = (uintptr_t)buffer_ring;
    if (io_uring_queue_init_params(4096, &ring, &params) < 0 ||
        io_uring_register_ring_fd(&ring) < 0 || io_uring_register_buf_ring(&ring, &reg, 0) < 0)
        errx(1, "no io_uring of that kind");
    io_uring_buf_ring_init(buffer_ring);
    for (unsigned short i = 0; i < BUFFERS; i++)
        io_uring_buf_ring_add(buffer_ring, buffers + i * BUFFER_SIZE, BUFFER_SIZE, i, BUFFERS - 1,
                              i);
    io_uring_buf_ring_advance(buffer_ring, BUFFERS);
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_option_new(&options);
    nghttp2_option_set_no_auto_window_update(options, 1);
    nghttp2_option_set_no_closed_streams(options, 1);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (argc != 2)
        errx(2, "usage: bench-bare PORT");
    address.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)); /* accepted inherit it */
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 4096))
        err(1, "127.0.0.1:%s", argv[1]);
    setup();
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, 0);
    io_uring_sqe_set_data(sqe, NULL);
    while (io_uring_submit_and_wait(&ring, 1) >= 0) {
        struct io_uring_cqe *cqe;
        unsigned at, seen = 0;
        io_uring_for_each_cqe (&ring, at, cqe) {
            on_completion(cqe);
            seen++;
        }
        io_uring_cq_advance(&ring, seen);
    }
    errx(1, "io_uring failed");
}
