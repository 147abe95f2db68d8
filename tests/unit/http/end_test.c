/*
 * Goal: windows move as they should; a session ends in order, by a shutdown in two steps or at once
 * with a reason; whatever bytes come, and whatever allocation fails, it neither hangs nor leaks.
 * Method: a client of nghttp2's against it, in memory; seeded random bytes and random changes of
 * good ones; the failing allocator.
 */
#include "sessions.h"

#include <errno.h>

static void credit_opens_the_streams_window(void **state)
{
    struct body body = {100000, true};
    struct seen_frame last;

    (void)state;
    talk();
    request(&body, 0, 0);
    talk();
    assert_int_equal(received_size, 100000);
    assert_int_equal(count_seen(NGHTTP2_WINDOW_UPDATE, 1, NULL), 0);
    tri__h2_credit(h2, 1, 60000);
    tri__h2_credit(h2, 1, 40000);
    talk();
    assert_true(count_seen(NGHTTP2_WINDOW_UPDATE, 1, &last) >= 1);
    assert_int_equal(nghttp2_session_get_stream_remote_window_size(client, 1), 1 << 20);
    /* Beyond what has come: for a message that is larger than the window. */
    tri__h2_credit(h2, 1, 1 << 21);
    talk();
    assert_int_equal(nghttp2_session_get_stream_remote_window_size(client, 1), 3 << 20);
}

/* The connection's credit comes back on receipt, by itself. */
static void the_connections_window_stays_open(void **state)
{
    (void)state;
    talk();
    for (int i = 0; i < 20; i++) {
        struct body body = {900000, false};

        request(&body, 0, 0);
        talk();
        assert_int_equal(body.left, 0);
        assert_true(nghttp2_session_get_remote_window_size(client) > 1 << 20);
    }
    assert_int_equal(received_size, 20 * 900000);
    assert_int_equal(closed, 20);
}

static void the_peers_window_can_be_used_up(void **state)
{
    (void)state;
    nghttp2_settings_entry large = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20};

    nghttp2_submit_settings(client, 0, &large, 1);
    talk();
    request(NULL, 0, 0);
    send_client();
    served[1].body_left = 200000;
    assert_false(tri__h2_is_window_bound(h2));
    while (send_server() > 0)
        ;
    assert_int_equal(client_data_size, 65535);
    assert_true(tri__h2_is_window_bound(h2));
    talk();
    assert_int_equal(client_data_size, 200000);
    assert_false(tri__h2_is_window_bound(h2));
}

static void a_shutdown_has_two_steps(void **state)
{
    struct body body = {10, true};
    struct seen_frame last;

    (void)state;
    talk();
    request(&body, 0, 0);
    talk();
    forget();
    tri__h2_announce_shutdown(h2);
    send_server();
    assert_int_equal(seen_count, 2);
    assert_int_equal(seen[0].type, NGHTTP2_GOAWAY);
    assert_int_equal(seen[0].more, 0x7fffffff);
    assert_int_equal(seen[0].value, TRI__H2_NO_ERROR);
    assert_int_equal(seen[1].type, NGHTTP2_PING);
    assert_int_equal(pings_acked, 0);
    talk();
    assert_int_equal(pings_acked, 1);
    tri__h2_shutdown(h2);
    talk();
    assert_int_equal(count_seen(NGHTTP2_GOAWAY, 0, &last), 2);
    assert_int_equal(last.more, 1);
    assert_int_equal(last.value, TRI__H2_NO_ERROR);
    assert_false(has_failed);
    assert_false(tri__h2_is_over(h2)); /* a stream is open */
    body.is_open = false;
    nghttp2_session_resume_data(client, 1);
    talk();
    assert_int_equal(closed, 1);
    assert_true(tri__h2_is_over(h2));
}

static void an_end_with_a_reason(void **state)
{
    struct body body = {10, true};
    struct seen_frame last;
    uint8_t *bytes;
    size_t size;

    (void)state;
    talk();
    request(&body, 0, 0);
    talk();
    tri__h2_terminate(h2, TRI__H2_SETTINGS_TIMEOUT, "no acknowledgement");
    assert_string_equal(tri__h2_reason(h2), "no acknowledgement");
    while (send_server() > 0)
        ;
    assert_int_equal(count_seen(NGHTTP2_GOAWAY, 0, &last), 1);
    assert_int_equal(last.value, TRI__H2_SETTINGS_TIMEOUT);
    assert_int_equal(last.more, 1);
    assert_true(tri__h2_is_over(h2));
    /* Nothing is read any more. */
    forget();
    request(NULL, 0, 0);
    nghttp2_submit_ping(client, 0, NULL);
    size = take_client(&bytes);
    feed(bytes, size, 100);
    free(bytes);
    assert_int_equal(events_size, 0);
}

