#include "guard.h"

#include <string.h>

#include "assertion.h"

enum frame_type {
    FRAME_DATA = 0,
    FRAME_HEADERS = 1,
    FRAME_PRIORITY = 2,
    FRAME_RST_STREAM = 3,
    FRAME_SETTINGS = 4,
    FRAME_PING = 6,
    FRAME_WINDOW_UPDATE = 8,
    FRAME_CONTINUATION = 9
};

#define FLAG_END_STREAM 0x1
#define FLAG_END_HEADERS 0x4
#define FLAG_ACK 0x1

/* Window updates that need no DATA of ours: a client opens its connection and its streams. */
#define FREE_UPDATES 1000

void tri__guard_init(struct tri__guard *guard, const struct tri__guard_limits *limits, uint64_t now)
{
    *guard = (struct tri__guard){
        .limits = limits, .preface_left = TRI__H2_PREFACE_SIZE, .continuation_max = UINT32_MAX};
    tri__bucket_init(&guard->resets, limits->reset_burst, limits->reset_rate, now);
    tri__bucket_init(&guard->glitches, limits->glitch_burst, limits->glitch_rate, now);
    tri__bucket_init(&guard->settings, limits->settings_burst, limits->settings_rate, now);
    tri__bucket_init(&guard->pings, limits->ping_burst, limits->ping_rate, now);
    tri__guard_begin_turn(guard);
}

void tri__guard_begin_turn(struct tri__guard *guard)
{
    guard->frames_left = guard->limits->turn_frames;
    guard->resets_left = guard->limits->turn_resets;
    guard->bytes_left = guard->limits->turn_bytes;
}

bool tri__guard_glitch(struct tri__guard *guard, uint64_t now)
{
    if (tri__bucket_take(&guard->glitches, now))
        return true;
    guard->reason = "too many frames without use";
    return false;
}

bool tri__guard_fault(struct tri__guard *guard, uint64_t now)
{
    if (tri__bucket_take(&guard->resets, now))
        return true;
    guard->reason = "too many streams reset";
    return false;
}

static bool take(struct tri__guard *guard, struct tri__bucket *bucket, uint64_t now,
                 const char *reason)
{
    if (tri__bucket_take(bucket, now))
        return true;
    guard->reason = reason;
    return false;
}

static uint32_t stream_of(const struct tri__guard *guard)
{
    const uint8_t *id = guard->header + 5;

    return ((uint32_t)(id[0] & 0x7f) << 24) | ((uint32_t)id[1] << 16) | ((uint32_t)id[2] << 8) |
           id[3];
}

/* A frame header is complete: counts it. Returns false when the connection must end. */
static bool count_frame(struct tri__guard *guard, uint64_t now)
{
    const uint8_t *header = guard->header;
    uint8_t flags = header[4];

    switch (header[3]) {
    case FRAME_DATA:
        guard->data_streams[guard->data_count++] = stream_of(guard);
        if (guard->payload_left == 0 && (flags & FLAG_END_STREAM) == 0)
            return tri__guard_glitch(guard, now);
        return true;
    case FRAME_HEADERS:
        guard->continuations = 0;
        guard->is_in_headers = (flags & FLAG_END_HEADERS) == 0;
        return true;
    case FRAME_CONTINUATION:
        guard->is_in_headers = (flags & FLAG_END_HEADERS) == 0;
        if (++guard->continuations <= guard->continuation_max)
            return true;
        guard->reason = "too many CONTINUATION frames";
        return false;
    case FRAME_RST_STREAM:
        if (guard->resets_left > 0)
            guard->resets_left--;
        return tri__guard_fault(guard, now);
    case FRAME_SETTINGS:
        if ((flags & FLAG_ACK) != 0)
            return tri__guard_glitch(guard, now);
        return take(guard, &guard->settings, now, "too many SETTINGS");
    case FRAME_PING:
        return take(guard, &guard->pings, now, "too many PINGs");
    case FRAME_WINDOW_UPDATE:
        if (++guard->updates > FREE_UPDATES)
            return tri__guard_glitch(guard, now);
        return true;
    case FRAME_PRIORITY:
        guard->depends_size = 0;
        return tri__guard_glitch(guard, now);
    default:
        return tri__guard_glitch(guard, now);
    }
}

/* A PRIORITY frame on no stream, or of a stream that depends on itself. */
static bool is_bad_priority(struct tri__guard *guard, const uint8_t *payload, size_t size)
{
    if (guard->header[3] != FRAME_PRIORITY)
        return false;
    if (stream_of(guard) == 0) {
        guard->reason = "PRIORITY on stream 0";
        return true;
    }
    while (guard->depends_size < 4 && size > 0) {
        guard->depends[guard->depends_size++] = *payload++;
        size--;
    }
    if (guard->depends_size < 4)
        return false;
    const uint8_t *id = guard->depends;
    uint32_t parent =
        ((uint32_t)(id[0] & 0x7f) << 24) | ((uint32_t)id[1] << 16) | ((uint32_t)id[2] << 8) | id[3];

    guard->reason = "a stream that depends on itself";
    return parent == stream_of(guard);
}

static bool share_is_used_up(const struct tri__guard *guard)
{
    return guard->frames_left == 0 || guard->resets_left == 0 || guard->bytes_left == 0;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Collects the 9 bytes of a frame header. Returns how many bytes it took. */
static inline size_t take_header(struct tri__guard *guard, const uint8_t *bytes, size_t size)
{
    if (tri_likely(guard->header_size == 0 && size >= TRI__FRAME_HEADER_SIZE)) {
        memcpy(guard->header, bytes, TRI__FRAME_HEADER_SIZE);
        guard->header_size = TRI__FRAME_HEADER_SIZE;
        return TRI__FRAME_HEADER_SIZE;
    }
    size_t taken = least(size, (size_t)(TRI__FRAME_HEADER_SIZE - guard->header_size));

    memcpy(guard->header + guard->header_size, bytes, taken);
    guard->header_size = (uint8_t)(guard->header_size + taken);
    return taken;
}

size_t tri__guard_admit(struct tri__guard *guard, const uint8_t *bytes, size_t size, uint64_t now,
                        enum tri__guard_verdict *verdict)
{
    size_t at = least(size, guard->preface_left);

    guard->preface_left -= (uint32_t)at;
    guard->data_count = 0;
    *verdict = TRI__GUARD_PASS;
    while (at < size) {
        if (guard->header_size < TRI__FRAME_HEADER_SIZE) {
            /* Between frames is where a turn's share may end. */
            if (guard->header_size == 0 && share_is_used_up(guard)) {
                *verdict = TRI__GUARD_TURN_END;
                return at;
            }
            at += take_header(guard, bytes + at, size - at);
            if (guard->header_size < TRI__FRAME_HEADER_SIZE)
                break;
            guard->payload_left = ((uint32_t)guard->header[0] << 16) |
                                  ((uint32_t)guard->header[1] << 8) | guard->header[2];
            guard->frames_left--;
            guard->bytes_left -= (uint32_t)least(guard->bytes_left, TRI__FRAME_HEADER_SIZE);
            if (!count_frame(guard, now)) {
                *verdict = TRI__GUARD_FLOOD;
                return at;
            }
        }
        size_t payload = least(size - at, guard->payload_left);

        if (is_bad_priority(guard, bytes + at, payload)) {
            *verdict = TRI__GUARD_PROTOCOL;
            return at;
        }
        at += payload;
        guard->payload_left -= (uint32_t)payload;
        guard->bytes_left -= (uint32_t)least(guard->bytes_left, payload);
        if (guard->payload_left == 0)
            guard->header_size = 0;
    }
    return at;
}
