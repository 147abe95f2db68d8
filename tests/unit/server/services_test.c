/*
 * Goal: services answer under all their names, with their state, and a service that cannot be added
 * is refused with a line that says why. Method: a server in this process and a client on a blocking
 * socket.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "../base/failing_alloc.h"
#include "client.h"
#include "running.h"
#include "server_private.h"

static tri_code tell_state(tri_call *call, const void *table, const void *request)
{
    const char *name = tri_call_state(call);

    (void)table, (void)request;
    return reply_text(
        call, tri_call_printf(call, "%s %s", tri_call_path(call), name != NULL ? name : "-"));
}

static const tri_gen_method methods[] = {METHOD("Tell", tell_state, false, false)};
static const tri_gen_service service = SERVICE("test.Life", methods);

static tri_server *make(const tri_service_config *services)
{
    tri_server *server = tri_server_new(
        TRI_SERVER_CONFIG(.listen = "tcp://127.0.0.1:0", .reactors = 1, .workers = 1));

    assert_non_null(server);
    assert_int_equal(tri_gen_serve(server, &service, &servicer, services), 0);
    return server;
}

static void expect_refused(struct client *client, const char *path, const char *message)
{
    struct client_call call;

    client_begin(client, &call, path, NULL);
    client_send(client, &call, "", true);
    client_finish(client, &call);
    assert_int_equal(call.status, TRI_UNIMPLEMENTED);
    assert_string_equal(call.message, message);
    client_end(&call);
}

static void services_answer_to_all_their_names(void **state)
{
    static const char *const names[] = {"one.Life", "another.Life", NULL};
    static char first[] = "first", second[] = "second";
    static const tri_gen_method other_methods[] = {METHOD("Tell", tell_state, false, false),
                                                   {.name = "Missing",
                                                    .request = &call_test__text__descriptor,
                                                    .reply = &call_test__text__descriptor,
                                                    .run = tell_state,
                                                    .slot = sizeof(void *)}};
    static const tri_gen_service other = SERVICE("test.Other", other_methods);
    static const struct {
        const char *path, *reply;
        int status;
    } calls[] = {
        {"/one.Life/Tell", "/one.Life/Tell first", TRI_OK},
        {"/another.Life/Tell", "/another.Life/Tell first", TRI_OK},
        {"/another.Life/tell", "/another.Life/Tell first", TRI_OK}, /* as some clients spell it */
        {"/test.Life/Tell", "", TRI_UNIMPLEMENTED},                 /* its names are the others */
        {"/test.Other/Tell", "/test.Other/Tell second", TRI_OK},
        {"/test.Other/Missing", "", TRI_UNIMPLEMENTED}, /* NULL in the servicer */
        {"/test.Other/TELL", "", TRI_UNIMPLEMENTED},
        {"/", "", TRI_UNIMPLEMENTED},
    };
    tri_server *server = make(TRI_SERVICE_CONFIG(.names = names, .state = first));
    struct running running;
    struct client *client;
    const char *address;
    char reply[256];

    (void)state;
    assert_int_equal(tri_gen_serve(server, &other, &servicer, TRI_SERVICE_CONFIG(.state = second)),
                     0);
    address = running_start(&running, server);
    assert_non_null(address);
    assert_int_equal(tri_gen_serve(server, &service, &servicer, NULL), -EALREADY);
    client = client_open(address);
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
        assert_int_equal(client_unary(client, calls[i].path, "", reply, sizeof(reply)),
                         calls[i].status);
        assert_string_equal(reply, calls[i].reply);
    }
    expect_refused(client, "/test.Other/Missing",
                   "method /test.Other/Missing is not implemented by this server");
    expect_refused(client, "/test.Other/None", "unknown method /test.Other/None");
    client_close(client);
    assert_int_equal(running_stop(&running), 0);
}

