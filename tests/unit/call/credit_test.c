/*
 * Goal: every byte that the handler takes is given back as credit, once and in time; a message
 * above the window gets credit only when its handler waits for it, whole, in order, out of the
 * budgets of the connection and the process; and however that ends, the budgets come back to 0.
 * Method: the harness, where the peer sends as much as it has credit for.
 */
#include "large.h"

/* Never more than has been taken; and never so little that the peer must wait. */
static void what_is_taken_is_given_back(void **state)
{
    struct tri__method method = make_method(count_bytes, true, true);
    struct stream *stream = begin(1, &method, TRI_FOREVER);
    char text[1001];

    (void)state;
    may_take = true;
    memset(text, 'x', 1000);
    text[1000] = '\0';
    run_both();
    for (int i = 0; i < 500; i++) {
        assert_true(credit_of(stream) >= WINDOW / 2);
        receive_text(stream, text);
        assert_true(stream->credited <= stream->received);
        if (i % 5 != 4)
            continue;
        forget_told();
        run_both();
        assert_true(stream->credited <= stream->received);
    }
    tri__call_half_closed(stream->call);
    finish(stream);
    assert_budgets(0);
}

/* Sizes from a byte to more than the window, and no handler and peer that wait for each other. */
static void every_size_gets_through(void **state)
{
    static const size_t sizes[] = {WINDOW / 4,  WINDOW / 2, WINDOW - 12, WINDOW - 11,
                                   WINDOW - 10, WINDOW - 9, WINDOW - 5,  WINDOW - 1,
                                   WINDOW,      WINDOW + 1, WINDOW * 2};
    struct tri__method method = make_method(count_bytes, true, true);

    (void)state;
    may_take = true;
    for (size_t before = 0; before < 40000; before += 3333) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
            struct stream *stream = begin(1, &method, TRI_FOREVER);
            size_t size;

            forget_told();
            run_both();
            if (before > 0) {
                size = make_large(before + 20000);
                send_on(stream, 0, size);
                run_both();
            }
            for (int again = 0; again < 2; again++) {
                size = make_large(sizes[i]);
                for (size_t at = 0; at < size;) {
                    assert_true(credit_of(stream) > 0);
                    at = send_on(stream, at, size);
                    run_both();
                }
            }
            tri__call_half_closed(stream->call);
            finish(stream);
            assert_int_equal(stream->code, TRI_OK);
            assert_budgets(0);
        }
    }
}

/* A handler that does not wait says it at each quarter of the window, not with each message. */
static unsigned credits_seen;

static tri_code take_all_at_once(tri_call *call, const void *servicer, const void *request)
{
    uint64_t posted = call->credit_posted;

    (void)servicer;
    for (int i = 0; i < 60; i++) {
        request = tri_gen_next(call);
        assert_non_null(request);
        credits_seen += call->credit_posted != posted;
        posted = call->credit_posted;
    }
    return TRI_OK;
}

static void credit_is_not_posted_with_each_message(void **state)
{
    struct tri__method method = make_method(take_all_at_once, true, true);
    struct stream *stream = begin(1, &method, TRI_FOREVER);
    char text[1001];

    (void)state;
    memset(text, 'x', 1000);
    text[1000] = '\0';
    for (int i = 0; i < 60; i++)
        receive_text(stream, text);
    credits_seen = 0;
    run_worker();
    assert_int_equal(credits_seen, 3); /* of 60,480 bytes, 16,384 each */
    finish(stream);
}

static void a_large_message_waits_for_its_handler(void **state)
{
    struct tri__method method = make_method(count_bytes, true, true);
    size_t size = make_large(LARGE);

    (void)state;
    for (int first = 0; first < 2; first++) { /* whether it waits before the prefix comes */
        struct stream *stream = begin(1, &method, TRI_FOREVER);
        size_t at;

        forget_told();
        may_take = first == 1;
        run_both();
        at = send_on(stream, 0, size);
        assert_int_equal(at, WINDOW);
        if (first == 0) {
            advance(5 * MS);
            run_both();
            assert_int_equal(credit_of(stream), 0); /* nobody wants it */
            assert_budgets(0);
            may_take = true;
            advance(5 * MS);
        }
        run_both();
        assert_in_range(credit_of(stream), size - WINDOW, size);
        assert_budgets(size);
        at = send_on(stream, at, size);
        assert_int_equal(at, size);
        assert_budgets(size);
        run_both();
        assert_string_equal(told, "299991 ");
        assert_in_range(credit_of(stream), WINDOW * 3 / 4, WINDOW); /* as it was */
        assert_budgets(0);
        tri__call_half_closed(stream->call);
        finish(stream);
    }
}

