/*
 * The configuration: copied, filled with defaults, checked once.
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server_private.h"

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define THREADS_MAX 1024
#define WINDOW_MAX 0x7fffffff

static int copy_config(struct tri_server *server, const tri_server_config *config)
{
    const uint8_t *bytes = (const uint8_t *)config;
    size_t known = sizeof(server->config);

    /* A later version's fields are known to be left out only while they are zero. */
    for (size_t i = known; i < config->size; i++) {
        if (bytes[i] != 0)
            return -E2BIG;
    }
    memcpy(&server->config, config, config->size < known ? config->size : known);
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

/* A value outside of what is possible; the line in the log says what would be right. */
static bool is_within(struct tri_server *server, const char *field, uint64_t value, uint64_t least,
                      uint64_t most)
{
    if (value >= least && value <= most)
        return true;
    tri__server_say(server, "configuration: %s is %llu; %llu to %llu is possible", field,
                    (unsigned long long)value, (unsigned long long)least, (unsigned long long)most);
    return false;
}

static bool check(struct tri_server *server)
{
    const tri_server_config *config = &server->config;
    const tri_limits *limits = &config->limits;

    if (strcmp(config->engine, "auto") != 0 && strcmp(config->engine, "io_uring") != 0) {
        tri__server_say(server,
                        "configuration: engine is \"%s\"; \"auto\" and \"io_uring\" are there",
                        config->engine);
        return false;
    }
    return is_within(server, "reactors", config->reactors, 1, THREADS_MAX) &&
           is_within(server, "workers", config->workers, 1, THREADS_MAX) &&
           is_within(server, "placement", (uint64_t)config->placement, TRI_PLACEMENT_WORKERS,
                     TRI_PLACEMENT_INLINE) &&
           is_within(server, "stack_size", config->stack_size, TRI__STACK_MIN, TRI__STACK_MAX) &&
           is_within(server, "drain_limit", (uint64_t)config->drain_limit, 1, INT64_MAX / 4) &&
           is_within(server, "receive_message_max", limits->receive_message_max, 1,
                     WINDOW_MAX / 2) &&
           is_within(server, "send_message_max", limits->send_message_max, 1, UINT32_MAX) &&
           is_within(server, "depth_max", limits->depth_max, 1, 1000) &&
           is_within(server, "header_list_soft_max", limits->header_list_soft_max, 256,
                     limits->header_list_hard_max) &&
           is_within(server, "header_list_hard_max", limits->header_list_hard_max, 256, MIB) &&
           is_within(server, "stream_window", limits->stream_window, 65535, WINDOW_MAX) &&
           is_within(server, "connection_window", limits->connection_window, 65535, WINDOW_MAX) &&
           is_within(server, "emit_high_mark", limits->emit_high_mark, 1, WINDOW_MAX) &&
           is_within(server, "emit_low_mark", limits->emit_low_mark, 1, limits->emit_high_mark) &&
           is_within(server, "turn_frames", limits->turn_frames, 1, TRI__TURN_FRAMES_MAX) &&
           is_within(server, "turn_bytes", limits->turn_bytes, 16384 + 9, WINDOW_MAX);
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
    server->log = (struct tri__log){server->config.log, server->config.log_context};
    if (!check(server))
        return -EINVAL;
    spread(server);
    return 0;
}
