/*
 * For tests: a session of ours and a client of nghttp2's, with the bytes between them in the test's
 * hands. Ours writes down its events; the client, the frames that it gets.
 */
#ifndef SESSIONS_H
#define SESSIONS_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/failing_alloc.h"
#include "h2_session.h"

#define STREAMS 1024

struct served {
    int32_t id;
    bool is_open, answers; /* when the request has ended */
    const char *body;
    size_t body_left;
    bool is_held; /* no output until it is resumed */
};

struct seen_frame {
    uint8_t type, flags;
    int32_t stream;
    uint32_t value, more; /* error, increment, last id: of whatever type it is */
};

static struct tri__h2_config config;
static struct tri__h2_memory pool;
static struct tri__h2 *h2;
static nghttp2_session *client;
static struct served served[STREAMS];
static char events[1 << 16];
static size_t events_size;
static struct seen_frame seen[4096];
static size_t seen_count;
static size_t client_data_size, received_size;
static char client_fields[1024];
static unsigned begun, refused_left, pings_acked, closed;
static uint64_t now = 1;
static bool has_failed;

static inline void note(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    events_size +=
        (size_t)vsnprintf(events + events_size, sizeof(events) - events_size, format, arguments);
    va_end(arguments);
    assert_true(events_size < sizeof(events));
}

static void *stream_begun(void *connection, int32_t id)
{
    struct served *stream = &served[(size_t)id % STREAMS];

    assert_ptr_equal(connection, &pool);
    if (refused_left > 0) {
        refused_left--;
        return NULL;
    }
    begun++;
    *stream = (struct served){.id = id, .is_open = true, .answers = true, .body = ""};
    note("begun %d\n", id);
    return stream;
}

static void stream_field(void *connection, void *stream, const uint8_t *name, size_t name_size,
                         const uint8_t *value, size_t value_size)
{
    (void)connection;
    assert_true(((struct served *)stream)->is_open);
    note("%.*s: %.*s\n", (int)name_size, (const char *)name,
         (int)(value_size < 20 ? value_size : 20), (const char *)value);
}

static void stream_headers(void *connection, void *stream, bool is_too_large)
{
    (void)connection;
    note("headers %d%s\n", ((struct served *)stream)->id, is_too_large ? " too large" : "");
}

static void stream_data(void *connection, void *stream, const uint8_t *bytes, size_t size)
{
    (void)connection, (void)bytes;
    assert_true(((struct served *)stream)->is_open);
    received_size += size;
}

static const struct tri__field response_fields[] = {
    {":status", "200", 7, 3, true}, {"content-type", "application/grpc", 12, 16, true}};
static const struct tri__field trailer_fields[] = {{"grpc-status", "0", 11, 1, true}};

static void stream_ended(void *connection, void *context)
{
    struct served *stream = context;

    (void)connection;
    note("ended %d after %zu\n", stream->id, received_size);
    if (stream->answers)
        assert_int_equal(tri__h2_submit_response(h2, stream->id, response_fields, 2, stream), 0);
}

static void stream_closed(void *connection, void *context, uint32_t error)
{
    struct served *stream = context;

    (void)connection;
    assert_true(stream->is_open);
    stream->is_open = false;
    closed++;
    note("closed %d %u\n", stream->id, error);
}

static size_t stream_output(void *connection, void *context, uint8_t *out, size_t size,
                            bool *is_end)
{
    struct served *stream = context;
    size_t piece = stream->body_left < size ? stream->body_left : size;

    (void)connection;
    assert_true(stream->is_open);
    if (stream->is_held)
        return 0;
    if (stream->body_left > 0)
        memset(out, 'b', piece);
    stream->body_left -= piece;
    *is_end = stream->body_left == 0;
    if (*is_end)
        assert_int_equal(tri__h2_submit_trailers(h2, stream->id, trailer_fields, 1), 0);
    return piece;
}

static void ping_acked(void *connection)
{
    (void)connection;
    pings_acked++;
}

static const struct tri__h2_events h2_events = {stream_begun,  stream_field, stream_headers,
                                                stream_data,   stream_ended, stream_closed,
                                                stream_output, ping_acked,   NULL};

static int client_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct seen_frame *at = &seen[seen_count++];

    (void)session, (void)context;
    assert_true(seen_count < sizeof(seen) / sizeof(*seen));
    *at = (struct seen_frame){
        .type = frame->hd.type, .flags = frame->hd.flags, .stream = frame->hd.stream_id};
    if (at->type == NGHTTP2_RST_STREAM)
        at->value = frame->rst_stream.error_code;
    if (at->type == NGHTTP2_WINDOW_UPDATE)
        at->value = (uint32_t)frame->window_update.window_size_increment;
    if (at->type == NGHTTP2_GOAWAY) {
        at->value = frame->goaway.error_code;
        at->more = (uint32_t)frame->goaway.last_stream_id;
    }
    for (size_t i = 0; at->type == NGHTTP2_SETTINGS && i < frame->settings.niv; i++) {
        if (frame->settings.iv[i].settings_id == NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
            at->value = frame->settings.iv[i].value;
        if (frame->settings.iv[i].settings_id == NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE)
            at->more = frame->settings.iv[i].value;
    }
    return 0;
}

static int client_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                         size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                         void *context)
{
    size_t size = strlen(client_fields);

    (void)session, (void)frame, (void)name_size, (void)value_size, (void)flags, (void)context;
    snprintf(client_fields + size, sizeof(client_fields) - size, "%s=%s ", (const char *)name,
             (const char *)value);
    return 0;
}

