/*
 * The configuration: copied, filled with defaults, checked once.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <trireme/version.h>

#include "server_private.h"

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define THREADS_MAX 1024
#define WINDOW_MAX 0x7fffffff
#define MEMORY_MAX (1024 * GIB)
/* Without overflow when a time is added, ns: 73 years. */
#define DURATION_MAX (INT64_MAX / 4)
/* The pseudo-header fields of a request, te and content-type, and two of the caller's. */
#define HEADER_FIELDS_LEAST 8

static int copy_config(struct tri_server *server, const tri_server_config *config)
{
    const uint8_t *bytes = (const uint8_t *)config;
    size_t known = sizeof(server->config);

    /* Every version has had what stands before the limits: a smaller size was never set. */
    if (config->size < offsetof(tri_server_config, limits)) {
        /* A size that was forgotten is 0, and then the rest of the struct is there all the same. */
        if (config->size == 0)
            server->log = (struct tri__log){config->log, config->log_context};
        tri__server_say(server,
                        "configuration: size is %u; TRI_SERVER_CONFIG(.listen = ...) sets it, or "
                        ".size = sizeof(tri_server_config)",
                        config->size);
        return -EINVAL;
    }
    memcpy(&server->config, config, config->size < known ? config->size : known);
    server->log = (struct tri__log){server->config.log, server->config.log_context};
    /* A later version's fields are known to be left out only while they are zero. */
    for (size_t i = known; i < config->size; i++) {
        if (bytes[i] != 0) {
            tri__server_say(server,
                            "configuration: byte %zu of %u is set, for a later version's field "
                            "that library " TRI_VERSION_STRING " does not know",
                            i, config->size);
            return -E2BIG;
        }
    }
    server->config.size = (uint32_t)known;
    return 0;
}

static uint32_t default_connections(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur <= 128)
        return 64;
    return limit.rlim_cur > 1000064 ? 1000000 : (uint32_t)(limit.rlim_cur - 64);
}

static size_t default_process_budget(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page = sysconf(_SC_PAGESIZE);
    size_t quarter = pages > 0 && page > 0 ? (size_t)pages / 4 * (size_t)page : GIB;

    return quarter < GIB ? quarter : GIB;
}

#define DEFAULT(field, value)                                                                      \
    do {                                                                                           \
        if ((field) == 0)                                                                          \
            (field) = (value);                                                                     \
    } while (0)

static void fill_sizes(tri_limits *limits)
{
    DEFAULT(limits->receive_message_max, 4 * MIB);
    DEFAULT(limits->send_message_max, UINT32_MAX);
    DEFAULT(limits->decoded_message_max, 8 * limits->receive_message_max);
    DEFAULT(limits->depth_max, 100);
    DEFAULT(limits->header_list_soft_max, 8 * KIB);
    DEFAULT(limits->header_list_hard_max, 64 * KIB);
    DEFAULT(limits->header_fields_max, 128);
    DEFAULT(limits->continuation_max, 8);
    DEFAULT(limits->streams_max, 256);
    DEFAULT(limits->connections_max, default_connections());
    DEFAULT(limits->stream_window, MIB);
    DEFAULT(limits->connection_window, 16 * MIB);
    DEFAULT(limits->process_receive_budget, default_process_budget());
    DEFAULT(limits->connection_receive_budget, 16 * MIB);
    if (limits->connection_receive_budget > limits->process_receive_budget / 4)
        limits->connection_receive_budget = limits->process_receive_budget / 4;
    DEFAULT(limits->emit_high_mark, 64 * KIB);
    DEFAULT(limits->emit_low_mark, limits->emit_high_mark / 2);
    DEFAULT(limits->turn_frames, 256);
    DEFAULT(limits->turn_resets, 8);
    DEFAULT(limits->turn_bytes, 256 * KIB);
    DEFAULT(limits->outbound_pause_frames, 1000);
    DEFAULT(limits->outbound_close_frames, 10000);
}

static void fill_rates(tri_limits *limits)
{
    DEFAULT(limits->reset_burst, 1000);
    DEFAULT(limits->reset_rate, 33);
    DEFAULT(limits->glitch_burst, 1000);
    DEFAULT(limits->glitch_rate, 33);
    DEFAULT(limits->settings_burst, 100);
    DEFAULT(limits->settings_rate, 10);
    DEFAULT(limits->ping_burst, 100);
    DEFAULT(limits->ping_rate, 10);
    DEFAULT(limits->handshake_timeout, TRI_SECONDS(10));
    DEFAULT(limits->headers_timeout, TRI_SECONDS(5));
    DEFAULT(limits->settings_ack_timeout, TRI_SECONDS(10));
    DEFAULT(limits->write_timeout, TRI_SECONDS(60));
    DEFAULT(limits->window_timeout, TRI_SECONDS(60));
    DEFAULT(limits->reservation_timeout, TRI_SECONDS(10));
    DEFAULT(limits->tcp_user_timeout, TRI_SECONDS(60));
}

