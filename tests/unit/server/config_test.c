/*
 * Goal: a configuration that is wrong is refused with a line that names the field, its value and
 * what is possible; what is left out gets its default; a listener that cannot be opened, and a
 * service that cannot be added, say why. Method: one wrong field at a time, with the log's lines
 * kept; a look into the server for the defaults; sockets of the test's own in the way.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "running.h"
#include "server_private.h"

static struct {
    char line[512];
    unsigned count;
    tri_log_level level;
} logged;

static void keep(void *context, tri_log_level level, const char *line)
{
    assert_ptr_equal(context, &logged);
    snprintf(logged.line, sizeof(logged.line), "%s", line);
    logged.level = level;
    logged.count++;
}

/* All of the parts of a line, in their order. */
static void assert_logged(const char *const *parts, size_t count)
{
    const char *at = logged.line;

    assert_int_equal(logged.count, 1);
    assert_int_equal(logged.level, TRI_LOG_ERROR);
    for (size_t i = 0; i < count; i++) {
        const char *found = strstr(at, parts[i]);

        if (found == NULL)
            fail_msg("\"%s\" lacks \"%s\"", logged.line, parts[i]);
        else
            at = found + strlen(parts[i]);
    }
}

#define KEPT .log = keep, .log_context = &logged, .listen = "tcp://127.0.0.1:0"

/* A server that cannot be started: the error is kept, and the log has had it once. */
static void expect_failed(tri_server *server, int error)
{
    assert_non_null(server);
    assert_string_equal(tri_server_error(server), logged.line);
    assert_int_equal(tri_server_start(server), error);
    assert_string_equal(tri_server_error(server), logged.line);
    assert_int_equal(tri_server_run(server), error);
    assert_int_equal(tri_server_stop(server), 0);
    assert_int_equal(logged.count, 1);
    tri_server_free(server);
}

static void expect_wrong(const tri_server_config *config, const char *field, const char *value,
                         const char *range)
{
    const char *parts[] = {"configuration: ", field, value, range};

    logged.count = 0;
    tri_server *server = tri_server_new(config);

    assert_logged(parts, 4);
    expect_failed(server, -EINVAL);
}

