/*
 * contract-server: the greeter with the special names that let a client of any implementation test
 * the four kinds of call, errors, metadata and large messages.
 *
 *     sayHello      fail -> INVALID_ARGUMENT "bad name: 100% né"; slow -> after 3 s;
 *                   meta -> metadata comes back; big:N -> N bytes of x
 *     clientStream  fail -> ABORTED "stop"
 *     serverStream  count:N -> 0 to N-1; fail -> ABORTED "stop"
 *     biStream      fail -> ABORTED "stop"; headers -> response headers, with
 *                   x-tri-early, but no reply
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <trireme/trireme.h>

#include "greeter.trireme.h"
#include "names.h"

static const char help[] =
    "usage: contract-server PORT [SERVICE] [--placement workers|inline]\n"
    "Serves the greeter's contract on 127.0.0.1:PORT, under the full name SERVICE (default: both "
    "of the\n"
    "greeter's names), prints `ready`, and ends on SIGTERM.\n"
    "\n"
    "  --placement WHERE   where handlers run: workers, inline (default workers)\n"
    "\n"
    "example: contract-server 50051 org.apache.dubbo.samples.data.Greeter --placement inline\n";

/* The number after `prefix`, or -1 when `name` does not begin with it. */
static long number_after(const char *name, const char *prefix)
{
    size_t size = strlen(prefix);
    char *end;

    if (strncmp(name, prefix, size) != 0 || name[size] < '0' || name[size] > '9')
        return -1;
    long number = strtol(name + size, &end, 10);

    return *end == '\0' ? number : -1;
}

static tri_code echo_metadata(tri_call *call)
{
    tri_bytes text = tri_call_metadata(call, "x-tri-echo", 0);
    tri_bytes bytes = tri_call_metadata(call, "x-tri-echo-bin", 0);

    if (text.data != NULL && tri_call_add_header(call, "x-tri-echo", text.data) < 0)
        return tri_call_fail(call, TRI_INTERNAL, "x-tri-echo cannot be sent back");
    if (bytes.data != NULL &&
        tri_call_add_trailer_bytes(call, "x-tri-trail-bin", bytes.data, bytes.size) < 0)
        return tri_call_fail(call, TRI_INTERNAL, "x-tri-echo-bin cannot be sent back");
    return TRI_OK;
}

static tri_code say_hello(tri_call *call, const GreeterRequest *request,
                          greeter_say_hello_replies *replies)
{
    GreeterReply reply = GREETER_REPLY__INIT;
    long size = number_after(request->name, "big:");

    if (strcmp(request->name, "fail") == 0)
        return tri_call_fail(call, TRI_INVALID_ARGUMENT, "bad name: 100%% n\u00e9");
    if (strcmp(request->name, "slow") == 0 && tri_call_sleep(call, TRI_SECONDS(3)) != TRI_OK)
        return tri_call_code(call);
    if (strcmp(request->name, "meta") == 0 && echo_metadata(call) != TRI_OK)
        return tri_call_code(call);
    if (size >= 0) {
        reply.message = tri_call_alloc(call, (size_t)size + 1);
        if (reply.message == NULL)
            return tri_call_code(call);
        memset(reply.message, 'x', (size_t)size);
        reply.message[size] = '\0';
    } else {
        reply.message = tri_call_printf(call, "Hello, %s", request->name);
    }
    return greeter_say_hello_emit(replies, &reply);
}

static tri_code client_stream(tri_call *call, greeter_client_stream_requests *requests,
                              greeter_client_stream_replies *replies)
{
    GreeterReply reply = GREETER_REPLY__INIT;
    struct greeter_names names = {0};

    tri_each (request, greeter_client_stream_next(requests)) {
        if (strcmp(request->name, "fail") == 0)
            return tri_call_fail(call, TRI_ABORTED, "stop");
        if (greeter_names_add(call, &names, request->name) != TRI_OK)
            return tri_call_code(call);
    }
    if (!tri_call_ended_ok(call))
        return tri_call_code(call);
    if (names.text != NULL)
        reply.message = names.text;
    return greeter_client_stream_emit(replies, &reply);
}

