/*
 * Goal: services under their names, with their state; a stop from any thread, at any moment; a
 * drain that waits for what ends in time, ends the rest, and gives a handler up that never returns;
 * a method's own stack; the count of stalls. Method: servers in this process with a client on a
 * blocking socket; the server with the stuck handler in a child, since it can never be freed.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "running.h"

static atomic_bool is_running, is_released;

static uint64_t now_ms(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

/* Until the peer ends, the server says that it drains, or the call is over. */
static tri_code listen_until_drain(tri_call *call, const void *table, const void *request)
{
    int outcome;

    (void)table;
    if (reply_text(call, tri_call_printf(call, "here")) != TRI_OK || tri_gen_flush(call) != TRI_OK)
        return tri_call_code(call);
    while ((outcome = tri_gen_read(call, &request, TRI_FOREVER)) == TRI_MESSAGE)
        ;
    if (outcome == TRI_DRAINING)
        return reply_text(call, tri_call_printf(call, "bye"));
    return tri_call_code(call);
}

/* Does not care about the drain, but sees that the call is over. */
static tri_code stay(tri_call *call, const void *table, const void *request)
{
    (void)table;
    if (reply_text(call, tri_call_printf(call, "here")) != TRI_OK || tri_gen_flush(call) != TRI_OK)
        return tri_call_code(call);
    while ((request = tri_gen_next(call)) != NULL)
        ;
    return tri_call_code(call);
}

static tri_code never_return(tri_call *call, const void *table, const void *request)
{
    (void)call, (void)table, (void)request;
    atomic_store(&is_running, true);
    while (!atomic_load(&is_released))
        ;
    return TRI_OK;
}

/* Holds the thread for 30 ms. */
static tri_code hold(tri_call *call, const void *table, const void *request)
{
    uint64_t until = now_ms() + 30;

    (void)table, (void)request;
    while (now_ms() < until)
        ;
    return reply_text(call, tri_call_printf(call, "held"));
}

/* Touches 256 KiB of stack, at each of its pages. */
static tri_code dig(tri_call *call, const void *table, const void *request)
{
    volatile char room[256 * 1024];
    size_t sum = 0;

    (void)table, (void)request;
    for (size_t i = 0; i < sizeof(room); i += 4096)
        room[i] = 1;
    for (size_t i = 0; i < sizeof(room); i += 4096)
        sum += (size_t)room[i];
    return reply_text(call, tri_call_printf(call, "%zu", sum));
}

static const tri_gen_method methods[] = {
    METHOD("Listen", listen_until_drain, true, true),
    METHOD("Stay", stay, true, true),
    METHOD("Stick", never_return, false, false),
    METHOD("Hold", hold, false, false),
    METHOD("Dig", dig, false, false),
};
static const tri_gen_service service = SERVICE("test.Life", methods);

#define CONFIG .listen = "tcp://127.0.0.1:0", .reactors = 1, .workers = 1

static tri_server *make(const tri_server_config *config, const tri_service_config *services)
{
    tri_server *server = tri_server_new(config);

    assert_non_null(server);
    assert_int_equal(tri_gen_serve(server, &service, &servicer, services), 0);
    return server;
}

/* Also before the threads have gone to sleep for the first time. */
static void a_stop_at_any_moment_is_heard(void **state)
{
    (void)state;
    for (int i = 0; i < 60; i++) {
        struct running running;
        tri_server *server = make(
            TRI_SERVER_CONFIG(.listen = "tcp://127.0.0.1:0", .reactors = 2, .workers = 3), NULL);

        if (i % 3 == 0)
            assert_int_equal(tri_server_stop(server), 0); /* before it runs */
        assert_non_null(running_start(&running, server));
        assert_int_equal(running_stop(&running), 0);
    }
}

static void a_drain_waits_for_those_who_end(void **state)
{
    for (int placement = TRI_PLACEMENT_WORKERS; placement <= TRI_PLACEMENT_INLINE; placement++) {
        struct running running;
        const char *address = running_start(
            &running, make(TRI_SERVER_CONFIG(CONFIG, .placement = (tri_placement)placement), NULL));
        struct client *client;
        struct client_call call;
        char text[16];

        (void)state;
        assert_non_null(address);
        client = client_open(address);
        client_begin(client, &call, "/test.Life/Listen", NULL);
        client_wait_replies(client, &call, 1);
        tri_server_stop(running.server);
        client_finish(client, &call);
        assert_int_equal(call.status, TRI_OK);
        assert_string_equal(client_reply(&call, 1, text, sizeof(text)), "bye");
        client_end(&call);
        client_wait_closed(client);
        client_close(client);
        assert_int_equal(running_stop(&running), 0);
    }
}

