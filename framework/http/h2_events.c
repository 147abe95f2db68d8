/*
 * nghttp2's callbacks of a session: frames that came, and the end of those that go.
 */
#include "h2_private.h"

void tri__h2_flood(struct tri__h2 *h2)
{
    h2->is_flooded = true;
    tri__h2_terminate(h2, TRI__H2_ENHANCE_YOUR_CALM, h2->guard.reason);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct tri__h2 *h2 = context;
    int32_t id = frame->hd.stream_id;

    h2->list_size = 0;
    h2->fields = 0;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        h2->stream = NULL;
        h2->is_too_large = true; /* trailers of a request: of no use to gRPC, so nothing is kept */
        return 0;
    }
    h2->highest_id = id;
    h2->is_too_large = false;
    h2->stream = h2->has_failed ? NULL : h2->events->stream_begun(h2->connection, id);
    if (h2->stream == NULL) {
        /* Above the limit that it has acknowledged, it is the peer's fault. */
        tri__h2_reset(h2, id, TRI__H2_REFUSED_STREAM, h2->has_ack, h2->now);
        return 0;
    }
    nghttp2_session_set_stream_user_data(session, id, h2->stream);
    h2->data_id = id;
    h2->data_stream = h2->stream;
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *context)
{
    struct tri__h2 *h2 = context;

    (void)session, (void)frame, (void)flags;
    h2->list_size += (uint32_t)(name_size + value_size + 32);
    h2->fields++;
    if (h2->list_size > h2->config->header_list_hard_max) {
        if (!h2->has_failed) {
            h2->is_flooded = true;
            tri__h2_terminate(h2, TRI__H2_ENHANCE_YOUR_CALM, "a header list beyond the hard limit");
        }
        return 0;
    }
    if (h2->list_size > h2->config->header_list_soft_max ||
        h2->fields > h2->config->header_fields_max)
        h2->is_too_large = true;
    if (h2->stream != NULL && !h2->is_too_large)
        h2->events->stream_field(h2->connection, h2->stream, name, name_size, value, value_size);
    return 0;
}

static void end_of_stream(struct tri__h2 *h2, const nghttp2_frame *frame)
{
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
        return;
    void *stream = frame->hd.stream_id == h2->data_id ? h2->data_stream
                                                      : tri__h2_stream_of(h2, frame->hd.stream_id);

    if (stream != NULL)
        h2->events->stream_ended(h2->connection, stream);
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct tri__h2 *h2 = context;

    (void)session;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        if (frame->headers.cat == NGHTTP2_HCAT_REQUEST && h2->stream != NULL)
            h2->events->stream_headers(h2->connection, h2->stream, h2->is_too_large);
        end_of_stream(h2, frame);
        break;
    case NGHTTP2_DATA:
        end_of_stream(h2, frame);
        break;
    case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0)
            h2->has_ack = true;
        else
            h2->has_settings = true;
        break;
    case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0)
            h2->events->ping_acked(h2->connection);
        break;
    default:
        break;
    }
    return 0;
}

static bool was_reset(const struct tri__h2 *h2, int32_t id)
{
    for (uint32_t i = 0; i < RESET_MEMORY; i++) {
        if (h2->resets[i] == id)
            return true;
    }
    return false;
}

/*
 * DATA and HEADERS for a stream that is closed. They are an error of the stream (RFC 9113, section
 * 5.1), not of the connection, since a peer that cancels may have its reset overtake its data
 * (Dubbo Java and grpc-java do).
 */
static void on_late_frame(struct tri__h2 *h2, int32_t id)
{
    if (!tri__guard_glitch(&h2->guard, h2->now))
        tri__h2_flood(h2);
    else if (!was_reset(h2, id))
        tri__h2_reset(h2, id, TRI__H2_STREAM_CLOSED, true, h2->now);
}

void tri__h2_skip_late_data(struct tri__h2 *h2, uint32_t until)
{
    while (h2->data_at < h2->guard.data_count && h2->guard.data_streams[h2->data_at] != until &&
           !h2->has_failed)
        on_late_frame(h2, (int32_t)h2->guard.data_streams[h2->data_at++]);
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *context)
{
    struct tri__h2 *h2 = context;

    if (hd->type == NGHTTP2_DATA) {
        tri__h2_skip_late_data(h2, (uint32_t)hd->stream_id);
        h2->data_at++;
    } else if (hd->type == NGHTTP2_HEADERS && hd->stream_id <= h2->highest_id &&
               nghttp2_session_find_stream(session, hd->stream_id) == NULL) {
        on_late_frame(h2, hd->stream_id);
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                   size_t size, void *context)
{
    struct tri__h2 *h2 = context;

    (void)flags;
    nghttp2_session_consume_connection(session, size);
    if (id != h2->data_id) {
        h2->data_id = id;
        h2->data_stream = tri__h2_stream_of(h2, id);
    }
    if (h2->data_stream != NULL)
        h2->events->stream_data(h2->connection, h2->data_stream, bytes, size);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *context)
{
    struct tri__h2 *h2 = context;
    void *stream = tri__h2_stream_of(h2, id);

    (void)session;
    if (id == h2->data_id) {
        h2->data_id = 0;
        h2->data_stream = NULL;
    }
    if (stream == NULL)
        return 0;
    h2->events->stream_closed(h2->connection, stream, error);
    return 0;
}

static const uint8_t drain_ping[8] = {'t', 'r', 'i', ' ', 'd', 'r', 'a', 'n'};

/*
 * A response that ends before the request does: the rest of the request is of no use, and the peer
 * is told so once the trailers are out. Before that the reset would take them back. (RFC 9113,
 * 8.1.)
 */
static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct tri__h2 *h2 = context;

    if (frame->hd.type == NGHTTP2_DATA)
        tri__guard_sent_data(&h2->guard, 1);
    if (frame->hd.type == NGHTTP2_GOAWAY && h2->is_announcing) {
        h2->is_announcing = false;
        nghttp2_submit_ping(session, NGHTTP2_FLAG_NONE, drain_ping);
    }
    if ((frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) ||
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0 ||
        nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) != 0)
        return 0;
    void *stream = tri__h2_stream_of(h2, frame->hd.stream_id);

    if (stream == NULL || h2->events->stream_takes_reset == NULL ||
        h2->events->stream_takes_reset(h2->connection, stream))
        tri__h2_reset(h2, frame->hd.stream_id, TRI__H2_NO_ERROR, false, h2->now);
    return 0;
}

/* A frame that the peer got wrong in a way that costs one stream. */
static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error,
                            void *context)
{
    struct tri__h2 *h2 = context;

    (void)session, (void)frame, (void)error;
    if (!tri__guard_fault(&h2->guard, h2->now))
        tri__h2_flood(h2);
    return 0;
}

nghttp2_session_callbacks *tri__h2_make_callbacks(void)
{
    nghttp2_session_callbacks *callbacks;

    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return NULL;
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    return callbacks;
}
