/*
 * Goal: a session tells its events as the peer caused them, however the bytes are cut, keeps to its
 * limits, and says what it should: settings, windows, resets, the two steps of a shutdown. Method:
 * a client of nghttp2's against it, in memory; frames by hand for what no client sends.
 */
#include "sessions.h"

#include "frames.h"

static void a_response_goes_out_in_one_write(void **state)
{
    uint8_t out[4096];
    size_t size;
    struct seen_frame last = {0};

    (void)state;
    talk();
    forget();
    assert_int_equal(request(NULL, 1, 3), 1);
    send_client();
    assert_string_equal(events,
                        "begun 1\n:method: POST\n:scheme: http\n:path: /a/b\n:authority: c\n"
                        "x-extra: vvv\nheaders 1\nended 1 after 0\n");
    served[1].body_left = 10;
    assert_true(tri__h2_wants_write(h2));
    size = tri__h2_write(h2, out, sizeof(out));
    assert_false(tri__h2_wants_write(h2));
    assert_int_equal(nghttp2_session_mem_recv(client, out, size), size);
    assert_string_equal(client_fields, ":status=200 content-type=application/grpc grpc-status=0 ");
    assert_int_equal(client_data_size, 10);
    assert_int_equal(seen_count, 3); /* HEADERS, DATA, HEADERS */
    assert_int_equal(count_seen(NGHTTP2_HEADERS, 1, &last), 2);
    assert_true((last.flags & NGHTTP2_FLAG_END_STREAM) != 0);
    assert_int_equal(count_seen(NGHTTP2_DATA, 1, &last), 1);
    assert_false((last.flags & NGHTTP2_FLAG_END_STREAM) != 0);
    assert_non_null(strstr(events, "closed 1 0\n"));
}

/* The same bytes, in two pieces at every place, and one by one. */
static void input_can_be_cut_anywhere(void **state)
{
    struct body bodies[3] = {{700, false}, {0, false}, {20, false}};
    static char wanted[1 << 16];
    uint8_t *bytes;
    size_t size;

    (void)state;
    for (size_t i = 0; i < 3; i++)
        request(&bodies[i], i * 3, 40);
    nghttp2_submit_ping(client, NGHTTP2_FLAG_NONE, NULL);
    size = take_client(&bytes);
    feed(bytes, size, size);
    strcpy(wanted, events);
    assert_non_null(strstr(wanted, "ended 5 after 720\n"));
    for (size_t cut = 1; cut <= size; cut++) {
        renew(&h2_events);
        if (cut < size) {
            feed(bytes, cut, cut);
            feed(bytes + cut, size - cut, size);
        } else {
            feed(bytes, size, 1);
        }
        assert_false(has_failed);
        assert_string_equal(events, wanted);
    }
    free(bytes);
}

static void output_can_be_cut_anywhere(void **state)
{
    uint8_t wanted[512], out[512];
    size_t wanted_size = tri__h2_write(h2, wanted, sizeof(wanted));

    (void)state;
    for (size_t piece = 1; piece < wanted_size; piece++) {
        size_t size = 0, got;

        renew(&h2_events);
        while ((got = tri__h2_write(h2, out + size, piece)) > 0)
            size += got;
        assert_int_equal(size, wanted_size);
        assert_memory_equal(out, wanted, size);
    }
}

static void what_is_announced(void **state)
{
    struct seen_frame last = {0};

    (void)state;
    assert_false(tri__h2_has_settings(h2));
    send_server();
    assert_int_equal(seen_count, 2);
    assert_int_equal(count_seen(NGHTTP2_SETTINGS, 0, &last), 1);
    assert_int_equal(last.value, 77);
    assert_int_equal(last.more, 1 << 20);
    assert_int_equal(count_seen(NGHTTP2_WINDOW_UPDATE, 0, &last), 1);
    assert_int_equal(last.value, (1 << 22) - 65535);
    assert_false(tri__h2_settings_acked(h2));
    talk();
    assert_true(tri__h2_has_settings(h2));
    assert_true(tri__h2_settings_acked(h2));
    assert_int_equal(
        nghttp2_session_get_remote_settings(client, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS), 77);
}

