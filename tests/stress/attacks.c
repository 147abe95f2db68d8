#include "bounds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "raw.h"

#define KIB ((size_t)1024)
/*
 * What a call costs besides what the peer sent: its slot, its stream in nghttp2, two stack pages,
 * and the first block of each of its arenas.
 */
#define OF_CALL (16 * KIB)
/* A session, and the one buffer of a send in flight. */
#define OF_SESSION (40 * KIB)
#define OF_SEND (64 * KIB)
/* A message in the inbox, in an allocator's smallest block, and what it takes of the window. */
#define OF_MESSAGE 32
#define MESSAGE_LEAST 5
/* A chunk that is being filled, and one beyond the mark. */
#define OF_CHUNKS (32 * KIB)
#define PATIENCE_S 60

/* The answers to one attack. */
static struct answers {
    size_t over, statuses[17], resets, lost;
    size_t replies;
} answers;

static void note_end(struct peer_call *call)
{
    answers.over++;
    answers.lost += call->is_lost;
    answers.resets += !call->is_lost && call->status < 0;
    if (call->status >= 0 && call->status < 17)
        answers.statuses[call->status]++;
}

static struct peer *open_all(const struct attack *attack, struct loop *loop,
                             const struct peer_options *options)
{
    struct peer *peers = calloc(attack->connections, sizeof(*peers));

    require(peers != NULL, "no memory");
    answers = (struct answers){0};
    for (size_t i = 0; i < attack->connections; i++) {
        require(peer_open(&peers[i], loop, options), "the server takes no connection");
        peers[i].on_end = note_end;
    }
    return peers;
}

static void close_all(const struct attack *attack, struct peer *peers)
{
    for (size_t i = 0; i < attack->connections; i++)
        peer_close(&peers[i]);
    free(peers);
}

static struct peer_call *make_calls(const struct attack *attack)
{
    struct peer_call *calls = calloc(attack->connections * attack->streams, sizeof(*calls));

    require(calls != NULL, "no memory");
    return calls;
}

/* All calls of the attack, each with its first request. */
static void begin_all(const struct attack *attack, struct peer *peers, struct peer_call *calls,
                      const char *path, const char *timeout, const char *what, bool is_last)
{
    uint8_t message[64];

    for (size_t i = 0; i < attack->connections * attack->streams; i++) {
        struct peer *peer = &peers[i / attack->streams];

        require(peer_begin(peer, &calls[i], path, timeout), "a call cannot begin");
        peer_send(&calls[i], message, text_message(message, what), is_last);
        if (i % attack->streams == attack->streams - 1)
            peer_flush(peer);
    }
}

static void turn_for(struct loop *loop, double seconds)
{
    double end = seconds_now() + seconds;

    while (seconds_now() < end)
        loop_turn(loop, 10);
}

static void require_all(const struct attack *attack, struct loop *loop, int status)
{
    size_t count = attack->connections * attack->streams;

    require(loop_until(loop, &answers.over, count, PATIENCE_S), "%zu of %zu calls have ended",
            answers.over, count);
    printf("  answer: %zu of %zu calls ended with grpc-status %d\n", answers.statuses[status],
           count, status);
    require(answers.statuses[status] == count, "all should have");
}

static size_t connection_of_input(const tri_limits *limits)
{
    /* Held input: a turn's share, or what came in one buffer beyond it, in a block that doubles. */
    return OF_SESSION + OF_SEND + 2 * (limits->turn_bytes + 64 * KIB);
}

static size_t connection_plain(const tri_limits *limits)
{
    (void)limits;
    return OF_SESSION + OF_SEND;
}

/* --- messages of 4 MiB while the handlers sleep: no more than a window of each comes in */

static const char *const asleep_limits[] = {"stream_window=65535", "streams_max=256",
                                            "turn_bytes=65536", NULL};

static size_t asleep_stream(const tri_limits *limits)
{
    /* A message lies in a buffer that doubles as it comes in. */
    return OF_CALL + 2 * (size_t)limits->stream_window;
}

