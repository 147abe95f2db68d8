/*
 * Bounded by configuration: whatever a peer does, the server's memory stays under a bound that is
 * computed here, from the limits alone, before the attack begins. An attack that does not reach a
 * quarter of its bound is too weak to show anything, and fails too.
 */
#include "bounds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "limits.h"

#define ARGUMENTS_MAX 48
#define P99_TARGET_MS 50
#define LATENCY_S 3
/*
 * The receive buffers of one reactor, which are touched as they are used, and what threads keep
 * idle; input that was on its way to the connections of a reactor when they were stopped, at most
 * the 8 MiB from which it receives less and one turn's 4 MiB, in buffers that double.
 */
#define OF_PROCESS ((size_t)6 << 20)
#define OF_INPUT ((size_t)24 << 20)
/* Blocks of an allocator are larger than what is asked for, by an eighth at most on average. */
#define WITH_ALLOCATOR(size) ((size) + (size) / 8)
#define REACHED_LEAST 4

bool bounds_judge_latency;

static size_t bound_of(const struct attack *attack, const tri_limits *limits)
{
    size_t of_connection =
        attack->of_connection(limits) + attack->streams * attack->of_stream(limits);

    return OF_PROCESS + OF_INPUT + WITH_ALLOCATOR(attack->connections * of_connection);
}

/* The server's arguments; the limits are filled in. */
static void read_limits(const struct attack *attack, tri_limits *limits, const char **arguments)
{
    static const char *const common[] = {"--reactors", "1", "--workers", "1", NULL};
    size_t count = 0;

    *limits = (tri_limits){0};
    for (size_t i = 0; common[i] != NULL; i++)
        arguments[count++] = common[i];
    for (size_t i = 0; attack->limits[i] != NULL; i++) {
        require(count + 3 < ARGUMENTS_MAX && limits_set(limits, attack->limits[i]),
                "%s is no limit", attack->limits[i]);
        arguments[count++] = "--limit";
        arguments[count++] = attack->limits[i];
    }
    arguments[count] = NULL;
}

static double mib(size_t bytes)
{
    return (double)bytes / (1 << 20);
}

/* Returns: the neighbour's report. */
static struct neighbour_report run_attack(const struct attack *attack, const char *server)
{
    const char *arguments[ARGUMENTS_MAX];
    tri_limits limits;
    struct program program;
    struct loop loop;

    read_limits(attack, &limits, arguments);
    size_t bound = bound_of(attack, &limits);

    program_start(&program, &(struct program_options){.path = server,
                                                      .arguments = arguments,
                                                      .is_quiet = getenv("VERBOSE") == NULL});
    size_t files = program_files(&program);
    require_service(program.port, 100);
    size_t idle = program_rss(&program);

    program_reset_peak(&program);
    struct neighbour *neighbour = neighbour_start(program.port);

    loop_init(&loop, program.port);
    double start = seconds_now();

    /* Some attacks are over too soon to say anything of a percentile. */
    do {
        attack->run(attack, &loop, &limits);
    } while (bounds_judge_latency && seconds_now() - start < LATENCY_S);
    size_t peak = program_peak(&program);

    loop_fini(&loop);
    struct neighbour_report report = neighbour_stop(neighbour, 50);

    printf("  memory: %.1f MiB above idle, of %.1f MiB that the configuration allows (%.0f %%)\n",
           mib(peak - idle), mib(bound), 100.0 * (double)(peak - idle) / (double)bound);
    printf("  neighbour: %zu calls, %zu failed; median %.2f ms, p99 %.2f ms, slowest %.2f ms\n",
           report.calls, report.failures, report.median, report.p99, report.slowest);
    require(report.failures == 0, "the neighbour was not served");
    require(bounds_judge_latency || peak - idle <= bound,
            "more memory than the configuration allows");
    require(bounds_judge_latency || (peak - idle) * REACHED_LEAST >= bound,
            "the attack is too weak");
    stop_server(&program, &(struct stress){.slowness = program_slowness()}, files);
    return report;
}

static int usage(FILE *to)
{
    fputs("usage: bounds --server PATH [--p99] [NAME...]\n"
          "Each attack, or those named, against a stress-server (PATH) of its own.\n\n",
          to);
    for (size_t i = 0; i < attacks_count; i++)
        fprintf(to, "  %-10s %s\n", attacks[i].name, attacks[i].help);
    fputs("\n  --p99   judge the neighbour's latency (at most 50 ms) instead of the memory\n"
          "\nexample: bounds --server build/release/bin/stress-server zero-windows\n",
          to);
    return to == stdout ? 0 : 2;
}

static bool is_named(char **names, int count, const char *name)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return count == 0;
}

int main(int argc, char **argv)
{
    const char *server = NULL;
    size_t missed = 0, run = 0;
    int at = 1;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "--help") == 0)
            return usage(stdout);
        if (strcmp(argv[at], "--p99") == 0)
            bounds_judge_latency = true;
        else if (strcmp(argv[at], "--server") == 0 && at + 1 < argc)
            server = argv[++at];
        else
            return usage(stderr);
    }
    if (server == NULL)
        return usage(stderr);
    for (size_t i = 0; i < attacks_count; i++) {
        double start = seconds_now();

        if (!is_named(argv + at, argc - at, attacks[i].name))
            continue;
        run++;
        printf("%s: %s\n", attacks[i].name, attacks[i].help);
        struct neighbour_report report = run_attack(&attacks[i], server);
        bool is_late = report.p99 > P99_TARGET_MS;

        missed += is_late;
        printf("%s: %s (%.1f s)\n", attacks[i].name,
               bounds_judge_latency && is_late ? "MISSED: p99 above 50 ms" : "ok",
               seconds_now() - start);
    }
    if (run == 0)
        return usage(stderr);
    return bounds_judge_latency && missed > 0 ? 1 : 0;
}
