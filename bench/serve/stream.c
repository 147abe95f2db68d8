/*
 * A client for streams that costs less than what it measures: requests are encoded once, replies
 * are only walked by their length prefixes. One call per connection. It is wrong, and says so, if a
 * count, a number of bytes or a status is not the one that the greeter must give.
 */
#include "pool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/param.h>
#include <time.h>
#include <unistd.h>

#define SERVICE "/org.apache.dubbo.samples.proto.Greeter/"

enum {
    PREFIX = 5,
    FRAME_SIZE = 16 << 10,
    OUT_MARK = 64 << 10,
    OUT_SIZE = 96 << 10,
    IN_SIZE = 256 << 10,
    CONNECTIONS_MAX = 1000,
    STALL_MS = 30000,
};

struct mode {
    const char *name, *path, *help;
    bool repeats; /* the request message is sent COUNT times, else once */
};

static const struct mode modes[] = {
    {"server-stream", SERVICE "serverStream", "one request \"count:N\", replies \"0\" to \"N-1\"",
     false},
    {"words", SERVICE "serverStream", "one request of N words \"w\", a reply \"w\" for each",
     false},
    {"client-stream", SERVICE "clientStream", "N requests \"w\", one reply \"w w ... \"", true},
    {"bidi", SERVICE "biStream", "N requests \"w\" without waiting, replies \"Hello, w!\"", true},
};

struct request {
    uint8_t *body; /* holds a frame more than a period, so that a frame is one copy from anywhere */
    size_t period, size;
    uint64_t replies, reply_bytes; /* what must come back, prefixes included */
};

struct connection {
    nghttp2_session *session;
    int fd;
    bool is_done, has_status;
    size_t sent;
    uint64_t messages, bytes, message_left;
    uint8_t prefix[PREFIX];
    size_t prefix_length;
    size_t out_length, out_sent;
    uint8_t out[OUT_SIZE];
};

static struct request request;
static uint8_t in[IN_SIZE];

static size_t varint_write(uint8_t *out, uint64_t value)
{
    size_t length = 0;
    for (; value >= 0x80; value >>= 7)
        out[length++] = (uint8_t)(value | 0x80);
    out[length++] = (uint8_t)value;
    return length;
}

/* A gRPC message that holds the protobuf message {1: text}. */
static uint8_t *message_new(const char *text, size_t length, size_t *size)
{
    uint8_t head[16] = {0x0a};
    size_t head_length = 1 + varint_write(head + 1, length);
    uint32_t payload = htonl((uint32_t)(head_length + length));
    *size = PREFIX + head_length + length;
    uint8_t *message = malloc(*size);
    if (!message)
        errx(1, "out of memory");
    message[0] = 0;
    memcpy(message + 1, &payload, sizeof(payload));
    memcpy(message + PREFIX, head, head_length);
    memcpy(message + PREFIX + head_length, text, length);
    return message;
}

/* How long the gRPC message of a reply with a text of that length is. */
static uint64_t reply_size(uint64_t text_length)
{
    uint8_t unused[10];
    return PREFIX + 1 + varint_write(unused, text_length) + text_length;
}

static void request_init(const struct mode *mode, uint64_t count)
{
    char *text = malloc(2 * count + sizeof("count:18446744073709551615"));
    size_t length = 1;
    if (!text)
        errx(1, "out of memory");
    strcpy(text, "w");
    request.replies = count;
    if (strcmp(mode->name, "server-stream") == 0) {
        length = (size_t)sprintf(text, "count:%llu", (unsigned long long)count);
        uint64_t digits = 1, from = 0, power = 10;
        for (; from < count; from = power, power *= 10, digits++)
            request.reply_bytes += (MIN(power, count) - from) * reply_size(digits);
    } else if (strcmp(mode->name, "words") == 0) {
        for (uint64_t i = 0; i < count; i++)
            memcpy(text + 2 * i, "w ", 2);
        length = 2 * count - 1;
        request.reply_bytes = count * reply_size(1);
    } else if (strcmp(mode->name, "client-stream") == 0) {
        request.replies = 1;
        request.reply_bytes = reply_size(2 * count);
    } else {
        request.reply_bytes = count * reply_size(strlen("Hello, w!"));
    }
    uint8_t *message = message_new(text, length, &request.period);
    request.size = mode->repeats ? request.period * count : request.period;
    request.body = malloc(request.period + FRAME_SIZE);
    if (!request.body)
        errx(1, "out of memory");
    for (size_t at = 0; at < request.period + FRAME_SIZE; at += request.period)
        memcpy(request.body + at, message, MIN(request.period, request.period + FRAME_SIZE - at));
    free(message);
    free(text);
}