#define WRONG(field, value, range)                                                                 \
    expect_wrong(TRI_SERVER_CONFIG(KEPT, .field = (value)), #field, #value, range)
#define WRONG_LIMIT(field, value, range)                                                           \
    expect_wrong(TRI_SERVER_CONFIG(KEPT, .limits = {.field = (value)}), #field, #value, range)

static void each_wrong_field_is_named(void **state)
{
    (void)state;
    WRONG(reactors, 1025, "1 to 1024");
    WRONG(workers, 1025, "1 to 1024");
    WRONG(workers, 4294967295, "1 to 1024");
    WRONG(stack_size, 16383, "16384 to 268435456");
    WRONG(stack_size, 268435457, "16384 to 268435456");
    expect_wrong(TRI_SERVER_CONFIG(KEPT, .placement = (tri_placement)3), "placement", "3",
                 "1 to 2");
    expect_wrong(TRI_SERVER_CONFIG(KEPT, .placement = (tri_placement)-1), "placement", "",
                 "1 to 2");
    expect_wrong(TRI_SERVER_CONFIG(KEPT, .pin = (tri_switch)3), "pin", "3", "0 to 2");
    expect_wrong(TRI_SERVER_CONFIG(KEPT, .stack_overflow_report = (tri_switch)3),
                 "stack_overflow_report", "3", "0 to 2");
    WRONG(drain_limit, -1, "1 to ");
    WRONG(stall_warning, -2, "1 to 2305843009213693951, or TRI_FOREVER,");
    expect_wrong(TRI_SERVER_CONFIG(KEPT, .engine = "epol"), "engine", "\"epol\"", "\"io_uring\"");
    WRONG_LIMIT(receive_message_max, 4294967295, "1 to ");
    WRONG_LIMIT(send_message_max, 4294967296, "1 to 4294967295");
    WRONG_LIMIT(depth_max, 1001, "1 to 1000");
    WRONG_LIMIT(header_list_soft_max, 255, "256 to 65536");
    WRONG_LIMIT(header_list_soft_max, 65537, "256 to 65536");
    WRONG_LIMIT(header_list_hard_max, 1048577, "256 to 1048576");
    WRONG_LIMIT(stream_window, 65534, "65535 to 2147483647");
    WRONG_LIMIT(stream_window, 2147483648, "65535 to 2147483647");
    WRONG_LIMIT(connection_window, 65534, "65535 to 2147483647");
    WRONG_LIMIT(emit_high_mark, 2147483648, "1 to 2147483647");
    WRONG_LIMIT(emit_low_mark, 65537, "1 to 65536");
    WRONG_LIMIT(turn_frames, 257, "1 to 256");
    WRONG_LIMIT(turn_bytes, 16392, "16393 to 2147483647");
    WRONG_LIMIT(decoded_message_max, 1099511627777, "1 to 1099511627776");
    WRONG_LIMIT(header_fields_max, 7, "8 to 32768");
    WRONG_LIMIT(header_fields_max, 32769, "8 to 32768");
    WRONG_LIMIT(continuation_max, 1001, "1 to 1000");
    WRONG_LIMIT(streams_max, 2147483648, "1 to 2147483647");
    WRONG_LIMIT(connections_max, 4294967295, "1 to 2147483647");
    WRONG_LIMIT(process_receive_budget, 3, "4 to 1099511627776");
    WRONG_LIMIT(process_receive_budget, 1099511627777, "4 to 1099511627776");
    WRONG_LIMIT(turn_resets, 2147483648, "1 to 2147483647");
    WRONG_LIMIT(outbound_pause_frames, 10001, "1 to 10000");
    WRONG_LIMIT(outbound_close_frames, 2147483648, "1 to 2147483647");
}

static void each_wrong_rate_and_time_is_named(void **state)
{
    (void)state;
    WRONG_LIMIT(reset_burst, 2147483648, "1 to 2147483647");
    WRONG_LIMIT(reset_rate, 1000000001, "1 to 1000000000");
    WRONG_LIMIT(glitch_burst, 2147483648, "1 to 2147483647");
    WRONG_LIMIT(glitch_rate, 1000000001, "1 to 1000000000");
    WRONG_LIMIT(settings_burst, 2147483648, "1 to 2147483647");
    WRONG_LIMIT(settings_rate, 1000000001, "1 to 1000000000");
    WRONG_LIMIT(ping_burst, 2147483648, "1 to 2147483647");
    WRONG_LIMIT(ping_rate, 1000000001, "1 to 1000000000");
    WRONG_LIMIT(handshake_timeout, -2, "1 to 2305843009213693951, or TRI_FOREVER,");
    WRONG_LIMIT(headers_timeout, 2305843009213693952, "1 to 2305843009213693951");
    WRONG_LIMIT(settings_ack_timeout, -2, "1 to ");
    WRONG_LIMIT(write_timeout, -2, "1 to ");
    WRONG_LIMIT(window_timeout, -2, "1 to ");
    WRONG_LIMIT(reservation_timeout, -2, "1 to ");
    WRONG_LIMIT(idle_timeout, -2, "0 to ");
    WRONG_LIMIT(age_max, -2, "0 to ");
    WRONG_LIMIT(tcp_user_timeout, 999999, "1000000 to 2147483647000000");
    WRONG_LIMIT(tcp_user_timeout, 2147483648000000, "1000000 to 2147483647000000");
}

static void what_is_just_possible_passes(void **state)
{
    static const tri_limits most = {
        .receive_message_max = 0x7fffffff / 2,
        .send_message_max = UINT32_MAX,
        .depth_max = 1000,
        .header_list_soft_max = 256,
        .header_list_hard_max = 256,
        .stream_window = 65535,
        .connection_window = 0x7fffffff,
        .emit_high_mark = 1,
        .emit_low_mark = 1,
        .turn_frames = 128,
        .turn_bytes = 16393,
        .decoded_message_max = (size_t)1 << 40,
        .header_fields_max = 8,
        .continuation_max = 1000,
        .streams_max = 0x7fffffff,
        .connections_max = 0x7fffffff,
        .process_receive_budget = 4, /* and so 1 for a connection */
        .turn_resets = 0x7fffffff,
        .outbound_pause_frames = 20000,
        .outbound_close_frames = 20000,
        .reset_burst = 0x7fffffff,
        .reset_rate = 1000000000,
        .ping_burst = 1,
        .ping_rate = 1,
        .handshake_timeout = TRI_FOREVER,
        .reservation_timeout = INT64_MAX / 4,
        .idle_timeout = TRI_FOREVER,
        .tcp_user_timeout = TRI_MS(INT32_MAX),
    };
    tri_server *server = tri_server_new(TRI_SERVER_CONFIG(
        KEPT, .reactors = 1, .workers = 1, .stack_size = 16384, .drain_limit = 1,
        .engine = "io_uring", .placement = TRI_PLACEMENT_INLINE, .pin = TRI_OFF,
        .stack_overflow_report = TRI_OFF, .stall_warning = TRI_FOREVER, .limits = most));

    (void)state;
    logged.count = 0;
    assert_non_null(server);
    assert_int_equal(logged.count, 0);
    assert_int_equal(tri_server_reactors(server), 1);
    assert_int_equal(tri_server_workers(server), 1);
    assert_string_equal(tri_server_engine(server), ""); /* not started */
    assert_string_equal(tri_server_error(server), "");
    tri_server_free(server);
}

static void wrong_addresses_are_named(void **state)
{
    static const char *const wrong[] = {"127.0.0.1:80",
                                        "tcp://127.0.0.1",
                                        "tcp://:80",
                                        "tcp://::1:80",
                                        "tcp://[::1:80",
                                        "tcp://a:65536",
                                        "tcp://a:",
                                        "tcp://a:1x",
                                        "unix:",
                                        "http://a:80",
                                        "",
                                        "tcp://[]:1",
                                        "tcp://127.0.0.1:-1"};
    tri_server *server;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        const char *parts[] = {"cannot listen: ", wrong[i]};

        logged.count = 0;
        server = tri_server_new(
            TRI_SERVER_CONFIG(.log = keep, .log_context = &logged, .listen = wrong[i]));
        assert_logged(parts, 2);
        expect_failed(server, -EINVAL);
    }
    server = tri_server_new(TRI_SERVER_CONFIG(.log = keep, .log_context = &logged));
    assert_non_null(server);
    assert_int_equal(tri_server_start(server), -EINVAL); /* no address at all */
    assert_non_null(strstr(tri_server_error(server), "no address"));
    for (int i = 0; i < TRI__LISTENERS_MAX; i++)
        assert_int_equal(tri_server_listen(server, "tcp://127.0.0.1:0"), 0);
    assert_int_equal(tri_server_listen(server, "tcp://127.0.0.1:0"), -EINVAL);
    assert_non_null(tri_server_address(server, TRI__LISTENERS_MAX - 1));
    assert_null(tri_server_address(server, TRI__LISTENERS_MAX));
    tri_server_free(server);
}

static void a_later_version_is_accepted_while_it_asks_nothing_new(void **state)
{
    struct {
        tri_server_config config;
        uint64_t later[2];
    } longer = {.config = {.size = sizeof(longer)}};
    tri_server *server = tri_server_new(&longer.config);

    (void)state;
    assert_non_null(server);
    assert_int_equal(server->config.size, sizeof(tri_server_config));
    tri_server_free(server);
    ((uint8_t *)longer.later)[sizeof(longer.later) - 1] = 1; /* the very last byte */
    longer.config.log = keep;
    longer.config.log_context = &logged;
    logged.count = 0;
    expect_failed(tri_server_new(&longer.config), -E2BIG);
}

/* Not made with the macro: the size is 0, or whatever stood there. */
static void a_size_that_was_never_set_is_refused(void **state)
{
    static const char *const parts[] = {"size is 0", "TRI_SERVER_CONFIG"};
    tri_server_config config = {KEPT};
    tri_server *server;

    (void)state;
    logged.count = 0;
    server = tri_server_new(&config);
    assert_logged(parts, 2);
    expect_failed(server, -EINVAL);
    config.size = offsetof(tri_server_config, limits) - 1;
    logged.count = 0;
    server = tri_server_new(&config);
    assert_int_equal(logged.count, 0); /* what may be no function is not called */
    assert_int_equal(tri_server_start(server), -EINVAL);
    assert_non_null(strstr(tri_server_error(server), "TRI_SERVER_CONFIG"));
    tri_server_free(server);
}

/* One check at the end is enough: the first failure is what the start returns. */
static void the_first_failure_keeps_the_server_from_starting(void **state)
{
    tri_server *server = tri_server_new(TRI_SERVER_CONFIG(.listen = "tcp://127.0.0.1:0"));

    (void)state;
    assert_int_equal(tri_server_listen(server, "nothing"), -EINVAL);
    assert_int_equal(tri_gen_serve(server, &(tri_gen_service){.name = "test.Old"}, &servicer, NULL),
                     -EINVAL);
    assert_non_null(strstr(tri_server_error(server), "test.Old"));
    assert_int_equal(tri_server_listen(server, "tcp://127.0.0.1:0"), 0);
    assert_string_equal(tri_server_error(server), "");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tri_server_run(server), -EINVAL);
        assert_string_equal(tri_server_error(server),
                            "cannot listen: \"nothing\" is no address: tcp://HOST:PORT (an IPv6 "
                            "address in brackets) or unix:PATH is wanted");
    }
    tri_server_free(server);
}

