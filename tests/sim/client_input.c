/*
 * What a peer receives: each frame is taken apart and checked against what the server may send.
 */
#include <stdlib.h>
#include <string.h>

#include "client.h"

#define FRAME_MAX 16384

static uint32_t get32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static struct stream *find(struct client *client, uint32_t id)
{
    for (uint32_t i = client->streams_count; i-- > 0;) {
        if ((uint32_t)client->streams[i]->id == id)
            return client->streams[i];
    }
    return NULL;
}

static void end_stream(struct client *client, struct stream *stream, int code)
{
    stream->has_ended = true;
    if (stream->is_over)
        return;
    stream->is_over = true;
    client->open--;
    call_ended(stream->call, code);
}

void client_lost(struct client *client)
{
    for (uint32_t i = 0; i < client->streams_count; i++)
        end_stream(client, client->streams[i], -1);
}

static bool is_name(const nghttp2_nv *field, const char *name)
{
    return field->namelen == strlen(name) && memcmp(field->name, name, field->namelen) == 0;
}

static int number_of(const nghttp2_nv *field)
{
    int number = 0;

    expect_that(field->valuelen > 0 && field->valuelen < 9, "a number in a header has %zu digits",
                field->valuelen);
    for (size_t i = 0; i < field->valuelen; i++) {
        expect_that(field->value[i] >= '0' && field->value[i] <= '9', "a header is no number");
        number = number * 10 + (field->value[i] - '0');
    }
    return number;
}

static void take_field(const struct client *client, struct stream *stream, const nghttp2_nv *field)
{
    if (stream == NULL || client->is_wild)
        return;
    uint32_t id = stream->call->id;

    if (is_name(field, ":status")) {
        expect_that(!stream->has_headers, "call %u got two response headers", id);
        stream->has_headers = true;
        expect_that(number_of(field) == 200, "call %u: HTTP status %d", id, number_of(field));
    } else if (is_name(field, "grpc-status")) {
        expect_that(!stream->has_status, "call %u got two statuses", id);
        stream->has_status = true;
        stream->grpc_status = number_of(field);
    } else if (is_name(field, "grpc-message") && stream->grpc_status == TRI_ABORTED) {
        expect_that(field->valuelen > 5 && memcmp(field->value, "stop ", 3) == 0,
                    "call %u: another message", id);
    } else if (is_name(field, "x-sim")) {
        expect_that(number_of(field) == (int)id, "call %u got a header of call %d", id,
                    number_of(field));
        stream->said_sim = true;
    } else if (is_name(field, "x-end")) {
        expect_that(number_of(field) == (int)id, "call %u got a trailer of call %d", id,
                    number_of(field));
        stream->said_end = true;
    }
}

static void check_end(const struct client *client, const struct stream *stream)
{
    const struct call *call = stream->call;

    expect_that(client->is_wild || stream->has_status, "call %u ended without a status", call->id);
    expect_that(client->is_wild || stream->is_over || bytes_left(&stream->reply) == 0,
                "call %u ended with %d within a message", call->id, stream->grpc_status);
    if (call->twist == TWIST_HEADERS && stream->grpc_status == TRI_OK && call->replies > 0 &&
        !world.has_failed_memory)
        expect_that(stream->said_sim && stream->said_end, "call %u lost metadata", call->id);
}

static void on_block(struct client *client)
{
    struct stream *stream = find(client, (uint32_t)client->block_id);
    const uint8_t *at = client->block.data + client->block.at;
    size_t left = bytes_left(&client->block);

    expect_that(stream == NULL || !stream->has_ended, "headers for a stream that has ended");
    for (;;) {
        nghttp2_nv field;
        int flags = 0;
        ssize_t taken = nghttp2_hd_inflate_hd2(client->inflater, &field, &flags, at, left, 1);

        expect_that(taken >= 0, "the server's header block is broken: %s",
                    nghttp2_strerror((int)taken));
        at += taken;
        left -= (size_t)taken;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0)
            take_field(client, stream, &field);
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0)
            break;
        expect_that(left > 0 || (flags & NGHTTP2_HD_INFLATE_EMIT) != 0, "a header block is cut");
    }
    nghttp2_hd_inflate_end_headers(client->inflater);
    bytes_drop(&client->block, bytes_left(&client->block));
    client->block_id = 0;
    if (stream == NULL || (client->block_flags & FLAG_END_STREAM) == 0)
        return;
    check_end(client, stream);
    end_stream(client, stream, stream->grpc_status);
}