static void services_that_cannot_be_added(void **state)
{
    static const tri_method_config unknown = {.method = "Tel"}, nameless = {.method = NULL},
                                   shallow = {.method = "Tell", .stack_size = 16383},
                                   deep = {.method = "Tell", .stack_size = 268435457},
                                   placed = {.method = "Tell"},
                                   nowhere = {.method = "Tell", .placement = (tri_placement)3};
    static const char *const taken[] = {"test.Life", NULL};
    tri_gen_service old = service, other = service;
    tri_server *server = make(NULL);
    const struct {
        const tri_gen_service *service;
        const void *servicer;
        const tri_service_config *config;
        int result;
        const char *says;
    } wrong[] = {
        {&service, &servicer, NULL, -EEXIST, "/test.Life/Tell is served already"},
        {&other, &servicer, TRI_SERVICE_CONFIG(.names = taken), -EEXIST, "/test.Life/Tell"},
        {&other, &servicer, TRI_SERVICE_CONFIG(.methods = &unknown, .methods_count = 1), -EINVAL,
         "has no method \"Tel\""},
        {&other, &servicer, TRI_SERVICE_CONFIG(.methods = &nameless, .methods_count = 1), -EINVAL,
         "has no method \"\""},
        {&other, &servicer, TRI_SERVICE_CONFIG(.methods = &shallow, .methods_count = 1), -EINVAL,
         "stack_size is 16383; 16384 to 268435456"},
        {&other, &servicer, TRI_SERVICE_CONFIG(.methods = &deep, .methods_count = 1), -EINVAL,
         "stack_size is 268435457"},
        {&other, &servicer, TRI_SERVICE_CONFIG(.methods = &nowhere, .methods_count = 1), -EINVAL,
         "method Tell: placement is 3; 0 to 2"},
        {&other, &servicer, TRI_SERVICE_CONFIG(.placement = (tri_placement)7), -EINVAL,
         "service test.Another: placement is 7; 0 to 2"},
        {&other, &servicer, TRI_SERVICE_CONFIG(.methods = &placed), -EINVAL,
         "methods is set, and methods_count is 0"},
        {&other, &servicer, TRI_SERVICE_CONFIG(.methods_count = 1), -EINVAL,
         "methods is NULL, and methods_count is 1"},
        {&other, &servicer, &(const tri_service_config){.state = &old}, -EINVAL,
         "size is 0; TRI_SERVICE_CONFIG(...)"},
        {&other, NULL, NULL, -EINVAL, "servicer is NULL"},
        {&old, &servicer, NULL, -EINVAL, "another version"},
    };

    (void)state;
    other.name = "test.Another";
    old.name = "test.Old";
    old.abi = TRI_GENERATED_ABI + 1;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        assert_int_equal(
            tri_gen_serve(server, wrong[i].service, wrong[i].servicer, wrong[i].config),
            wrong[i].result);
        if (strstr(tri_server_error(server), wrong[i].says) == NULL)
            fail_msg("\"%s\" lacks \"%s\"", tri_server_error(server), wrong[i].says);
    }
    assert_int_equal(tri_gen_serve(server, &other, &servicer, NULL), 0);
    assert_int_equal(tri_server_start(server), -EEXIST); /* the first of them */
    assert_non_null(strstr(tri_server_error(server), wrong[0].says));
    tri_server_free(server);
}

/* The second name is taken, or memory ends on the way: the first is not served either. */
static void a_service_is_added_whole_or_not_at_all(void **state)
{
    static const char *const names[] = {"test.New", "test.Life", NULL};
    static const char *const free_names[] = {"test.New", "test.Newer", NULL};
    static const tri_gen_method two_methods[] = {METHOD("Tell", tell_state, false, false),
                                                 METHOD("Ask", tell_state, false, false)};
    static const tri_gen_service other = SERVICE("test.Other", two_methods);
    struct running running;
    struct client *client;
    tri_server *server = make(NULL);
    struct tri__allocator usual = tri__allocator;
    char reply[256];
    int r = -ENOMEM;

    (void)state;
    assert_int_equal(tri_gen_serve(server, &other, &servicer, TRI_SERVICE_CONFIG(.names = names)),
                     -EEXIST);
    assert_int_equal(server->routes.count, 1);
    assert_null(server->services->next);
    for (uint64_t fail_at = 1; r == -ENOMEM; fail_at++) {
        failing_start(fail_at, false);
        r = tri_gen_serve(server, &other, &servicer, TRI_SERVICE_CONFIG(.names = free_names));
        tri__allocator = usual; /* the table of the test is not for several threads */
        if (r < 0) {
            assert_int_equal(r, -ENOMEM);
            assert_int_equal(server->routes.count, 1);
            assert_null(server->services->next);
        }
    }
    assert_int_equal(r, 0);
    assert_int_equal(server->routes.count, 5);
    assert_int_equal(tri_server_start(server), -EEXIST);
    server->failure = 0; /* to call what is there */
    const char *address = running_start(&running, server);

    assert_non_null(address);
    client = client_open(address);
    assert_int_equal(client_unary(client, "/test.Newer/Ask", "", reply, sizeof(reply)), TRI_OK);
    assert_int_equal(client_unary(client, "/test.Life/Tell", "", reply, sizeof(reply)), TRI_OK);
    client_close(client);
    assert_int_equal(running_stop(&running), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(services_answer_to_all_their_names),
        cmocka_unit_test(services_that_cannot_be_added),
        cmocka_unit_test(a_service_is_added_whole_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
