/*
 * An HTTP/2 session of a server: bytes and the time in, bytes and events out; no socket and no
 * clock. The only module that knows nghttp2.
 *
 * Events come from within tri__h2_feed and tri__h2_write. From an event everything here may be
 * called but those two.
 *
 * Thread: the reactor's that owns the connection.
 */
#ifndef TRI_H2_SESSION_H
#define TRI_H2_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guard.h"
#include "h2_memory.h"

/* Error codes of HTTP/2 (RFC 9113, section 7) that are of use here. */
enum tri__h2_error {
    TRI__H2_NO_ERROR = 0,
    TRI__H2_PROTOCOL_ERROR = 1,
    TRI__H2_INTERNAL_ERROR = 2,
    TRI__H2_SETTINGS_TIMEOUT = 4,
    TRI__H2_STREAM_CLOSED = 5,
    TRI__H2_REFUSED_STREAM = 7,
    TRI__H2_CANCEL = 8,
    TRI__H2_ENHANCE_YOUR_CALM = 11
};

struct tri__h2_config {
    struct tri__guard_limits guard;
    uint32_t streams_max;
    uint32_t stream_window, connection_window;
    uint32_t header_list_soft_max, header_list_hard_max, header_fields_max;
    uint32_t continuation_max;
};

/* A header field, borrowed. A static one lives for ever, and is not copied. */
struct tri__field {
    const char *name, *value;
    size_t name_size, value_size;
    bool is_static;
};

/* The size of a string literal, for a tri__field. */
#define TRI__FIELD(name_literal, value_literal)                                                    \
    ((struct tri__field){name_literal, value_literal, sizeof(name_literal) - 1,                    \
                         sizeof(value_literal) - 1, true})

struct tri__h2_events {
    /*
     * A request begins. Returns: what the other events are given for it; NULL refuses the stream.
     */
    void *(*stream_begun)(void *connection, int32_t id);
    void (*stream_field)(void *connection, void *stream, const uint8_t *name, size_t name_size,
                         const uint8_t *value, size_t value_size);
    /*
     * The request's header block is complete. `is_too_large`: beyond the soft limits, and cut
     * there.
     */
    void (*stream_headers)(void *connection, void *stream, bool is_too_large);
    void (*stream_data)(void *connection, void *stream, const uint8_t *bytes, size_t size);
    /* The peer has ended its side (END_STREAM). */
    void (*stream_ended)(void *connection, void *stream);
    /*
     * The stream is gone: by both ends, a reset of either side (`error` tells), or the connection.
     */
    void (*stream_closed)(void *connection, void *stream, uint32_t error);
    /*
     * DATA can be sent: fill in at most `size` bytes. Set `*is_end` with the last of them and,
     * before that, submit the trailers. Returns: how many; 0 without `*is_end` until
     * tri__h2_resume.
     */
    size_t (*stream_output)(void *connection, void *stream, uint8_t *out, size_t size,
                            bool *is_end);
    void (*ping_acked)(void *connection);
    /* Whether a peer whose request goes on after the response is told to stop. NULL: always. */
    bool (*stream_takes_reset)(void *connection, void *stream);
};

struct tri__h2;

/* Returns: 0 or -ENOMEM. `config`, `memory` and `events` must outlive the session. */
int tri__h2_new(struct tri__h2 **out, const struct tri__h2_config *config,
                struct tri__h2_memory *memory, const struct tri__h2_events *events,
                void *connection, uint64_t now);

/* Frees it; no event comes for the streams that are still open. Takes NULL. */
void tri__h2_free(struct tri__h2 *h2);

/*
 * Takes bytes from the peer, as many as its share of this turn allows.
 *
 * Returns: how many were taken; `*has_failed` when the connection is to be closed once what is to
 * be written has been (a GOAWAY may be in it). tri__h2_reason then says why.
 */
size_t tri__h2_feed(struct tri__h2 *h2, const uint8_t *bytes, size_t size, uint64_t now,
                    bool *has_failed);

/* A new turn of the loop: a new share of input. */
void tri__h2_begin_turn(struct tri__h2 *h2);

/* Fills in bytes for the peer. Returns: how many. */
size_t tri__h2_write(struct tri__h2 *h2, uint8_t *out, size_t size);

/* Whether there is something to write now; and whether the session has ended, both ways. */
bool tri__h2_wants_write(const struct tri__h2 *h2);
bool tri__h2_is_over(const struct tri__h2 *h2);

/* Frames that wait to be written, acknowledgements and resets among them. */
size_t tri__h2_queued(const struct tri__h2 *h2);

/* Sends the header block of a response. With a `stream`, its stream_output is asked for more. */
int tri__h2_submit_response(struct tri__h2 *h2, int32_t id, const struct tri__field *fields,
                            size_t count, void *stream);
int tri__h2_submit_trailers(struct tri__h2 *h2, int32_t id, const struct tri__field *fields,
                            size_t count);

/* There is output again for a stream whose stream_output gave 0. */
void tri__h2_resume(struct tri__h2 *h2, int32_t id);

/* Resets a stream. `is_fault`: for something that the peer did, which is counted. */
void tri__h2_reset(struct tri__h2 *h2, int32_t id, enum tri__h2_error error, bool is_fault,
                   uint64_t now);

/*
 * Lets the peer send `size` bytes more on a stream: what has been taken, or beyond that. Credit of
 * the connection goes back on receipt.
 */
void tri__h2_credit(struct tri__h2 *h2, int32_t id, size_t size);

/* The two steps of a graceful end: GOAWAY(2^31-1) and a PING; then GOAWAY(last id). */
void tri__h2_announce_shutdown(struct tri__h2 *h2);
void tri__h2_shutdown(struct tri__h2 *h2);

/* GOAWAY with an error and a reason, after which nothing more is read. */
void tri__h2_terminate(struct tri__h2 *h2, enum tri__h2_error error, const char *reason);

/* The largest header list that the peer takes (RFC 9113, 10.5.1); UINT32_MAX if it has not said. */
uint32_t tri__h2_peer_header_list_max(const struct tri__h2 *h2);

bool tri__h2_has_settings(const struct tri__h2 *h2); /* the peer's preface and SETTINGS have come */
bool tri__h2_settings_acked(const struct tri__h2 *h2); /* and it has acknowledged ours */
bool tri__h2_is_in_headers(const struct tri__h2 *h2);  /* a header block is incomplete */
bool tri__h2_is_window_bound(
    const struct tri__h2 *h2);                        /* the peer's connection window is used up */
bool tri__h2_is_flooded(const struct tri__h2 *h2);    /* it ended for too many frames of a kind */
const char *tri__h2_reason(const struct tri__h2 *h2); /* "" when there is none */

#endif