static void header_blocks_that_do_not_end(void **state)
{
    static const uint8_t begun_block[] = {0, 0, 1, 1, 0, 0, 0, 0, 1, 0x83};

    (void)state;
    talk();
    assert_false(tri__h2_is_in_headers(h2));
    feed(begun_block, sizeof(begun_block), 3);
    assert_true(tri__h2_is_in_headers(h2));
    assert_false(has_failed);
}

/* Drives what is left of it. */
static void exhaust(void)
{
    static uint8_t out[4096];
    size_t turns = 0;

    while (tri__h2_write(h2, out, sizeof(out)) > 0)
        assert_true(turns++ < 10000);
}

static void random_bytes_do_no_harm(void **state)
{
    uint8_t noise[600];
    struct body body = {300, false};
    uint8_t *good;
    size_t size;

    (void)state;
    request(&body, 2, 10);
    request(NULL, 0, 0);
    nghttp2_submit_ping(client, NGHTTP2_FLAG_NONE, NULL);
    nghttp2_submit_rst_stream(client, 0, 3, NGHTTP2_CANCEL);
    size = take_client(&good);
    assert_true(size < sizeof(noise));
    for (unsigned seed = 1; seed <= 3000; seed++) {
        size_t changes = 1 + (size_t)seed % 4;

        srandom(seed);
        memcpy(noise, good, size);
        if (seed % 10 == 0) {
            for (size_t i = TRI__H2_PREFACE_SIZE * (seed % 20 == 0); i < size; i++)
                noise[i] = (uint8_t)random();
        }
        while (changes-- > 0)
            noise[(size_t)random() % size] = (uint8_t)random();
        renew(&h2_events);
        feed(noise, size, 1 + (size_t)random() % size);
        exhaust();
        if (has_failed)
            assert_true(tri__h2_is_over(h2));
    }
    free(good);
}

static void garbage_ends_the_session(void **state)
{
    static const char *const garbage[] = {"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                                          "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\rxxxxxxxxxxxxxxxxxxxxx",
                                          "\x16\x03\x01\x02\x01\x01\xfc\x03\x03 and so on and on"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        renew(&h2_events);
        feed((const uint8_t *)garbage[i], strlen(garbage[i]), 100);
        assert_true(has_failed);
        assert_true(tri__h2_reason(h2)[0] != '\0');
        assert_true(tri__h2_is_over(h2));
        exhaust();
    }
}

static void no_session_without_memory(void **state)
{
    struct tri__h2 *other;

    (void)state;
    for (uint64_t at = 1;; at++) {
        size_t before;

        tri__h2_memory_is_short(&pool);
        before = failing.live_count;
        failing.attempts = 0;
        failing.fail_at = at;
        if (tri__h2_new(&other, &config, &pool, &h2_events, &pool, now) == 0) {
            failing.fail_at = 0;
            tri__h2_free(other);
            if (failing.attempts < at)
                break;
            continue;
        }
        failing.fail_at = 0;
        assert_true(failing.live_count <= before + 40); /* idle blocks of the pool */
    }
    tri__h2_free(NULL);
}

/* Once the allocator fails the reserve carries what is under way. */
static void the_reserve_carries_a_session_on(void **state)
{
    struct body body = {1000, false};

    (void)state;
    talk();
    failing.attempts = 0;
    failing.fail_at = 1;
    failing.fails_on = true;
    for (int i = 0; i < 10; i++) {
        body.left = 1000;
        request(&body, 3, 100);
        talk();
    }
    assert_false(has_failed);
    assert_int_equal(closed, 10);
    failing.fail_at = 0;
    failing.fails_on = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(credit_opens_the_streams_window, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_connections_window_stays_open, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_peers_window_can_be_used_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_shutdown_has_two_steps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_end_with_a_reason, set_up, tear_down),
        cmocka_unit_test_setup_teardown(header_blocks_that_do_not_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(random_bytes_do_no_harm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(garbage_ends_the_session, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_session_without_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_reserve_carries_a_session_on, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
