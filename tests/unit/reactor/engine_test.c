/*
 * Goal: the engine receives, sends, accepts and closes as engine.h says: all bytes in order, one
 * end, `closed` once and last, whatever is in flight; it gets by with too few buffers, and can be
 * woken from another thread. Method: pairs of sockets and listeners on 127.0.0.1 whose other ends
 * are the test's. Sockets are allocated, and freed in `closed`, so that a late touch is seen.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "assertion.h"
#include "uring.h"
#include "wheel.h"

#define MS UINT64_C(1000000)
#define TURNS 20000

static struct tri__engine *engine;
static size_t received; /* events */

/* Where an end closes itself. */
enum place {
    NOWHERE,
    IN_RECEIVED,
    IN_SENT,
    IN_ENDED
};

struct end {
    struct tri__socket socket;
    int other; /* the test's end */
    uint8_t *got;
    size_t got_size;
    unsigned closes; /* enum place */
    unsigned *closed;
    unsigned sent, ended;
    int sent_error, ended_error;
};

static struct end *end_of(struct tri__socket *socket)
{
    return tri_container_of(socket, struct end, socket);
}

static void on_received(struct tri__socket *socket, const uint8_t *bytes, size_t size)
{
    struct end *end = end_of(socket);

    received++;
    tri_assert(size > 0 && end->ended == 0);
    end->got = realloc(end->got, end->got_size + size);
    memcpy(end->got + end->got_size, bytes, size);
    end->got_size += size;
    if (end->closes == IN_RECEIVED)
        engine->ops->close(engine, socket);
}

static void on_ended(struct tri__socket *socket, int error)
{
    end_of(socket)->ended++;
    end_of(socket)->ended_error = error;
    if (end_of(socket)->closes == IN_ENDED)
        engine->ops->close(engine, socket);
}

static void on_sent(struct tri__socket *socket, int error)
{
    end_of(socket)->sent++;
    end_of(socket)->sent_error = error;
    if (end_of(socket)->closes == IN_SENT)
        engine->ops->close(engine, socket);
}

static void on_closed(struct tri__socket *socket)
{
    struct end *end = end_of(socket);

    ++*end->closed;
    free(end->got);
    free(end);
}

static const struct tri__socket_events socket_events = {on_received, on_ended, on_sent, on_closed};
static unsigned closed;

static int set_up(void **state)
{
    (void)state;
    closed = 0;
    return tri__uring_new(&engine);
}

static int tear_down(void **state)
{
    (void)state;
    engine->ops->fini(engine);
    return 0;
}

static struct end *make_end(void)
{
    struct end *end = calloc(1, sizeof(*end));
    int fds[2];

    assert_non_null(end);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    end->socket = (struct tri__socket){.events = &socket_events, .fd = fds[0]};
    end->other = fds[1];
    end->closed = &closed;
    return end;
}

static void turn(void)
{
    engine->ops->turn(engine, engine->now + MS);
}

/* Turns until `condition`, which has so many turns of a millisecond. */
#define TURN_UNTIL(condition)                                                                      \
    do {                                                                                           \
        int turns_left = TURNS;                                                                    \
        while (!(condition)) {                                                                     \
            assert_true(turns_left-- > 0);                                                         \
            turn();                                                                                \
        }                                                                                          \
    } while (0)

static void close_end(struct end *end)
{
    unsigned before = closed;
    int other = end->other;

    engine->ops->close(engine, &end->socket);
    TURN_UNTIL(closed > before);
    close(other);
}

static void fill(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251);
}

static void bytes_come_in_order_until_the_end(void **state)
{
    static uint8_t sent[300000];
    struct end *end = make_end();
    size_t at = 0;

    (void)state;
    fill(sent, sizeof(sent));
    engine->ops->recv_start(engine, &end->socket);
    engine->ops->recv_start(engine, &end->socket); /* does no harm */
    while (end->got_size < sizeof(sent)) {
        ssize_t wrote = write(end->other, sent + at, sizeof(sent) - at);

        if (wrote > 0)
            at += (size_t)wrote;
        turn();
    }
    assert_memory_equal(end->got, sent, sizeof(sent));
    assert_int_equal(end->ended, 0);
    shutdown(end->other, SHUT_WR);
    TURN_UNTIL(end->ended > 0);
    assert_int_equal(end->ended_error, 0);
    turn();
    assert_int_equal(end->ended, 1);
    close_end(end);
    assert_int_equal(closed, 1);
}

