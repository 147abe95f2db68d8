/*
 * nghttp2, set up for speed: no priority tree (RFC 9218's SETTINGS_NO_RFC7540_PRIORITIES), no
 * memory of closed streams, window updates by hand, memory from the reactor's pool, and no copies
 * of names and values that live for ever. Its checks of HTTP messages stay on (RFC 9113, section
 * 8).
 *
 * nghttp2's law: mem_recv and mem_send must not be called from a callback.
 */
#include "h2_private.h"

#include <errno.h>
#include <string.h>

#include "alloc.h"
#include "assertion.h"
#include "h2_memory_nghttp2.h"

void tri__h2_terminate(struct tri__h2 *h2, enum tri__h2_error error, const char *reason)
{
    h2->has_failed = true;
    h2->reason = reason;
    /* A session that nghttp2 has ended already keeps its own GOAWAY. */
    nghttp2_session_terminate_session2(
        h2->session, nghttp2_session_get_last_proc_stream_id(h2->session), (uint32_t)error);
}

static nghttp2_option *make_options(const struct tri__h2_config *config)
{
    nghttp2_option *option;

    if (nghttp2_option_new(&option) != 0)
        return NULL;
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
#ifdef TRI__NGHTTP2_HAS_RESET_RATE_LIMIT
    /* The guard counts resets; nghttp2's own limit must not be the stricter one. */
    nghttp2_option_set_stream_reset_rate_limit(option, UINT64_MAX, UINT64_MAX);
#endif
#ifdef TRI__NGHTTP2_HAS_MAX_CONTINUATIONS
    nghttp2_option_set_max_continuations(option, 10 * ((size_t)config->continuation_max + 1));
#endif
    (void)config;
    return option;
}

/*
 * To nghttp2 a stream above the announced limit is an error of the connection. It is one of the
 * stream (RFC 9113, section 5.1.2), and Dubbo-Python does not know the limit at all: so nghttp2 is
 * told of no limit, the events refuse what is too much, and the peer is told the number here, in
 * the first frame.
 */
static void announce_streams_max(struct tri__h2 *h2)
{
    uint8_t *frame = h2->first_frame;

    h2->has_announced = true;
    if (h2->pending_size > sizeof(h2->first_frame))
        return;
    memcpy(frame, h2->pending, h2->pending_size);
    h2->pending = frame;
    for (size_t at = TRI__FRAME_HEADER_SIZE; at + 6 <= h2->pending_size; at += 6) {
        if (frame[at] == 0 && frame[at + 1] == NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS) {
            for (size_t i = 0; i < 4; i++)
                frame[at + 2 + i] = (uint8_t)(h2->config->streams_max >> (24 - 8 * i));
            return;
        }
    }
}

/* What the first write announces: large windows, without which Dubbo-Python loses requests. */
static int announce(struct tri__h2 *h2)
{
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, NGHTTP2_INITIAL_MAX_CONCURRENT_STREAMS},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, h2->config->stream_window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, h2->config->header_list_soft_max},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };

    if (nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings,
                                sizeof(settings) / sizeof(*settings)) != 0)
        return -ENOMEM;
    if (nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
                                              (int32_t)h2->config->connection_window) != 0)
        return -ENOMEM;
    return 0;
}

int tri__h2_new(struct tri__h2 **out, const struct tri__h2_config *config,
                struct tri__h2_memory *memory, const struct tri__h2_events *events,
                void *connection, uint64_t now)
{
    struct tri__h2 *h2 = tri__alloc_zeroed(1, sizeof(*h2));
    nghttp2_session_callbacks *callbacks = tri__h2_make_callbacks();
    nghttp2_option *option = make_options(config);
    nghttp2_mem hooks = tri__h2_memory_hooks(memory);
    int r = -ENOMEM;

    if (h2 != NULL && callbacks != NULL && option != NULL) {
        h2->config = config;
        h2->events = events;
        h2->connection = connection;
        h2->now = now;
        tri__guard_init(&h2->guard, &config->guard, now);
        h2->guard.continuation_max = config->continuation_max;
        if (nghttp2_session_server_new3(&h2->session, callbacks, h2, option, &hooks) == 0)
            r = announce(h2);
    }
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    if (r < 0) {
        tri__h2_free(h2);
        return r;
    }
    *out = h2;
    return 0;
}

