/*
 * Goal: what a handler asks for and says arrives, in order and once: next, read, emit, flush,
 * sleep, a half-close at any moment, messages in pieces of every size, several calls side by side,
 * high and low marks. Method: the harness, with handlers that write down what they see; every test
 * with the handler on a worker and inline.
 */
#include "streams.h"

static void a_unary_call(void **state)
{
    struct tri__method method = make_method(answer, false, false);
    struct stream *stream = begin(1, &method, TRI_FOREVER);

    (void)state;
    receive_text(stream, "Ada");
    run_both();
    assert_int_equal(atomic_load(&table.started), 0); /* there may be a second message */
    tri__call_half_closed(stream->call);
    run_worker();
    assert_string_equal(told, "Ada ");
    assert_int_equal(stream->has_responded, is_local);
    run_reactor();
    assert_true(stream->has_responded && stream->has_body);
    finish(stream);
    assert_int_equal(stream->code, TRI_OK);
    assert_reply(stream, 0, "Hello, Ada");
    assert_reply(stream, 1, NULL);
    assert_int_equal(stream->resets, 0);
    assert_int_equal(atomic_load(&table.started), 1);
    assert_int_equal(atomic_load(&table.finished), 1);
    assert_int_equal(atomic_load(&table.refused), 0);
}

/* The last message and the half-close come at once, or one turn apart: in every order of turns. */
static void the_last_message_is_not_lost(void **state)
{
    struct tri__method method = make_method(collect, true, false);

    (void)state;
    for (unsigned turns = 0; turns < 256; turns++) {
        struct stream *stream = begin(1, &method, TRI_FOREVER);
        unsigned bits = turns;

        forget_told();
        for (int i = 0; i < 4; i++, bits >>= 2) {
            static const char *const texts[] = {"a", "b", "c"};

            if (i < 3)
                receive_text(stream, texts[i]);
            else
                tri__call_half_closed(stream->call);
            if ((bits & 1) != 0)
                run_worker();
            if ((bits & 2) != 0)
                run_reactor();
        }
        finish(stream);
        assert_string_equal(told, "a b c end ");
        assert_reply(stream, 0, "abc");
        assert_int_equal(stream->code, TRI_OK);
    }
}

static void a_half_close_without_a_message(void **state)
{
    struct tri__method streaming = make_method(collect, true, false);
    struct tri__method unary = make_method(answer, false, false);
    struct stream *stream = begin(1, &streaming, TRI_FOREVER);

    (void)state;
    tri__call_half_closed(stream->call);
    finish(stream);
    assert_string_equal(told, "end ");
    assert_reply(stream, 0, "");
    stream = begin(2, &unary, TRI_FOREVER);
    tri__call_half_closed(stream->call);
    assert_true(stream->has_ended);
    assert_int_equal(stream->code, TRI_UNIMPLEMENTED);
    finish(stream);
}

static void pieces_of_every_size(void **state)
{
    struct tri__method method = make_method(echo, true, true);
    static uint8_t bytes[4096];
    static char large[1500];
    const char *const texts[] = {"one", "", large, "four", large, ""};
    size_t size = 0;

    (void)state;
    memset(large, 'x', sizeof(large) - 1);
    for (size_t i = 0; i < 6; i++)
        size += make_text(bytes + size, texts[i]);
    for (size_t piece = 1; piece <= 300; piece++) {
        struct stream *stream = begin(1, &method, TRI_FOREVER);
        char text[2000];

        forget_told();
        for (size_t at = 0; at < size; at += piece) {
            receive_bytes(stream, bytes + at, size - at < piece ? size - at : piece);
            if (at / piece % 7 == piece % 7)
                run_both();
            if (at / piece % 11 == piece % 11)
                pull(stream, SIZE_MAX);
        }
        tri__call_half_closed(stream->call);
        finish(stream);
        assert_int_equal(stream->code, TRI_OK);
        for (size_t i = 0; i < 6; i++) {
            const char *got = reply_of(stream, i, text, sizeof(text));

            assert_non_null(got);
            assert_true(strncmp(got, "re:", 3) == 0);
            assert_string_equal(got + 3, texts[i]);
        }
        assert_null(reply_of(stream, 6, text, sizeof(text)));
    }
}

