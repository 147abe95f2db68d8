/*
 * Goal: a handler that never has to wait does not keep the others of its thread from running.
 * Method: one call with hundreds of messages at hand, or replies without end, and one behind it.
 */
#include "streams.h"

/* A new call starts after four turns of those that run already. */
#define TURNS 6
#define REPLIES 60000

static unsigned taken, taken_before;

static tri_code take_all(tri_call *call, const void *servicer, const void *request)
{
    (void)servicer;
    while ((request = tri_gen_next(call)) != NULL)
        taken++;
    return tri_call_code(call);
}

static tri_code emit_many(tri_call *call, const void *servicer, const void *request)
{
    (void)servicer, (void)request;
    for (taken = 0; taken < REPLIES; taken++)
        emit_text(call, "");
    return TRI_OK;
}

static tri_code note_the_turn(tri_call *call, const void *servicer, const void *request)
{
    (void)servicer, (void)request;
    taken_before = taken;
    return emit_text(call, "so much later");
}

static void receive_and_end(struct stream *stream, int messages)
{
    for (int i = 0; i < messages; i++)
        receive_text(stream, "m");
    tri__call_half_closed(stream->call);
}

static void messages_at_hand_are_taken_in_shares(void **state)
{
    struct tri__method busy = make_method(take_all, true, true);
    struct tri__method other = make_method(note_the_turn, false, false);
    struct stream *first = begin(1, &busy, TRI_FOREVER), *second = begin(2, &other, TRI_FOREVER);

    (void)state;
    taken = 0;
    receive_and_end(first, 1000);
    receive_and_end(second, 1);
    run_worker();
    assert_int_equal(taken, 1000);
    assert_in_range(taken_before, 1, TURNS * 128);
    finish(first);
    finish(second);
}

static void replies_are_emitted_in_shares(void **state)
{
    struct tri__method busy = make_method(emit_many, false, true);
    struct tri__method other = make_method(note_the_turn, false, false);
    struct stream *first, *second;

    (void)state;
    limits.high_mark = limits.low_mark = (size_t)1 << 20; /* it never waits for the peer */
    first = begin(1, &busy, TRI_FOREVER);
    second = begin(2, &other, TRI_FOREVER);
    receive_and_end(first, 1);
    receive_and_end(second, 1);
    run_worker();
    assert_int_equal(taken, REPLIES);
    assert_in_range(taken_before, 1, TURNS * 8192);
    finish(first);
    finish(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(messages_at_hand_are_taken_in_shares),
        BOTH(replies_are_emitted_in_shares),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