static ssize_t on_read(nghttp2_session *session UNUSED, int32_t id UNUSED, uint8_t *out,
                       size_t room, uint32_t *flags, nghttp2_data_source *source, void *user UNUSED)
{
    struct connection *connection = source->ptr;
    size_t part = MIN(MIN(room, FRAME_SIZE), request.size - connection->sent);
    memcpy(out, request.body + connection->sent % request.period, part);
    connection->sent += part;
    if (connection->sent == request.size)
        *flags = NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)part;
}

static int on_data(nghttp2_session *session UNUSED, uint8_t flags UNUSED, int32_t id UNUSED,
                   const uint8_t *data, size_t size, void *user)
{
    struct connection *connection = user;
    connection->bytes += size;
    while (size > 0) {
        uint32_t length;
        if (connection->message_left > 0) {
            size_t part = MIN(size, connection->message_left);
            connection->message_left -= part;
            connection->messages += connection->message_left == 0;
            data += part;
            size -= part;
            continue;
        }
        if (connection->prefix_length == 0 && size >= PREFIX) {
            memcpy(&length, data + 1, sizeof(length));
            data += PREFIX;
            size -= PREFIX;
        } else {
            connection->prefix[connection->prefix_length++] = *data++;
            size--;
            if (connection->prefix_length < PREFIX)
                continue;
            memcpy(&length, connection->prefix + 1, sizeof(length));
            connection->prefix_length = 0;
        }
        connection->message_left = ntohl(length);
        connection->messages += length == 0;
    }
    return 0;
}

static int on_header(nghttp2_session *session UNUSED, const nghttp2_frame *frame UNUSED,
                     const uint8_t *name, size_t name_size, const uint8_t *value, size_t size,
                     uint8_t flags UNUSED, void *user)
{
    struct connection *connection = user;
    if (name_size != strlen("grpc-status") || memcmp(name, "grpc-status", name_size) != 0)
        return 0;
    connection->has_status = size == 1 && value[0] == '0';
    if (!connection->has_status)
        warnx("grpc-status %.*s", (int)size, (const char *)value);
    return 0;
}

static int on_close(nghttp2_session *session UNUSED, int32_t id UNUSED, uint32_t error, void *user)
{
    struct connection *connection = user;
    connection->is_done = true;
    if (error != 0)
        errx(1, "the stream was reset: %s", nghttp2_http2_strerror(error));
    return 0;
}

static void connection_init(struct connection *connection, const struct mode *mode, uint16_t port)
{
#define FIELD(name, text)                                                                          \
    {                                                                                              \
        (uint8_t *)(name), (uint8_t *)(text), strlen(name), strlen(text), 0                        \
    }
    const nghttp2_nv fields[] = {
        FIELD(":method", "POST"),   FIELD(":scheme", "http"),
        FIELD(":path", mode->path), FIELD(":authority", "127.0.0.1"),
        FIELD("te", "trailers"),    FIELD("content-type", "application/grpc"),
    };
    const nghttp2_settings_entry windows[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, INT32_MAX},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
    };
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    nghttp2_session_callbacks *callbacks;
    nghttp2_data_provider provider = {{.ptr = connection}, on_read};
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(connection->fd, (struct sockaddr *)&address, sizeof(address)))
        err(1, "127.0.0.1:%d", port);
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_client_new3(&connection->session, callbacks, connection, NULL, &pool);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, windows, 2);
    nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0, INT32_MAX);
    if (nghttp2_submit_request(connection->session, NULL, fields, 6, &provider, NULL) < 0)
        errx(1, "the request was not taken");
}

/* Whether there is more to write than the socket took. */
static bool connection_write(struct connection *connection)
{
    for (;;) {
        const uint8_t *frame;
        ssize_t size;
        while (connection->out_length < OUT_MARK &&
               (size = nghttp2_session_mem_send(connection->session, &frame)) > 0) {
            memcpy(connection->out + connection->out_length, frame, (size_t)size);
            connection->out_length += (size_t)size;
        }
        if (connection->out_length == 0)
            return false;
        size = send(connection->fd, connection->out + connection->out_sent,
                    connection->out_length - connection->out_sent, MSG_NOSIGNAL);
        if (size < 0 && errno == EAGAIN)
            return true;
        if (size < 0)
            err(1, "send");
        connection->out_sent += (size_t)size;
        if (connection->out_sent < connection->out_length)
            return true;
        connection->out_sent = connection->out_length = 0;
    }
}