static void bad_frames_end_the_call(void **state)
{
    static const struct {
        uint8_t bytes[8];
        size_t size;
        bool ends;
        tri_code code;
    } wrong[] = {
        {{2, 0, 0, 0, 0}, 5, false, TRI_INTERNAL},
        {{1, 0, 0, 0, 0}, 5, false, TRI_INTERNAL},
        {{0, 0, 0x40, 0, 1}, 5, false, TRI_RESOURCE_EXHAUSTED}, /* one byte above 4 MiB */
        {{0, 255, 255, 255, 255}, 5, false, TRI_RESOURCE_EXHAUSTED},
        {{0, 0, 0, 0, 2, 1}, 6, true, TRI_INTERNAL},
        {{0, 0}, 2, true, TRI_INTERNAL},
        {{0, 0, 0, 0, 1, 0xff}, 6, true, TRI_INTERNAL}, /* no such message */
    };
    struct tri__method methods[] = {make_method(collect, true, false),
                                    make_method(answer, false, false)};

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(wrong) / sizeof(*wrong); i++) {
        struct stream *stream = begin(1, &methods[i % 2], TRI_FOREVER);

        if (i % 4 < 2)
            run_both();
        receive_bytes(stream, wrong[i / 2].bytes, wrong[i / 2].size);
        if (wrong[i / 2].ends)
            tri__call_half_closed(stream->call);
        finish(stream);
        assert_int_equal(stream->code, wrong[i / 2].code);
        assert_true(stream->text[0] != '\0');
        assert_int_equal(stream->out_size, 0);
    }
}

/* Dubbo-Python ends each request with an empty message of its own. */
static void an_empty_last_message_of_dubbo_python(void **state)
{
    struct tri__method streaming = make_method(collect, true, false);
    struct tri__method unary = make_method(answer, false, false);
    struct stream *stream = begin(1, &streaming, TRI_FOREVER);
    static const uint8_t empty[TRI__PREFIX_SIZE];

    (void)state;
    stream->call->content = TRI__CONTENT_GRPC_DATA;
    receive_text(stream, "a");
    receive_bytes(stream, empty, sizeof(empty)); /* not the last one */
    receive_text(stream, "b");
    receive_bytes(stream, empty, sizeof(empty));
    tri__call_half_closed(stream->call);
    finish(stream);
    assert_string_equal(told, "a  b end ");
    forget_told();
    stream = begin(2, &unary, TRI_FOREVER);
    stream->call->content = TRI__CONTENT_GRPC_DATA;
    receive_text(stream, "c");
    receive_bytes(stream, empty, sizeof(empty));
    tri__call_half_closed(stream->call);
    finish(stream);
    assert_string_equal(told, "c ");
    assert_int_equal(stream->code, TRI_OK);
}

static tri_code read_with_limits(tri_call *call, const void *servicer, const void *request)
{
    static const tri_duration limits_of_reads[] = {0, TRI_MS(10), TRI_MS(10), TRI_FOREVER};
    static const char *const names[] = {"EOF", "MESSAGE", "TIMED_OUT"};
    int outcome;
    size_t i = 0;

    (void)servicer;
    do {
        outcome = tri_gen_read(call, &request, limits_of_reads[i < 3 ? i : 3]);
        tell(outcome >= 0 ? names[outcome] : outcome == TRI_DRAINING ? "DRAINING" : "OVER");
        assert_true((request != NULL) == (outcome == TRI_MESSAGE));
        i++;
    } while (outcome > 0 || outcome == TRI_DRAINING);
    return TRI_OK;
}

