/*
 * Goal: however a call ends, and whichever side is first, it gets one status, its handler is told,
 * and its slot is freed once, after both sides are through. Method: the harness; where it matters a
 * handler calls into the reactor's side itself, as the other thread might at that very moment.
 */
#include "streams.h"

/* What the reactor does while the handler runs. */
static void (*meanwhile)(struct stream *stream);

static tri_code return_at_once(tri_call *call, const void *servicer, const void *request)
{
    (void)servicer, (void)request;
    tell("ran");
    if (meanwhile != NULL)
        meanwhile(stream_of(call));
    return TRI_OK;
}

/* Whatever ends it, it says so, and still tries to send. */
static tri_code listen_on(tri_call *call, const void *servicer, const void *request)
{
    (void)servicer;
    tell("ran");
    while ((request = tri_gen_next(call)) != NULL)
        tell(text_of(request));
    tell(tri_call_ended_ok(call) ? "end" : tri_code_name(tri_call_code(call)));
    if (meanwhile != NULL)
        meanwhile(stream_of(call));
    if (!tri_call_ended_ok(call)) {
        assert_int_equal(emit_text(call, "late"), tri_call_code(call));
        assert_int_equal(tri_gen_flush(call), tri_call_code(call));
        assert_int_equal(tri_call_send_headers(call), tri_call_code(call));
        assert_int_equal(tri_call_sleep(call, TRI_SECONDS(1000)), tri_call_code(call));
        assert_null(tri_gen_next(call));
        assert_int_equal(tri_gen_read(call, &request, TRI_FOREVER), TRI_OVER);
        assert_int_equal(tri_call_fail(call, TRI_ABORTED, "too late"), tri_call_code(call));
    }
    return TRI_ABORTED;
}

static void assert_ended(const struct stream *stream, tri_code code, const char *text)
{
    assert_true(stream->has_ended);
    assert_int_equal(stream->code, code);
    assert_string_equal(stream->text, text);
}

static void expect_freed(struct stream *stream)
{
    run_both();
    assert_null(stream->call);
    assert_int_equal(stream->freed, 1);
    assert_int_equal(table.live, 0);
}

static void reset_before_the_start(void **state)
{
    struct tri__method methods[] = {make_method(listen_on, true, true),
                                    make_method(return_at_once, false, true)};

    (void)state;
    meanwhile = NULL;
    for (size_t i = 0; i < 2; i++) {
        struct stream *stream = begin(1, &methods[i], TRI_FOREVER);

        receive_text(stream, "a");
        tri__call_half_closed(stream->call);
        close_stream(stream, TRI_CANCELLED);
        assert_int_equal(table.live, 1);
        expect_freed(stream);
        assert_string_equal(told, "");
        assert_false(stream->has_responded);
        assert_int_equal(atomic_load(&table.finished), i + 1);
    }
    /* A unary call whose message is not whole has no handler to wait for. */
    struct stream *stream = begin(1, &methods[1], TRI_FOREVER);

    receive_bytes(stream, (const uint8_t *)"\0\0\0\0\4x", 6);
    close_stream(stream, TRI_CANCELLED);
    assert_null(stream->call);
}

static void a_deadline_before_the_start(void **state)
{
    struct tri__method methods[] = {make_method(listen_on, true, true),
                                    make_method(return_at_once, false, true)};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct stream *stream = begin(1, &methods[i % 2], TRI_MS(10));

        receive_text(stream, "a");
        if (i < 2)
            tri__call_half_closed(stream->call);
        advance(9 * MS);
        assert_false(stream->has_ended);
        advance(3 * MS);
        assert_true(stream->has_responded && !stream->has_body);
        assert_ended(stream, TRI_DEADLINE_EXCEEDED, "the deadline has passed");
        finish(stream);
        assert_string_equal(told, "");
    }
    struct stream *stream = begin(1, &methods[0], 0);

    assert_ended(stream, TRI_DEADLINE_EXCEEDED, "the deadline had passed on arrival");
    assert_int_equal(atomic_load(&table.refused), 1);
    finish(stream);
    assert_string_equal(told, "");
}

static void a_deadline_while_the_handler_waits(void **state)
{
    struct tri__method method = make_method(listen_on, true, true);
    struct stream *stream = begin(1, &method, TRI_MS(10));

    (void)state;
    meanwhile = NULL;
    receive_text(stream, "a");
    run_both();
    assert_string_equal(told, "ran a ");
    advance(12 * MS);
    assert_ended(stream, TRI_DEADLINE_EXCEEDED, "the deadline has passed");
    run_both();
    assert_string_equal(told, "ran a DEADLINE_EXCEEDED ");
    assert_int_equal(table.live, 1); /* until the stream is gone */
    finish(stream);
    assert_int_equal(stream->out_size, 0);
    assert_int_equal(stream->resets, 0);
}