static int client_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                        size_t size, void *context)
{
    (void)session, (void)flags, (void)id, (void)context, (void)bytes;
    client_data_size += size;
    return 0;
}

static inline void make_config(void)
{
    config = (struct tri__h2_config){
        .guard = {128, 100, 1 << 24, 1000, 33, 1000, 33, 100, 10, 100, 10},
        .streams_max = 77,
        .stream_window = 1 << 20,
        .connection_window = 1 << 22,
        .header_list_soft_max = 1000,
        .header_list_hard_max = 4000,
        .header_fields_max = 20,
        .continuation_max = 8,
    };
}

static inline void forget(void)
{
    events_size = 0;
    events[0] = '\0';
    seen_count = 0;
    client_data_size = 0;
    received_size = 0;
    client_fields[0] = '\0';
    begun = refused_left = pings_acked = closed = 0;
    has_failed = false;
}

/* A new pair; nothing has been said yet. */
static inline void open_pair(void)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;

    forget();
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, client_frame);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, client_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, client_chunk);
    assert_int_equal(nghttp2_option_new(&option), 0);
    nghttp2_option_set_no_closed_streams(option, 1);
    assert_int_equal(nghttp2_session_client_new2(&client, callbacks, NULL, option), 0);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    assert_int_equal(nghttp2_submit_settings(client, 0, NULL, 0), 0);
    assert_int_equal(tri__h2_new(&h2, &config, &pool, &h2_events, &pool, now), 0);
}

static inline void close_pair(void)
{
    tri__h2_free(h2);
    nghttp2_session_del(client);
    h2 = NULL;
}

/* Another session in the place of ours, from its beginning. */
static inline void renew(const struct tri__h2_events *its_events)
{
    tri__h2_free(h2);
    forget();
    assert_int_equal(tri__h2_new(&h2, &config, &pool, its_events, &pool, now), 0);
}

static inline int set_up(void **state)
{
    (void)state;
    failing_start(0, false);
    make_config();
    if (tri__h2_memory_init(&pool) != 0)
        return -1;
    open_pair();
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    close_pair();
    tri__h2_memory_fini(&pool);
    return failing.live_count == 0 ? 0 : -1;
}

/* Hands over bytes in pieces, a turn for each time that the share is used up. */
static inline void feed(const uint8_t *bytes, size_t size, size_t piece)
{
    for (size_t at = 0; at < size;) {
        size_t wanted = size - at < piece ? size - at : piece;
        size_t taken = tri__h2_feed(h2, bytes + at, wanted, now, &has_failed);

        assert_true(taken <= wanted);
        if (taken < wanted)
            tri__h2_begin_turn(h2);
        at += taken;
    }
}

/* What the client has to say. Returns: how many bytes; they are to be freed. */
static inline size_t take_client(uint8_t **bytes)
{
    const uint8_t *piece;
    size_t size = 0;
    ssize_t got;

    *bytes = NULL;
    while ((got = nghttp2_session_mem_send(client, &piece)) > 0) {
        *bytes = realloc(*bytes, size + (size_t)got);
        assert_non_null(*bytes);
        memcpy(*bytes + size, piece, (size_t)got);
        size += (size_t)got;
    }
    return size;
}

static inline size_t send_client(void)
{
    uint8_t *bytes;
    size_t size = take_client(&bytes);

    tri__h2_begin_turn(h2);
    feed(bytes, size, 16384);
    free(bytes);
    return size;
}

static inline size_t send_server(void)
{
    static uint8_t bytes[1 << 16];
    size_t size = tri__h2_write(h2, bytes, sizeof(bytes));

    if (size > 0)
        assert_int_equal(nghttp2_session_mem_recv(client, bytes, size), size);
    return size;
}

/* Until neither has anything to say. */
static inline void talk(void)
{
    while (send_client() + send_server() > 0)
        ;
}

static inline nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

struct body {
    size_t left;
    bool is_open; /* more may come */
};

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *out, size_t size,
                         uint32_t *flags, nghttp2_data_source *source, void *context)
{
    struct body *body = source->ptr;
    size_t piece = body->left < size ? body->left : size;

    (void)session, (void)id, (void)context;
    memset(out, 'q', piece);
    body->left -= piece;
    if (body->left == 0 && !body->is_open)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    else if (piece == 0)
        return NGHTTP2_ERR_DEFERRED;
    return (ssize_t)piece;
}

/* A request with `extra` fields of `extra_size` bytes. Without a body it ends at once. */
static inline int32_t request(struct body *body, size_t extra, size_t extra_size)
{
    static char value[5000];
    nghttp2_nv fields[200] = {field(":method", "POST"), field(":scheme", "http"),
                              field(":path", "/a/b"), field(":authority", "c")};
    nghttp2_data_provider provider = {.source = {.ptr = body}, .read_callback = read_body};

    memset(value, 'v', extra_size);
    value[extra_size] = '\0';
    for (size_t i = 0; i < extra; i++)
        fields[4 + i] = field("x-extra", value);
    return nghttp2_submit_request(client, NULL, fields, 4 + extra, body != NULL ? &provider : NULL,
                                  NULL);
}

/* How many frames of a kind the client has seen on a stream (-1: any); the last one in `*last`. */
static inline size_t count_seen(uint8_t type, int32_t stream, struct seen_frame *last)
{
    size_t count = 0;

    for (size_t i = 0; i < seen_count; i++) {
        if (seen[i].type != type || (stream >= 0 && seen[i].stream != stream))
            continue;
        count++;
        if (last != NULL)
            *last = seen[i];
    }
    return count;
}

#endif
