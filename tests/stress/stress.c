/*
 * The stress tests: one server, one kind of trouble each. What each is for stands in the table
 * below; bounds.c holds those that measure memory against the configuration.
 */
#include "stress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct scenario {
    const char *name, *help;
    void (*run)(const struct stress *stress);
} scenarios[] = {
    {"streams", "10,000 open streams on 100 connections", run_streams},
    {"stages", "1,000 connections dropped in each of their stages", run_stages},
    {"resets", "100,000 streams reset within the budget, and peers that go beyond it", run_resets},
    {"cancels", "storms of cancels: resets, deadlines, lost connections", run_cancels},
    {"drain", "SIGTERM under load, 50 times", run_drain},
    {"hog", "a handler that holds its thread among many calls", run_hog},
    {"files", "RLIMIT_NOFILE of 64 under 500 connections", run_files},
    {"memory", "RLIMIT_AS under load", run_memory},
    {"mixed", "all kinds of calls for --seconds: memory and descriptors stay", run_mixed},
};

#define SCENARIOS (sizeof(scenarios) / sizeof(*scenarios))

static int usage(FILE *to)
{
    fputs("usage: stress --server PATH [--seconds N] NAME...\n"
          "Each starts a stress-server of its own (PATH) and ends it.\n\n",
          to);
    for (size_t i = 0; i < SCENARIOS; i++)
        fprintf(to, "  %-10s %s\n", scenarios[i].name, scenarios[i].help);
    fputs("\n  --seconds N   how long `mixed` runs (default 60)\n"
          "\nexample: stress --server build/release/bin/stress-server resets cancels\n",
          to);
    return to == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
    struct stress stress = {.slowness = program_slowness(), .seconds = 60};
    int at = 1;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "--help") == 0)
            return usage(stdout);
        if (strcmp(argv[at], "--server") == 0 && at + 1 < argc)
            stress.server = argv[++at];
        else if (strcmp(argv[at], "--seconds") == 0 && at + 1 < argc)
            stress.seconds = strtod(argv[++at], NULL);
        else
            return usage(stderr);
    }
    if (at == argc || stress.server == NULL || stress.seconds < 10)
        return usage(stderr);
    for (; at < argc; at++) {
        size_t i = 0;
        double start = seconds_now();

        while (i < SCENARIOS && strcmp(scenarios[i].name, argv[at]) != 0)
            i++;
        if (i == SCENARIOS)
            return usage(stderr);
        printf("%s: %s\n", scenarios[i].name, scenarios[i].help);
        scenarios[i].run(&stress);
        printf("%s: ok (%.1f s)\n", scenarios[i].name, seconds_now() - start);
    }
    return 0;
}