static tri_code say_much(tri_call *call, const void *servicer, const void *request)
{
    (void)servicer, (void)request;
    assert_in_range(tri_call_time_left(call), 1, TRI_MS(10));
    emit_text(call, "one two three four");
    tri_gen_flush(call);
    emit_text(call, "never sent");
    tri_gen_flush(call);
    tell(tri_code_name(tri_call_sleep(call, TRI_FOREVER)));
    assert_int_equal(tri_call_time_left(call), 0);
    return TRI_OK;
}

/* The rest of a message that has begun goes out, and nothing else, before the status. */
static void a_deadline_in_the_middle_of_a_message(void **state)
{
    struct tri__method method = make_method(say_much, true, true);
    struct stream *stream = begin(1, &method, TRI_MS(10));

    (void)state;
    run_both();
    assert_int_equal(pull(stream, 7), 7);
    advance(12 * MS);
    assert_false(stream->has_ended);
    finish(stream);
    assert_string_equal(told, "DEADLINE_EXCEEDED ");
    assert_ended(stream, TRI_DEADLINE_EXCEEDED, "the deadline has passed");
    assert_reply(stream, 0, "one two three four");
    assert_int_equal(stream->resets, 0);
}

static tri_code say_more_later(tri_call *call, const void *servicer, const void *request)
{
    (void)servicer, (void)request;
    emit_text(call, "one two three four");
    tri_call_sleep(call, TRI_MS(5));
    emit_text(call, "never sent");
    return tri_call_sleep(call, TRI_FOREVER);
}

/* So too when the other message was on its way between the two sides. */
static void a_deadline_with_output_on_its_way(void **state)
{
    struct tri__method method = make_method(say_more_later, true, true);
    struct stream *stream = begin(1, &method, TRI_MS(10));

    (void)state;
    run_both();
    assert_int_equal(pull(stream, 7), 7);
    advance(7 * MS);
    run_worker();
    advance(5 * MS);
    finish(stream);
    assert_ended(stream, TRI_DEADLINE_EXCEEDED, "the deadline has passed");
    assert_reply(stream, 0, "one two three four");
    assert_reply(stream, 1, NULL);
}

/* A peer that takes nothing gets a reset in the end. */
static void a_deadline_with_a_peer_that_takes_nothing(void **state)
{
    struct tri__method method = make_method(say_much, true, true);
    struct stream *stream = begin(1, &method, TRI_MS(10));

    (void)state;
    run_both();
    assert_int_equal(pull(stream, 7), 7);
    advance(12 * MS);
    advance(90 * MS);
    assert_int_equal(stream->resets, 0);
    advance(20 * MS);
    assert_int_equal(stream->resets, 1);
    assert_int_equal(stream->faults, 0);
    assert_int_equal(budget.output, 0);
    close_stream(stream, TRI_CANCELLED);
    expect_freed(stream);
    assert_false(stream->has_ended);
}

static void post_a_message(struct stream *stream)
{
    receive_text(stream, "meanwhile");
}

static void post_the_end(struct stream *stream)
{
    tri__call_half_closed(stream->call);
}

static void lose_the_stream(struct stream *stream)
{
    close_stream(stream, TRI_CANCELLED);
}

static void lose_the_connection(struct stream *stream)
{
    close_stream(stream, TRI_CANCELLED);
    tri__call_unlink(stream->call);
}

static void pass_the_deadline(struct stream *stream)
{
    assert_false(stream->has_ended);
    tri__wheel_advance(&reactor_wheel, test_now + 1000000 * MS);
}

/* Bits that come between the handler's return and the pop of their node: the slot waits for it. */
static void bits_that_meet_a_leaving_handler(void **state)
{
    static void (*const ways[])(struct stream * stream) = {
        post_a_message, post_the_end, lose_the_stream, lose_the_connection, pass_the_deadline};
    struct tri__method method = make_method(return_at_once, true, true);

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(ways) / sizeof(*ways); i++) {
        struct stream *stream;

        meanwhile = ways[i / 2];
        tri__wheel_init(&reactor_wheel, test_now);
        stream = begin(1, &method, TRI_SECONDS(100));
        forget_told();
        tri__poster_push(&reactor_poster, test_now);
        tri__mailbox_drain(&worker_mailbox);
        tri__scheduler_run(&worker, 64); /* without another look at the mailbox */
        assert_string_equal(told, "ran ");
        assert_int_equal(worker.fibers, 0);
        tri__poster_push(&worker.poster, test_now);
        if (i % 2 == 0)
            run_reactor();
        if (stream->call->wire_state != TRI__WIRE_CLOSED) {
            run_reactor();
            pull(stream, SIZE_MAX);
            assert_true(stream->has_ended);
            close_stream(stream, TRI_CANCELLED);
        }
        assert_int_equal(table.live, 1); /* the node has not been popped */
        assert_int_equal(stream->freed, 0);
        expect_freed(stream);
    }
}

