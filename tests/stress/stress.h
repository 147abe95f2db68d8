/*
 * What the scenarios share.
 */
#ifndef STRESS_H
#define STRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "neighbour.h"
#include "peer.h"
#include "program.h"

#define ASK "/stress.Stress/Ask"
#define COLLECT "/stress.Stress/Collect"
#define LIST "/stress.Stress/List"
#define CHAT "/stress.Stress/Chat"

struct stress {
    const char *server; /* the program */
    double slowness;
    double seconds; /* of the one that runs for a time */
};

void run_streams(const struct stress *stress);
void run_stages(const struct stress *stress);
void run_resets(const struct stress *stress);
void run_cancels(const struct stress *stress);
void run_drain(const struct stress *stress);
void run_hog(const struct stress *stress);
void run_files(const struct stress *stress);
void run_memory(const struct stress *stress);
void run_mixed(const struct stress *stress);

/* Ends the test with the line unless it holds. */
#define require(condition, ...)                                                                    \
    do {                                                                                           \
        if (!(condition))                                                                          \
            die(__VA_ARGS__);                                                                      \
    } while (0)

/* Starts the server with these arguments (at most 16, NULL at the end). */
void start_server(struct program *program, const struct stress *stress,
                  const char *const *arguments);
/* Nothing of the load is left: descriptors are as before, and every handler has returned. */
void stop_server(struct program *program, const struct stress *stress, size_t files_before);

/* A call that is begun and given its one request { what }. */
void begin_with(struct peer *peer, struct peer_call *call, const char *path, const char *what,
                bool is_last);
/* `count` plain calls on a new connection: the server works. */
void require_service(uint16_t port, size_t count);
void require_good_neighbour(struct neighbour *neighbour, size_t calls, const char *beside);

#endif
