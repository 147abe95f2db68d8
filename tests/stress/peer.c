#include "peer.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WINDOW (16 << 20)
#define PREFIX 5
#define OUT_MARK ((size_t)64 << 10)
#define EVENTS 256
#define EXTRA_MAX 60

/* One thread uses one of these at a time. */
static _Thread_local uint8_t in_buffer[(size_t)64 << 10];
static _Thread_local uint8_t out_buffer[2 * OUT_MARK];

void die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vwarnx(format, arguments);
    va_end(arguments);
    exit(1);
}

double seconds_now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

void loop_init(struct loop *loop, uint16_t port)
{
    *loop = (struct loop){.epoll = epoll_create1(EPOLL_CLOEXEC), .port = port};
    if (loop->epoll < 0)
        err(1, "epoll_create1");
}

void loop_fini(struct loop *loop)
{
    close(loop->epoll);
}

static void end_call(struct peer_call *call, uint32_t error, bool is_lost)
{
    struct peer *peer = call->peer;

    if (call->is_over)
        return;
    call->is_over = true;
    call->is_lost = is_lost;
    call->error = error;
    free(call->out);
    call->out = NULL;
    TAILQ_REMOVE(&peer->calls, call, link);
    peer->open--;
    if (peer->on_end != NULL)
        peer->on_end(call);
}

static void disconnect(struct peer *peer)
{
    if (peer->fd < 0)
        return;
    close(peer->fd);
    peer->fd = -1;
    peer->loop->open--;
    while (!TAILQ_EMPTY(&peer->calls))
        end_call(TAILQ_FIRST(&peer->calls), 0, true);
}

void peer_close(struct peer *peer)
{
    disconnect(peer);
    nghttp2_session_del(peer->session);
    peer->session = NULL;
    free(peer->left);
    peer->left = NULL;
}

static void count_replies(struct peer_call *call, const uint8_t *data, size_t size)
{
    while (size > 0) {
        if (call->message_left > 0) {
            size_t part = size < call->message_left ? size : call->message_left;

            call->message_left -= (uint32_t)part;
            data += part;
            size -= part;
        } else {
            call->prefix[call->prefix_size++] = *data++;
            size--;
            if (call->prefix_size < PREFIX)
                continue;
            memcpy(&call->message_left, call->prefix + 1, sizeof(call->message_left));
            call->message_left = ntohl(call->message_left);
        }
        if (call->message_left > 0 || call->prefix_size < PREFIX)
            continue;
        call->prefix_size = 0;
        call->replies++;
        if (call->peer->on_reply != NULL)
            call->peer->on_reply(call);
    }
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t size, void *context)
{
    struct peer_call *call = nghttp2_session_get_stream_user_data(session, id);

    (void)flags, (void)context;
    if (call != NULL) {
        call->bytes += size;
        count_replies(call, data, size);
    }
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t size, uint8_t flags,
                     void *context)
{
    struct peer_call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

    (void)flags, (void)context, (void)size;
    if (call != NULL && name_size == strlen("grpc-status") &&
        memcmp(name, "grpc-status", name_size) == 0)
        call->status = (int)strtol((const char *)value, NULL, 10);
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *context)
{
    struct peer_call *call = nghttp2_session_get_stream_user_data(session, id);

    (void)context;
    if (call != NULL)
        end_call(call, error, false);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct peer *peer = context;

    (void)session;
    if (frame->hd.type != NGHTTP2_GOAWAY)
        return 0;
    peer->has_goaway = true;
    peer->goaway = frame->goaway.error_code;
    peer->goaway_last = frame->goaway.last_stream_id;
    return 0;
}

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *out, size_t room,
                       uint32_t *flags, nghttp2_data_source *source, void *context)
{
    struct peer_call *call = source->ptr;
    size_t part = call->out_size - call->out_at;

    (void)session, (void)id, (void)context;
    if (part > room)
        part = room;
    if (part > 0)
        memcpy(out, call->out + call->out_at, part);
    call->out_at += part;
    if (call->out_at == call->out_size) {
        free(call->out);
        call->out = NULL;
        call->out_size = call->out_at = 0;
        if (call->out_ended)
            *flags |= NGHTTP2_DATA_FLAG_EOF;
        else if (part == 0)
            return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)part;
}