static tri_code count(greeter_server_stream_replies *replies, long most)
{
    GreeterReply reply = GREETER_REPLY__INIT;
    char number[24];

    for (long i = 0; i < most; i++) {
        /* By hand: this is the small message of the benchmark. */
        char *at = number + sizeof(number) - 1;
        long rest = i;

        *at = '\0';
        do {
            *--at = (char)('0' + rest % 10);
            rest /= 10;
        } while (rest > 0);
        reply.message = at;
        if (greeter_server_stream_emit(replies, &reply) != TRI_OK)
            break;
    }
    return TRI_OK;
}

static tri_code server_stream(tri_call *call, const GreeterRequest *request,
                              greeter_server_stream_replies *replies)
{
    long most = number_after(request->name, "count:");

    if (strcmp(request->name, "fail") == 0)
        return tri_call_fail(call, TRI_ABORTED, "stop");
    return most >= 0 ? count(replies, most) : greeter_emit_words(call, request->name, replies);
}

static tri_code bi_stream(tri_call *call, greeter_bi_stream_requests *requests,
                          greeter_bi_stream_replies *replies)
{
    GreeterReply reply = GREETER_REPLY__INIT;

    tri_each (request, greeter_bi_stream_next(requests)) {
        if (strcmp(request->name, "fail") == 0)
            return tri_call_fail(call, TRI_ABORTED, "stop");
        if (strcmp(request->name, "headers") == 0) {
            tri_call_add_header(call, "x-tri-early", "1");
            tri_call_send_headers(call);
            continue;
        }
        reply.message = tri_call_printf(call, "Hello, %s!", request->name);
        if (greeter_bi_stream_emit(replies, &reply) != TRI_OK)
            break;
    }
    return tri_call_code(call);
}

static const greeter_servicer servicer = {
    .say_hello = say_hello,
    .client_stream = client_stream,
    .server_stream = server_stream,
    .bi_stream = bi_stream,
};

static tri_placement read_placement(const char *value)
{
    if (strcmp(value, "workers") == 0)
        return TRI_PLACEMENT_WORKERS;
    if (strcmp(value, "inline") == 0)
        return TRI_PLACEMENT_INLINE;
    fprintf(stderr, "contract-server: --placement %s: workers or inline is wanted\n", value);
    exit(2);
}

int main(int argc, char **argv)
{
    static const struct option known[] = {{"placement", required_argument, NULL, 'p'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    const char *names[] = {"org.apache.dubbo.samples.proto.Greeter",
                           "org.apache.dubbo.samples.data.Greeter", NULL};
    tri_placement placement = TRI_PLACEMENT_WORKERS;
    char address[64];
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return 0;
        }
        if (option != 'p') {
            fprintf(stderr,
                    "contract-server: %s: no such option, or its value is missing. Try "
                    "'contract-server --help'.\n",
                    argv[optind - 1]);
            return 2;
        }
        placement = read_placement(optarg);
    }
    long port = optind < argc ? number_after(argv[optind], "") : -1;

    if (port < 0 || port > 65535 || argc - optind > 2) {
        fputs("contract-server: a port from 0 to 65535 and at most one service name are wanted. "
              "Try 'contract-server --help'.\n",
              stderr);
        return 2;
    }
    if (argc - optind == 2) {
        names[0] = argv[optind + 1];
        names[1] = NULL;
    }
    snprintf(address, sizeof(address), "tcp://127.0.0.1:%ld", port);
    tri_server *server =
        tri_server_new(TRI_SERVER_CONFIG(.listen = address, .placement = placement));
    int r = greeter_serve(server, &servicer, TRI_SERVICE_CONFIG(.names = names));

    if (r == 0)
        r = tri_server_start(server);
    if (r == 0) {
        puts("ready");
        fflush(stdout);
        r = tri_server_run(server);
    }
    if (r < 0)
        fprintf(stderr, "contract-server: %s\n", tri_server_error(server));
    tri_server_free(server);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