static void on_headers(struct client *client, uint8_t flags, uint32_t id, const uint8_t *payload,
                       size_t size)
{
    expect_that(client->block_id == 0, "headers within headers");
    client->block_id = (int32_t)id;
    client->block_flags = flags;
    bytes_add(&client->block, payload, size);
    if ((flags & FLAG_END_HEADERS) != 0)
        on_block(client);
}

static void take_replies(struct stream *stream)
{
    while (bytes_left(&stream->reply) >= 5) {
        const uint8_t *at = stream->reply.data + stream->reply.at;
        size_t size = get32(at + 1);

        expect_that(at[0] == 0, "call %u: a reply's flag byte is %u", stream->call->id, at[0]);
        expect_that(size <= NOTE_MAX, "call %u: a reply of %zu bytes", stream->call->id, size);
        if (bytes_left(&stream->reply) < 5 + size)
            return;
        call_check_reply(stream->call, at + 5, size);
        bytes_drop(&stream->reply, 5 + size);
    }
}

static void on_data(struct client *client, uint8_t flags, uint32_t id, const uint8_t *payload,
                    size_t size)
{
    struct stream *stream = find(client, id);

    client->recv_window -= (int64_t)size;
    client->due += (uint32_t)size;
    expect_that(client->is_wild || client->recv_window >= 0,
                "the server sent %lld bytes beyond the connection's window",
                (long long)-client->recv_window);
    if (client->is_wild)
        return;
    expect_that(stream != NULL, "data for a stream that never was");
    expect_that(!stream->has_ended, "call %u: data after the end", stream->call->id);
    stream->recv_window -= (int64_t)size;
    stream->due += (uint32_t)size;
    expect_that(stream->recv_window >= 0 || size == 0,
                "call %u: the server sent %lld bytes beyond the stream's window", stream->call->id,
                (long long)-stream->recv_window);
    expect_that((flags & FLAG_END_STREAM) == 0, "call %u ended without trailers", stream->call->id);
    if (stream->is_over)
        return;
    expect_that(stream->has_headers, "call %u: data before headers", stream->call->id);
    bytes_add(&stream->reply, payload, size);
    take_replies(stream);
}

static void on_reset(struct client *client, uint32_t id, uint32_t code)
{
    struct stream *stream = find(client, id);

    if (client->is_wild)
        return;
    expect_that(stream != NULL, "a reset of a stream that never was");
    if (code == NGHTTP2_REFUSED_STREAM && !stream->is_over) {
        hit(FAULT_STREAM_REFUSED);
        expect_that(stream->call->started == 0, "call %u was refused but has a handler",
                    stream->call->id);
    }
    note("server resets", id, code);
    end_stream(client, stream, -1);
    stream->is_half_closed = true;
}

static void on_settings(struct client *client, uint8_t flags, const uint8_t *payload, size_t size)
{
    if ((flags & FLAG_ACK) != 0) {
        client->settings_acked++;
        expect_that(client->is_wild || client->settings_acked <= client->settings_sent,
                    "an ACK of settings that were never sent");
        for (uint32_t i = 0; i < client->streams_count; i++) {
            client->streams[i]->recv_window += client->streams[i]->later;
            client->streams[i]->later = 0;
        }
        return;
    }
    expect_that(size % 6 == 0, "settings of %zu bytes", size);
    for (size_t at = 0; at < size; at += 6) {
        uint32_t value = get32(payload + at + 2);

        if (payload[at + 1] == NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE) {
            int64_t change = (int64_t)value - client->initial_send;

            client->initial_send = value;
            for (uint32_t i = 0; i < client->streams_count; i++)
                client->streams[i]->send_window += change;
        } else if (payload[at + 1] == NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS) {
            client->server_streams_max = value;
        }
    }
    client->has_server_settings = true;
    client_frame(client, FRAME_SETTINGS, FLAG_ACK, 0, NULL, 0);
}

