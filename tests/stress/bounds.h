/*
 * Attacks on the server's memory, and what each may cost by the configuration.
 */
#ifndef BOUNDS_H
#define BOUNDS_H

#include <stddef.h>

#include <trireme/server.h>

#include "stress.h"

struct attack {
    const char *name, *help;
    const char *const
        *limits; /* "name=value", NULL at the end; these and no others are counted on */
    size_t connections, streams; /* of it, and of each connection */
    /* What a stream, and a connection beside its streams, may make the server hold. */
    size_t (*of_stream)(const tri_limits *limits);
    size_t (*of_connection)(const tri_limits *limits);
    /* Attacks; ends the program when the answers are wrong. Prints what they were. */
    void (*run)(const struct attack *attack, struct loop *loop, const tri_limits *limits);
};

/* The latency of others is judged: no handler does anything on purpose. */
extern bool bounds_judge_latency;

extern const struct attack attacks[];
extern const size_t attacks_count;

#endif