static struct {
    char lines[1024];
} said;

static void collect(void *context, tri_log_level level, const char *line)
{
    size_t length = strlen(said.lines);

    (void)context;
    snprintf(said.lines + length, sizeof(said.lines) - length, "%d %s\n", (int)level, line);
}

static void a_life_is_told_in_the_log(void **state)
{
    struct running running;
    char expected[1024];
    const char *first, *second;
    tri_server *server = tri_server_new(
        TRI_SERVER_CONFIG(.listen = "tcp://127.0.0.1:0", .log = collect, .reactors = 2));

    (void)state;
    assert_int_equal(tri_server_listen(server, "tcp://127.0.0.1:0"), 0);
    first = running_start(&running, server);
    second = tri_server_address(server, 1);
    assert_non_null(first);
    snprintf(expected, sizeof(expected),
             "3 listening on %s (io_uring, 2 reactors, 2 workers)\n"
             "3 listening on %s (io_uring, 2 reactors, 2 workers)\n"
             "2 the server has no service: every call will end UNIMPLEMENTED\n"
             "3 draining: calls in flight have 10000 ms\n"
             "3 stopped\n",
             first, second);
    assert_int_equal(running_stop(&running), 0);
    assert_string_equal(said.lines, expected);
}

static void likely_mistakes_in_addresses_are_explained(void **state)
{
    static const struct {
        const char *address, *says;
    } cases[] = {
        {"127.0.0.1:80", "no scheme: tcp://127.0.0.1:80 is wanted"},
        {"[::1]:80", "no scheme: tcp://[::1]:80 is wanted"},
        {"tcp://:80", "no host: tcp://0.0.0.0:80"},
        {"tcp://a:65536", "a port is 0 to 65535"},
        {"tcp://a:99999999999999999999", "a port is 0 to 65535"},
        {"http://a:80", "tcp://HOST:PORT"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        tri_server *server = tri_server_new(TRI_SERVER_CONFIG(.listen = cases[i].address));

        assert_int_equal(tri_server_start(server), -EINVAL);
        if (strstr(tri_server_error(server), cases[i].says) == NULL)
            fail_msg("\"%s\" lacks \"%s\"", tri_server_error(server), cases[i].says);
        tri_server_free(server);
    }
}

/* An earlier version's struct ends sooner: what it lacks has its default. */
static void an_earlier_version_is_accepted(void **state)
{
    tri_server_config config = {.size = offsetof(tri_server_config, limits), .reactors = 3};
    tri_server *server;

    (void)state;
    memset(&config.limits, 0xff, sizeof(config.limits)); /* not part of it */
    server = tri_server_new(&config);
    assert_non_null(server);
    assert_int_equal(server->config.reactors, 3);
    assert_int_equal(server->config.workers, 3);
    assert_int_equal(server->config.limits.depth_max, 100);
    tri_server_free(server);
}

static void defaults_are_those_of_the_header(void **state)
{
    tri_server *server = tri_server_new(NULL);
    const tri_limits *limits;
    tri_server_config *config;

    (void)state;
    assert_non_null(server);
    config = &server->config;
    limits = &config->limits;
    assert_int_equal(config->placement, TRI_PLACEMENT_WORKERS);
    assert_int_equal(config->stack_size, 64 * 1024);
    assert_int_equal(config->drain_limit, TRI_SECONDS(10));
    assert_int_equal(config->stall_warning, TRI_MS(10));
    assert_int_equal(config->workers, config->reactors);
    assert_int_equal(limits->receive_message_max, 4 << 20);
    assert_int_equal(limits->decoded_message_max, 32 << 20);
    assert_int_equal(limits->depth_max, 100);
    assert_int_equal(limits->header_list_soft_max, 8 << 10);
    assert_int_equal(limits->header_list_hard_max, 64 << 10);
    assert_int_equal(limits->header_fields_max, 128);
    assert_int_equal(limits->continuation_max, 8);
    assert_int_equal(limits->streams_max, 256);
    assert_int_equal(limits->stream_window, 1 << 20);
    assert_int_equal(limits->connection_window, 16 << 20);
    assert_true(limits->connection_receive_budget <= 16 << 20);
    assert_true(limits->connection_receive_budget <= limits->process_receive_budget / 4);
    assert_true(limits->process_receive_budget <= 1 << 30);
    assert_int_equal(limits->emit_high_mark, 64 << 10);
    assert_int_equal(limits->emit_low_mark, 32 << 10);
    assert_int_equal(limits->turn_frames, 256);
    assert_int_equal(limits->turn_resets, 8);
    assert_int_equal(limits->turn_bytes, 256 << 10);
    assert_int_equal(limits->outbound_pause_frames, 1000);
    assert_int_equal(limits->outbound_close_frames, 10000);
    assert_int_equal(limits->reset_burst, 1000);
    assert_int_equal(limits->reset_rate, 33);
    assert_int_equal(limits->glitch_burst, 1000);
    assert_int_equal(limits->glitch_rate, 33);
    assert_int_equal(limits->settings_burst, 100);
    assert_int_equal(limits->settings_rate, 10);
    assert_int_equal(limits->ping_burst, 100);
    assert_int_equal(limits->ping_rate, 10);
    assert_int_equal(limits->handshake_timeout, TRI_SECONDS(10));
    assert_int_equal(limits->headers_timeout, TRI_SECONDS(5));
    assert_int_equal(limits->settings_ack_timeout, TRI_SECONDS(10));
    assert_int_equal(limits->write_timeout, TRI_SECONDS(60));
    assert_int_equal(limits->window_timeout, TRI_SECONDS(60));
    assert_int_equal(limits->reservation_timeout, TRI_SECONDS(10));
    assert_int_equal(limits->idle_timeout, 0);
    assert_int_equal(limits->age_max, 0);
    assert_int_equal(limits->tcp_user_timeout, TRI_SECONDS(60));
    tri_server_free(server);
}

static void null_is_taken_everywhere(void **state)
{
    tri_server_counters counters = {.calls_started = 7};

    (void)state;
    assert_int_equal(tri_server_listen(NULL, "tcp://127.0.0.1:0"), -EINVAL);
    assert_int_equal(tri_server_start(NULL), -EINVAL);
    assert_int_equal(tri_server_run(NULL), -EINVAL);
    assert_int_equal(tri_server_stop(NULL), -EINVAL);
    tri_server_free(NULL);
    assert_null(tri_server_address(NULL, 0));
    assert_non_null(tri_server_error(NULL));
    assert_string_equal(tri_server_engine(NULL), "");
    assert_int_equal(tri_server_reactors(NULL), 0);
    assert_int_equal(tri_server_workers(NULL), 0);
    tri_server_count(NULL, &counters);
    assert_int_equal(counters.calls_started, 0);
    assert_int_equal(tri_gen_serve(NULL, NULL, NULL, NULL), -EINVAL);
}

/* A socket of the test's own, on a free port of 127.0.0.1. */
static int take_port(char *address, size_t size)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const void *)&name, sizeof(name)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (void *)&name, &length), 0);
    snprintf(address, size, "tcp://127.0.0.1:%u", ntohs(name.sin_port));
    return fd;
}