static void connection_read(struct connection *connection)
{
    ssize_t size = recv(connection->fd, in, sizeof(in), 0);
    if (size < 0 && errno == EAGAIN)
        return;
    if (size < 0)
        err(1, "recv");
    if (size == 0 && !connection->is_done)
        errx(1, "the server closed the connection");
    ssize_t taken = nghttp2_session_mem_recv(connection->session, in, (size_t)size);
    if (taken < 0)
        errx(1, "HTTP/2: %s", nghttp2_strerror((int)taken));
}

static void connections_run(struct connection *connections, size_t count)
{
    static struct pollfd fds[CONNECTIONS_MAX];
    for (;;) {
        nfds_t open = 0;
        for (size_t i = 0; i < count; i++) {
            fds[i] = (struct pollfd){.fd = -1};
            if (connections[i].is_done)
                continue;
            bool is_full = connection_write(&connections[i]);
            fds[i].fd = connections[i].fd;
            fds[i].events = (short)(is_full ? POLLIN | POLLOUT : POLLIN);
            open++;
        }
        if (open == 0)
            return;
        if (poll(fds, count, STALL_MS) == 0)
            errx(1, "nothing came for %d s", STALL_MS / 1000);
        for (size_t i = 0; i < count; i++) {
            if (fds[i].revents & (POLLIN | POLLERR | POLLHUP))
                connection_read(&connections[i]);
        }
    }
}

static bool connection_check(const struct connection *connection)
{
    if (!connection->has_status)
        warnx("the call did not end with grpc-status 0");
    else if (connection->messages != request.replies || connection->bytes != request.reply_bytes)
        warnx("%llu messages in %llu bytes came, %llu in %llu were due",
              (unsigned long long)connection->messages, (unsigned long long)connection->bytes,
              (unsigned long long)request.replies, (unsigned long long)request.reply_bytes);
    else
        return true;
    return false;
}

static int usage(FILE *to)
{
    fputs("usage: bench-stream PORT MODE N [CONNECTIONS]\n"
          "One streaming call of the greeter on each connection (default 1) to 127.0.0.1:PORT.\n\n",
          to);
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        fprintf(to, "  %-14s %s\n", modes[i].name, modes[i].help);
    fputs("\nPrints the messages, the seconds and the bytes of DATA, of the streaming direction.\n"
          "Example: bench-stream 50051 server-stream 1000000\n",
          to);
    return to == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
    const struct mode *mode = NULL;
    struct timespec from, to;
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return usage(stdout);
    if (argc < 4 || argc > 5)
        return usage(stderr);
    long port = strtol(argv[1], NULL, 10);
    uint64_t count = strtoull(argv[3], NULL, 10);
    size_t connections_count = argc == 5 ? strtoul(argv[4], NULL, 10) : 1;
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        if (strcmp(argv[2], modes[i].name) == 0)
            mode = &modes[i];
    if (!mode || port < 1 || port > UINT16_MAX || count < 1 || count > 1000000000 ||
        connections_count < 1 || connections_count > CONNECTIONS_MAX)
        return usage(stderr);
    struct connection *connections = calloc(connections_count, sizeof(*connections));
    if (!connections)
        errx(1, "out of memory");
    request_init(mode, count);
    for (size_t i = 0; i < connections_count; i++)
        connection_init(&connections[i], mode, (uint16_t)port);
    clock_gettime(CLOCK_MONOTONIC, &from);
    connections_run(connections, connections_count);
    clock_gettime(CLOCK_MONOTONIC, &to);
    bool ok = true;
    for (size_t i = 0; i < connections_count; i++) {
        ok = connection_check(&connections[i]) && ok;
        nghttp2_session_del(connections[i].session);
        close(connections[i].fd);
    }
    printf("messages %llu seconds %.6f bytes %llu\n",
           (unsigned long long)(count * connections_count),
           (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec),
           (unsigned long long)(connections_count *
                                (mode->repeats ? request.size : request.reply_bytes)));
    free(connections);
    free(request.body);
    return ok ? 0 : 1;
}