static void asleep(const struct attack *attack, struct loop *loop, const tri_limits *limits)
{
    static const uint8_t prefix[] = {0, 0, 0x40, 0, 0};
    static uint8_t piece[68 * 1024];
    struct peer *peers = open_all(attack, loop, NULL);
    struct peer_call *calls = make_calls(attack);
    uint64_t sent = 0;

    begin_all(attack, peers, calls, "/stress.Stress/Collect", "3S", "sleep:60000", false);
    for (size_t i = 0; i < attack->connections * attack->streams; i++) {
        peer_send_bytes(&calls[i], prefix, sizeof(prefix), false);
        peer_send_bytes(&calls[i], piece, sizeof(piece), false);
        peer_flush(calls[i].peer);
    }
    require_all(attack, loop, 4);
    for (size_t i = 0; i < attack->connections; i++)
        sent += peers[i].bytes_out;
    printf("  the windows let %.1f MiB through\n", (double)sent / (1 << 20));
    require(sent < attack->connections * attack->streams * (limits->stream_window + 2048),
            "flow control has let more through than the windows");
    close_all(attack, peers);
    free(calls);
}

/* --- header blocks without an end: by silence, and by CONTINUATION after CONTINUATION */

static const char *const headers_limits[] = {"header_list_soft_max=262144",
                                             "header_list_hard_max=524288",
                                             "header_fields_max=1000",
                                             "continuation_max=32",
                                             "headers_timeout=1000",
                                             "turn_bytes=65536",
                                             NULL};

static size_t headers_stream(const tri_limits *limits)
{
    /* What is kept of the block, in memory that doubles; and the frame as it comes in. */
    return OF_CALL + 2 * (size_t)limits->header_list_soft_max + 16 * KIB;
}

/* Fields of 1 KiB in a block, literal and not indexed. Returns: its size. */
static size_t large_block(uint8_t *block, size_t fields)
{
    uint8_t *at = raw_block(block, "/stress.Stress/Ask");

    for (size_t i = 0; i < fields; i++) {
        *at++ = 0;
        *at++ = 8;
        at = raw_bytes(at, "x-filler", 8);
        /* 1,024 as an integer with a prefix of 7 bits: 127 + 897 */
        at = raw_bytes(at, "\x7f\x81\x07", 3);
        memset(at, 'x', 1024);
        at += 1024;
    }
    return (size_t)(at - block);
}

static void headers(const struct attack *attack, struct loop *loop, const tri_limits *limits)
{
    static uint8_t block[256 * 1024], out[300 * 1024];
    struct peer *peers = open_all(attack, loop, NULL);
    size_t size = large_block(block, 235), calm = 0, protocol = 0;

    (void)limits;
    turn_for(loop, 0.1);
    for (size_t i = 0; i < attack->connections; i++) {
        uint8_t *end = raw_frame(out, RAW_HEADERS, 0, 1, block, 16000);

        for (size_t at = 16000; at < size; at += 16000)
            end = raw_frame(end, RAW_CONTINUATION, 0, 1, block + at,
                            size - at < 16000 ? size - at : 16000);
        peer_write_raw(&peers[i], out, (size_t)(end - out));
        loop_turn(loop, 0);
    }
    turn_for(loop, 0.3);
    /* Half of them go on. */
    for (size_t i = 0; i < attack->connections; i += 2) {
        uint8_t *end = out;

        for (int j = 0; j < 100; j++)
            end = raw_frame(end, RAW_CONTINUATION, 0, 1, NULL, 0);
        peer_write_raw(&peers[i], out, (size_t)(end - out));
    }
    require(loop_until(loop, &loop->open, 0, 10), "%zu connections are still open", loop->open);
    for (size_t i = 0; i < attack->connections; i++) {
        calm += peers[i].has_goaway && peers[i].goaway == NGHTTP2_ENHANCE_YOUR_CALM;
        protocol += peers[i].has_goaway && peers[i].goaway == NGHTTP2_PROTOCOL_ERROR;
    }
    printf("  answer: %zu GOAWAY(PROTOCOL_ERROR), %zu GOAWAY(ENHANCE_YOUR_CALM), %zu without\n",
           protocol, calm, attack->connections - calm - protocol);
    require(protocol == attack->connections / 2, "the silent ones should get PROTOCOL_ERROR");
    require(calm == attack->connections / 2, "the others should get ENHANCE_YOUR_CALM");
    close_all(attack, peers);
}

/* --- frames of one byte, as many at once as the windows allow: ten bytes come for one of use */

