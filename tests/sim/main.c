/*
 * Runs seeds and says what they met.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <trireme/trireme.h>

#include "peers.h"
#include "sim.h"

#if TRI__ASAN
#include <sanitizer/common_interface_defs.h>
#endif

void world_report(void);

static void log_line(void *context, tri_log_level level, const char *line)
{
    (void)context;
    if (is_verbose)
        fprintf(stderr, "log: %s\n", line);
    note("log", (uint64_t)level, strlen(line));
    preempt();
}

/*
 * What a server of this configuration may hold, as the limits promise it: for each reactor, for
 * each connection, for each stream, and credit beyond the windows.
 */
static size_t bound_of(const tri_limits *limits)
{
    size_t kib = 1024;
    /* nghttp2's reserve, buffers for output that are kept, a slab of calls, idle fields. */
    size_t reactor = 64 * 33 * kib + 32 * 65 * kib + 256 * kib;
    /* Output, input that waits for its turn, the session with its tables and frames. */
    size_t connection = 65 * kib + 2 * (limits->turn_bytes + 64 * kib) + 128 * kib +
                        (size_t)limits->outbound_close_frames * 128;
    /* Requests up to the window, replies up to the mark and one more, both decoded, metadata. */
    size_t stream = limits->stream_window + limits->emit_high_mark +
                    (size_t)4 * limits->receive_message_max + 32 * kib;

    return CORES_MAX * reactor + PEERS_MAX * (connection + (limits->streams_max + 1) * stream) +
           limits->process_receive_budget + 1024 * kib;
}

static tri_server *make_server(void)
{
    world.connection_window = chance(2) ? 65535 : 1000000;
    world.drain_limit = chance(3) ? 20 * MS : 10 * SECOND;
    tri_limits limits = {
        .receive_message_max = NOTE_MAX,
        .streams_max = world.profile.is_strict ? 100 : between(3, 60),
        .connections_max = 40,
        .stream_window = chance(2) ? 65535 : 150000,
        .connection_window = world.connection_window,
        .connection_receive_budget = chance(2) ? NOTE_MAX + 1000 : 1000000,
        .process_receive_budget = chance(2) ? 4 * NOTE_MAX : 8000000,
        .emit_high_mark = chance(2) ? 2000 : 65536,
        .turn_frames = chance(2) ? 4 : 256,
        .turn_resets = 4,
        .turn_bytes = chance(2) ? 16393 : 200000,
        .outbound_pause_frames = chance(2) ? 20 : 1000,
        .outbound_close_frames = chance(2) ? 200 : 10000,
    };

    if (world.profile.is_strict)
        limits.outbound_close_frames = 10000;
    if (limits.outbound_pause_frames > limits.outbound_close_frames)
        limits.outbound_pause_frames = limits.outbound_close_frames;
    if (world.profile.has_jumps)
        limits.idle_timeout = chance(2) ? TRI_MS(500) : 0;
    world.memory_bound = bound_of(&limits);
    return tri_server_new(
        TRI_SERVER_CONFIG(.reactors = world.profile.reactors, .workers = world.profile.workers,
                          .listen = "unix:/sim", .pin = TRI_OFF, .stack_overflow_report = TRI_OFF,
                          .stack_size = 32 * 1024, .drain_limit = (tri_duration)world.drain_limit,
                          .log = log_line, .limits = limits));
}

/* The thread that owns the server. */
static void own(void *argument)
{
    bool is_armed_early = world.profile.memory_nth != 0 || chance(3);
    tri_server *server;
    int r;

    (void)argument;
    world.memory_is_armed = is_armed_early;
    server = make_server();
    r = server != NULL ? servicer_serve(server) : -1;
    if (r == 0)
        r = tri_server_start(server);
    expect_that(r == 0 || world.has_failed_memory || world.profile.fails_start,
                "the start fails: %s", tri_server_error(server));
    if (r == 0) {
        platform_set_server(server);
        world.memory_is_armed = true;
        r = tri_server_run(server);
        expect_that(r == 0, "tri_server_run gives %d", r);
        platform_set_server(NULL);
    }
    tri_server_free(server);
    world_terminate();
    for (uint32_t i = 0; i < world.actors_count; i++)
        world_make_ready(world.actors[i]);
}

static void run_seed(uint64_t seed)
{
    world_begin(seed);
    platform_reset();
    engine_reset();
    task_start("owner", own, NULL);
    peers_make();
    world_run();
    /* Peers that were still connecting, or have not seen the end yet. */
    peers_finish();
    calls_check_over();
    expect_that(net_all_closed(), "a connection is left open");
    expect_that(world.blocks == 0, "%zu allocations are left, of %zu bytes", world.blocks,
                world.memory_used);
    expect_that(world.memory_peak <= world.memory_bound, "%zu bytes were in use; the bound is %zu",
                world.memory_peak, world.memory_bound);
    peers_reset();
    net_reset();
    calls_reset();
    tasks_reset();
}

struct totals {
    uint64_t seeds, calls, calls_ok, completions, switches, steps;
    uint64_t peak, most_steps;
};

static void add_up(struct totals *totals)
{
    totals->seeds++;
    totals->calls += world.calls_made;
    totals->calls_ok += world.calls_ok;
    totals->completions += world.completions;
    totals->switches += world.switches;
    totals->steps += world.steps;
    if (world.steps > totals->most_steps)
        totals->most_steps = world.steps;
    if (world.memory_peak > totals->peak)
        totals->peak = world.memory_peak;
}