static void on_goaway(struct client *client, const uint8_t *payload)
{
    int32_t last = (int32_t)(get32(payload) & 0x7fffffff);

    expect_that(last <= client->goaway_last, "a GOAWAY takes streams back in");
    client->has_goaway = true;
    client->goaway_last = last;
    client->goaway_code = get32(payload + 4);
    note("goaway", (uint64_t)last, client->goaway_code);
    expect_that(client->is_wild || !world.profile.is_strict || client->goaway_code == 0,
                "a well-behaved peer is sent away with error %u", client->goaway_code);
    for (uint32_t i = 0; i < client->streams_count; i++) {
        struct stream *stream = client->streams[i];

        if (stream->id > last && !stream->is_over) {
            expect_that(stream->call->started == 0, "call %u is disowned but has a handler",
                        stream->call->id);
            end_stream(client, stream, -1);
        }
    }
}

/* What the server lets us send is what it can hold, and a message that is larger, but no more. */
static void check_credit(const struct client *client, const struct stream *stream)
{
    int64_t window = client->initial_send;
    int64_t message = (int64_t)stream->call->request_size + 40;

    expect_that(stream->send_window <= window + (message > window ? message : 0),
                "call %u: the server gives credit twice: %lld bytes may be sent", stream->call->id,
                (long long)stream->send_window);
}

static void on_window_update(struct client *client, uint32_t id, uint32_t size)
{
    struct stream *stream = find(client, id);

    expect_that(size > 0, "a window update of 0");
    if (id == 0)
        client->send_window += size;
    else if (stream != NULL)
        stream->send_window += size;
    if (client->is_wild)
        return;
    expect_that(client->send_window <= world.connection_window,
                "the connection's window is %lld; %u is configured", (long long)client->send_window,
                world.connection_window);
    if (stream != NULL)
        check_credit(client, stream);
}

static void on_frame(struct client *client, const uint8_t *header, const uint8_t *payload,
                     size_t size)
{
    uint8_t flags = header[4];
    uint32_t id = get32(header + 5);

    expect_that(client->block_id == 0 || header[3] == FRAME_CONTINUATION, "frame %u within headers",
                header[3]);
    switch (header[3]) {
    case FRAME_DATA:
        on_data(client, flags, id, payload, size);
        break;
    case FRAME_HEADERS:
        on_headers(client, flags, id, payload, size);
        break;
    case FRAME_CONTINUATION:
        expect_that(client->block_id == (int32_t)id, "a continuation of nothing");
        bytes_add(&client->block, payload, size);
        if ((flags & FLAG_END_HEADERS) != 0)
            on_block(client);
        break;
    case FRAME_RST_STREAM:
        expect_that(size == 4, "a reset of %zu bytes", size);
        on_reset(client, id, get32(payload));
        break;
    case FRAME_SETTINGS:
        on_settings(client, flags, payload, size);
        break;
    case FRAME_PING:
        expect_that(size == 8, "a ping of %zu bytes", size);
        if ((flags & FLAG_ACK) == 0)
            client_frame(client, FRAME_PING, FLAG_ACK, 0, payload, size);
        else
            client->pings_acked++;
        expect_that(client->is_wild || client->pings_acked <= client->pings_sent,
                    "an ACK of a ping that was never sent");
        break;
    case FRAME_GOAWAY:
        expect_that(size >= 8, "a GOAWAY of %zu bytes", size);
        on_goaway(client, payload);
        break;
    case FRAME_WINDOW_UPDATE:
        expect_that(size == 4, "a window update of %zu bytes", size);
        on_window_update(client, id, get32(payload) & 0x7fffffff);
        break;
    default:
        fail("the server sent a frame of type %u", header[3]);
    }
}

void client_feed(struct client *client, const uint8_t *bytes, size_t size)
{
    bytes_add(&client->in, bytes, size);
    while (bytes_left(&client->in) >= 9) {
        const uint8_t *header = client->in.data + client->in.at;
        size_t length = (size_t)header[0] << 16 | (size_t)header[1] << 8 | header[2];

        expect_that(length <= FRAME_MAX, "the server sent a frame of %zu bytes", length);
        if (bytes_left(&client->in) < 9 + length)
            return;
        on_frame(client, header, header + 9, length);
        bytes_drop(&client->in, 9 + length);
    }
}
