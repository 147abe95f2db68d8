/*
 * Goal: credit for large messages goes to calls in the order in which they asked for it, out of the
 * budgets of the connection and the process, and is held no longer than the message needs it.
 * Method: the harness, where the peer sends as much as it has credit for.
 */
#include "large.h"

/* Takes one message and then waits for something else. */
static tri_code take_one(tri_call *call, const void *servicer, const void *request)
{
    char text[32];

    (void)servicer;
    request = tri_gen_next(call);
    if (request != NULL) {
        snprintf(text, sizeof(text), "%zu", strlen(text_of(request)));
        tell(text);
    }
    return tri_call_sleep(call, TRI_FOREVER);
}

static void first_come_first_served(void **state)
{
    struct tri__method method = make_method(count_bytes, true, true);
    size_t size = make_large(LARGE);
    struct stream *some[4];
    size_t at[4];

    (void)state;
    may_take = true;
    budget.limit = 2 * size;
    for (int i = 0; i < 4; i++) {
        some[i] = begin(i, &method, TRI_FOREVER);
        run_both();
        at[i] = send_on(some[i], 0, size);
        run_both();
    }
    assert_budgets(2 * size);
    for (int i = 0; i < 4; i++) {
        /* Two at a time: when one has ended it is the next one's turn. */
        assert_int_equal(credit_of(some[i]) > 0, true);
        if (i < 2)
            assert_int_equal(credit_of(some[i + 2]), 0);
        assert_int_equal(send_on(some[i], at[i], size), size);
        run_both();
        tri__call_half_closed(some[i]->call);
        finish(some[i]);
    }
    assert_budgets(0);
}

static void the_process_has_a_budget_too(void **state)
{
    struct tri__method method = make_method(count_bytes, true, true);
    size_t size = make_large(LARGE);
    struct stream *stream;
    size_t at;

    (void)state;
    may_take = true;
    limits.process_budget = LARGE / 2;
    atomic_store(&process_used, 1); /* another reactor's */
    stream = begin(1, &method, TRI_FOREVER);
    run_both();
    at = send_on(stream, 0, size);
    run_both();
    assert_int_equal(credit_of(stream), 0);
    atomic_store(&process_used, 0);
    advance(25 * MS); /* looks again; above all of the budget it may pass alone */
    assert_in_range(credit_of(stream), size - WINDOW, size);
    assert_budgets(size);
    send_on(stream, at, size);
    tri__call_half_closed(stream->call);
    finish(stream);
    assert_budgets(0);
}

/* One that lacks no more than the bytes of a prefix waits, and holds up no other connection. */
static void a_full_connection_holds_up_no_other(void **state)
{
    struct tri__method method = make_method(take_one, true, true);
    size_t size = make_large(LARGE);
    struct tri__call_budget other = {.limit = 4 << 20};
    struct stream *first, *second = &streams[2];
    size_t at;

    (void)state;
    budget.used = 100; /* another call's */
    budget.limit = 100 + size - 3;
    first = begin(1, &method, TRI_FOREVER);
    *second = (struct stream){.call = tri__call_open(&table, &connection, &other, peer, 2)};
    tri__call_accept(second->call, &method, TRI_FOREVER, 0, is_local ? 1 : 0);
    run_both();
    send_on(first, 0, size);
    run_both();
    assert_true(credit_of(first) < 10);
    at = send_on(second, 0, size);
    run_both();
    assert_int_equal(send_on(second, at, size), size);
    run_both();
    assert_string_equal(told, "299991 ");
    budget.used = 0;
    close_stream(first, TRI_CANCELLED);
    close_stream(second, TRI_CANCELLED);
    run_both();
    assert_budgets(0);
    assert_int_equal(other.used, 0);
}

/* The message is with the handler: what comes behind it must not hold the budget. */
static void a_small_message_behind_a_large_one(void **state)
{
    struct tri__method method = make_method(take_one, true, true);
    size_t size = make_large(LARGE);
    struct stream *stream = begin(1, &method, TRI_FOREVER);
    size_t at;

    (void)state;
    run_both();
    at = send_on(stream, 0, size);
    run_both();
    send_on(stream, at, size);
    receive_text(stream, "small");
    run_both();
    assert_string_equal(told, "299991 ");
    assert_budgets(0);
    close_stream(stream, TRI_CANCELLED);
    run_both();
    assert_budgets(0);
}

/* It needs almost the whole window, and comes while it waits for credit: it needs none any more. */
static void a_message_that_came_without_its_credit(void **state)
{
    struct tri__method method = make_method(take_one, true, true);
    size_t size = make_large(WINDOW - 4);
    struct stream *stream;
    size_t at;

    (void)state;
    budget.used = budget.limit; /* another call's */
    stream = begin(1, &method, TRI_FOREVER);
    run_both();
    receive_bytes(stream, large, 100);
    run_both();
    at = send_on(stream, 100, size);
    assert_int_equal(at, size);
    run_both();
    assert_string_equal(told, "65523 ");
    budget.used = 0;
    for (int i = 0; i < 100; i++)
        advance(25 * MS);
    assert_budgets(0);
    close_stream(stream, TRI_CANCELLED);
    run_both();
    assert_budgets(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(first_come_first_served),
        BOTH(the_process_has_a_budget_too),
        BOTH(a_full_connection_holds_up_no_other),
        BOTH(a_small_message_behind_a_large_one),
        BOTH(a_message_that_came_without_its_credit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
