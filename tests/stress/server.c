/*
 * stress-server: handlers that sleep, hold their thread or flood, as the request asks; and every
 * limit on the command line.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <trireme/trireme.h>

#include "limits.h"
#include "stress.trireme.h"

static const char help[] =
    "usage: stress-server [--listen ADDRESS] [--placement workers|inline] [--reactors N]\n"
    "                     [--workers N] [--drain MS] [--limit NAME=VALUE]... [--quiet]\n"
    "Serves stress.Stress for the stress tests until SIGTERM, then prints its counters.\n"
    "\n"
    "  --listen ADDRESS    where (default tcp://127.0.0.1:0, which takes a free port)\n"
    "  --placement WHERE   where handlers run: workers, inline (default workers)\n"
    "  --reactors N, --workers N   threads (default: one for each CPU)\n"
    "  --drain MS          what calls in flight are given at the end (default 10000)\n"
    "  --limit NAME=VALUE  a field of tri_limits; durations in milliseconds\n"
    "  --quiet             no warnings on stderr\n"
    "\n"
    "example: stress-server --limit streams_max=16 --limit window_timeout=2000\n";

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* What stands before the answer. */
static tri_code obey(tri_call *call, const Order *order)
{
    if (strncmp(order->what, "sleep:", 6) == 0)
        return tri_call_sleep(call, TRI_MS(strtol(order->what + 6, NULL, 10)));
    if (strncmp(order->what, "spin:", 5) == 0) {
        double end = now() + 1e-3 * (double)strtol(order->what + 5, NULL, 10);

        while (now() < end)
            ;
    }
    return TRI_OK;
}

static tri_code ask(tri_call *call, const Order *order, stress_ask_replies *replies)
{
    Result result = RESULT__INIT;

    if (obey(call, order) != TRI_OK)
        return tri_call_code(call);
    result.count = 1;
    return stress_ask_emit(replies, &result);
}

static tri_code collect(tri_call *call, stress_collect_requests *requests,
                        stress_collect_replies *replies)
{
    Result result = RESULT__INIT;

    tri_each (order, stress_collect_next(requests)) {
        result.count++;
        if (obey(call, order) != TRI_OK)
            break;
    }
    if (!tri_call_ended_ok(call))
        return tri_call_code(call);
    return stress_collect_emit(replies, &result);
}

static tri_code list(tri_call *call, const Order *order, stress_list_replies *replies)
{
    static uint8_t kilobyte[1024];
    Result result = RESULT__INIT;

    if (obey(call, order) != TRI_OK)
        return tri_call_code(call);
    result.padding = (ProtobufCBinaryData){sizeof(kilobyte), kilobyte};
    do {
        result.count++;
    } while (stress_list_emit(replies, &result) == TRI_OK && strcmp(order->what, "flood") == 0);
    return tri_call_code(call);
}

static tri_code chat(tri_call *call, stress_chat_requests *requests, stress_chat_replies *replies)
{
    Result result = RESULT__INIT;

    tri_each (order, stress_chat_next(requests)) {
        result.count++;
        if (obey(call, order) != TRI_OK || stress_chat_emit(replies, &result) != TRI_OK)
            break;
    }
    return tri_call_code(call);
}

static const stress_servicer servicer = {
    .ask = ask, .collect = collect, .list = list, .chat = chat};

static void wrong(const char *option, const char *value)
{
    fprintf(stderr, "stress-server: %s %s: not known. Try 'stress-server --help'.\n", option,
            value);
    exit(2);
}

static uint32_t number(const char *option, const char *value)
{
    char *end;
    unsigned long number = strtoul(value, &end, 10);

    if (end == value || *end != '\0' || number > UINT32_MAX)
        wrong(option, value);
    return (uint32_t)number;
}

static void log_warning(void *context, tri_log_level level, const char *line)
{
    if (level == TRI_LOG_WARNING)
        tri_log_stderr(context, level, line);
}

static void read_options(tri_server_config *config, int argc, char **argv)
{
    static const struct option known[] = {{"listen", required_argument, NULL, 'l'},
                                          {"placement", required_argument, NULL, 'p'},
                                          {"reactors", required_argument, NULL, 'r'},
                                          {"workers", required_argument, NULL, 'w'},
                                          {"drain", required_argument, NULL, 'd'},
                                          {"limit", required_argument, NULL, 'L'},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == 'l') {
            config->listen = optarg;
        } else if (option == 'p' && strcmp(optarg, "workers") == 0) {
            config->placement = TRI_PLACEMENT_WORKERS;
        } else if (option == 'p' && strcmp(optarg, "inline") == 0) {
            config->placement = TRI_PLACEMENT_INLINE;
        } else if (option == 'r') {
            config->reactors = number("--reactors", optarg);
        } else if (option == 'w') {
            config->workers = number("--workers", optarg);
        } else if (option == 'd') {
            config->drain_limit = TRI_MS((tri_duration)number("--drain", optarg));
        } else if (option == 'q') {
            config->log = NULL;
        } else if (option == 'h') {
            fputs(help, stdout);
            exit(0);
        } else if (option != 'L' || !limits_set(&config->limits, optarg)) {
            wrong(argv[optind - 1], optarg != NULL ? optarg : "");
        }
    }
    if (optind < argc)
        wrong("argument", argv[optind]);
}

int main(int argc, char **argv)
{
    tri_server_config config = {.size = sizeof(config), .listen = "tcp://127.0.0.1:0"};
    tri_server_counters counters;

    config.log = log_warning;
    read_options(&config, argc, argv);
    tri_server *server = tri_server_new(&config);
    int r = stress_serve(server, &servicer, NULL);

    if (r == 0)
        r = tri_server_start(server);
    if (r == 0) {
        printf("stress: listening on %s\n", tri_server_address(server, 0));
        fflush(stdout);
        r = tri_server_run(server);
        tri_server_count(server, &counters);
        printf("accepted %llu refused %llu open %llu started %llu finished %llu floods %llu\n",
               (unsigned long long)counters.connections_accepted,
               (unsigned long long)counters.connections_refused,
               (unsigned long long)counters.connections_open,
               (unsigned long long)counters.calls_started,
               (unsigned long long)counters.calls_finished, (unsigned long long)counters.floods);
    }
    if (r < 0)
        fprintf(stderr, "stress-server: %s\n", tri_server_error(server));
    tri_server_free(server);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