static void expect_no_start(tri_server *server, int error, const char *reason, const char *address)
{
    assert_int_equal(tri_server_start(server), error);
    assert_non_null(strstr(tri_server_error(server), address));
    assert_non_null(strstr(tri_server_error(server), reason));
    assert_true(tri_server_error(server)[0] != '\0');
}

/* After the reason is gone the same server starts. */
static void an_address_in_use_is_named(void **state)
{
    struct running running;
    char address[64];
    int fd = take_port(address, sizeof(address));
    tri_server *server = tri_server_new(
        TRI_SERVER_CONFIG(.listen = "tcp://127.0.0.1:0", .reactors = 2, .workers = 2));

    (void)state;
    assert_int_equal(tri_server_listen(server, address), 0);
    expect_no_start(server, -EADDRINUSE, "in use", address);
    expect_no_start(server, -EADDRINUSE, "in use", address);
    close(fd);
    assert_non_null(running_start(&running, server));
    assert_string_equal(tri_server_address(server, 1), address);
    assert_string_equal(tri_server_engine(server), "io_uring");
    assert_string_equal(tri_server_error(server), "");
    assert_int_equal(tri_server_listen(server, "tcp://127.0.0.1:0"), -EINVAL);
    assert_int_equal(tri_server_start(server), -EALREADY);
    assert_int_equal(running_stop(&running), 0);
}

