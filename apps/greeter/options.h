/*
 * The command line of greeter-server.
 */
#ifndef GREETER_OPTIONS_H
#define GREETER_OPTIONS_H

#include <stdbool.h>

#include <trireme/trireme.h>

#define LISTEN_MAX 16

struct options {
    const char *listen[LISTEN_MAX];
    int listen_count;
    tri_placement placement;
    unsigned reactors, workers;
    const char *engine;
    int think_ms;
    bool is_quiet;
};

/* Reads the command line. Exits with 0 after --help, with 2 for what is wrong. */
void read_options(struct options *options, int argc, char **argv);

#endif