void tri__h2_free(struct tri__h2 *h2)
{
    if (h2 == NULL)
        return;
    nghttp2_session_del(h2->session);
    tri__free(h2);
}

void tri__h2_begin_turn(struct tri__h2 *h2)
{
    tri__guard_begin_turn(&h2->guard);
}

size_t tri__h2_feed(struct tri__h2 *h2, const uint8_t *bytes, size_t size, uint64_t now,
                    bool *has_failed)
{
    enum tri__guard_verdict verdict;
    size_t admitted;

    h2->now = now;
    if (h2->has_failed) {
        *has_failed = true;
        return size;
    }
    admitted = tri__guard_admit(&h2->guard, bytes, size, now, &verdict);
    if (admitted > 0) {
        h2->data_at = 0;
        ssize_t taken = nghttp2_session_mem_recv(h2->session, bytes, admitted);

        if (taken < 0) {
            /* Not HTTP/2 at all, no memory, or a flood, of which nghttp2 does not tell the peer. */
            h2->has_failed = true;
            h2->reason = nghttp2_strerror((int)taken);
            h2->is_flooded = tri__h2_is_flood_error((int)taken);
            if (h2->is_flooded)
                tri__h2_terminate(h2, TRI__H2_ENHANCE_YOUR_CALM, h2->reason);
        }
        if (nghttp2_session_want_read(h2->session) != 0)
            tri__h2_skip_late_data(h2, 0);
    }
    if (verdict == TRI__GUARD_FLOOD && !h2->has_failed)
        tri__h2_flood(h2);
    else if (verdict == TRI__GUARD_PROTOCOL && !h2->has_failed)
        tri__h2_terminate(h2, TRI__H2_PROTOCOL_ERROR, h2->guard.reason);
    if (nghttp2_session_want_read(h2->session) == 0)
        h2->has_failed = true;
    *has_failed = h2->has_failed;
    return h2->has_failed ? size : admitted;
}

size_t tri__h2_write(struct tri__h2 *h2, uint8_t *out, size_t size)
{
    size_t at = 0;

    while (at < size) {
        if (h2->pending_size == 0) {
            ssize_t ready = nghttp2_session_mem_send(h2->session, &h2->pending);

            if (ready <= 0) {
                h2->has_failed = h2->has_failed || ready < 0;
                break;
            }
            h2->pending_size = (size_t)ready;
            if (!h2->has_announced)
                announce_streams_max(h2);
        }
        size_t piece = h2->pending_size < size - at ? h2->pending_size : size - at;

        memcpy(out + at, h2->pending, piece);
        h2->pending += piece;
        h2->pending_size -= piece;
        at += piece;
    }
    return at;
}

bool tri__h2_wants_write(const struct tri__h2 *h2)
{
    return h2->pending_size > 0 || nghttp2_session_want_write(h2->session) != 0;
}

bool tri__h2_is_over(const struct tri__h2 *h2)
{
    return h2->has_failed || (nghttp2_session_want_read(h2->session) == 0 &&
                              nghttp2_session_want_write(h2->session) == 0);
}

size_t tri__h2_queued(const struct tri__h2 *h2)
{
    return nghttp2_session_get_outbound_queue_size(h2->session);
}

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *out, size_t size,
                       uint32_t *flags, nghttp2_data_source *source, void *context)
{
    struct tri__h2 *h2 = context;
    bool is_end = false;
    size_t filled = h2->events->stream_output(h2->connection, source->ptr, out, size, &is_end);

    (void)session, (void)id;
    if (is_end)
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    else if (filled == 0)
        return NGHTTP2_ERR_DEFERRED;
    return (ssize_t)filled;
}

