/*
 * What the files of the session share: nghttp2's and ours of one connection.
 */
#ifndef TRI_H2_PRIVATE_H
#define TRI_H2_PRIVATE_H

#include <nghttp2/nghttp2.h>

#include "h2_session.h"

/* Streams that we have reset lately: what still comes for them is late, not wrong. */
#define RESET_MEMORY 32

struct tri__h2 {
    nghttp2_session *session;
    const struct tri__h2_config *config;
    const struct tri__h2_events *events;
    void *connection;
    struct tri__guard guard;
    uint64_t now;

    /* The header block that is being received: blocks do not interleave. */
    void *stream;
    uint32_t list_size, fields;
    bool is_too_large;

    int32_t highest_id; /* of the peer's streams */
    uint32_t data_at;   /* among the guard's DATA frames */
    int32_t data_id;    /* the stream of the last DATA, and what belongs to it */
    void *data_stream;
    int32_t resets[RESET_MEMORY];
    uint32_t reset_at;

    const uint8_t *pending; /* of a frame that did not fit */
    size_t pending_size;
    uint8_t first_frame[TRI__FRAME_HEADER_SIZE + 6 * 6]; /* our SETTINGS, with a number put right */
    bool is_announcing, has_announced, has_settings, has_ack, has_failed, is_flooded;
    const char *reason;
};

/* h2_events.c: what nghttp2 tells, as events of a stream. Returns: NULL without memory. */
nghttp2_session_callbacks *tri__h2_make_callbacks(void);

/* The guard has seen too many frames of a kind. */
void tri__h2_flood(struct tri__h2 *h2);

/*
 * Without a memory of closed streams nghttp2 skips their DATA, and says nothing. The guard has seen
 * all DATA in order: what nghttp2 did not begin, up to the frame that it begins now (`until`; 0: up
 * to the last one), was late.
 */
void tri__h2_skip_late_data(struct tri__h2 *h2, uint32_t until);

static inline void *tri__h2_stream_of(struct tri__h2 *h2, int32_t id)
{
    return nghttp2_session_get_stream_user_data(h2->session, id);
}

#endif
