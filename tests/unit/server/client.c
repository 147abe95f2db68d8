#include "client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* What the server is given at most to answer, s. */
#define PATIENCE 30
#define WINDOW (16 * 1024 * 1024)

struct client {
    int fd;
    nghttp2_session *session;
    bool is_closed;
};

static void check(bool is_right, const char *what)
{
    if (is_right)
        return;
    fprintf(stderr, "client: %s\n", what);
    abort();
}

static struct client_call *call_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *context)
{
    struct client_call *call = call_of(session, frame->hd.stream_id);

    (void)name_size, (void)value_size, (void)flags, (void)context;
    if (call == NULL)
        return 0;
    if (strcmp((const char *)name, ":status") == 0)
        call->http_status = (int)strtol((const char *)value, NULL, 10);
    else if (strcmp((const char *)name, "grpc-status") == 0)
        call->status = (int)strtol((const char *)value, NULL, 10);
    else if (strcmp((const char *)name, "grpc-message") == 0)
        snprintf(call->message, sizeof(call->message), "%s", (const char *)value);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct client_call *call = call_of(session, frame->hd.stream_id);

    (void)context;
    if (call != NULL && frame->hd.type == NGHTTP2_HEADERS)
        call->has_headers = true;
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                   size_t size, void *context)
{
    struct client_call *call = call_of(session, id);

    (void)flags, (void)context;
    if (call == NULL)
        return 0;
    call->in = realloc(call->in, call->in_size + size + 1);
    check(call->in != NULL, "no memory");
    memcpy(call->in + call->in_size, bytes, size);
    call->in_size += size;
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *context)
{
    struct client_call *call = call_of(session, id);

    (void)context;
    if (call != NULL) {
        call->is_closed = true;
        call->error = error;
    }
    return 0;
}

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *out, size_t size,
                       uint32_t *flags, nghttp2_data_source *source, void *context)
{
    struct client_call *call = source->ptr;
    size_t piece = call->out_size < size ? call->out_size : size;

    (void)session, (void)id, (void)context;
    if (piece > 0) {
        memcpy(out, call->out, piece);
        memmove(call->out, call->out + piece, call->out_size - piece);
        call->out_size -= piece;
    }
    if (call->out_size == 0 && call->out_ended)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    else if (piece == 0)
        return NGHTTP2_ERR_DEFERRED;
    return (ssize_t)piece;
}

static void write_all(struct client *client)
{
    const uint8_t *bytes;
    ssize_t size;

    while ((size = nghttp2_session_mem_send(client->session, &bytes)) > 0) {
        while (size > 0 && !client->is_closed) {
            ssize_t sent = send(client->fd, bytes, (size_t)size, MSG_NOSIGNAL);

            if (sent <= 0) {
                client->is_closed = true;
                break;
            }
            bytes += sent;
            size -= sent;
        }
    }
}

static void read_some(struct client *client)
{
    uint8_t bytes[16384];
    ssize_t size;

    write_all(client);
    size = recv(client->fd, bytes, sizeof(bytes), 0);
    if (size <= 0) {
        client->is_closed = true;
        return;
    }
    check(nghttp2_session_mem_recv(client->session, bytes, (size_t)size) == size,
          "the server sent something that is no HTTP/2");
    write_all(client);
}

struct client *client_open(const char *address)
{
    struct client *client = calloc(1, sizeof(*client));
    const char *port = strrchr(address, ':');
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct timeval patience = {.tv_sec = PATIENCE};
    nghttp2_session_callbacks *callbacks;
    int one = 1;
    nghttp2_settings_entry settings = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW};

    check(client != NULL && port != NULL, "no address");
    name.sin_port = htons((uint16_t)strtol(port + 1, NULL, 10));
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    check(connect(client->fd, (const void *)&name, sizeof(name)) == 0, "cannot connect");
    check(nghttp2_session_callbacks_new(&callbacks) == 0, "no memory");
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    check(nghttp2_session_client_new(&client->session, callbacks, client) == 0, "no memory");
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, &settings, 1);
    nghttp2_session_set_local_window_size(client->session, NGHTTP2_FLAG_NONE, 0, WINDOW);
    write_all(client);
    return client;
}

void client_close(struct client *client)
{
    nghttp2_session_del(client->session);
    close(client->fd);
    free(client);
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .value = (uint8_t *)(uintptr_t)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value)};
}

