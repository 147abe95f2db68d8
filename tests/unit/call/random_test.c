/*
 * Goal: whatever happens in whatever order, and whichever allocation fails, each call ends with one
 * status, its slot is freed once, and nothing is left: no call, no output, no message that nobody
 * read, no budget, no memory.
 * Method: seeded random turns of both sides over a few calls, with the reactor's side also let
 * loose while a handler runs; and one whole call of each kind with every n-th allocation failing in
 * turn.
 */
#include "streams.h"

#include <stdlib.h>

#define CALLS 6
#define SEEDS 3000

static uint8_t wire_bytes[2 * WINDOW];
static size_t wire_size;
static struct stream *some[CALLS];
static size_t sent[CALLS];
static bool is_ended[CALLS], may_interrupt;

/* Something that the reactor may do to a call at any time. */
static void do_something(int i)
{
    struct stream *stream = some[i];
    size_t most, piece;

    if (stream->call == NULL || stream->call->wire_state == TRI__WIRE_CLOSED)
        return;
    switch (random() % 24) {
    case 0:
        close_stream(stream, TRI_CANCELLED);
        break;
    case 1:
        tri__call_abandon(stream->call, TRI_UNAVAILABLE, "abandoned");
        break;
    case 2:
        tri__call_drain(stream->call);
        break;
    case 3:
    case 4:
        if (!is_ended[i])
            tri__call_half_closed(stream->call);
        is_ended[i] = true;
        break;
    case 5:
    case 6:
    case 7:
    case 8:
        if (!stream->has_ended)
            pull(stream, (size_t)random() % 2000);
        break;
    case 9:
        close_stream(stream, TRI_CANCELLED);
        if (stream->call != NULL)
            tri__call_unlink(stream->call);
        break;
    default:
        most = wire_size - sent[i];
        piece = WINDOW + stream->credited - stream->received;
        if (piece > most)
            piece = most;
        if (piece > 0)
            piece = 1 + (size_t)random() % piece;
        if (random() % 3 > 0 && piece > 3000)
            piece = 3000;
        if (piece > 0 && !is_ended[i])
            receive_bytes(stream, wire_bytes + sent[i], piece);
        sent[i] += is_ended[i] ? 0 : piece;
        break;
    }
}

/* As if the other thread did something just now. */
static void be_interrupted(void)
{
    while (may_interrupt && !is_local && random() % 3 == 0)
        do_something((int)(random() % CALLS));
}

static tri_code do_anything(tri_call *call, const void *servicer, const void *request)
{
    bool is_over = false;

    (void)servicer;
    while (!is_over && random() % 40 > 0) {
        be_interrupted();
        switch (random() % 8) {
        case 0:
            is_over = tri_call_sleep(call, random() % 5000000) != TRI_OK;
            break;
        case 1:
            is_over = tri_gen_flush(call) != TRI_OK;
            break;
        case 2:
            tri_call_add_header(call, "x-a", "1");
            tri_call_add_trailer(call, "x-b", tri_call_printf(call, "%ld", random()));
            break;
        case 3:
        case 4:
            if (call->method->requests_stream)
                is_over = tri_gen_read(call, &request, random() % 3000000) <= 0;
            break;
        case 5:
            is_over =
                emit_text(call, tri_call_printf(call, "%0*d", (int)(random() % 900), 1)) != TRI_OK;
            break;
        default:
            if (call->method->requests_stream)
                is_over = tri_gen_next(call) == NULL;
            break;
        }
        be_interrupted();
    }
    if (random() % 4 == 0)
        tri_call_fail(call, (tri_code)(random() % 20), "failed %ld", random());
    be_interrupted();
    return random() % 2 == 0 ? TRI_OK : TRI_ABORTED;
}

static void fill_wire(void)
{
    static const size_t sizes[] = {0, 10, 100, 3, 5000, 64, 20, 70000, 1, 400};
    static char text[70001];

    wire_size = 0;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        memset(text, 'x', sizes[i]);
        text[sizes[i]] = '\0';
        wire_size += make_text(wire_bytes + wire_size, text);
    }
}