static void a_drain_ends_the_others_at_its_limit(void **state)
{
    struct running running;
    const char *address =
        running_start(&running, make(TRI_SERVER_CONFIG(CONFIG, .drain_limit = TRI_MS(100)), NULL));
    struct client *client;
    struct client_call call;
    uint64_t begun = now_ms();

    (void)state;
    assert_non_null(address);
    client = client_open(address);
    client_begin(client, &call, "/test.Life/Stay", NULL);
    client_wait_replies(client, &call, 1);
    tri_server_stop(running.server);
    client_finish(client, &call);
    assert_int_equal(call.status, TRI_UNAVAILABLE);
    assert_true(now_ms() - begun >= 100);
    client_end(&call);
    client_close(client);
    assert_int_equal(running_stop(&running), 0);
}

static int run_stuck(tri_placement placement)
{
    struct running running;
    tri_server *server = tri_server_new(
        TRI_SERVER_CONFIG(CONFIG, .placement = placement, .drain_limit = TRI_MS(200)));
    struct client_call call;
    struct client *client;
    const char *address;
    uint64_t begun;

    if (server == NULL || tri_gen_serve(server, &service, &servicer, NULL) != 0)
        return 2;
    address = running_start(&running, server);
    if (address == NULL)
        return 3;
    client = client_open(address);
    client_begin(client, &call, "/test.Life/Stick", NULL);
    client_send(client, &call, "", true);
    while (!atomic_load(&is_running))
        ;
    begun = now_ms();
    tri_server_stop(server);
    pthread_join(running.thread, NULL);
    if (running.result != -ETIMEDOUT ||
        strstr(tri_server_error(server), "the handler of /test.Life/Stick did not return") == NULL)
        return 4;
    if (now_ms() - begun < 200 || now_ms() - begun > 15000)
        return 5;
    tri_server_free(server); /* leaves it alone */
    atomic_store(&is_released, true);
    /* The thread that is left is no leak to be reported. */
    raise(SIGKILL);
    return 6;
}

static void a_handler_that_never_returns_is_given_up(void **state)
{
    pid_t children[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        if (children[i] == 0)
            _exit(run_stuck(i == 0 ? TRI_PLACEMENT_WORKERS : TRI_PLACEMENT_INLINE));
        assert_true(children[i] > 0);
    }
    for (int i = 0; i < 2; i++) {
        int status;

        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : 0, 0);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
}

/* More than a method gets otherwise. */
static void a_method_has_the_stack_that_it_asks_for(void **state)
{
    static const tri_method_config large = {.method = "Dig", .stack_size = 512 * 1024};
    struct running running;
    const char *address =
        running_start(&running, make(TRI_SERVER_CONFIG(CONFIG),
                                     TRI_SERVICE_CONFIG(.methods = &large, .methods_count = 1)));
    struct client *client;
    char reply[32];

    (void)state;
    assert_non_null(address);
    client = client_open(address);
    assert_int_equal(client_unary(client, "/test.Life/Dig", "", reply, sizeof(reply)), TRI_OK);
    assert_string_equal(reply, "64");
    client_close(client);
    assert_int_equal(running_stop(&running), 0);
}

static void keep_stall(void *context, tri_log_level level, const char *line)
{
    if (level == TRI_LOG_WARNING && strstr(line, "/test.Life/Hold held its") != NULL)
        atomic_fetch_add((atomic_uint *)context, 1);
}

static void stalls_are_counted_and_named(void **state)
{
    for (int placement = TRI_PLACEMENT_WORKERS; placement <= TRI_PLACEMENT_INLINE; placement++) {
        static atomic_uint lines;
        struct running running;
        const char *address = running_start(
            &running, make(TRI_SERVER_CONFIG(CONFIG, .placement = (tri_placement)placement,
                                             .log = keep_stall, .log_context = &lines),
                           NULL));
        tri_server_counters counters;
        struct client *client;
        char reply[32];

        (void)state;
        atomic_store(&lines, 0);
        assert_non_null(address);
        client = client_open(address);
        for (int i = 0; i < 2; i++)
            assert_int_equal(client_unary(client, "/test.Life/Hold", "", reply, sizeof(reply)), 0);
        client_close(client);
        tri_server_count(running.server, &counters);
        assert_int_equal(counters.stalls, 2);
        assert_int_equal(running_stop(&running), 0);
        assert_int_equal(atomic_load(&lines), 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handler_that_never_returns_is_given_up), /* while there is one thread */
        cmocka_unit_test(a_stop_at_any_moment_is_heard),
        cmocka_unit_test(a_drain_waits_for_those_who_end),
        cmocka_unit_test(a_drain_ends_the_others_at_its_limit),
        cmocka_unit_test(a_method_has_the_stack_that_it_asks_for),
        cmocka_unit_test(stalls_are_counted_and_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
