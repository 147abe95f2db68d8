/*
 * Goal: a handler runs where its placement says: on a worker's thread, which is not the reactor's,
 * or inline, on the reactor itself; and the counters tell the two apart: handoffs and wake-ups are
 * counted with workers and stay 0 inline. Method: a server in this process, whose handlers answer
 * with the name and number of the thread that they run on, and a client on a blocking socket.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "running.h"

struct where {
    char name[32];
    long thread;
};

static tri_code tell_thread(tri_call *call, const void *table, const void *request)
{
    char name[32] = "";

    (void)table, (void)request;
    pthread_getname_np(pthread_self(), name, sizeof(name));
    return reply_text(call, tri_call_printf(call, "%s %ld", name, (long)gettid()));
}

/* Parks before it answers: where a handler goes on is where it began. */
static tri_code tell_thread_later(tri_call *call, const void *table, const void *request)
{
    char before[32] = "";
    long thread = (long)gettid();

    pthread_getname_np(pthread_self(), before, sizeof(before));
    if (tri_call_sleep(call, TRI_MS(3)) != TRI_OK)
        return tri_call_code(call);
    if ((long)gettid() != thread)
        return tri_call_fail(call, TRI_INTERNAL, "moved from %ld to %ld", thread, (long)gettid());
    return tell_thread(call, table, request);
}

static tri_code tell_threads(tri_call *call, const void *table, const void *request)
{
    while ((request = tri_gen_next(call)) != NULL) {
        if (tell_thread(call, table, request) != TRI_OK)
            break;
    }
    return tri_call_code(call);
}

static const tri_gen_method methods[] = {
    METHOD("Tell", tell_thread, false, false),
    METHOD("TellLater", tell_thread_later, false, false),
    METHOD("TellThere", tell_thread, false, false),
    METHOD("TellAll", tell_threads, true, true),
};
static const tri_gen_service service = SERVICE("test.Where", methods);

static struct where parse(const char *text)
{
    struct where where = {.thread = 0};
    char *end;

    snprintf(where.name, sizeof(where.name), "%s", text);
    end = strchr(where.name, ' ');
    if (end != NULL) {
        *end = '\0';
        where.thread = strtol(end + 1, NULL, 10);
    }
    return where;
}

static struct where ask(struct client *client, const char *path)
{
    char reply[128];

    assert_int_equal(client_unary(client, path, "?", reply, sizeof(reply)), TRI_OK);
    return parse(reply);
}

static bool is_reactor(const struct where *where)
{
    return strncmp(where->name, "tri-reactor-", 12) == 0;
}

static bool is_worker(const struct where *where)
{
    return strncmp(where->name, "tri-worker-", 11) == 0;
}

static tri_server *make(tri_placement placement, const tri_service_config *config)
{
    tri_server *server =
        tri_server_new(TRI_SERVER_CONFIG(.listen = "tcp://127.0.0.1:0", .reactors = 1, .workers = 1,
                                         .placement = placement, .log = tri_log_stderr));

    assert_non_null(server);
    assert_int_equal(tri_gen_serve(server, &service, &servicer, config), 0);
    return server;
}

/* One server, methods placed both ways: the reactor's number comes from an inline one. */
static void a_worker_is_another_thread_than_the_reactor(void **state)
{
    static const tri_method_config there[] = {
        {.method = "TellThere", .placement = TRI_PLACEMENT_INLINE}};
    struct running running;
    const char *address =
        running_start(&running, make(TRI_PLACEMENT_DEFAULT,
                                     TRI_SERVICE_CONFIG(.methods = there, .methods_count = 1)));
    struct client *client;
    struct where worker, later, reactor;

    (void)state;
    assert_non_null(address);
    client = client_open(address);
    worker = ask(client, "/test.Where/Tell");
    later = ask(client, "/test.Where/TellLater");
    reactor = ask(client, "/test.Where/TellThere");
    client_close(client);
    assert_true(is_worker(&worker));
    assert_true(is_reactor(&reactor));
    assert_int_not_equal(worker.thread, reactor.thread);
    assert_int_not_equal(worker.thread, (long)gettid());
    assert_int_not_equal(reactor.thread, (long)gettid());
    assert_int_equal(later.thread, worker.thread); /* the only one */
    assert_int_equal(running_stop(&running), 0);
}

static void inline_is_the_reactors_own_thread(void **state)
{
    struct running running;
    const char *address = running_start(&running, make(TRI_PLACEMENT_INLINE, NULL));
    static const char *const paths[] = {"/test.Where/Tell", "/test.Where/TellLater",
                                        "/test.Where/TellThere"};
    long thread = 0;
    struct client *client;

    (void)state;
    assert_non_null(address);
    client = client_open(address);
    for (size_t i = 0; i < 3; i++) {
        struct where where = ask(client, paths[i]);

        assert_true(is_reactor(&where));
        if (thread != 0)
            assert_int_equal(where.thread, thread);
        thread = where.thread;
    }
    client_close(client);
    assert_int_equal(running_stop(&running), 0);
}