static const char *const dribble_limits[] = {"stream_window=65535", "turn_bytes=65536", NULL};

/* One frame for each byte that the window allows, on each of the streams in turn. */
static uint8_t *dribbled_frames(size_t streams, size_t each, size_t *size)
{
    const uint8_t prefix[] = {0, 0, 0, (uint8_t)(each >> 8), (uint8_t)each};
    uint8_t *start = malloc(streams * each * 10);
    uint8_t *at = start;

    require(start != NULL, "no memory");
    for (size_t i = 0; i < each; i++)
        for (size_t stream = 0; stream < streams; stream++)
            at = raw_frame(at, RAW_DATA, 0, (uint32_t)(2 * stream + 1),
                           i < sizeof(prefix) ? &prefix[i] : (const uint8_t *)"", 1);
    *size = (size_t)(at - start);
    return start;
}

static void dribble(const struct attack *attack, struct loop *loop, const tri_limits *limits)
{
    struct peer *peers = open_all(attack, loop, NULL);
    struct peer_call *calls = make_calls(attack);
    size_t size;
    uint8_t *frames = dribbled_frames(attack->streams, limits->stream_window - 100, &size);

    begin_all(attack, peers, calls, "/stress.Stress/Collect", "5S", "sleep:60000", false);
    for (size_t i = 0; i < attack->connections; i++)
        peer_write_raw(&peers[i], frames, size);
    require_all(attack, loop, 4);
    for (size_t i = 0; i < attack->connections; i++)
        require(!peers[i].has_goaway, "legal frames have ended a connection");
    close_all(attack, peers);
    free(calls);
    free(frames);
}

/* --- empty messages, which take more memory than they take of a window */

static size_t empties_stream(const tri_limits *limits)
{
    return OF_CALL + (size_t)limits->stream_window / MESSAGE_LEAST * OF_MESSAGE;
}

static void empties(const struct attack *attack, struct loop *loop, const tri_limits *limits)
{
    static const uint8_t zeroes[66 * 1024];
    struct peer *peers = open_all(attack, loop, NULL);
    struct peer_call *calls = make_calls(attack);

    (void)limits;
    begin_all(attack, peers, calls, "/stress.Stress/Collect", "2S", "sleep:60000", false);
    for (size_t i = 0; i < attack->connections * attack->streams; i++) {
        peer_send_bytes(&calls[i], zeroes, sizeof(zeroes), false);
        peer_flush(calls[i].peer);
    }
    require_all(attack, loop, 4);
    close_all(attack, peers);
    free(calls);
}

/* --- replies that nobody reads, and replies for which there is no window */

static const char *const unread_limits[] = {"write_timeout=2000", "settings_ack_timeout=60000",
                                            "emit_high_mark=65536", "turn_bytes=65536", NULL};

static size_t output_stream(const tri_limits *limits)
{
    return OF_CALL + limits->emit_high_mark + OF_CHUNKS;
}

static void unread(const struct attack *attack, struct loop *loop, const tri_limits *limits)
{
    struct peer_options options = {.is_mute = true, .receive_buffer = 4096};
    struct peer *peers = open_all(attack, loop, &options);
    struct peer_call *calls = make_calls(attack);

    (void)limits;
    begin_all(attack, peers, calls, "/stress.Stress/List", NULL, "flood", true);
    turn_for(loop, 4.5);
    /* Floods do not end by themselves: whoever finds an end now was closed meanwhile. */
    for (size_t i = 0; i < attack->connections; i++)
        peer_listen(&peers[i]);
    require(loop_until(loop, &loop->open, 0, 5), "%zu connections are still open", loop->open);
    printf("  answer: all %zu connections were closed\n", attack->connections);
    require(answers.lost == attack->connections * attack->streams, "only %zu calls were lost",
            answers.lost);
    close_all(attack, peers);
    free(calls);
}

static const char *const zero_limits[] = {"window_timeout=2000", "emit_high_mark=65536",
                                          "turn_bytes=65536", NULL};