/* The wire is gone first, or the connection, and the handler goes on as it likes. */
static void the_wire_goes_first(void **state)
{
    struct tri__method method = make_method(listen_on, true, true);

    (void)state;
    meanwhile = NULL;
    for (int i = 0; i < 4; i++) {
        struct stream *stream = begin(1, &method, TRI_SECONDS(10));

        forget_told();
        receive_text(stream, "a");
        if (i % 2 == 0)
            run_both();
        (i < 2 ? lose_the_stream : lose_the_connection)(stream);
        assert_int_equal(stream->freed, 0);
        expect_freed(stream);
        assert_string_equal(told, i % 2 == 0 ? "ran a CANCELLED " : "");
        assert_false(stream->has_responded);
    }
}

static void the_handler_goes_first(void **state)
{
    struct tri__method method = make_method(return_at_once, true, true);
    struct stream *stream = begin(1, &method, TRI_FOREVER);

    (void)state;
    meanwhile = NULL;
    run_both();
    assert_int_equal(table.live, 1);
    pull(stream, SIZE_MAX);
    assert_ended(stream, TRI_OK, "");
    /* What still comes is of no use to anybody. */
    receive_text(stream, "late");
    tri__call_half_closed(stream->call);
    tri__call_drain(stream->call);
    tri__call_abandon(stream->call, TRI_UNAVAILABLE, "never seen");
    run_both();
    assert_int_equal(table.live, 1);
    close_stream(stream, TRI_CANCELLED);
    assert_int_equal(table.live, 0);
    expect_freed(stream);
    assert_int_equal(stream->resets, 0);
}

static void an_abandoned_call_is_told(void **state)
{
    struct tri__method method = make_method(listen_on, true, true);
    struct stream *stream = begin(1, &method, TRI_FOREVER);

    (void)state;
    meanwhile = NULL;
    run_both();
    tri__call_abandon(stream->call, TRI_UNAVAILABLE, "the server is going");
    tri__call_abandon(stream->call, TRI_INTERNAL, "the first one wins");
    assert_ended(stream, TRI_UNAVAILABLE, "the server is going");
    finish(stream);
    assert_string_equal(told, "ran UNAVAILABLE ");
}

static void a_second_message_of_a_unary_call(void **state)
{
    struct tri__method method = make_method(answer, false, false);
    struct stream *stream = begin(1, &method, TRI_FOREVER);

    (void)state;
    receive_text(stream, "a");
    receive_text(stream, "b");
    assert_int_equal(stream->code, TRI_UNIMPLEMENTED);
    finish(stream);
    assert_string_equal(told, "");
}

static void a_refused_call_needs_no_handler(void **state)
{
    struct stream *stream = open_stream(1);

    (void)state;
    assert_non_null(stream);
    tri__call_refuse(stream->call, 415, TRI_INVALID_ARGUMENT, "not gRPC");
    assert_ended(stream, TRI_INVALID_ARGUMENT, "not gRPC");
    assert_int_equal(stream->call->http_status, 415);
    tri__call_receive(stream->call, (const uint8_t *)"\0\0\0\0\1a", 6);
    tri__call_half_closed(stream->call);
    tri__call_drain(stream->call);
    close_stream(stream, TRI_CANCELLED);
    assert_null(stream->call);
    assert_int_equal(atomic_load(&table.refused), 1);
    assert_int_equal(atomic_load(&table.started), 0);
    stream = open_stream(2);
    tri__call_fail_wire(stream->call, TRI_UNIMPLEMENTED, "unknown method %s", "/a/b");
    assert_ended(stream, TRI_UNIMPLEMENTED, "unknown method /a/b");
    close_stream(stream, TRI_CANCELLED);
    stream = open_stream(3); /* closed before its headers were complete */
    close_stream(stream, TRI_CANCELLED);
    assert_null(stream->call);
}

/* The drain's limit passed while the rest of its header block was on its way. */
static void an_abandoned_call_is_not_accepted(void **state)
{
    struct tri__method method = make_method(collect, true, false);
    struct stream *stream = open_stream(1);

    (void)state;
    assert_non_null(stream);
    tri__call_abandon(stream->call, TRI_UNAVAILABLE, "the server is shutting down");
    tri__call_accept(stream->call, &method, TRI_FOREVER, 0, is_local ? 1 : 0);
    close_stream(stream, TRI_CANCELLED);
    assert_int_equal(stream->freed, 1);
    run_both();
    assert_int_equal(stream->freed, 1);
    assert_int_equal(table.live, 0);
    assert_int_equal(atomic_load(&table.started), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(reset_before_the_start),
        BOTH(a_deadline_before_the_start),
        BOTH(a_deadline_while_the_handler_waits),
        BOTH(a_deadline_in_the_middle_of_a_message),
        BOTH(a_deadline_with_output_on_its_way),
        BOTH(a_deadline_with_a_peer_that_takes_nothing),
        cmocka_unit_test_setup_teardown(bits_that_meet_a_leaving_handler, set_up, tear_down),
        BOTH(the_wire_goes_first),
        BOTH(the_handler_goes_first),
        BOTH(an_abandoned_call_is_told),
        BOTH(a_second_message_of_a_unary_call),
        BOTH(an_abandoned_call_is_not_accepted),
        BOTH(a_refused_call_needs_no_handler),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
