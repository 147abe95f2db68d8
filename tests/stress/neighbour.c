#include "neighbour.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "peer.h"

#define SAMPLES_MAX ((size_t)100000)
#define PAUSE_US 2000
#define PATIENCE_S 30

struct neighbour {
    pthread_t thread;
    uint16_t port;
    atomic_bool is_stopping;
    size_t wanted; /* written before is_stopping */
    size_t over;   /* calls, for the loop */
    struct neighbour_report report;
    double *samples;
};

static void on_end(struct peer_call *call)
{
    struct neighbour *neighbour = call->user;

    neighbour->over++;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* One call. Returns: whether it was answered. */
static bool call_once(struct neighbour *neighbour, struct loop *loop, struct peer *peer)
{
    struct peer_call call = {.user = neighbour};
    double start = seconds_now();
    size_t before = neighbour->over;

    if (!peer_begin(peer, &call, "/stress.Stress/Ask", NULL))
        return false;
    peer_send(&call, "", 0, true);
    peer_flush(peer);
    if (!loop_until(loop, &neighbour->over, before + 1, PATIENCE_S)) {
        peer_close(peer);
        return false;
    }
    if (neighbour->report.calls < SAMPLES_MAX)
        neighbour->samples[neighbour->report.calls] = 1e3 * (seconds_now() - start);
    return call.status == 0 && call.replies == 1;
}

static void *run(void *argument)
{
    struct neighbour *neighbour = argument;
    struct loop loop;
    struct peer peer;

    loop_init(&loop, neighbour->port);
    if (!peer_open(&peer, &loop, NULL))
        die("the neighbour cannot connect");
    peer.on_end = on_end;
    while (!atomic_load(&neighbour->is_stopping) || neighbour->report.calls < neighbour->wanted) {
        bool is_answered = call_once(neighbour, &loop, &peer);

        neighbour->report.calls++;
        if (!is_answered) {
            neighbour->report.failures++;
            break;
        }
        usleep(PAUSE_US);
    }
    if (peer.session != NULL)
        peer_close(&peer);
    loop_fini(&loop);
    return NULL;
}

struct neighbour *neighbour_start(uint16_t port)
{
    struct neighbour *neighbour = calloc(1, sizeof(*neighbour));

    if (neighbour == NULL)
        die("no memory");
    neighbour->port = port;
    neighbour->samples = calloc(SAMPLES_MAX, sizeof(double));
    if (neighbour->samples == NULL || pthread_create(&neighbour->thread, NULL, run, neighbour) != 0)
        die("no memory");
    return neighbour;
}

struct neighbour_report neighbour_stop(struct neighbour *neighbour, size_t calls)
{
    neighbour->wanted = calls;
    atomic_store(&neighbour->is_stopping, true);
    pthread_join(neighbour->thread, NULL);

    struct neighbour_report report = neighbour->report;
    size_t count = report.calls < SAMPLES_MAX ? report.calls : SAMPLES_MAX;

    if (count > 0) {
        qsort(neighbour->samples, count, sizeof(double), compare);
        report.median = neighbour->samples[count / 2];
        report.p99 = neighbour->samples[count - 1 - count / 100];
        report.slowest = neighbour->samples[count - 1];
    }
    free(neighbour->samples);
    free(neighbour);
    return report;
}