static double seconds(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Returns: whether the run was what a run of so many seeds has to be. */
static bool report(const struct totals *totals, double took)
{
    bool is_weak = false;
    double seeds = (double)totals->seeds;

    printf("sim: %llu seeds in %.1f s (%.1f ms each); on average %.1f calls (%.1f OK), %.1f "
           "completions, %.0f switches, %.0f steps (%llu at most); peak %.1f MiB\n",
           (unsigned long long)totals->seeds, took, took * 1000 / seeds,
           (double)totals->calls / seeds, (double)totals->calls_ok / seeds,
           (double)totals->completions / seeds, (double)totals->switches / seeds,
           (double)totals->steps / seeds, (unsigned long long)totals->most_steps,
           (double)totals->peak / 1048576);
    for (int i = 0; i < FAULT_KINDS; i++) {
        printf("  %-18s %llu\n", fault_names[i], (unsigned long long)fault_hits[i]);
        is_weak = is_weak || fault_hits[i] == 0;
    }
    if (totals->seeds < 1000)
        return true;
    if (is_weak)
        printf("sim: FAILED: a kind of fault has had no hit\n");
    if ((double)totals->calls < 20 * seeds || (double)totals->completions < 200 * seeds) {
        printf("sim: FAILED: a seed has less than 20 calls or 200 completions on average\n");
        is_weak = true;
    }
    return !is_weak;
}

static void save_progress(const char *path, uint64_t next)
{
    FILE *file = path != NULL ? fopen(path, "w") : NULL;

    if (file == NULL)
        return;
    fprintf(file, "%llu\n", (unsigned long long)next);
    fclose(file);
}

static uint64_t load_progress(const char *path, uint64_t from)
{
    FILE *file = path != NULL ? fopen(path, "r") : NULL;
    char line[32] = "";

    if (file == NULL)
        return from;
    if (fgets(line, sizeof(line), file) != NULL && strtoull(line, NULL, 10) > from)
        from = strtoull(line, NULL, 10);
    fclose(file);
    return from;
}

static void usage(void)
{
    printf("usage: sim [--seed N] [--seeds FROM..TO] [--twice] [--verbose] [--progress FILE]\n"
           "\n"
           "Runs a whole server with scripted peers on one thread, as each seed decides, and\n"
           "checks everything that must hold. FROM is included, TO is not.\n"
           "\n"
           "  --seeds FROM..TO  default 0..100\n"
           "  --seed N          that one alone, and prints its hash\n"
           "  --twice           each seed twice: both runs must be the same, event by event\n"
           "  --verbose         every event, as it happens\n"
           "  --progress FILE   goes on where the file says, and keeps it up to date\n"
           "\n"
           "Exit code: 0 only when nothing failed.\n"
           "example: sim --seeds 0..5000\n");
}

static void on_abort(int number)
{
    (void)number;
    /* NOLINTNEXTLINE(bugprone-signal-handler,cert-sig30-c) the process is at its end */
    world_report();
    _exit(1);
}

struct options {
    uint64_t from, to;
    bool is_single, runs_twice;
    const char *progress;
};

static int parse(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {{"seed", required_argument, NULL, 's'},
                                          {"seeds", required_argument, NULL, 'r'},
                                          {"twice", no_argument, NULL, 't'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          {"progress", required_argument, NULL, 'p'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    char *end;
    int option;

    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 's':
            options->from = strtoull(optarg, &end, 10);
            options->to = options->from + 1;
            options->is_single = true;
            break;
        case 'r':
            options->from = strtoull(optarg, &end, 10);
            if (strncmp(end, "..", 2) != 0)
                return 2;
            options->to = strtoull(end + 2, &end, 10);
            break;
        case 't':
            options->runs_twice = true;
            break;
        case 'v':
            is_verbose = true;
            break;
        case 'p':
            options->progress = optarg;
            break;
        case 'h':
            usage();
            exit(0);
        default:
            return 2;
        }
    }
    return optind == argc && options->from < options->to ? 0 : 2;
}

int main(int argc, char **argv)
{
    struct options options = {.to = 100};
    struct totals totals = {0};
    double began = seconds();

    program_name = argv[0];
    if (parse(argc, argv, &options) != 0) {
        fprintf(stderr, "sim: wrong use; try --help\n");
        return 2;
    }
    signal(SIGABRT, on_abort);
#if TRI__ASAN
    __sanitizer_set_death_callback(world_report);
#else
    signal(SIGSEGV, on_abort);
#endif
    platform_install();
    options.from = load_progress(options.progress, options.from);
    for (uint64_t seed = options.from; seed < options.to; seed++) {
        run_seed(seed);
        uint64_t hash = world.hash;

        add_up(&totals);
        if (options.runs_twice) {
            run_seed(seed);
            expect_that(world.hash == hash, "seed %llu is not the same twice",
                        (unsigned long long)seed);
        }
        if (options.is_single)
            printf("sim: seed %llu: hash %016llx, %llu steps, %llu calls\n",
                   (unsigned long long)seed, (unsigned long long)world.hash,
                   (unsigned long long)world.steps, (unsigned long long)world.calls_made);
        if (options.progress != NULL && seed % 1000 == 999)
            save_progress(options.progress, seed + 1);
    }
    save_progress(options.progress, options.to);
    return options.from < options.to && !report(&totals, seconds() - began) ? 1 : 0;
}