/* The method's wins over the service's, and that over the server's. */
static void the_nearest_placement_wins(void **state)
{
    static const tri_method_config exception[] = {
        {.method = "Tell", .placement = TRI_PLACEMENT_WORKERS}};
    struct running running;
    const char *address =
        running_start(&running, make(TRI_PLACEMENT_WORKERS,
                                     TRI_SERVICE_CONFIG(.placement = TRI_PLACEMENT_INLINE,
                                                        .methods = exception, .methods_count = 1)));
    struct client *client;
    struct where by_method, by_service;

    (void)state;
    assert_non_null(address);
    client = client_open(address);
    by_method = ask(client, "/test.Where/Tell");
    by_service = ask(client, "/test.Where/TellThere");
    client_close(client);
    assert_true(is_worker(&by_method));
    assert_true(is_reactor(&by_service));
    assert_int_equal(running_stop(&running), 0);
}

/* A stream stays where it began, over all its waits. */
static void a_stream_stays_on_its_thread(void **state)
{
    for (int placement = TRI_PLACEMENT_WORKERS; placement <= TRI_PLACEMENT_INLINE; placement++) {
        struct running running;
        const char *address = running_start(&running, make((tri_placement)placement, NULL));
        struct client_call call;
        struct client *client;
        long thread = 0;
        char text[128];

        (void)state;
        assert_non_null(address);
        client = client_open(address);
        client_begin(client, &call, "/test.Where/TellAll", NULL);
        for (size_t i = 0; i < 20; i++) {
            struct where where;

            client_send(client, &call, "?", i == 19);
            client_wait_replies(client, &call, i + 1);
            where = parse(client_reply(&call, i, text, sizeof(text)));
            assert_true(placement == TRI_PLACEMENT_INLINE ? is_reactor(&where) : is_worker(&where));
            if (thread != 0)
                assert_int_equal(where.thread, thread);
            thread = where.thread;
        }
        client_finish(client, &call);
        assert_int_equal(call.status, TRI_OK);
        client_end(&call);
        client_close(client);
        assert_int_equal(running_stop(&running), 0);
    }
}

static void workers_cost_handoffs_and_wakes(void **state)
{
    struct running running;
    const char *address = running_start(&running, make(TRI_PLACEMENT_WORKERS, NULL));
    tri_server_counters counters = {0};
    struct client *client;
    uint64_t calls = 0;

    (void)state;
    assert_non_null(address);
    client = client_open(address);
    /* A call that meets both threads awake wakes none. */
    while (calls < 50 ||
           (calls < 5000 && (counters.wakes_worker == 0 || counters.wakes_reactor == 0))) {
        ask(client, "/test.Where/Tell");
        calls++;
        tri_server_count(running.server, &counters);
    }
    assert_int_equal(counters.calls_started, calls);
    assert_int_equal(counters.calls_finished, calls);
    assert_int_equal(counters.calls_refused, 0);
    assert_int_equal(counters.connections_accepted, 1);
    assert_int_equal(counters.connections_open, 1);
    assert_int_equal(counters.floods, 0);
    assert_true(counters.handoffs >= 2 * calls); /* there and back */
    assert_true(counters.handoff_batches > 0);
    assert_true(counters.handoff_batches <= counters.handoffs);
    assert_true(counters.wakes_worker > 0);
    assert_true(counters.wakes_reactor > 0);
    assert_true(counters.wakes_worker + counters.wakes_reactor <= counters.handoff_batches);
    client_close(client);
    assert_int_equal(running_stop(&running), 0);
}

static void inline_hands_nothing_over(void **state)
{
    struct running running;
    const char *address = running_start(&running, make(TRI_PLACEMENT_INLINE, NULL));
    tri_server_counters counters;
    struct client *client;
    char reply[128];

    (void)state;
    assert_non_null(address);
    client = client_open(address);
    for (int i = 0; i < 50; i++)
        ask(client, i % 2 == 0 ? "/test.Where/Tell" : "/test.Where/TellLater");
    assert_int_equal(client_unary(client, "/test.Where/Nothing", "?", reply, sizeof(reply)),
                     TRI_UNIMPLEMENTED);
    tri_server_count(running.server, &counters);
    assert_int_equal(counters.calls_started, 50);
    assert_int_equal(counters.calls_finished, 50);
    assert_int_equal(counters.calls_refused, 1);
    assert_int_equal(counters.handoffs, 0);
    assert_int_equal(counters.handoff_batches, 0);
    assert_int_equal(counters.wakes_worker, 0);
    assert_int_equal(counters.wakes_reactor, 0);
    client_close(client);
    assert_int_equal(running_stop(&running), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_is_another_thread_than_the_reactor),
        cmocka_unit_test(inline_is_the_reactors_own_thread),
        cmocka_unit_test(the_nearest_placement_wins),
        cmocka_unit_test(a_stream_stays_on_its_thread),
        cmocka_unit_test(workers_cost_handoffs_and_wakes),
        cmocka_unit_test(inline_hands_nothing_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
