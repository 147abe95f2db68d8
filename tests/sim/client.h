/*
 * The client's side of HTTP/2 for scripted peers: frames by hand, HPACK by nghttp2's coder, windows
 * and streams by itself. What the server sends is checked frame by frame.
 */
#ifndef SIM_CLIENT_H
#define SIM_CLIENT_H

#include <nghttp2/nghttp2.h>

#include "sim.h"

#define STREAMS_MAX 400

enum frame_type {
    FRAME_DATA = 0,
    FRAME_HEADERS = 1,
    FRAME_PRIORITY = 2,
    FRAME_RST_STREAM = 3,
    FRAME_SETTINGS = 4,
    FRAME_PING = 6,
    FRAME_GOAWAY = 7,
    FRAME_WINDOW_UPDATE = 8,
    FRAME_CONTINUATION = 9
};

enum frame_flag {
    FLAG_ACK = 1,
    FLAG_END_STREAM = 1,
    FLAG_END_HEADERS = 4
};

struct bytes {
    uint8_t *data;
    size_t at, size, capacity; /* `at`: what has been taken */
};

struct stream {
    int32_t id;
    struct call *call;
    int64_t send_window;
    int64_t recv_window; /* what the server may still send */
    int64_t later;       /* a change of it that comes with the server's ACK */
    uint32_t due;        /* received, and not given back as credit */
    uint32_t requests_sent;
    struct bytes request, reply;
    bool is_half_closed, is_over, has_headers, has_ended;
    int grpc_status;
    bool has_status, said_sim, said_end;
};

struct client {
    struct conn *conn;
    struct bytes out, in, block;
    nghttp2_hd_deflater *deflater;
    nghttp2_hd_inflater *inflater;
    struct stream *streams[STREAMS_MAX];
    uint32_t streams_count, open;
    int32_t next_id, block_id;
    uint8_t block_flags;
    int64_t send_window, recv_window;
    uint32_t due; /* of the connection's credit */
    uint32_t initial_send, initial_recv;
    uint32_t settings_sent, settings_acked, pings_sent, pings_acked;
    uint32_t server_streams_max;
    bool has_server_settings, has_goaway, is_wild;
    int32_t goaway_last;
    uint32_t goaway_code;
};

void bytes_add(struct bytes *bytes, const void *data, size_t size);
void bytes_drop(struct bytes *bytes, size_t size);
static inline size_t bytes_left(const struct bytes *bytes)
{
    return bytes->size - bytes->at;
}

void client_init(struct client *client, struct conn *conn, uint32_t initial_window);
void client_fini(struct client *client);

/* What goes out. */
void client_frame(struct client *client, uint8_t type, uint8_t flags, uint32_t id,
                  const void *payload, size_t size);
void client_preface(struct client *client);
void client_settings(struct client *client, uint16_t key, uint32_t value);
void client_change_window(struct client *client, uint32_t initial);
void client_credit(struct client *client, struct stream *stream, uint32_t size);
struct stream *client_open(struct client *client, struct call *call);
/* A request's header block for any path. */
void client_headers(struct client *client, uint32_t id, uint8_t flags, const char *path,
                    const char *call_id, uint64_t timeout, uint32_t extra_fields);
/* Sends a piece of the stream's requests. Returns: false when there is nothing that may go. */
bool client_send_piece(struct client *client, struct stream *stream);
void client_cancel(struct client *client, struct stream *stream, uint32_t code);

/* What comes in. */
void client_feed(struct client *client, const uint8_t *bytes, size_t size);
/* The connection is gone: so are its calls. */
void client_lost(struct client *client);

#endif
