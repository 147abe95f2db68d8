/*
 * Goal: a listener hands on every connection, stops when it is told to, and pauses when descriptors
 * run out, without spinning, until there are some again; a unix socket's file goes with it, and an
 * abandoned one is replaced. Method: the real engine, clients on 127.0.0.1 and on unix sockets, and
 * a low RLIMIT_NOFILE.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net_address.h"
#include "net_listener.h"
#include "uring.h"

#define MS UINT64_C(1000000)
#define TURNS 20000

static struct tri__reactor reactor;
static struct tri__listener listener;
static int accepted[64];
static size_t accepted_count;
static unsigned pauses;
static int pause_error;
static char folder[] = "/tmp/trireme-test-XXXXXX";

static void on_accepted(struct tri__listener *of, int fd)
{
    assert_ptr_equal(of, &listener);
    assert_true(accepted_count < 64);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    accepted[accepted_count++] = fd;
}

static void on_paused(struct tri__listener *of, int error)
{
    assert_ptr_equal(of, &listener);
    pauses++;
    pause_error = error;
}

static int set_up(void **state)
{
    struct tri__engine *engine;

    (void)state;
    accepted_count = 0;
    pauses = 0;
    if (tri__uring_new(&engine) != 0)
        return -1;
    tri__reactor_init(&reactor, engine);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tri__listener_fini(&listener); /* does no harm when it is closed */
    for (size_t i = 0; i < accepted_count; i++)
        close(accepted[i]);
    tri__reactor_fini(&reactor);
    return 0;
}

static int open_at(const char *text)
{
    char error[200];

    listener = (struct tri__listener){.accepted = on_accepted, .paused = on_paused};
    assert_int_equal(tri__address_parse(&listener.address, text, error, sizeof(error)), 0);
    return tri__listener_open(&listener, &reactor);
}

static int try_connect(void)
{
    int fd = socket(listener.address.socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    if (connect(fd, (const struct sockaddr *)&listener.address.socket, listener.address.size) == 0)
        return fd;
    close(fd);
    return -1;
}

static void turn(void)
{
    tri__reactor_turn(&reactor, tri__reactor_now(&reactor) + MS);
}

#define TURN_UNTIL(condition)                                                                      \
    do {                                                                                           \
        int turns_left = TURNS;                                                                    \
        while (!(condition)) {                                                                     \
            assert_true(turns_left-- > 0);                                                         \
            turn();                                                                                \
        }                                                                                          \
    } while (0)

static void every_connection_is_handed_on(void **state)
{
    int clients[20];
    char peer[64], text[140];
    struct tri__socket socket_of_peer = {.fd = -1};

    (void)state;
    assert_int_equal(open_at("tcp://127.0.0.1:0"), 0);
    tri__address_format(&listener.address, text, sizeof(text));
    assert_string_not_equal(text, "tcp://127.0.0.1:0"); /* the real port */
    tri__listener_start(&listener);
    for (size_t i = 0; i < 20; i++) {
        clients[i] = try_connect();
        assert_true(clients[i] >= 0);
        if (i % 7 == 0)
            turn();
    }
    TURN_UNTIL(accepted_count == 20);
    socket_of_peer.fd = accepted[0];
    reactor.engine->ops->peer(reactor.engine, &socket_of_peer, peer, sizeof(peer));
    assert_int_equal(strncmp(peer, "127.0.0.1:", 10), 0);
    reactor.engine->ops->refuse(reactor.engine, accepted[--accepted_count]);
    tri__listener_stop(&listener);
    tri__listener_stop(&listener); /* does no harm */
    TURN_UNTIL(!listener.is_open);
    assert_int_equal(try_connect(), -1);
    assert_int_equal(pauses, 0);
    for (size_t i = 0; i < 20; i++)
        close(clients[i]);
}

static void a_stop_before_any_connection(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        assert_int_equal(open_at("tcp://127.0.0.1:0"), 0);
        if (i % 3 > 0)
            tri__listener_start(&listener);
        if (i % 3 > 1)
            turn();
        tri__listener_stop(&listener);
        TURN_UNTIL(!listener.is_open);
    }
}

/* A listener with connections that wait, and no descriptor for them. */
static void start_without_descriptors(struct rlimit *before, int *clients, size_t count)
{
    struct rlimit low;
    int next;

    assert_int_equal(open_at("tcp://127.0.0.1:0"), 0);
    for (size_t i = 0; i < count; i++) {
        clients[i] = try_connect();
        assert_true(clients[i] >= 0);
    }
    next = dup(STDIN_FILENO);
    assert_true(next >= 0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, before), 0);
    low = *before;
    low.rlim_cur = (rlim_t)next;
    /* The kernel takes the limit as it is when accepting is started. */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    tri__listener_start(&listener);
}

static void it_pauses_without_descriptors(void **state)
{
    struct rlimit before;
    uint64_t begun;
    int clients[3];

    (void)state;
    start_without_descriptors(&before, clients, 3);
    TURN_UNTIL(pauses == 1);
    assert_int_equal(pause_error, -EMFILE);
    begun = tri__reactor_now(&reactor);
    TURN_UNTIL(pauses == 2); /* it has looked again */
    assert_true(tri__reactor_now(&reactor) - begun >= 49 * MS);
    assert_int_equal(accepted_count, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    TURN_UNTIL(accepted_count == 3);
    assert_int_equal(pauses, 2);
    tri__listener_stop(&listener);
    TURN_UNTIL(!listener.is_open);
    for (int i = 0; i < 3; i++)
        close(clients[i]);
}

static void a_stop_in_the_pause_takes_effect(void **state)
{
    struct rlimit before;
    int client;

    (void)state;
    start_without_descriptors(&before, &client, 1);
    TURN_UNTIL(pauses == 1);
    tri__listener_stop(&listener);
    TURN_UNTIL(!listener.is_open);
    for (int i = 0; i < 80; i++)
        turn();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(pauses, 1);
    assert_int_equal(accepted_count, 0);
    close(client);
}

static void a_unix_sockets_file(void **state)
{
    char text[100];
    struct stat file;
    int client, left;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(text, sizeof(text), "unix:%s/socket", folder);
    assert_int_equal(open_at(text), 0);
    tri__listener_start(&listener);
    client = try_connect();
    assert_true(client >= 0);
    TURN_UNTIL(accepted_count == 1);
    struct tri__listener first = listener;

    assert_int_equal(open_at(text), -EADDRINUSE); /* somebody listens there */
    assert_false(listener.is_open);
    listener = first;
    tri__listener_fini(&listener);
    assert_int_equal(stat(text + 5, &file), -1);
    close(client);
    /* One that a crash has left behind. */
    left = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(
        bind(left, (const struct sockaddr *)&listener.address.socket, listener.address.size), 0);
    close(left);
    assert_int_equal(stat(text + 5, &file), 0);
    assert_int_equal(open_at(text), 0);
    tri__listener_fini(&listener);
    /* A file of another kind stays. */
    left = open(text + 5, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(left);
    assert_int_equal(open_at(text), -EADDRINUSE);
    assert_int_equal(stat(text + 5, &file), 0);
    unlink(text + 5);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_connection_is_handed_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stop_before_any_connection, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_pauses_without_descriptors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stop_in_the_pause_takes_effect, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_unix_sockets_file, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
