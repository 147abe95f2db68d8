/*
 * A well-behaved client beside an attack: plain calls one after the other on a connection of its
 * own, by a thread of its own.
 */
#ifndef NEIGHBOUR_H
#define NEIGHBOUR_H

#include <stddef.h>
#include <stdint.h>

struct neighbour;

struct neighbour_report {
    size_t calls, failures;
    double median, p99, slowest; /* ms */
};

struct neighbour *neighbour_start(uint16_t port);
/* It has made at least `calls` calls by then, if it can within its patience. */
struct neighbour_report neighbour_stop(struct neighbour *neighbour, size_t calls);

#endif