static void end_all(void)
{
    may_interrupt = false;
    for (int i = 0; i < CALLS; i++) {
        if (some[i]->call != NULL && some[i]->call->wire_state != TRI__WIRE_CLOSED)
            close_stream(some[i], TRI_CANCELLED);
    }
    /* Nobody waits for ever for a call that is over. */
    for (int i = 0; i < 4 && table.live > 0; i++)
        run_both();
    assert_int_equal(table.live, 0);
    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(some[i]->freed, 1);
        assert_true(some[i]->credited <= some[i]->received + WINDOW + 2 * 70010);
    }
    assert_int_equal(budget.output, 0);
    assert_int_equal(budget.used, 0);
    assert_int_equal(atomic_load(&process_used), 0);
    assert_int_equal(worker.fibers, 0);
    assert_int_equal(atomic_load(&table.started), atomic_load(&table.finished));
}

static void any_order_of_events(void **state)
{
    struct tri__method methods[] = {
        make_method(do_anything, true, true), make_method(do_anything, false, true),
        make_method(do_anything, true, false), make_method(do_anything, false, false)};

    (void)state;
    fill_wire();
    budget.limit = 100000;
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        srandom(seed);
        atomic_store(&table.started, 0);
        atomic_store(&table.finished, 0);
        for (int i = 0; i < CALLS; i++) {
            sent[i] = 0;
            is_ended[i] = false;
            some[i] = begin(i, &methods[random() % 4],
                            random() % 3 == 0 ? (tri_duration)(random() % 20000000) : TRI_FOREVER);
        }
        may_interrupt = true;
        for (int turn = 0; turn < 60; turn++) {
            switch (random() % 5) {
            case 0:
                run_worker();
                break;
            case 1:
                run_reactor();
                break;
            case 2:
                advance((uint64_t)random() % 3000000);
                break;
            default:
                do_something((int)(random() % CALLS));
                break;
            }
        }
        end_all();
    }
}

/* Output that was on its way when the connection went is dropped, wherever it was. */
static tri_code say_and_listen(tri_call *call, const void *servicer, const void *request)
{
    (void)servicer;
    tri_call_add_header(call, "x-a", "1");
    tri_call_add_trailer(call, "x-b", "2");
    emit_text(call, "first");
    tri_gen_flush(call);
    emit_text(call, "second");
    request = tri_gen_next(call);
    assert_null(request);
    emit_text(call, "third");
    return tri_call_code(call);
}

static void a_lost_connection_drops_what_was_on_its_way(void **state)
{
    struct tri__method method = make_method(say_and_listen, true, true);

    (void)state;
    for (int turns = 0; turns < 8; turns++) {
        struct stream *stream = begin(1, &method, TRI_FOREVER);

        if ((turns & 1) != 0)
            run_worker();
        if ((turns & 2) != 0)
            run_reactor();
        if ((turns & 4) != 0)
            pull(stream, 3);
        close_stream(stream, TRI_CANCELLED);
        tri__call_unlink(stream->call);
        assert_int_equal(budget.output, 0);
        run_both();
        assert_null(stream->call);
        assert_int_equal(stream->freed, 1);
    }
}

static tri_code return_at_once(tri_call *call, const void *servicer, const void *request)
{
    (void)call, (void)servicer, (void)request;
    return TRI_OK;
}

static void a_return_with_unread_messages(void **state)
{
    struct tri__method method = make_method(return_at_once, true, true);
    static char large[600];

    (void)state;
    memset(large, 'x', sizeof(large) - 1);
    for (int later = 0; later < 2; later++) {
        struct stream *stream = begin(1, &method, TRI_FOREVER);

        receive_text(stream, "inline");
        receive_text(stream, large);
        if (later == 1)
            run_worker(); /* and what follows meets a handler that is gone */
        receive_text(stream, large);
        receive_text(stream, "b");
        tri__call_half_closed(stream->call);
        finish(stream);
        assert_int_equal(stream->code, TRI_OK);
    }
}

static tri_code say_one(tri_call *call, const void *servicer, const void *request)
{
    (void)servicer, (void)request;
    return emit_text(call, "not taken yet, so the stream is still open");
}