/* More than that is rare, and an array for all that is possible would be pages of stack. */
#define FIELDS_USUAL 16

static void to_nv(nghttp2_nv *nv, const struct tri__field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        nv[i] = (nghttp2_nv){
            .name = (uint8_t *)(uintptr_t)fields[i].name,
            .value = (uint8_t *)(uintptr_t)fields[i].value,
            .namelen = fields[i].name_size,
            .valuelen = fields[i].value_size,
            .flags = fields[i].is_static
                         ? NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE
                         : NGHTTP2_NV_FLAG_NONE,
        };
    }
}

/* `provider` NULL with `is_trailers` false: a response without a body. */
static int submit(struct tri__h2 *h2, int32_t id, const struct tri__field *fields, size_t count,
                  bool is_trailers, const nghttp2_data_provider *provider)
{
    nghttp2_nv usual[FIELDS_USUAL];
    nghttp2_nv *nv = count <= FIELDS_USUAL ? usual : tri__alloc(count * sizeof(*nv));

    if (nv == NULL)
        return -ENOMEM;
    to_nv(nv, fields, count);
    int r = is_trailers ? nghttp2_submit_trailer(h2->session, id, nv, count)
                        : nghttp2_submit_response(h2->session, id, nv, count, provider);

    if (nv != usual)
        tri__free(nv);
    return r == 0 ? 0 : -ENOMEM;
}

int tri__h2_submit_response(struct tri__h2 *h2, int32_t id, const struct tri__field *fields,
                            size_t count, void *stream)
{
    nghttp2_data_provider provider = {.source = {.ptr = stream}, .read_callback = on_read};

    return submit(h2, id, fields, count, false, stream != NULL ? &provider : NULL);
}

int tri__h2_submit_trailers(struct tri__h2 *h2, int32_t id, const struct tri__field *fields,
                            size_t count)
{
    return submit(h2, id, fields, count, true, NULL);
}

void tri__h2_resume(struct tri__h2 *h2, int32_t id)
{
    nghttp2_session_resume_data(h2->session, id);
}

void tri__h2_reset(struct tri__h2 *h2, int32_t id, enum tri__h2_error error, bool is_fault,
                   uint64_t now)
{
    h2->resets[h2->reset_at++ % RESET_MEMORY] = id;
    nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, id, (uint32_t)error);
    if (is_fault && !tri__guard_fault(&h2->guard, now))
        tri__h2_flood(h2);
}

void tri__h2_credit(struct tri__h2 *h2, int32_t id, size_t size)
{
    nghttp2_submit_window_update(h2->session, NGHTTP2_FLAG_NONE, id, (int32_t)size);
}

void tri__h2_announce_shutdown(struct tri__h2 *h2)
{
    /* The PING follows when that is out: nghttp2 would let it overtake. */
    h2->is_announcing = nghttp2_submit_shutdown_notice(h2->session) == 0;
}

void tri__h2_shutdown(struct tri__h2 *h2)
{
    nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(h2->session), NGHTTP2_NO_ERROR,
                          NULL, 0);
}

bool tri__h2_has_settings(const struct tri__h2 *h2)
{
    return h2->has_settings;
}

bool tri__h2_settings_acked(const struct tri__h2 *h2)
{
    return h2->has_ack;
}

uint32_t tri__h2_peer_header_list_max(const struct tri__h2 *h2)
{
    return nghttp2_session_get_remote_settings(h2->session, NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE);
}

bool tri__h2_is_in_headers(const struct tri__h2 *h2)
{
    return h2->guard.is_in_headers;
}

bool tri__h2_is_window_bound(const struct tri__h2 *h2)
{
    return nghttp2_session_get_remote_window_size(h2->session) <= 0;
}

bool tri__h2_is_flooded(const struct tri__h2 *h2)
{
    return h2->is_flooded;
}

const char *tri__h2_reason(const struct tri__h2 *h2)
{
    return h2->reason != NULL ? h2->reason : "";
}