static void a_read_with_a_limit(void **state)
{
    struct tri__method method = make_method(read_with_limits, true, true);
    struct stream *stream = begin(1, &method, TRI_FOREVER);

    (void)state;
    run_both();
    assert_string_equal(told, "TIMED_OUT ");
    advance(9 * MS);
    run_both();
    assert_string_equal(told, "TIMED_OUT "); /* never early */
    advance(3 * MS);
    run_both();
    assert_string_equal(told, "TIMED_OUT TIMED_OUT ");
    /* A message that is there when the time is up is not passed over. */
    receive_text(stream, "a");
    advance(12 * MS);
    run_both();
    assert_string_equal(told, "TIMED_OUT TIMED_OUT MESSAGE ");
    tri__call_drain(stream->call);
    tri__call_drain(stream->call); /* is said once */
    run_both();
    assert_string_equal(told, "TIMED_OUT TIMED_OUT MESSAGE DRAINING ");
    receive_text(stream, "b");
    tri__call_half_closed(stream->call);
    finish(stream);
    assert_string_equal(told, "TIMED_OUT TIMED_OUT MESSAGE DRAINING MESSAGE EOF ");
}

static tri_code fill_up(tri_call *call, const void *servicer, const void *request)
{
    char text[101];

    (void)servicer, (void)request;
    memset(text, 'y', 100);
    text[100] = '\0';
    for (unsigned i = 0; i < 200; i++) {
        if (emit_text(call, text) != TRI_OK)
            break;
        if (i % 10 == 9)
            tell("10");
    }
    return TRI_OK;
}

/* Marks at 4,096 and 2,048 bytes, messages of 107. */
/* Publishes each reply by itself. */
static tri_code drip(tri_call *call, const void *servicer, const void *request)
{
    (void)servicer;
    while ((request = tri_gen_next(call)) != NULL) {
        for (int i = 0; i < 100; i++) {
            if (emit_text(call, text_of(request)) != TRI_OK || tri_gen_flush(call) != TRI_OK)
                return tri_call_code(call);
        }
    }
    return TRI_OK;
}

/* However output is cut, what waits for a peer that does not read costs memory by its bytes. */
static void small_replies_that_wait_are_small(void **state)
{
    struct tri__method method = make_method(drip, true, true);
    struct stream *stream = begin(1, &method, TRI_FOREVER);
    size_t before, most;

    (void)state;
    limits.high_mark = 65536;
    limits.low_mark = 32768;
    run_both();
    before = failing.live_bytes;
    for (int i = 0; i < 100; i++) {
        receive_text(stream, "0123456789");
        failing.peak_bytes = failing.live_bytes;
        most = failing.live_bytes;
        run_both();
        assert_true(failing.peak_bytes - most < 65536); /* 100 at a time, before they are packed */
    }
    assert_in_range(budget.output, limits.high_mark + 1, limits.high_mark + 20);
    assert_true(failing.live_bytes - before < 2 * limits.high_mark);
    tri__call_half_closed(stream->call);
    finish(stream);
    assert_int_equal(stream->out_size, 100 * 100 * 17);
    assert_reply(stream, 9999, "0123456789");
}

static void emit_waits_between_the_marks(void **state)
{
    struct tri__method method = make_method(fill_up, false, true);
    struct stream *stream = begin(1, &method, TRI_FOREVER);
    size_t waiting, most;

    (void)state;
    receive_text(stream, "");
    tri__call_half_closed(stream->call);
    run_both();
    most = budget.output;
    assert_in_range(most, limits.high_mark + 1, limits.high_mark + 107);
    assert_string_equal(told, "10 10 10 ");
    waiting = most;
    while (waiting >= limits.low_mark) { /* not below the low mark: nothing goes on */
        assert_int_equal(budget.output, waiting);
        assert_int_equal(pull(stream, 100), 100);
        waiting -= 100;
        if (waiting >= limits.low_mark)
            run_both();
    }
    assert_string_equal(told, "10 10 10 ");
    run_both();
    assert_in_range(budget.output, limits.high_mark + 1, limits.high_mark + 107);
    while (!stream->has_ended) {
        assert_true(budget.output <= limits.high_mark + 107);
        pull(stream, 333);
        run_both();
    }
    finish(stream);
    assert_int_equal(stream->out_size, 200 * 107);
}