static void messages_for_nobody_are_not_kept(void **state)
{
    struct tri__method method = make_method(say_one, true, true);
    struct stream *stream = begin(1, &method, TRI_FOREVER);
    size_t before;

    (void)state;
    run_worker();
    run_both();
    before = failing.live_count;
    for (int i = 0; i < 100; i++) {
        static char text[500];

        memset(text, 'x', sizeof(text) - 1);
        receive_text(stream, text);
        assert_int_equal(failing.live_count, before);
    }
    finish(stream);
}

/* All that takes memory: metadata both ways, messages large and small, texts, chunks. */
static tri_code take_memory(tri_call *call, const void *servicer, const void *request)
{
    (void)servicer;
    tri_call_add_header(call, "x-a", "1");
    tri_call_add_trailer_bytes(call, "x-b-bin", "2", 1);
    tri_call_alloc(call, 3000);
    if (request != NULL)
        emit_text(call, text_of(request));
    while (request == NULL && call->method->requests_stream && (request = tri_gen_next(call))) {
        char *text = tri_call_printf(call, "%s and more", text_of(request));

        request = NULL;
        assert_non_null(text);
        if (call->method->replies_stream && emit_text(call, text) != TRI_OK)
            break;
    }
    tri_call_set_details(call, "details", 7);
    if (tri_call_code(call) == TRI_OK && call->method->requests_stream)
        tri_call_fail(call, TRI_ABORTED, "a failure with a text");
    return tri_call_code(call);
}

/* Returns: whether it went through as if nothing had happened. */
static bool run_short_of_memory(const struct tri__method *method, uint64_t at)
{
    struct stream *stream;
    bool is_fine;

    failing.attempts = 0;
    failing.fail_at = at;
    stream = open_stream(1);
    if (stream == NULL) {
        failing.fail_at = 0;
        return false;
    }
    tri__call_store_field(stream->call, "x-a", 3, "value", 5);
    tri__call_store_field(stream->call, "x-b-bin", 7, "aGk,aGk", 7);
    for (int i = 0; i < 40; i++)
        tri__call_store_field(stream->call, "x-many", 6, "a value of some length", 22);
    tri__call_accept(stream->call, method, TRI_FOREVER, 0, is_local ? 1 : 0);
    for (size_t left = wire_size; left > 0;) {
        size_t piece = WINDOW + stream->credited - stream->received;

        if (stream->call->wire_state != TRI__WIRE_OPEN)
            break;
        assert_true(piece > 0);
        piece = piece < left ? piece : left;
        piece = piece < 7000 ? piece : 7000;
        receive_bytes(stream, wire_bytes + wire_size - left, piece);
        left -= piece;
        run_both();
        pull(stream, SIZE_MAX);
    }
    tri__call_half_closed(stream->call);
    finish(stream);
    is_fine = failing.attempts < at;
    failing.fail_at = 0;
    /* It may get through without what it lacked; else it says so. */
    if (stream->code != TRI_RESOURCE_EXHAUSTED)
        assert_int_equal(stream->code, method->requests_stream ? TRI_ABORTED : TRI_OK);
    return is_fine;
}

static void every_allocation_fails_in_turn(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        struct tri__method method = make_method(take_memory, (kind & 1) != 0, (kind & 2) != 0);
        uint64_t at = 1;

        fill_wire();
        if ((kind & 1) == 0)
            wire_size = make_text(wire_bytes, "one request");
        for (;; at++) {
            bool is_fine;

            harness_fini();
            assert_int_equal(failing.live_count, 0);
            assert_int_equal(start_up(is_local), 0);
            limits.process_budget = 1 << 20;
            is_fine = run_short_of_memory(&method, at);
            if (is_fine)
                break;
        }
        assert_true(at > 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_lost_connection_drops_what_was_on_its_way),
        BOTH(a_return_with_unread_messages),
        BOTH(messages_for_nobody_are_not_kept),
        BOTH(any_order_of_events),
        BOTH(every_allocation_fails_in_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