static void zero_windows(const struct attack *attack, struct loop *loop, const tri_limits *limits)
{
    struct peer_options options = {.has_window = true, .window = 0};
    struct peer *peers = open_all(attack, loop, &options);
    struct peer_call *calls = make_calls(attack);

    (void)limits;
    begin_all(attack, peers, calls, "/stress.Stress/List", NULL, "flood", true);
    size_t count = attack->connections * attack->streams, told = 0;

    require(loop_until(loop, &answers.over, count, PATIENCE_S), "%zu of %zu calls have ended",
            answers.over, count);
    /* Nothing of a reply has begun, so the trailers need no window. */
    for (size_t i = 0; i < count; i++)
        told += calls[i].status == 8;
    printf("  answer: %zu of %zu calls ended with grpc-status 8\n", told, count);
    require(told == count, "all should have");
    close_all(attack, peers);
    free(calls);
}

/* --- streams reset as soon as they are open, while the handlers keep the thread busy */

static const char *const reset_limits[] = {"streams_max=128",  "header_list_soft_max=8192",
                                           "turn_bytes=65536", "reset_burst=1000",
                                           "reset_rate=33",    NULL};

static size_t reset_stream(const tri_limits *limits)
{
    return OF_CALL + 2 * (size_t)limits->header_list_soft_max;
}

static void rapid_reset(const struct attack *attack, struct loop *loop, const tri_limits *limits)
{
    static nghttp2_nv filler[54];
    static uint8_t value[90];
    struct peer *peers = open_all(attack, loop, NULL);
    struct peer_call *calls = make_calls(attack);
    size_t begun = 0, calm = 0;

    (void)limits;
    memset(value, 'x', sizeof(value));
    for (size_t i = 0; i < 54; i++)
        filler[i] = (nghttp2_nv){(uint8_t *)(uintptr_t) "x-filler", value, 8, sizeof(value),
                                 NGHTTP2_NV_FLAG_NO_INDEX};
    for (size_t round = 0; loop->open > 0 && round < 40; round++) {
        for (size_t i = 0; i < attack->connections * attack->streams; i++) {
            struct peer *peer = &peers[i / attack->streams];

            peer->extra = filler;
            peer->extra_count = 54;
            if (peer->has_goaway || peer->fd < 0 || peer->left != NULL ||
                !peer_begin(peer, &calls[i], "/stress.Stress/Ask", NULL))
                continue;
            peer_send(&calls[i], "\x0a\x06spin:5", bounds_judge_latency ? 0 : 8, true);
            begun++;
        }
        for (size_t i = 0; i < attack->connections; i++)
            peer_flush(&peers[i]);
        for (size_t i = 0; i < attack->connections * attack->streams; i++)
            if (calls[i].peer != NULL)
                peer_reset(&calls[i]);
        for (size_t i = 0; i < attack->connections; i++)
            peer_flush(&peers[i]);
        loop_turn(loop, 5);
    }
    require(loop_until(loop, &loop->open, 0, 20), "%zu connections are still open", loop->open);
    for (size_t i = 0; i < attack->connections; i++)
        calm += peers[i].has_goaway && peers[i].goaway == NGHTTP2_ENHANCE_YOUR_CALM;
    printf("  answer: %zu of %zu connections got GOAWAY(ENHANCE_YOUR_CALM), after %zu streams\n",
           calm, attack->connections, begun);
    require(calm == attack->connections, "all should have");
    close_all(attack, peers);
    free(calls);
}

/* --- messages that are nested 10,000 deep, all of them there but for their last byte */

static const char *const deep_limits[] = {"receive_message_max=65000", "stream_window=65535",
                                          "turn_bytes=65536", NULL};

static size_t message_stream(const tri_limits *limits)
{
    return OF_CALL + limits->receive_message_max;
}

/* Order { inner = Order { inner = ... } }. Returns: where it begins in the buffer of `size`. */
static uint8_t *nested_order(uint8_t *buffer, size_t size, int depth)
{
    uint8_t *at = buffer + size;

    for (int i = 0; i < depth; i++) {
        size_t length = (size_t)(buffer + size - at);

        if (length >= 1 << 14)
            *--at = (uint8_t)(length >> 14);
        if (length >= 1 << 7)
            *--at = (uint8_t)(((length >> 7) & 127) | (length >= 1 << 14 ? 128 : 0));
        *--at = (uint8_t)((length & 127) | (length >= 1 << 7 ? 128 : 0));
        *--at = 0x22;
    }
    return at;
}