static void fill_defaults(tri_server_config *config)
{
    uint16_t cpus = tri__cpus_available();

    DEFAULT(config->reactors, cpus);
    DEFAULT(config->workers, config->reactors);
    DEFAULT(config->placement, TRI_PLACEMENT_WORKERS);
    DEFAULT(config->stack_size, (uint32_t)TRI__STACK_DEFAULT);
    DEFAULT(config->engine, "auto");
    DEFAULT(config->drain_limit, TRI_SECONDS(10));
    DEFAULT(config->stall_warning, TRI_MS(10));
    fill_sizes(&config->limits);
    fill_rates(&config->limits);
}

/* What a field may be. A duration's own range is beside its `is_duration`. */
struct range {
    const char *field;
    uint64_t value, least, most;
};

/* A value outside of what is possible; the line in the log says what would be right. */
static bool are_within(struct tri_server *server, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct range *range = &ranges[i];

        if (range->value >= range->least && range->value <= range->most)
            continue;
        tri__server_say(server, "configuration: %s is %llu; %llu to %llu is possible", range->field,
                        (unsigned long long)range->value, (unsigned long long)range->least,
                        (unsigned long long)range->most);
        return false;
    }
    return true;
}

/* A duration may also be TRI_FOREVER, but for `drain_limit`. */
struct period {
    const char *field;
    tri_duration value, least, most;
    bool may_be_forever;
};

static bool are_durations(struct tri_server *server, const struct period *periods, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct period *period = &periods[i];

        if ((period->value >= period->least && period->value <= period->most) ||
            (period->may_be_forever && period->value == TRI_FOREVER))
            continue;
        tri__server_say(server, "configuration: %s is %lld ns; %lld to %lld%s is possible",
                        period->field, (long long)period->value, (long long)period->least,
                        (long long)period->most, period->may_be_forever ? ", or TRI_FOREVER," : "");
        return false;
    }
    return true;
}

#define COUNT_OF(array) (sizeof(array) / sizeof(*(array)))

static bool check_top(struct tri_server *server, const tri_server_config *config)
{
    const struct range ranges[] = {
        {"reactors", config->reactors, 1, THREADS_MAX},
        {"workers", config->workers, 1, THREADS_MAX},
        {"placement", (uint64_t)config->placement, TRI_PLACEMENT_WORKERS, TRI_PLACEMENT_INLINE},
        {"pin", (uint64_t)config->pin, TRI_DEFAULT, TRI_OFF},
        {"stack_overflow_report", (uint64_t)config->stack_overflow_report, TRI_DEFAULT, TRI_OFF},
        {"stack_size", config->stack_size, TRI__STACK_MIN, TRI__STACK_MAX},
    };
    const struct period periods[] = {
        {"drain_limit", config->drain_limit, 1, DURATION_MAX, false},
        {"stall_warning", config->stall_warning, 1, DURATION_MAX, true},
    };

    if (strcmp(config->engine, "auto") != 0 && strcmp(config->engine, "io_uring") != 0) {
        tri__server_say(server,
                        "configuration: engine is \"%s\"; \"auto\" and \"io_uring\" are there",
                        config->engine);
        return false;
    }
    return are_within(server, ranges, COUNT_OF(ranges)) &&
           are_durations(server, periods, COUNT_OF(periods));
}

#define LIMIT(field, least, most)                                                                  \
    {                                                                                              \
#field, limits->field, least, most                                                         \
    }

static bool check_sizes(struct tri_server *server, const tri_limits *limits)
{
    const struct range ranges[] = {
        LIMIT(receive_message_max, 1, WINDOW_MAX / 2),
        LIMIT(send_message_max, 1, UINT32_MAX),
        LIMIT(decoded_message_max, 1, MEMORY_MAX),
        LIMIT(depth_max, 1, 1000),
        LIMIT(header_list_soft_max, 256, limits->header_list_hard_max),
        LIMIT(header_list_hard_max, 256, MIB),
        LIMIT(header_fields_max, HEADER_FIELDS_LEAST, MIB / 32),
        LIMIT(continuation_max, 1, 1000),
        LIMIT(streams_max, 1, WINDOW_MAX),
        LIMIT(connections_max, 1, WINDOW_MAX),
        LIMIT(stream_window, 65535, WINDOW_MAX),
        LIMIT(connection_window, 65535, WINDOW_MAX),
        LIMIT(process_receive_budget, 4, MEMORY_MAX), /* a connection's is a quarter at most */
        LIMIT(connection_receive_budget, 1, MEMORY_MAX),
        LIMIT(emit_high_mark, 1, WINDOW_MAX),
        LIMIT(emit_low_mark, 1, limits->emit_high_mark),
        LIMIT(turn_frames, 1, TRI__TURN_FRAMES_MAX),
        LIMIT(turn_resets, 1, WINDOW_MAX),
        LIMIT(turn_bytes, 16384 + 9, WINDOW_MAX),
        LIMIT(outbound_pause_frames, 1, limits->outbound_close_frames),
        LIMIT(outbound_close_frames, 1, WINDOW_MAX),
    };

    return are_within(server, ranges, COUNT_OF(ranges));
}