void client_begin(struct client *client, struct client_call *call, const char *path,
                  const char *timeout)
{
    nghttp2_nv fields[] = {
        field(":method", "POST"),
        field(":scheme", "http"),
        field(":path", path),
        field(":authority", "test"),
        field("te", "trailers"),
        field("content-type", "application/grpc"),
        field("grpc-timeout", timeout != NULL ? timeout : ""),
    };
    size_t count = sizeof(fields) / sizeof(*fields) - (timeout == NULL);
    nghttp2_data_provider provider = {.source = {.ptr = call}, .read_callback = on_read};

    *call = (struct client_call){.http_status = -1, .status = -1};
    call->id = nghttp2_submit_request(client->session, NULL, fields, count, &provider, call);
    check(call->id > 0, "no request");
    write_all(client);
}

void client_end(struct client_call *call)
{
    free(call->out);
    free(call->in);
    call->out = NULL;
    call->in = NULL;
}

void client_send(struct client *client, struct client_call *call, const char *text, bool is_last)
{
    size_t length = strlen(text);
    size_t length_size = length < 128 ? 1 : 2;
    size_t size = 1 + length_size + length;
    uint8_t *at;

    check(length < 16384, "the text is too long");
    call->out = realloc(call->out, call->out_size + 5 + size);
    check(call->out != NULL, "no memory");
    at = call->out + call->out_size;
    *at++ = 0;
    for (int shift = 24; shift >= 0; shift -= 8)
        *at++ = (uint8_t)(size >> shift);
    *at++ = 0x0a;
    *at++ = (uint8_t)(length_size == 1 ? length : (length & 0x7f) | 0x80);
    if (length_size == 2)
        *at++ = (uint8_t)(length >> 7);
    memcpy(at, text, length);
    call->out_size += 5 + size;
    call->out_ended = is_last;
    nghttp2_session_resume_data(client->session, call->id);
    write_all(client);
}

void client_half_close(struct client *client, struct client_call *call)
{
    call->out_ended = true;
    nghttp2_session_resume_data(client->session, call->id);
    write_all(client);
}

void client_reset(struct client *client, struct client_call *call)
{
    nghttp2_submit_rst_stream(client->session, NGHTTP2_FLAG_NONE, call->id, NGHTTP2_CANCEL);
    write_all(client);
}

void client_finish(struct client *client, struct client_call *call)
{
    while (!call->is_closed && !client->is_closed)
        read_some(client);
}

void client_wait_replies(struct client *client, struct client_call *call, size_t count)
{
    while (client_replies(call) < count && !call->is_closed && !client->is_closed)
        read_some(client);
}

void client_wait_closed(struct client *client)
{
    while (!client->is_closed)
        read_some(client);
}

/* Where reply number `index` begins; NULL when it has not come as a whole. */
static const uint8_t *find(const struct client_call *call, size_t index, size_t *size)
{
    size_t at = 0;

    while (call->in_size - at >= 5) {
        const uint8_t *prefix = call->in + at;

        *size =
            (size_t)prefix[1] << 24 | (size_t)prefix[2] << 16 | (size_t)prefix[3] << 8 | prefix[4];
        if (call->in_size - at - 5 < *size)
            return NULL;
        if (index-- == 0)
            return prefix + 5;
        at += 5 + *size;
    }
    return NULL;
}

size_t client_replies(const struct client_call *call)
{
    size_t count = 0, size;

    while (call->in != NULL && find(call, count, &size) != NULL)
        count++;
    return count;
}

const char *client_reply(const struct client_call *call, size_t index, char *text, size_t size)
{
    size_t message_size;
    const uint8_t *message = call->in != NULL ? find(call, index, &message_size) : NULL;

    text[0] = '\0';
    if (message != NULL && message_size >= 2 && message[0] == 0x0a) {
        size_t skip = message[1] < 128 ? 2 : 3;
        size_t length = message_size - skip < size - 1 ? message_size - skip : size - 1;

        memcpy(text, message + skip, length);
        text[length] = '\0';
    }
    return text;
}

int client_unary(struct client *client, const char *path, const char *text, char *reply,
                 size_t reply_size)
{
    struct client_call call;
    int status;

    client_begin(client, &call, path, NULL);
    client_send(client, &call, text, true);
    client_finish(client, &call);
    client_reply(&call, 0, reply, reply_size);
    status = call.status;
    client_end(&call);
    return status;
}
