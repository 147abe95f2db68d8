/*
 * For the session's fuzz target: a plain reader of HTTP/2 frames for either direction. What the
 * peer sends tells how much it lets us send; what we send is checked frame by frame.
 */
#ifndef SESSION_WIRE_H
#define SESSION_WIRE_H

#include <stdbool.h>

#include "fuzz.h"

#define WIRE_STREAMS 512 /* that are told apart; by half their id */
#define WIRE_FRAME_MAX 16384

enum {
    WIRE_DATA,
    WIRE_HEADERS,
    WIRE_PRIORITY,
    WIRE_RST_STREAM,
    WIRE_SETTINGS,
    WIRE_PUSH_PROMISE,
    WIRE_PING,
    WIRE_GOAWAY,
    WIRE_WINDOW_UPDATE,
    WIRE_CONTINUATION
};

#define WIRE_END_STREAM 1
#define WIRE_END_HEADERS 4
#define WIRE_ACK 1

struct wire_reader {
    uint8_t header[9], header_size;
    uint8_t payload[64]; /* its first bytes */
    uint32_t size, at, to_skip;
};

struct wire_frame {
    uint8_t type, flags;
    uint32_t stream, size;
    const uint8_t *payload; /* at most 64 bytes of it */
};

static inline uint32_t wire_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static inline size_t wire_least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline void wire_read(struct wire_reader *reader, const uint8_t *bytes, size_t size,
                             void (*got)(const struct wire_frame *frame))
{
    size_t at = wire_least(reader->to_skip, size);

    reader->to_skip -= (uint32_t)at;
    while (at < size) {
        if (reader->header_size < 9) {
            reader->header[reader->header_size++] = bytes[at++];
            reader->size = wire_u32(reader->header) >> 8;
            reader->at = 0;
        }
        if (reader->header_size < 9)
            continue;
        size_t piece = wire_least(reader->size - reader->at, size - at);

        if (piece > 0 && reader->at < sizeof(reader->payload))
            memcpy(reader->payload + reader->at, bytes + at,
                   wire_least(piece, sizeof(reader->payload) - reader->at));
        reader->at += (uint32_t)piece;
        at += piece;
        if (reader->at < reader->size)
            continue;
        struct wire_frame frame = {
            .type = reader->header[3],
            .flags = reader->header[4],
            .stream = wire_u32(reader->header + 5) & 0x7fffffff,
            .size = reader->size,
            .payload = reader->payload,
        };

        reader->header_size = 0;
        got(&frame);
    }
}

/* Of one session: what it was allowed to send, and has sent. */
static struct {
    struct wire_reader in, out;
    uint64_t window, stream_window; /* credit of the connection; of any stream at first */
    uint64_t updates[WIRE_STREAMS]; /* credit of a stream beyond that */
    uint64_t data, stream_data[WIRE_STREAMS];
    uint8_t responses[WIRE_STREAMS]; /* header blocks that were sent */
    bool is_over[WIRE_STREAMS];      /* by END_STREAM or a reset of ours */
    bool has_reset[WIRE_STREAMS];
    uint32_t frames, streams_max;
    uint32_t block; /* the stream whose header block goes on; 0: none */
    bool is_last;   /* and ends it */
} wire;

static inline void wire_start(uint32_t streams_max)
{
    memset(&wire, 0, sizeof(wire));
    wire.in.to_skip = 24;
    wire.window = 65535;
    wire.stream_window = 65535;
    wire.streams_max = streams_max;
}

static void wire_came(const struct wire_frame *frame)
{
    if (frame->type == WIRE_WINDOW_UPDATE && frame->size == 4) {
        uint32_t more = wire_u32(frame->payload) & 0x7fffffff;

        if (frame->stream == 0)
            wire.window += more;
        else if (frame->stream / 2 < WIRE_STREAMS)
            wire.updates[frame->stream / 2] += more;
    }
    for (size_t at = 0; frame->type == WIRE_SETTINGS && at + 6 <= frame->size && at < 60; at += 6) {
        uint32_t value = wire_u32(frame->payload + at + 2);

        if (frame->payload[at] == 0 && frame->payload[at + 1] == 4 && value > wire.stream_window)
            wire.stream_window = value;
    }
}

/* HEADERS and DATA: on a stream that is there, in their order, within the windows. */
static inline void wire_check_stream(const struct wire_frame *frame)
{
    uint32_t index = frame->stream / 2;

    FUZZ_CHECK(frame->stream % 2 == 1 && index < WIRE_STREAMS);
    FUZZ_CHECK(!wire.is_over[index]);
    if (frame->type == WIRE_HEADERS) {
        FUZZ_CHECK(++wire.responses[index] <= 2);
        wire.is_last = (frame->flags & WIRE_END_STREAM) != 0;
        FUZZ_CHECK(wire.responses[index] == 1 || wire.is_last);
        wire.is_over[index] = wire.is_last;
        wire.block = (frame->flags & WIRE_END_HEADERS) == 0 ? frame->stream : 0;
        return;
    }
    FUZZ_CHECK(wire.responses[index] == 1);
    wire.data += frame->size;
    wire.stream_data[index] += frame->size;
    FUZZ_CHECK(wire.data <= wire.window);
    FUZZ_CHECK(wire.stream_data[index] <= wire.stream_window + wire.updates[index]);
    wire.is_over[index] = (frame->flags & WIRE_END_STREAM) != 0;
}

static void wire_went(const struct wire_frame *frame)
{
    FUZZ_CHECK(frame->size <= WIRE_FRAME_MAX);
    FUZZ_CHECK(wire.block == 0 ||
               (frame->type == WIRE_CONTINUATION && frame->stream == wire.block));
    if (wire.frames++ == 0) {
        /* The first is SETTINGS, and it announces the limit of streams. */
        FUZZ_CHECK(frame->type == WIRE_SETTINGS && (frame->flags & WIRE_ACK) == 0);
        FUZZ_CHECK(frame->payload[1] == 3 && wire_u32(frame->payload + 2) == wire.streams_max);
    }
    switch (frame->type) {
    case WIRE_DATA:
    case WIRE_HEADERS:
        wire_check_stream(frame);
        break;
    case WIRE_RST_STREAM:
        FUZZ_CHECK(frame->size == 4 && frame->stream != 0);
        if (frame->stream / 2 < WIRE_STREAMS && frame->stream % 2 == 1) {
            wire.is_over[frame->stream / 2] = true;
            wire.has_reset[frame->stream / 2] = true;
        }
        break;
    case WIRE_SETTINGS:
    case WIRE_GOAWAY:
        FUZZ_CHECK(frame->stream == 0);
        break;
    case WIRE_PING:
        FUZZ_CHECK(frame->stream == 0 && frame->size == 8);
        break;
    case WIRE_WINDOW_UPDATE:
        FUZZ_CHECK(frame->size == 4 && (wire_u32(frame->payload) & 0x7fffffff) > 0);
        break;
    case WIRE_CONTINUATION:
        FUZZ_CHECK(wire.block != 0);
        if ((frame->flags & WIRE_END_HEADERS) != 0)
            wire.block = 0;
        break;
    default:
        /* A type that is never sent. */
        FUZZ_CHECK(frame->type <= WIRE_CONTINUATION && frame->type != WIRE_PRIORITY &&
                   frame->type != WIRE_PUSH_PROMISE);
        break;
    }
}

#endif
