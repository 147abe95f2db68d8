/*
 * What a peer sends.
 */
#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_MAX 16384

void bytes_add(struct bytes *bytes, const void *data, size_t size)
{
    if (bytes->at == bytes->size)
        bytes->at = bytes->size = 0;
    if (bytes->capacity - bytes->size < size) {
        bytes->capacity = (bytes->size + size) * 2;
        bytes->data = realloc(bytes->data, bytes->capacity);
        expect_that(bytes->data != NULL, "the machine itself has no memory");
    }
    if (size > 0 && data != NULL)
        memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
}

void bytes_drop(struct bytes *bytes, size_t size)
{
    bytes->at += size;
    if (bytes->at == bytes->size)
        bytes->at = bytes->size = 0;
}

void client_init(struct client *client, struct conn *conn, uint32_t initial_window)
{
    *client = (struct client){.conn = conn,
                              .next_id = 1,
                              .send_window = 65535,
                              .recv_window = 65535,
                              .initial_send = 65535,
                              .initial_recv = initial_window,
                              .server_streams_max = 100,
                              .goaway_last = INT32_MAX};
    nghttp2_hd_deflate_new(&client->deflater, 4096);
    nghttp2_hd_inflate_new(&client->inflater);
}

void client_fini(struct client *client)
{
    if (client->deflater == NULL)
        return;
    nghttp2_hd_deflate_del(client->deflater);
    nghttp2_hd_inflate_del(client->inflater);
    for (uint32_t i = 0; i < client->streams_count; i++) {
        free(client->streams[i]->request.data);
        free(client->streams[i]->reply.data);
        free(client->streams[i]);
    }
    free(client->out.data);
    free(client->in.data);
    free(client->block.data);
    *client = (struct client){0};
}

static void put32(uint8_t *out, uint32_t value)
{
    out[0] = (uint8_t)(value >> 24);
    out[1] = (uint8_t)(value >> 16);
    out[2] = (uint8_t)(value >> 8);
    out[3] = (uint8_t)value;
}

