/*
 * What stress and bounds share.
 */
#include <stdio.h>
#include <unistd.h>

#include "stress.h"

void start_server(struct program *program, const struct stress *stress,
                  const char *const *arguments)
{
    program_start(program, &(struct program_options){
                               .path = stress->server, .arguments = arguments, .is_quiet = true});
}

void stop_server(struct program *program, const struct stress *stress, size_t files_before)
{
    double end = seconds_now() + 5 * stress->slowness;

    while (program_files(program) != files_before && seconds_now() < end)
        usleep(10000);
    require(program_files(program) == files_before, "%zu descriptors are open, %zu were before",
            program_files(program), files_before);
    /* Well below the drain's limit of 10 s: nothing is left to wait for. */
    double took = program_stop(program, 5 + 2 * stress->slowness);
    uint64_t started = program_counter(program, "started ");
    uint64_t finished = program_counter(program, "finished ");

    require(started == finished, "%llu handlers were started, %llu have returned",
            (unsigned long long)started, (unsigned long long)finished);
    printf("  the server: %s; ended in %.2f s\n", program->counters, took);
}

void begin_with(struct peer *peer, struct peer_call *call, const char *path, const char *what,
                bool is_last)
{
    uint8_t message[160];

    require(peer_begin(peer, call, path, NULL), "a call cannot begin");
    peer_send(call, message, what[0] != '\0' ? text_message(message, what) : 0, is_last);
}

struct service {
    size_t over, good;
};

static void on_service_end(struct peer_call *call)
{
    struct service *service = call->user;

    service->over++;
    service->good += call->status == 0 && call->replies == 1;
}

void require_service(uint16_t port, size_t count)
{
    struct service service = {0};
    struct peer_call call;
    struct loop loop;
    struct peer peer;

    loop_init(&loop, port);
    require(peer_open(&peer, &loop, NULL), "the server takes no connection");
    peer.on_end = on_service_end;
    for (size_t i = 0; i < count; i++) {
        call.user = &service;
        begin_with(&peer, &call, ASK, "", true);
        peer_flush(&peer);
        require(loop_until(&loop, &service.over, i + 1, 30), "call %zu is not answered", i);
    }
    require(service.good == count, "%zu of %zu calls are answered", service.good, count);
    peer_close(&peer);
    loop_fini(&loop);
}

void require_good_neighbour(struct neighbour *neighbour, size_t calls, const char *beside)
{
    struct neighbour_report report = neighbour_stop(neighbour, calls);

    printf(
        "  the neighbour of %s: %zu calls, %zu failed; median %.2f ms, p99 %.2f ms, slowest %.2f "
        "ms\n",
        beside, report.calls, report.failures, report.median, report.p99, report.slowest);
    require(report.failures == 0, "%zu calls of the neighbour failed", report.failures);
}