static void addresses_that_cannot_be_had_are_named(void **state)
{
    static const char elsewhere[] = "tcp://192.0.2.1:0"; /* of RFC 5737: nobody's */
    static const char nowhere[] = "unix:/nowhere/at/all/socket";
    char folder[] = "/tmp/trireme-test-XXXXXX", address[100];
    bool is_root = false;
    tri_server *server = tri_server_new(TRI_SERVER_CONFIG(.listen = elsewhere, .reactors = 1));

    (void)state;
    expect_no_start(server, -EADDRNOTAVAIL, "no such address", elsewhere);
    tri_server_free(server);
    server = tri_server_new(TRI_SERVER_CONFIG(.listen = nowhere, .reactors = 1));
    expect_no_start(server, -ENOENT, "No such file or directory (ENOENT)", nowhere);
    tri_server_free(server);
    /* Root plays nobody meanwhile, before a folder of its own. */
    if (geteuid() == 0) {
        assert_non_null(mkdtemp(folder));
        assert_int_equal(seteuid(65534), 0);
        is_root = true;
    }
    snprintf(address, sizeof(address), "unix:%s/socket", is_root ? folder : "/");
    server = tri_server_new(TRI_SERVER_CONFIG(.listen = address, .reactors = 1));
    expect_no_start(server, -EACCES, "no permission", address);
    tri_server_free(server);
    if (is_root) {
        assert_int_equal(seteuid(0), 0);
        rmdir(folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_wrong_field_is_named),
        cmocka_unit_test(each_wrong_rate_and_time_is_named),
        cmocka_unit_test(what_is_just_possible_passes),
        cmocka_unit_test(wrong_addresses_are_named),
        cmocka_unit_test(a_later_version_is_accepted_while_it_asks_nothing_new),
        cmocka_unit_test(an_earlier_version_is_accepted),
        cmocka_unit_test(a_size_that_was_never_set_is_refused),
        cmocka_unit_test(the_first_failure_keeps_the_server_from_starting),
        cmocka_unit_test(a_life_is_told_in_the_log),
        cmocka_unit_test(likely_mistakes_in_addresses_are_explained),
        cmocka_unit_test(defaults_are_those_of_the_header),
        cmocka_unit_test(null_is_taken_everywhere),
        cmocka_unit_test(an_address_in_use_is_named),
        cmocka_unit_test(addresses_that_cannot_be_had_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