static void deep(const struct attack *attack, struct loop *loop, const tri_limits *limits)
{
    static uint8_t buffer[60 * 1024];
    uint8_t *message = nested_order(buffer, sizeof(buffer), 10000);
    size_t size = (size_t)(buffer + sizeof(buffer) - message);
    uint8_t prefix[] = {0, 0, 0, (uint8_t)(size >> 8), (uint8_t)size};
    struct peer *peers = open_all(attack, loop, NULL);
    struct peer_call *calls = make_calls(attack);

    (void)limits;
    for (size_t i = 0; i < attack->connections * attack->streams; i++) {
        require(peer_begin(&peers[i / attack->streams], &calls[i], "/stress.Stress/Ask", NULL),
                "a call cannot begin");
        peer_send_bytes(&calls[i], prefix, sizeof(prefix), false);
        peer_send_bytes(&calls[i], message, size - 1, false);
        peer_flush(calls[i].peer);
    }
    turn_for(loop, 0.5);
    for (size_t i = 0; i < attack->connections * attack->streams; i++) {
        peer_send_bytes(&calls[i], message + size - 1, 1, true);
        peer_flush(calls[i].peer);
    }
    printf("  %zu messages of %zu bytes, 10,000 deep\n", attack->connections * attack->streams,
           size);
    require_all(attack, loop, 8);
    close_all(attack, peers);
    free(calls);
}

/* --- messages that become 72 times as large: those that just fit, kept by handlers that sleep */

static const char *const bloat_limits[] = {"receive_message_max=65000", "stream_window=65535",
                                           "decoded_message_max=1048576", "turn_bytes=65536", NULL};

static size_t bloat_stream(const tri_limits *limits)
{
    return OF_CALL + limits->receive_message_max + limits->decoded_message_max;
}

/* Order { what, wide, wide, ... }. Returns: its size. */
static size_t bloated_order(uint8_t *out, const char *what, size_t count)
{
    uint8_t *at = out + text_message(out, what);

    for (size_t i = 0; i < count; i++) {
        *at++ = 0x1a;
        *at++ = 0;
    }
    return (size_t)(at - out);
}

static void bloat(const struct attack *attack, struct loop *loop, const tri_limits *limits)
{
    static uint8_t message[60 * 1024];
    size_t fits = limits->decoded_message_max / 240;
    struct peer *peers = open_all(attack, loop, NULL);
    struct peer_call *calls = make_calls(attack);

    for (int turn = 0; turn < 2; turn++) {
        size_t size = bloated_order(message, "sleep:1000", turn == 0 ? fits : 2 * fits);

        answers = (struct answers){0};
        for (size_t i = 0; i < attack->connections * attack->streams; i++) {
            require(peer_begin(&peers[i / attack->streams], &calls[i], "/stress.Stress/Ask", NULL),
                    "a call cannot begin");
            peer_send(&calls[i], message, size, true);
            peer_flush(calls[i].peer);
        }
        printf("  messages of %zu bytes%s\n", size, turn == 0 ? ", which fit when decoded" : "");
        require_all(attack, loop, turn == 0 ? 0 : 8);
    }
    close_all(attack, peers);
    free(calls);
}

const struct attack attacks[] = {
    {"asleep", "messages of 4 MiB on 1,000 streams, the handlers asleep", asleep_limits, 4, 250,
     asleep_stream, connection_of_input, asleep},
    {"headers", "header blocks without an end", headers_limits, 100, 1, headers_stream,
     connection_of_input, headers},
    {"dribble", "frames of one byte", dribble_limits, 60, 2, asleep_stream, connection_of_input,
     dribble},
    {"empties", "empty messages", dribble_limits, 4, 50, empties_stream, connection_of_input,
     empties},
    {"unread", "a client that never reads", unread_limits, 20, 50, output_stream, connection_plain,
     unread},
    {"zero", "windows of zero", zero_limits, 20, 50, output_stream, connection_plain, zero_windows},
    {"reset", "streams reset as soon as they are open", reset_limits, 10, 128, reset_stream,
     connection_of_input, rapid_reset},
    {"deep", "messages nested 10,000 deep", deep_limits, 8, 125, message_stream,
     connection_of_input, deep},
    {"bloat", "messages that take 72 times their size", bloat_limits, 2, 50, bloat_stream,
     connection_of_input, bloat},
};

const size_t attacks_count = sizeof(attacks) / sizeof(*attacks);