/* Its handler has not started, and waits all the same. */
static void a_large_unary_request(void **state)
{
    struct tri__method method = make_method(count_bytes, false, true);
    size_t size = make_large(LARGE);
    struct stream *stream = begin(1, &method, TRI_FOREVER);

    (void)state;
    may_take = true;
    send_on(stream, send_on(stream, 0, size), size);
    assert_int_equal(stream->received, size);
    assert_budgets(size);
    tri__call_half_closed(stream->call);
    finish(stream);
    assert_string_equal(told, "unary ");
    assert_budgets(0);
}

static void a_reservation_ends_with_its_call(void **state)
{
    struct tri__method methods[] = {make_method(count_bytes, true, true),
                                    make_method(count_bytes, false, true)};
    size_t size = make_large(LARGE);

    (void)state;
    may_take = true;
    for (int way = 0; way < 10; way++) {
        struct stream *stream = begin(1, &methods[way % 2], TRI_SECONDS(100));
        size_t at;

        run_both();
        at = send_on(stream, 0, size);
        run_both();
        assert_budgets(size);
        send_on(stream, at, size - 1);
        switch (way / 2) {
        case 0: /* closed by the peer */
            close_stream(stream, TRI_CANCELLED);
            break;
        case 1: /* the peer ends in the middle */
            tri__call_half_closed(stream->call);
            assert_int_equal(stream->code, TRI_INTERNAL);
            break;
        case 2: /* its time is up */
            limits.reservation_timeout = TRI_FOREVER;
            for (int i = 0; i < 13; i++)
                advance(9000 * MS);
            limits.reservation_timeout = TRI_SECONDS(10);
            assert_int_equal(stream->code, TRI_DEADLINE_EXCEEDED);
            break;
        case 3: /* no progress */
            for (int i = 0; i < 21; i++)
                advance(500 * MS);
            assert_int_equal(stream->code, TRI_RESOURCE_EXHAUSTED);
            assert_non_null(strstr(stream->text, "299995 bytes came too slowly"));
            assert_budgets(0); /* at once, not when the stream closes */
            break;
        default: /* the connection is lost */
            close_stream(stream, TRI_CANCELLED);
            if (stream->call != NULL)
                tri__call_unlink(stream->call);
            break;
        }
        run_both();
        if (stream->call != NULL)
            close_stream(stream, TRI_CANCELLED);
        run_both();
        assert_null(stream->call);
        assert_budgets(0);
    }
}

/* What holds a budget for which others wait must come at a rate: a byte now and then is no sign. */
static void a_large_message_must_come_at_a_rate(void **state)
{
    struct tri__method method = make_method(count_bytes, true, true);
    size_t size = make_large(LARGE);

    (void)state;
    may_take = true;
    for (int is_fast = 0; is_fast < 2; is_fast++) {
        struct stream *stream = begin(1, &method, TRI_FOREVER);
        size_t at;

        run_both();
        at = send_on(stream, 0, size);
        run_both();
        assert_budgets(size);
        /* 64 KiB in just less than the limit, whenever in it; or less by one byte. */
        for (int i = 0; i < 3; i++) {
            at = send_on(stream, at, at + 65534);
            advance(4000 * MS);
            at = send_on(stream, at, at + 1 + (size_t)is_fast);
            for (int j = 0; j < 11; j++)
                advance(500 * MS);
            if (!is_fast && i == 0)
                assert_int_equal(stream->call->wire_state, TRI__WIRE_OPEN);
            if (!is_fast)
                advance(500 * MS);
            if (stream->call->wire_state != TRI__WIRE_OPEN)
                break;
        }
        if (is_fast) {
            send_on(stream, at, size);
            run_both();
            tri__call_half_closed(stream->call);
            finish(stream);
            assert_int_equal(stream->code, TRI_OK);
        } else {
            run_both();
            assert_int_equal(stream->code, TRI_RESOURCE_EXHAUSTED);
            assert_non_null(strstr(stream->text, "the last 65536 took more than 10000 ms"));
            close_stream(stream, TRI_CANCELLED);
            run_both();
        }
        assert_budgets(0);
        forget_told();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(what_is_taken_is_given_back),
        BOTH(every_size_gets_through),
        BOTH(credit_is_not_posted_with_each_message),
        BOTH(a_large_message_waits_for_its_handler),
        BOTH(a_large_unary_request),
        BOTH(a_reservation_ends_with_its_call),
        BOTH(a_large_message_must_come_at_a_rate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