static void header_lists_have_two_limits(void **state)
{
    static const struct {
        size_t extra, size;
        bool is_too_large, fails;
    } lists[] = {
        {1, 700, false, false}, {1, 850, true, false}, {16, 1, false, false}, {17, 1, true, false},
        {30, 60, true, false},  {1, 4000, true, true}, {60, 60, true, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        struct seen_frame last = {0};

        close_pair();
        open_pair();
        talk();
        forget();
        request(NULL, lists[i].extra, lists[i].size);
        talk();
        assert_int_equal(has_failed, lists[i].fails);
        assert_int_equal(tri__h2_is_flooded(h2), lists[i].fails);
        if (lists[i].fails) {
            assert_int_equal(count_seen(NGHTTP2_GOAWAY, 0, &last), 1);
            assert_int_equal(last.value, TRI__H2_ENHANCE_YOUR_CALM);
            assert_true(tri__h2_reason(h2)[0] != '\0');
            assert_true(tri__h2_is_over(h2));
        } else {
            assert_int_equal(strstr(events, "headers 1 too large\n") != NULL,
                             lists[i].is_too_large);
            assert_string_equal(tri__h2_reason(h2), "");
        }
    }
}

static void a_refused_stream_harms_no_other(void **state)
{
    struct seen_frame last = {0};

    (void)state;
    talk();
    forget();
    refused_left = 1;
    request(NULL, 0, 0);
    request(NULL, 0, 0);
    talk();
    assert_int_equal(begun, 1);
    assert_int_equal(count_seen(NGHTTP2_RST_STREAM, 1, &last), 1);
    assert_int_equal(last.value, TRI__H2_REFUSED_STREAM);
    assert_int_equal(count_seen(NGHTTP2_HEADERS, 3, NULL), 2);
    assert_false(has_failed);
    assert_non_null(strstr(events, "closed 3 0\n"));
    assert_null(strstr(events, "closed 1"));
}

static void a_reset_of_either_side(void **state)
{
    struct body body = {100, true};
    struct seen_frame last = {0};

    (void)state;
    talk();
    request(&body, 0, 0);
    talk();
    nghttp2_submit_rst_stream(client, 0, 1, NGHTTP2_CANCEL);
    talk();
    assert_non_null(strstr(events, "closed 1 8\n"));
    /* What is done for a stream that is gone does no harm. */
    tri__h2_credit(h2, 1, 100);
    tri__h2_resume(h2, 1);
    tri__h2_reset(h2, 1, TRI__H2_CANCEL, false, now);
    body.left = 5;
    request(&body, 0, 0);
    talk();
    tri__h2_reset(h2, 3, TRI__H2_CANCEL, true, now);
    talk();
    assert_non_null(strstr(events, "closed 3 8\n"));
    assert_int_equal(count_seen(NGHTTP2_RST_STREAM, 3, &last), 1);
    assert_int_equal(last.value, TRI__H2_CANCEL);
    assert_false(has_failed);
    assert_int_equal(closed, 2);
}

/* An answer before the request has ended: the rest is of no use, once the trailers are out. */
static void an_early_response_ends_the_request(void **state)
{
    struct body body = {100, true};
    struct seen_frame last = {0};

    (void)state;
    talk();
    request(&body, 0, 0);
    talk();
    forget();
    assert_int_equal(tri__h2_submit_response(h2, 1, response_fields, 2, NULL), 0);
    talk();
    assert_int_equal(count_seen(NGHTTP2_RST_STREAM, 1, &last), 1);
    assert_int_equal(last.value, TRI__H2_NO_ERROR);
    assert_int_equal(seen[0].type, NGHTTP2_HEADERS);
    assert_int_equal(seen[seen_count - 1].type, NGHTTP2_RST_STREAM);
    assert_int_equal(closed, 1);
}

static bool takes_no_reset(void *connection, void *stream)
{
    assert_ptr_equal(connection, &pool);
    assert_ptr_equal(stream, &served[1]);
    return false;
}

/* A peer that cannot stand the reset ends its request by itself, as Dubbo-Python does. */
static void no_reset_for_a_stream_that_takes_none(void **state)
{
    struct tri__h2_events polite = h2_events;
    struct body body = {100, true};
    struct seen_frame last = {0};

    (void)state;
    polite.stream_takes_reset = takes_no_reset;
    renew(&polite);
    talk();
    request(&body, 0, 0);
    talk();
    forget();
    served[1].answers = false; /* once more, at the request's end */
    served[1].body_left = 10;
    assert_int_equal(tri__h2_submit_response(h2, 1, response_fields, 2, &served[1]), 0);
    talk();
    assert_int_equal(count_seen(NGHTTP2_HEADERS, 1, &last), 2);
    assert_true((last.flags & NGHTTP2_FLAG_END_STREAM) != 0);
    assert_int_equal(count_seen(NGHTTP2_RST_STREAM, -1, NULL), 0);
    assert_int_equal(closed, 0); /* half of it is open, and what comes is taken */
    body.left = 50;
    body.is_open = false;
    nghttp2_session_resume_data(client, 1);
    talk();
    assert_int_equal(received_size, 50);
    assert_int_equal(count_seen(NGHTTP2_RST_STREAM, -1, NULL), 0);
    assert_int_equal(closed, 1);
    assert_false(has_failed);
}

static void output_waits_until_it_is_resumed(void **state)
{
    (void)state;
    talk();
    request(NULL, 0, 0);
    send_client();
    served[1].is_held = true;
    served[1].body_left = 3000;
    talk();
    assert_int_equal(client_data_size, 0);
    assert_false(tri__h2_wants_write(h2));
    served[1].is_held = false;
    tri__h2_resume(h2, 1);
    assert_true(tri__h2_wants_write(h2));
    talk();
    assert_int_equal(client_data_size, 3000);
    assert_int_equal(closed, 1);
}

/* For one that comes late, once; and not for one that we have reset ourselves. */
/* However it is cut, a block of as many frames as are allowed is one; with one more it is not. */
static void continuations_count_once_however_they_are_cut(void **state)
{
    static const uint8_t block[] = {0x83, 0x86, 0x84, 0x01, 1, 'a'};

    (void)state;
    for (size_t piece = 1; piece < 100; piece += piece < 12 ? 1 : 40) {
        for (int extra = 0; extra < 2; extra++) {
            close_pair();
            open_pair();
            talk();
            forget();
            frames_size = 0;
            add_frame(HEADERS, 1, 1, block, sizeof(block));
            for (int i = 0; i < 8 + extra; i++)
                add_frame(CONTINUATION, i == 7 + extra ? 4 : 0, 1, NULL, 0);
            tri__h2_begin_turn(h2);
            feed(frames, frames_size, piece);
            assert_int_equal(has_failed, extra != 0);
            assert_int_equal(tri__h2_is_flooded(h2), extra != 0);
            assert_string_equal(tri__h2_reason(h2),
                                extra != 0 ? "too many CONTINUATION frames" : "");
        }
    }
}

static void late_data_is_told_once(void **state)
{
    struct body body = {10, true};
    struct seen_frame last = {0};

    (void)state;
    talk();
    request(NULL, 0, 0);
    request(&body, 0, 0);
    talk(); /* 1 is over */
    tri__h2_reset(h2, 3, TRI__H2_CANCEL, false, now);
    talk();
    forget();
    frames_size = 0;
    for (int i = 0; i < 5; i++) {
        add_frame(DATA, 0, 1, NULL, 10);
        add_frame(DATA, 1, 3, NULL, 10);
    }
    feed(frames, frames_size, frames_size);
    talk();
    assert_int_equal(count_seen(NGHTTP2_RST_STREAM, 1, &last), 1);
    assert_int_equal(last.value, TRI__H2_STREAM_CLOSED);
    assert_int_equal(count_seen(NGHTTP2_RST_STREAM, 3, NULL), 0);
    assert_false(has_failed);
    assert_int_equal(events_size, 0);
    assert_int_equal(request(NULL, 0, 0), 5);
    talk();
    assert_non_null(strstr(events, "closed 5 0\n"));
    /* And too much of it is a flood. */
    for (int i = 0; i < 40 && !has_failed; i++) {
        frames_size = 0;
        for (int j = 0; j < 40; j++)
            add_frame(DATA, 0, 1, NULL, 10);
        tri__h2_begin_turn(h2);
        feed(frames, frames_size, frames_size);
    }
    assert_true(has_failed && tri__h2_is_flooded(h2));
}

/* A header block that goes on and on. */
static void too_many_continuations_are_a_flood(void **state)
{
    struct seen_frame last;

    (void)state;
    talk();
    forget();
    frames_size = 0;
    add_frame(HEADERS, 0, 1, NULL, 0);
    feed(frames, frames_size, frames_size);
    for (int i = 0; i < 100 && !has_failed; i++) {
        frames_size = 0;
        add_frame(CONTINUATION, 0, 1, NULL, 0);
        tri__h2_begin_turn(h2);
        feed(frames, frames_size, frames_size);
    }
    assert_true(has_failed && tri__h2_is_flooded(h2));
    send_server();
    assert_int_equal(count_seen(NGHTTP2_GOAWAY, 0, &last), 1);
    assert_int_equal(last.value, TRI__H2_ENHANCE_YOUR_CALM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_response_goes_out_in_one_write, set_up, tear_down),
        cmocka_unit_test_setup_teardown(input_can_be_cut_anywhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(output_can_be_cut_anywhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_announced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(header_lists_have_two_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refused_stream_harms_no_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reset_of_either_side, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_early_response_ends_the_request, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_reset_for_a_stream_that_takes_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(output_waits_until_it_is_resumed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(continuations_count_once_however_they_are_cut, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(late_data_is_told_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_many_continuations_are_a_flood, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