static void start_session(struct peer *peer)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
         peer->options.has_window ? peer->options.window : WINDOW},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
    };

    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        die("no memory");
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    if (nghttp2_session_client_new(&peer->session, callbacks, peer) != 0)
        die("no memory");
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(peer->session, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(peer->session, NGHTTP2_FLAG_NONE, 0, WINDOW);
}

static void set_events(struct peer *peer, int operation)
{
    struct epoll_event event = {.data = {.ptr = peer}};

    event.events = (peer->options.is_mute ? 0u : (uint32_t)EPOLLIN) |
                   (peer->is_stuck ? (uint32_t)EPOLLOUT : 0u);
    if (epoll_ctl(peer->loop->epoll, operation, peer->fd, &event) < 0)
        err(1, "epoll_ctl");
}

bool peer_open(struct peer *peer, struct loop *loop, const struct peer_options *options)
{
    struct sockaddr_in name = {
        .sin_family = AF_INET, .sin_port = htons(loop->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int one = 1;

    *peer = (struct peer){.loop = loop};
    if (options != NULL)
        peer->options = *options;
    TAILQ_INIT(&peer->calls);
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peer->fd < 0)
        err(1, "socket");
    if (peer->options.receive_buffer > 0)
        setsockopt(peer->fd, SOL_SOCKET, SO_RCVBUF, &peer->options.receive_buffer, sizeof(int));
    if (peer->options.send_buffer > 0)
        setsockopt(peer->fd, SOL_SOCKET, SO_SNDBUF, &peer->options.send_buffer, sizeof(int));
    if (connect(peer->fd, (const struct sockaddr *)&name, sizeof(name)) < 0) {
        close(peer->fd);
        peer->fd = -1;
        return false;
    }
    setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    fcntl(peer->fd, F_SETFL, O_NONBLOCK);
    start_session(peer);
    loop->open++;
    set_events(peer, EPOLL_CTL_ADD);
    peer_flush(peer);
    return true;
}

/* Keeps what the socket did not take. */
static void keep(struct peer *peer, const uint8_t *bytes, size_t size)
{
    uint8_t *left = malloc(size);

    if (left == NULL)
        die("no memory");
    memcpy(left, bytes, size);
    free(peer->left);
    peer->left = left;
    peer->left_size = size;
    peer->left_at = 0;
}

/* Returns: how much of it went out; on an error the peer is closed. */
static size_t write_some(struct peer *peer, const uint8_t *bytes, size_t size)
{
    size_t at = 0;

    while (at < size && peer->fd >= 0) {
        ssize_t sent = send(peer->fd, bytes + at, size - at, MSG_NOSIGNAL);

        if (sent < 0 && errno == EAGAIN)
            break;
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0) {
            /* What the server has said last is still to be read. */
            if (peer->options.is_mute)
                disconnect(peer);
            return size;
        }
        at += (size_t)sent;
        peer->bytes_out += (uint64_t)sent;
    }
    return at;
}

static void note_stuck(struct peer *peer, bool is_stuck)
{
    if (peer->fd < 0 || peer->is_stuck == is_stuck)
        return;
    peer->is_stuck = is_stuck;
    set_events(peer, EPOLL_CTL_MOD);
}

void peer_listen(struct peer *peer)
{
    peer->options.is_mute = false;
    if (peer->fd >= 0)
        set_events(peer, EPOLL_CTL_MOD);
}

static bool write_left(struct peer *peer)
{
    if (peer->left == NULL)
        return true;
    peer->left_at += write_some(peer, peer->left + peer->left_at, peer->left_size - peer->left_at);
    if (peer->left_at < peer->left_size)
        return false;
    free(peer->left);
    peer->left = NULL;
    return true;
}

void peer_flush(struct peer *peer)
{
    while (peer->fd >= 0 && write_left(peer)) {
        const uint8_t *frame;
        size_t filled = 0;
        ssize_t size = 0;

        while (filled < OUT_MARK && (size = nghttp2_session_mem_send(peer->session, &frame)) > 0) {
            memcpy(out_buffer + filled, frame, (size_t)size);
            filled += (size_t)size;
        }
        if (size < 0)
            die("HTTP/2: %s", nghttp2_strerror((int)size));
        if (filled == 0) {
            note_stuck(peer, false);
            return;
        }
        size_t sent = write_some(peer, out_buffer, filled);

        if (sent < filled)
            keep(peer, out_buffer + sent, filled - sent);
    }
    note_stuck(peer, true);
}