static void stopped_input_waits(void **state)
{
    struct end *end = make_end();
    size_t got;

    (void)state;
    engine->ops->recv_start(engine, &end->socket);
    assert_int_equal(write(end->other, "ab", 2), 2);
    TURN_UNTIL(end->got_size == 2);
    engine->ops->recv_stop(engine, &end->socket);
    TURN_UNTIL(!end->socket.input_is_armed);
    got = end->got_size;
    assert_int_equal(write(end->other, "cd", 2), 2);
    for (int i = 0; i < 5; i++)
        turn();
    assert_int_equal(end->got_size, got);
    engine->ops->recv_start(engine, &end->socket);
    TURN_UNTIL(end->got_size == 4);
    /* Stopped and started again before the stop has come through. */
    for (int i = 0; i < 50; i++) {
        engine->ops->recv_stop(engine, &end->socket);
        if (i % 2 == 0)
            turn();
        engine->ops->recv_start(engine, &end->socket);
        assert_int_equal(write(end->other, "x", 1), 1);
        TURN_UNTIL(end->got_size == 5 + (size_t)i);
    }
    assert_memory_equal(end->got, "abcdxxxxx", 9);
    assert_int_equal(end->ended, 0);
    close_end(end);
}

static void a_large_send_to_a_slow_reader(void **state)
{
    static uint8_t sent[1 << 20], got[1 << 20];
    struct end *end = make_end();
    int small = 4096;
    size_t at = 0;
    uint64_t last = 0;

    (void)state;
    fill(sent, sizeof(sent));
    setsockopt(end->socket.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    engine->ops->send(engine, &end->socket, sent, sizeof(sent));
    while (at < sizeof(got)) {
        ssize_t size =
            read(end->other, got + at, sizeof(got) - at < 30000 ? sizeof(got) - at : 30000);

        if (size > 0)
            at += (size_t)size;
        else
            assert_int_equal(errno, EAGAIN);
        assert_true(end->socket.bytes_sent >= last);
        last = end->socket.bytes_sent;
        engine->ops->turn(engine, engine->now + MS / 4);
    }
    TURN_UNTIL(end->sent > 0);
    assert_int_equal(end->sent, 1);
    assert_int_equal(end->sent_error, 0);
    assert_int_equal(end->socket.bytes_sent, sizeof(sent));
    assert_memory_equal(got, sent, sizeof(got));
    /* After it another, and the end. */
    engine->ops->send(engine, &end->socket, sent, 10);
    TURN_UNTIL(end->sent == 2);
    engine->ops->shutdown(engine, &end->socket);
    TURN_UNTIL(read(end->other, got, 100) == 10);
    TURN_UNTIL(read(end->other, got, 100) == 0);
    close_end(end);
}

static void a_send_to_nobody_fails(void **state)
{
    struct end *end = make_end();

    (void)state;
    close(end->other);
    engine->ops->send(engine, &end->socket, (const uint8_t *)"abc", 3);
    TURN_UNTIL(end->sent > 0);
    assert_int_equal(end->sent_error, -EPIPE);
    end->other = -1;
    close_end(end);
}

/* Nothing, input, output, both, an end, or input that starves: `closed` is the last event. */
static void a_close_gives_up_what_is_in_flight(void **state)
{
    static uint8_t much[4 << 20];

    (void)state;
    for (unsigned what = 0; what < 32; what++) {
        struct end *end = make_end();
        int other = end->other;
        unsigned before = closed;

        if ((what & 1) != 0)
            engine->ops->recv_start(engine, &end->socket);
        if ((what & 2) != 0)
            engine->ops->send(engine, &end->socket, much, sizeof(much));
        if ((what & 4) != 0)
            turn();
        if ((what & 8) != 0)
            assert_int_equal(write(other, "abc", 3), 3);
        if ((what & 16) != 0 && (what & 2) == 0)
            engine->ops->shutdown(engine, &end->socket);
        if ((what & 12) == 12 && (what & 1) != 0)
            engine->ops->recv_stop(engine, &end->socket);
        engine->ops->close(engine, &end->socket);
        engine->ops->close(engine, &end->socket); /* does no harm */
        assert_int_equal(closed, before);         /* not from within the call */
        TURN_UNTIL(closed > before);
        for (int i = 0; i < 3; i++)
            turn();
        assert_int_equal(closed, before + 1);
        close(other);
    }
}

static void a_close_from_within_an_event(void **state)
{
    (void)state;
    for (unsigned where = IN_RECEIVED; where <= IN_ENDED; where++) {
        for (int ends = 0; ends < 2; ends++) {
            struct end *end = make_end();
            int other = end->other;
            unsigned before = closed;

            end->closes = where;
            engine->ops->recv_start(engine, &end->socket);
            if (where == IN_SENT)
                engine->ops->send(engine, &end->socket, (const uint8_t *)"abc", 3);
            assert_int_equal(write(other, "abc", 3), 3);
            if (ends == 1 || where == IN_ENDED)
                shutdown(other, SHUT_WR);
            TURN_UNTIL(closed > before);
            turn();
            assert_int_equal(closed, before + 1);
            close(other);
        }
    }
}

/* More sockets with input than there are buffers. */
static void few_buffers_are_shared(void **state)
{
    static uint8_t sent[65536];
    struct end *ends[150];
    size_t sizes[150], done = 0;

    (void)state;
    fill(sent, sizeof(sent));
    for (size_t i = 0; i < 150; i++) {
        ssize_t wrote;

        ends[i] = make_end();
        wrote = write(ends[i]->other, sent, sizeof(sent));
        assert_true(wrote > 10000);
        sizes[i] = (size_t)wrote;
        engine->ops->recv_start(engine, &ends[i]->socket);
    }
    for (int turns = 0; done < 150; turns++) {
        assert_true(turns < TURNS);
        turn();
        done = 0;
        for (size_t i = 0; i < 150; i++)
            done += ends[i]->got_size == sizes[i];
    }
    for (size_t i = 0; i < 150; i++) {
        assert_memory_equal(ends[i]->got, sent, sizes[i]);
        assert_int_equal(ends[i]->ended, 0);
        close_end(ends[i]);
    }
    assert_int_equal(closed, 150);
}

/* Whoever has too much already gets little in a turn, whatever has come for the sockets. */
static void a_crowded_engine_receives_little(void **state)
{
    static uint8_t sent[20000];
    struct end *ends[200];
    size_t before = received, most = 0;

    (void)state;
    for (size_t i = 0; i < 200; i++) {
        ends[i] = make_end();
        assert_int_equal(write(ends[i]->other, sent, sizeof(sent)), sizeof(sent));
        engine->ops->recv_start(engine, &ends[i]->socket);
    }
    engine->is_crowded = true;
    turn(); /* the ring was full when this one began */
    for (int turns = 0; received - before < 200; turns++) {
        size_t so_far = received;

        assert_true(turns < TURNS);
        turn();
        if (received - so_far > most)
            most = received - so_far;
    }
    assert_in_range(most, 1, 8);
    engine->is_crowded = false;
    for (size_t i = 0; i < 200; i++) {
        assert_int_equal(ends[i]->got_size, sizeof(sent));
        close_end(ends[i]);
    }
}

static void *wake_engine(void *argument)
{
    engine->ops->wake(engine);
    return argument;
}

static void a_wake_ends_the_wait(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, wake_engine, NULL), 0);
        if (i % 2 == 0)
            pthread_join(thread, NULL); /* before the wait */
        engine->ops->turn(engine, TRI__NEVER);
        if (i % 2 != 0)
            pthread_join(thread, NULL);
    }
    engine->ops->turn(engine, 0); /* does not wait */
    uint64_t before = engine->now;

    engine->ops->turn(engine, before + 3 * MS);
    assert_true(engine->now >= before + 3 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bytes_come_in_order_until_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stopped_input_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_large_send_to_a_slow_reader, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_send_to_nobody_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_close_gives_up_what_is_in_flight, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_close_from_within_an_event, set_up, tear_down),
        cmocka_unit_test_setup_teardown(few_buffers_are_shared, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_crowded_engine_receives_little, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_wake_ends_the_wait, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
