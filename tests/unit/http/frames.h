/*
 * For tests: frames by hand, and a guard that has seen the preface.
 */
#ifndef FRAMES_H
#define FRAMES_H

#include <string.h>

#include "guard.h"

#define SECOND UINT64_C(1000000000)
#define ROOM ((size_t)65536)

enum {
    DATA,
    HEADERS,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    PUSH_PROMISE,
    PING,
    GOAWAY,
    WINDOW_UPDATE,
    CONTINUATION,
    UNKNOWN = 0xb3
};

static const struct tri__guard_limits wide = {
    .turn_frames = 128,
    .turn_resets = 1000000,
    .turn_bytes = 1 << 30,
    .reset_burst = 1000000,
    .reset_rate = 1000,
    .glitch_burst = 1000000,
    .glitch_rate = 1000,
    .settings_burst = 1000000,
    .settings_rate = 1000,
    .ping_burst = 1000000,
    .ping_rate = 1000,
};

static uint8_t frames[ROOM];
static size_t frames_size;

static inline void add_frame(uint8_t type, uint8_t flags, uint32_t stream, const void *payload,
                             size_t size)
{
    uint8_t *at = frames + frames_size;

    assert_true(frames_size + 9 + size <= ROOM);
    for (int i = 0; i < 3; i++)
        at[i] = (uint8_t)(size >> (16 - 8 * i));
    at[3] = type;
    at[4] = flags;
    for (int i = 0; i < 4; i++)
        at[5 + i] = (uint8_t)(stream >> (24 - 8 * i));
    if (payload != NULL)
        memcpy(at + 9, payload, size);
    else
        memset(at + 9, 0x5a, size);
    frames_size += 9 + size;
}

static inline void begin(struct tri__guard *guard, const struct tri__guard_limits *limits)
{
    enum tri__guard_verdict verdict;

    tri__guard_init(guard, limits, 1);
    memset(frames, 'P', TRI__H2_PREFACE_SIZE);
    assert_int_equal(tri__guard_admit(guard, frames, TRI__H2_PREFACE_SIZE, 1, &verdict),
                     TRI__H2_PREFACE_SIZE);
    assert_int_equal(verdict, TRI__GUARD_PASS);
    frames_size = 0;
}

#endif