void client_frame(struct client *client, uint8_t type, uint8_t flags, uint32_t id,
                  const void *payload, size_t size)
{
    uint8_t header[9] = {(uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size, type, flags};

    put32(header + 5, id);
    bytes_add(&client->out, header, sizeof(header));
    bytes_add(&client->out, payload, size);
}

void client_preface(struct client *client)
{
    uint8_t entries[12] = {0, 4, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0};

    bytes_add(&client->out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    put32(entries + 2, client->initial_recv);
    client_frame(client, FRAME_SETTINGS, 0, 0, entries, sizeof(entries));
    client->settings_sent++;
    if (client->initial_recv == 0)
        hit(FAULT_ZERO_WINDOW);
}

void client_settings(struct client *client, uint16_t key, uint32_t value)
{
    uint8_t entry[6] = {(uint8_t)(key >> 8), (uint8_t)key};

    put32(entry + 2, value);
    client_frame(client, FRAME_SETTINGS, 0, 0, entry, sizeof(entry));
    client->settings_sent++;
}

/* More may be used at once; less only holds from the server's ACK on. */
void client_change_window(struct client *client, uint32_t initial)
{
    int64_t change = (int64_t)initial - client->initial_recv;

    if (client->settings_acked != client->settings_sent)
        return;
    hit(FAULT_SETTINGS_CHANGED);
    client_settings(client, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, initial);
    client->initial_recv = initial;
    for (uint32_t i = 0; i < client->streams_count; i++) {
        struct stream *stream = client->streams[i];

        if (change > 0)
            stream->recv_window += change;
        else
            stream->later += change;
    }
}

void client_credit(struct client *client, struct stream *stream, uint32_t size)
{
    uint8_t payload[4];

    put32(payload, size);
    if (stream != NULL)
        stream->recv_window += size;
    else
        client->recv_window += size;
    client_frame(client, FRAME_WINDOW_UPDATE, 0, stream != NULL ? (uint32_t)stream->id : 0, payload,
                 sizeof(payload));
}

#define FIELD(name, value)                                                                         \
    ((nghttp2_nv){(uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), strlen(name),       \
                  strlen(value), NGHTTP2_NV_FLAG_NONE})

void client_headers(struct client *client, uint32_t id, uint8_t flags, const char *path,
                    const char *call_id, uint64_t timeout, uint32_t extra_fields)
{
    static uint8_t block[300000];
    static nghttp2_nv fields[400];
    char timeout_text[24];
    size_t count = 0;

    fields[count++] = FIELD(":method", "POST");
    fields[count++] = FIELD(":scheme", "http");
    fields[count++] = FIELD(":path", path);
    fields[count++] = FIELD(":authority", "sim");
    fields[count++] = FIELD("te", "trailers");
    fields[count++] = FIELD("content-type", "application/grpc");
    fields[count++] = FIELD("x-call", call_id);
    if (timeout != 0) {
        snprintf(timeout_text, sizeof(timeout_text), "%lluu", (unsigned long long)(timeout / US));
        fields[count++] = FIELD("grpc-timeout", timeout_text);
    }
    for (uint32_t i = 0; i < extra_fields && count < 400; i++)
        fields[count++] = FIELD("x-extra", "0123456789012345678901234567890123456789");
    ssize_t size = nghttp2_hd_deflate_hd(client->deflater, block, sizeof(block), fields, count);

    expect_that(size > 0, "a header block could not be coded");
    /* Cut into frames at any place. */
    size_t at = 0;
    bool is_first = true;

    do {
        size_t piece = (size_t)size - at;

        if (piece > FRAME_MAX)
            piece = FRAME_MAX;
        if (piece > 1 && chance(12))
            piece = between(1, (uint32_t)piece);
        bool is_last = at + piece == (size_t)size;

        client_frame(client, is_first ? FRAME_HEADERS : FRAME_CONTINUATION,
                     (uint8_t)((is_first ? flags : 0) | (is_last ? FLAG_END_HEADERS : 0)), id,
                     block + at, piece);
        at += piece;
        is_first = false;
    } while (at < (size_t)size);
}

struct stream *client_open(struct client *client, struct call *call)
{
    static const char *const methods[CALL_KINDS] = {"Unary", "Collect", "Count", "Chat"};
    struct stream *stream = calloc(1, sizeof(*stream));
    char path[40];
    char id[16];

    expect_that(stream != NULL && client->streams_count < STREAMS_MAX, "too many streams");
    stream->id = client->next_id;
    stream->call = call;
    stream->send_window = client->initial_send;
    stream->recv_window = client->initial_recv;
    client->next_id += 2;
    client->streams[client->streams_count++] = stream;
    client->open++;
    snprintf(path, sizeof(path), "/sim.%s/%s", call->is_inline ? "Inline" : "Workers",
             methods[call->kind]);
    snprintf(id, sizeof(id), "%u", call->id);
    stream->is_half_closed = call->requests == 0 && chance(2);
    client_headers(client, (uint32_t)stream->id, stream->is_half_closed ? FLAG_END_STREAM : 0, path,
                   id, call->timeout, 0);
    note("opens call", call->id, (uint64_t)call->kind);
    return stream;
}

bool client_send_piece(struct client *client, struct stream *stream)
{
    static uint8_t message[NOTE_MAX];
    const struct call *call = stream->call;

    if (stream->is_half_closed || stream->is_over)
        return false;
    if (bytes_left(&stream->request) == 0 && stream->requests_sent < call->requests) {
        bytes_add(&stream->request, message,
                  call_encode_request(call, stream->requests_sent++, message));
        /* Several in one frame, now and then. */
        while (stream->requests_sent < call->requests && call->request_size < 1000 && chance(3))
            bytes_add(&stream->request, message,
                      call_encode_request(call, stream->requests_sent++, message));
    }
    size_t left = bytes_left(&stream->request);
    size_t piece = left < FRAME_MAX ? left : FRAME_MAX;

    if ((int64_t)piece > stream->send_window)
        piece = stream->send_window > 0 ? (size_t)stream->send_window : 0;
    if ((int64_t)piece > client->send_window)
        piece = client->send_window > 0 ? (size_t)client->send_window : 0;
    if (piece > 1 && chance(4))
        piece = chance(4) && piece > 10 ? between(1, 10) : between(1, (uint32_t)piece);
    bool is_end =
        piece == left && stream->requests_sent == call->requests && (left == 0 || chance(2));

    if (piece == 0 && !is_end)
        return false;
    client_frame(client, FRAME_DATA, is_end ? FLAG_END_STREAM : 0, (uint32_t)stream->id,
                 stream->request.data != NULL ? stream->request.data + stream->request.at : NULL,
                 piece);
    bytes_drop(&stream->request, piece);
    stream->send_window -= (int64_t)piece;
    client->send_window -= (int64_t)piece;
    stream->is_half_closed = is_end;
    return true;
}

void client_cancel(struct client *client, struct stream *stream, uint32_t code)
{
    uint8_t payload[4];

    put32(payload, code);
    client_frame(client, FRAME_RST_STREAM, 0, (uint32_t)stream->id, payload, sizeof(payload));
    stream->is_over = true;
    client->open--;
    stream->call->was_cancelled = true;
    hit(FAULT_CANCELLED);
    call_ended(stream->call, -1);
}