/* A token that takes less than a nanosecond to come back would be no limit. */
#define RATE_MAX 1000000000

static bool check_rates(struct tri_server *server, const tri_limits *limits)
{
    const struct range ranges[] = {
        LIMIT(reset_burst, 1, WINDOW_MAX),    LIMIT(reset_rate, 1, RATE_MAX),
        LIMIT(glitch_burst, 1, WINDOW_MAX),   LIMIT(glitch_rate, 1, RATE_MAX),
        LIMIT(settings_burst, 1, WINDOW_MAX), LIMIT(settings_rate, 1, RATE_MAX),
        LIMIT(ping_burst, 1, WINDOW_MAX),     LIMIT(ping_rate, 1, RATE_MAX),
    };

    return are_within(server, ranges, COUNT_OF(ranges));
}

#define TIMEOUT(field, least)                                                                      \
    {                                                                                              \
#field, limits->field, least, DURATION_MAX, true                                           \
    }

static bool check_timeouts(struct tri_server *server, const tri_limits *limits)
{
    const struct period periods[] = {
        TIMEOUT(handshake_timeout, 1),
        TIMEOUT(headers_timeout, 1),
        TIMEOUT(settings_ack_timeout, 1),
        TIMEOUT(write_timeout, 1),
        TIMEOUT(window_timeout, 1),
        TIMEOUT(reservation_timeout, 1),
        TIMEOUT(idle_timeout, 0), /* 0: none */
        TIMEOUT(age_max, 0),
        /* The kernel takes milliseconds, as an int. */
        {"tcp_user_timeout", limits->tcp_user_timeout, TRI_MS(1), TRI_MS(INT32_MAX), true},
    };

    return are_durations(server, periods, COUNT_OF(periods));
}

static bool check(struct tri_server *server)
{
    const tri_limits *limits = &server->config.limits;

    return check_top(server, &server->config) && check_sizes(server, limits) &&
           check_rates(server, limits) && check_timeouts(server, limits);
}

static void spread(struct tri_server *server)
{
    const tri_limits *limits = &server->config.limits;

    server->link_limits = (struct tri__link_limits){
        .streams_max = limits->streams_max,
        .outbound_pause_frames = limits->outbound_pause_frames,
        .outbound_close_frames = limits->outbound_close_frames,
        .turn_bytes = limits->turn_bytes,
        .connection_budget = limits->connection_receive_budget,
        .handshake_timeout = limits->handshake_timeout,
        .headers_timeout = limits->headers_timeout,
        .settings_ack_timeout = limits->settings_ack_timeout,
        .write_timeout = limits->write_timeout,
        .window_timeout = limits->window_timeout,
        .idle_timeout = limits->idle_timeout,
        .age_max = limits->age_max,
    };
    server->call_limits = (struct tri__call_limits){
        .receive_message_max = limits->receive_message_max,
        .send_message_max = limits->send_message_max,
        .decode = {.memory_max = limits->decoded_message_max, .depth_max = limits->depth_max},
        .stream_window = limits->stream_window,
        .process_budget = limits->process_receive_budget,
        .high_mark = limits->emit_high_mark,
        .low_mark = limits->emit_low_mark,
        .reservation_timeout = limits->reservation_timeout,
        .field_list_max = 8 * KIB,
        .metadata_max = limits->header_list_soft_max,
    };
    server->h2_config = (struct tri__h2_config){
        .guard = {limits->turn_frames, limits->turn_resets, limits->turn_bytes, limits->reset_burst,
                  limits->reset_rate, limits->glitch_burst, limits->glitch_rate,
                  limits->settings_burst, limits->settings_rate, limits->ping_burst,
                  limits->ping_rate},
        .streams_max = limits->streams_max,
        .stream_window = limits->stream_window,
        .connection_window = limits->connection_window,
        .header_list_soft_max = limits->header_list_soft_max,
        .header_list_hard_max = limits->header_list_hard_max,
        .header_fields_max = limits->header_fields_max,
        .continuation_max = limits->continuation_max,
    };
}

int tri__server_configure(struct tri_server *server, const tri_server_config *config)
{
    static const tri_server_config nothing = {.size = sizeof(nothing)};
    int r = copy_config(server, config != NULL ? config : &nothing);

    if (r < 0)
        return r;
    fill_defaults(&server->config);
    if (!check(server))
        return -EINVAL;
    spread(server);
    return 0;
}
