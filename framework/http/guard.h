/*
 * The frame guard: walks the 9-byte frame headers ahead of nghttp2. It counts what a peer can flood
 * with, cuts the input after a connection's share of a loop turn, and checks what nghttp2 no longer
 * checks when its priority tree is switched off. (RFC 9113, sections 4.1, 5.3, 6.3, 10.5.)
 *
 * Pure: bytes and the time in, a verdict out.
 */
#ifndef TRI_GUARD_H
#define TRI_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bucket.h"

#define TRI__H2_PREFACE_SIZE 24
#define TRI__FRAME_HEADER_SIZE 9
/* What `turn_frames` can be at most. */
#define TRI__TURN_FRAMES_MAX 256

struct tri__guard_limits {
    uint32_t turn_frames, turn_resets, turn_bytes;
    uint32_t reset_burst, reset_rate;
    uint32_t glitch_burst, glitch_rate;
    uint32_t settings_burst, settings_rate;
    uint32_t ping_burst, ping_rate;
};

enum tri__guard_verdict {
    TRI__GUARD_PASS,     /* go on */
    TRI__GUARD_TURN_END, /* the share of this turn is used up; the rest waits for the next */
    TRI__GUARD_FLOOD,    /* too many frames of a kind: ENHANCE_YOUR_CALM */
    TRI__GUARD_PROTOCOL  /* a connection error of type PROTOCOL_ERROR */
};

struct tri__guard {
    const struct tri__guard_limits *limits;
    struct tri__bucket resets, glitches, settings, pings;
    uint32_t frames_left, resets_left, bytes_left; /* of this turn */
    uint32_t preface_left;
    uint32_t payload_left;
    uint8_t header[TRI__FRAME_HEADER_SIZE];
    uint8_t header_size;
    uint8_t depends[4]; /* the first bytes of a PRIORITY frame's payload */
    uint8_t depends_size;
    uint32_t updates;   /* WINDOW_UPDATE frames beyond what the DATA sent can have asked for */
    bool is_in_headers; /* a header block has begun and not ended */
    /*
     * CONTINUATION frames of a header block, and how many there may be. nghttp2 counts them as
     * well, but a frame once more for each piece that its header comes in, up to 9.
     */
    uint32_t continuations, continuation_max;
    uint32_t data_streams
        [TRI__TURN_FRAMES_MAX]; /* of the DATA frames that were admitted last, in order */
    uint32_t data_count;
    const char *reason; /* of a verdict that ends the connection */
};

void tri__guard_init(struct tri__guard *guard, const struct tri__guard_limits *limits,
                     uint64_t now);

/* A new turn of the loop, a new share. */
void tri__guard_begin_turn(struct tri__guard *guard);

/*
 * Looks at `size` bytes that come next.
 *
 * Returns: how many of them may go to the session now; `*verdict` says what then.
 */
size_t tri__guard_admit(struct tri__guard *guard, const uint8_t *bytes, size_t size, uint64_t now,
                        enum tri__guard_verdict *verdict);

/* Counts a frame without use that only the session can tell: a late one, of a closed stream. */
bool tri__guard_glitch(struct tri__guard *guard, uint64_t now);

/* Counts a stream that we had to reset for the peer's fault. */
bool tri__guard_fault(struct tri__guard *guard, uint64_t now);

/* DATA has been sent: the peer may answer with window updates. */
static inline void tri__guard_sent_data(struct tri__guard *guard, uint32_t frames)
{
    guard->updates = guard->updates > 10 * frames ? guard->updates - 10 * frames : 0;
}

#endif