static void pull_all(struct stream *stream)
{
    pull(stream, SIZE_MAX);
}

/*
 * By the time that the handler's wish to write on is read, its output has gone: no wait for ever.
 */
static void output_that_goes_at_once(void **state)
{
    struct tri__method method = make_method(fill_up, false, true);
    struct stream *stream = begin(1, &method, TRI_FOREVER);

    (void)state;
    eager = pull_all;
    receive_text(stream, "");
    tri__call_half_closed(stream->call);
    run_both();
    assert_true(stream->has_ended);
    assert_int_equal(stream->out_size, 200 * 107);
    finish(stream);
}

static tri_code say_and_wait(tri_call *call, const void *servicer, const void *request)
{
    (void)servicer, (void)request;
    assert_int_equal(emit_text(call, "first"), TRI_OK);
    assert_int_equal(tri_call_sleep(call, TRI_MS(5)), TRI_OK); /* sends it */
    assert_int_equal(emit_text(call, "second"), TRI_OK);
    assert_int_equal(tri_gen_flush(call), TRI_OK); /* so does this */
    tell("flushed");
    return tri_call_sleep(call, TRI_MS(5));
}

static void what_is_pending_goes_out_before_a_wait(void **state)
{
    struct tri__method method = make_method(say_and_wait, false, true);
    struct stream *stream = begin(1, &method, TRI_FOREVER);
    uint64_t begun = test_now;

    (void)state;
    receive_text(stream, "");
    tri__call_half_closed(stream->call);
    run_both();
    pull(stream, SIZE_MAX);
    assert_reply(stream, 0, "first");
    assert_reply(stream, 1, NULL);
    while (told[0] == '\0') {
        advance(MS / 2);
        run_both();
    }
    assert_in_range(test_now - begun, 5 * MS, 7 * MS);
    pull(stream, SIZE_MAX);
    assert_reply(stream, 1, "second");
    assert_false(stream->has_ended);
    advance(7 * MS);
    finish(stream);
    assert_int_equal(stream->code, TRI_OK);
}

static void calls_side_by_side(void **state)
{
    struct tri__method method = make_method(echo, true, true);
    struct stream *some[20];

    (void)state;
    for (int i = 0; i < 20; i++)
        some[i] = begin(i, &method, TRI_FOREVER);
    assert_int_equal(table.live, 20);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 20; i++) {
            char text[32];

            snprintf(text, sizeof(text), "%d.%d", i, round);
            receive_text(some[(i + round * 7) % 20], text);
            if (i % 3 == 0)
                run_worker();
        }
        forget_told();
        run_both();
    }
    for (int i = 0; i < 20; i++) {
        tri__call_half_closed(some[i]->call);
        finish(some[i]);
        assert_int_equal(some[i]->code, TRI_OK);
        assert_reply(some[i], 10, NULL);
        for (int round = 0; round < 10; round++) {
            char text[32];

            snprintf(text, sizeof(text), "re:%d.%d", (i + 20 * 7 - round * 7) % 20, round);
            assert_reply(some[i], (size_t)round, text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_unary_call),
        BOTH(the_last_message_is_not_lost),
        BOTH(a_half_close_without_a_message),
        BOTH(pieces_of_every_size),
        BOTH(bad_frames_end_the_call),
        BOTH(an_empty_last_message_of_dubbo_python),
        BOTH(a_read_with_a_limit),
        BOTH(small_replies_that_wait_are_small),
        BOTH(emit_waits_between_the_marks),
        BOTH(output_that_goes_at_once),
        BOTH(what_is_pending_goes_out_before_a_wait),
        BOTH(calls_side_by_side),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
