/*
 * For stress tests and benchmarks: many connections of a gRPC client on one thread. nghttp2 over
 * epoll; what should never happen ends the program.
 *
 * Events come from within loop_turn. They may begin, feed and reset calls, but not close peers.
 */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <nghttp2/nghttp2.h>

/* Ends the program with a line on stderr. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

double seconds_now(void);

struct loop {
    int epoll;
    uint16_t port; /* of the server, on 127.0.0.1 */
    size_t open;   /* peers that are connected */
};

void loop_init(struct loop *loop, uint16_t port);
void loop_fini(struct loop *loop);
/* Handles what has come, after at most so many milliseconds. */
void loop_turn(struct loop *loop, int wait_ms);
/* Turns until `*count` is `wanted` or so many seconds are over. Returns: whether it is. */
bool loop_until(struct loop *loop, const size_t *count, size_t wanted, double seconds);

struct peer;

struct peer_call {
    TAILQ_ENTRY(peer_call) link;
    struct peer *peer;
    void *user;
    int32_t id;
    uint8_t *out; /* not sent yet */
    size_t out_size, out_at;
    bool out_ended;
    bool is_over;
    bool is_lost;   /* it ended with its connection */
    uint32_t error; /* of a reset */
    int status;     /* grpc-status; -1: none came */
    uint32_t replies;
    uint64_t bytes; /* of DATA */
    uint8_t prefix[5], prefix_size;
    uint32_t message_left;
};

/* Zero is an ordinary client. */
struct peer_options {
    bool has_window; /* the windows of its streams: `window` instead of 16 MiB */
    uint32_t window;
    bool is_mute;       /* reads nothing, once its SETTINGS are out */
    int receive_buffer; /* SO_RCVBUF; 0: the system's */
    int send_buffer;
};

struct peer {
    struct loop *loop;
    int fd; /* -1: closed */
    nghttp2_session *session;
    struct peer_options options;
    TAILQ_HEAD(, peer_call) calls;
    size_t open;   /* calls */
    uint8_t *left; /* bytes that the socket did not take */
    size_t left_size, left_at;
    bool has_goaway, is_stuck;
    uint32_t goaway;     /* its code */
    int32_t goaway_last; /* the last stream of it */
    uint64_t bytes_out;
    const nghttp2_nv *extra; /* fields of all its calls; 60 at most */
    size_t extra_count;
    void *user;
    void (*on_reply)(struct peer_call *call);
    void (*on_end)(struct peer_call *call);
};

/* Returns: false when the server does not take the connection. */
bool peer_open(struct peer *peer, struct loop *loop, const struct peer_options *options);
/* Ends the connection and, as lost, its calls. Does no harm twice. */
void peer_close(struct peer *peer);
/* A mute peer reads from now on. */
void peer_listen(struct peer *peer);
/* Writes what is queued; loop_turn does too. */
void peer_flush(struct peer *peer);
/* Bytes that are none of nghttp2's business. */
void peer_write_raw(struct peer *peer, const void *bytes, size_t size);

/* Begins a call; `timeout` is a grpc-timeout or NULL. Returns: false when the peer is no more. */
bool peer_begin(struct peer *peer, struct peer_call *call, const char *path, const char *timeout);
/* Sends one message. */
void peer_send(struct peer_call *call, const void *message, size_t size, bool is_last);
/* Bytes as they are, without a prefix. */
void peer_send_bytes(struct peer_call *call, const void *bytes, size_t size, bool is_last);
void peer_end_requests(struct peer_call *call);
void peer_reset(struct peer_call *call);

/* Writes { string = 1 }. Returns: its size. */
size_t text_message(uint8_t *out, const char *text);

#endif