void peer_write_raw(struct peer *peer, const void *bytes, size_t size)
{
    size_t sent = 0;

    peer_flush(peer);
    if (peer->fd < 0)
        return;
    if (peer->left != NULL)
        die("the server has stopped reading");
    sent = write_some(peer, bytes, size);
    if (sent < size) {
        keep(peer, (const uint8_t *)bytes + sent, size - sent);
        note_stuck(peer, true);
    }
}

static void peer_read(struct peer *peer)
{
    ssize_t size = recv(peer->fd, in_buffer, sizeof(in_buffer), 0);

    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0) {
        disconnect(peer);
        return;
    }
    ssize_t taken = nghttp2_session_mem_recv(peer->session, in_buffer, (size_t)size);

    if (taken < 0)
        die("HTTP/2: %s", nghttp2_strerror((int)taken));
}

void loop_turn(struct loop *loop, int wait_ms)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(loop->epoll, events, EVENTS, wait_ms);

    for (int i = 0; i < count; i++) {
        struct peer *peer = events[i].data.ptr;

        if (peer->fd >= 0 && (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0)
            peer_read(peer);
        if (peer->fd >= 0)
            peer_flush(peer);
    }
}

bool loop_until(struct loop *loop, const size_t *count, size_t wanted, double seconds)
{
    double end = seconds_now() + seconds;

    while (*count != wanted && seconds_now() < end)
        loop_turn(loop, 20);
    return *count == wanted;
}

bool peer_begin(struct peer *peer, struct peer_call *call, const char *path, const char *timeout)
{
#define FIELD(name, text)                                                                          \
    {(uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(text), strlen(name), strlen(text), 0}
    nghttp2_nv fields[7 + EXTRA_MAX] = {
        FIELD(":method", "POST"),
        FIELD(":scheme", "http"),
        FIELD(":path", path),
        FIELD(":authority", "127.0.0.1"),
        FIELD("te", "trailers"),
        FIELD("content-type", "application/grpc"),
        FIELD("grpc-timeout", timeout != NULL ? timeout : ""),
    };
    size_t count = timeout != NULL ? 7 : 6;
    nghttp2_data_provider provider = {.source = {.ptr = call}, .read_callback = on_read};

    *call = (struct peer_call){.peer = peer, .user = call->user, .status = -1};
    if (peer->fd < 0)
        return false;
    for (size_t i = 0; i < peer->extra_count && i < EXTRA_MAX; i++)
        fields[count++] = peer->extra[i];
    call->id = nghttp2_submit_request(peer->session, NULL, fields, count, &provider, call);
    if (call->id < 0)
        return false;
    TAILQ_INSERT_TAIL(&peer->calls, call, link);
    peer->open++;
    return true;
}

void peer_send_bytes(struct peer_call *call, const void *bytes, size_t size, bool is_last)
{
    if (call->is_over)
        return;
    uint8_t *out = malloc(call->out_size - call->out_at + size + 1);

    if (out == NULL)
        die("no memory");
    if (call->out != NULL)
        memcpy(out, call->out + call->out_at, call->out_size - call->out_at);
    memcpy(out + call->out_size - call->out_at, bytes, size);
    free(call->out);
    call->out = out;
    call->out_size = call->out_size - call->out_at + size;
    call->out_at = 0;
    call->out_ended = is_last;
    nghttp2_session_resume_data(call->peer->session, call->id);
}

void peer_send(struct peer_call *call, const void *message, size_t size, bool is_last)
{
    uint8_t prefix[PREFIX] = {0};
    uint32_t length = htonl((uint32_t)size);

    memcpy(prefix + 1, &length, sizeof(length));
    peer_send_bytes(call, prefix, sizeof(prefix), false);
    peer_send_bytes(call, message, size, is_last);
}

void peer_end_requests(struct peer_call *call)
{
    if (call->is_over)
        return;
    call->out_ended = true;
    nghttp2_session_resume_data(call->peer->session, call->id);
}

void peer_reset(struct peer_call *call)
{
    if (!call->is_over)
        nghttp2_submit_rst_stream(call->peer->session, NGHTTP2_FLAG_NONE, call->id, NGHTTP2_CANCEL);
}

size_t text_message(uint8_t *out, const char *text)
{
    size_t length = strlen(text);

    if (length > 127)
        die("the text is too long");
    out[0] = 0x0a;
    out[1] = (uint8_t)length;
    memcpy(out + 2, text, length);
    return length + 2;
}
