/*
 * For tests: what a peer and a handler do in the harness, in few words.
 */
#ifndef STREAMS_H
#define STREAMS_H

#include "harness.h"
#include "wire_field.h"

/* What handlers write down: words, each with a space after it. */
static char told[8192];
static size_t told_size;

static inline void tell(const char *what)
{
    size_t size = strlen(what);

    tri_assert(told_size + size + 2 < sizeof(told));
    memcpy(told + told_size, what, size);
    told[told_size + size] = ' ';
    told_size += size + 1;
    told[told_size] = '\0';
}

static inline void forget_told(void)
{
    told_size = 0;
    told[0] = '\0';
}

static inline int start_up(bool on_reactor)
{
    failing_start(0, false);
    is_local = on_reactor;
    forget_told();
    return harness_init();
}

static inline int set_up(void **state)
{
    (void)state;
    return start_up(false);
}

static inline int set_up_local(void **state)
{
    (void)state;
    return start_up(true);
}

static inline int tear_down(void **state)
{
    (void)state;
    return harness_fini();
}

/* A test twice: with the handler on a worker, and inline. */
#define BOTH(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, set_up, tear_down),                                      \
    {                                                                                              \
#test "_inline", test, set_up_local, tear_down, NULL                                       \
    }

static inline const char *text_of(const void *request)
{
    return ((const CallTest__Text *)request)->text;
}

static inline struct tri__method make_method(tri_gen_run run, bool requests_stream,
                                             bool replies_stream)
{
    static char path[] = "/test.Service/Method";
    static char state[] = "state";
    struct tri__method method = {
        .path = path,
        .path_size = sizeof(path) - 1,
        .run = run,
        .state = state,
        .requests_stream = requests_stream,
        .replies_stream = replies_stream,
        .is_inline = is_local,
    };

    tri__message_type_init(&method.request, &call_test__text__descriptor);
    tri__message_type_init(&method.reply, &call_test__text__descriptor);
    return method;
}

/* A stream whose headers have not come. Returns: NULL without memory. */
static inline struct stream *open_stream(int32_t id)
{
    struct stream *stream = &streams[id];

    free(stream->out);
    *stream = (struct stream){.call = tri__call_open(&table, &connection, &budget, peer, id)};
    return stream->call != NULL ? stream : NULL;
}

static inline struct stream *begin(int32_t id, const struct tri__method *method,
                                   tri_duration timeout)
{
    struct stream *stream = open_stream(id);

    assert_non_null(stream);
    tri__call_accept(stream->call, method, timeout, 0, is_local ? 1 : 0);
    return stream;
}

/* A message of the type Text as it is on the wire, with its prefix. Returns: its size. */
static inline size_t make_text(uint8_t *out, const char *text)
{
    CallTest__Text message = CALL_TEST__TEXT__INIT;
    size_t size;

    message.text = (char *)(uintptr_t)text;
    size = call_test__text__pack(&message, out + TRI__PREFIX_SIZE);
    tri__prefix_write(out, (uint32_t)size);
    return size + TRI__PREFIX_SIZE;
}

static inline void receive_bytes(struct stream *stream, const uint8_t *bytes, size_t size)
{
    stream->received += size;
    tri__call_receive(stream->call, bytes, size);
}

static inline void receive_text(struct stream *stream, const char *text)
{
    uint8_t bytes[4096];

    receive_bytes(stream, bytes, make_text(bytes, text));
}

/* Sends at most `size` bytes of what there is. Returns: how many. */
static inline size_t pull(struct stream *stream, size_t size)
{
    size_t sent = 0;

    while (sent < size && stream->call != NULL && stream->is_asked && !stream->has_ended) {
        uint8_t piece[1000];
        size_t wanted = size - sent < sizeof(piece) ? size - sent : sizeof(piece);
        bool is_end = false;
        size_t got = tri__call_output(stream->call, piece, wanted, &is_end);

        stream->out = realloc(stream->out, stream->out_size + got + 1);
        assert_non_null(stream->out);
        memcpy(stream->out + stream->out_size, piece, got);
        stream->out_size += got;
        sent += got;
        if (is_end)
            take_status(stream);
        else if (got == 0)
            stream->is_asked = false;
    }
    return sent;
}

/* What the peer got as reply number `index`: its text; NULL when there is none. */
static inline const char *reply_of(const struct stream *stream, size_t index, char *text,
                                   size_t size)
{
    size_t at = 0;

    while (stream->out_size - at >= TRI__PREFIX_SIZE) {
        uint32_t length = tri__prefix_size(stream->out + at);

        at += TRI__PREFIX_SIZE;
        assert_true(length <= stream->out_size - at);
        if (index-- == 0) {
            CallTest__Text *message = call_test__text__unpack(NULL, length, stream->out + at);

            assert_non_null(message);
            snprintf(text, size, "%s", message->text);
            call_test__text__free_unpacked(message, NULL);
            return text;
        }
        at += length;
    }
    return NULL;
}

/* The stream is gone, as after END_STREAM both ways, or a reset. */
static inline void close_stream(struct stream *stream, tri_code code)
{
    tri__call_closed(stream->call, code);
}

/* Lets it run to its end, and closes. */
static inline void finish(struct stream *stream)
{
    do {
        run_both();
    } while (pull(stream, SIZE_MAX) > 0 || run_worker());
    assert_true(stream->has_ended);
    close_stream(stream, TRI_CANCELLED);
    run_both();
    assert_null(stream->call);
    assert_int_equal(stream->freed, 1);
}

static inline tri_code emit_text(tri_call *call, const char *text)
{
    CallTest__Text reply = CALL_TEST__TEXT__INIT;

    reply.text = (char *)(uintptr_t)text;
    return tri_gen_emit(call, &reply);
}

static inline void assert_reply(const struct stream *stream, size_t index, const char *wanted)
{
    char text[2048];
    const char *got = reply_of(stream, index, text, sizeof(text));

    if (wanted == NULL) {
        assert_null(got);
    } else {
        assert_non_null(got);
        assert_string_equal(got, wanted);
    }
}

/* Handlers that many tests want. */
static inline tri_code answer(tri_call *call, const void *servicer, const void *request)
{
    (void)servicer;
    tell(text_of(request));
    return emit_text(call, tri_call_printf(call, "Hello, %s", text_of(request)));
}

static inline tri_code collect(tri_call *call, const void *servicer, const void *request)
{
    char all[256] = "";

    (void)servicer;
    assert_null(request);
    while ((request = tri_gen_next(call)) != NULL) {
        tell(text_of(request));
        strncat(all, text_of(request), sizeof(all) - strlen(all) - 1);
    }
    tell(tri_call_ended_ok(call) ? "end" : tri_code_name(tri_call_code(call)));
    assert_null(tri_gen_next(call)); /* and so it stays */
    return tri_call_ended_ok(call) ? emit_text(call, all) : tri_call_code(call);
}

static inline tri_code echo(tri_call *call, const void *servicer, const void *request)
{
    (void)servicer;
    while ((request = tri_gen_next(call)) != NULL) {
        tell(text_of(request));
        if (emit_text(call, tri_call_printf(call, "re:%s", text_of(request))) != TRI_OK)
            break;
    }
    tell(tri_call_ended_ok(call) ? "end" : tri_code_name(tri_call_code(call)));
    return TRI_OK;
}

#endif
