/*
 * SIGTERM under load, again and again: what had begun succeeds, what comes too late is told that it
 * was not processed, and only what the limit cuts off fails.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stress.h"

#define ROUNDS 50
/* With a sanitizer a server takes long to start and end. */
#define ROUNDS_SLOW 20
#define PEERS ((size_t)10)
#define EACH ((size_t)20)
#define CALLS (PEERS * EACH)
/* In each fifth round this many calls will not end by themselves. */
#define ENDLESS ((size_t)5)
#define LIMIT_MS "400"

static struct {
    size_t ok, refused, cut, failed;
    size_t ended[PEERS]; /* of each connection, in this round */
    size_t warm;         /* connections that have ended enough calls */
} drain;

/* An Ask on even places, a Chat of some turns on odd ones. */
static bool is_chat(const struct peer_call *call)
{
    return (uintptr_t)call->user % 2 == 1;
}

static bool is_endless(const struct peer_call *call)
{
    return (uintptr_t)call->user >= CALLS;
}

static void begin(struct peer *peer, struct peer_call *call)
{
    begin_with(peer, call, is_chat(call) ? CHAT : ASK, "", !is_chat(call));
}

static void on_reply(struct peer_call *call)
{
    if (!is_chat(call) || is_endless(call))
        return;
    if (call->replies < 5 && !call->peer->has_goaway)
        peer_send(call, "", 0, false);
    else
        peer_end_requests(call);
}

/* After so many, all that was begun at first has reached the server. */
#define WARM (2 * EACH)

static void on_end(struct peer_call *call)
{
    drain.warm += ++drain.ended[(uintptr_t)call->user % PEERS] == WARM;
    if (call->status == 0)
        drain.ok++;
    else if (is_endless(call) && call->status == 14)
        drain.cut++;
    else if ((call->status < 0 && call->error == NGHTTP2_REFUSED_STREAM) ||
             (call->is_lost && call->peer->has_goaway && call->id > call->peer->goaway_last))
        drain.refused++; /* the client may send it elsewhere */
    else
        drain.failed++;
    if (!is_endless(call) && !call->peer->has_goaway && !call->is_lost)
        begin(call->peer, call);
}

static void run_round(const struct stress *stress, int round)
{
    static struct peer_call calls[CALLS + ENDLESS];
    static struct peer peers[PEERS];
    const char *const arguments[] = {"--drain", LIMIT_MS, "--placement",
                                     round % 2 == 0 ? "workers" : "inline", NULL};
    size_t endless = round % 5 == 4 ? ENDLESS : 0;
    struct program program;
    struct loop loop;

    drain.warm = 0;
    memset(drain.ended, 0, sizeof(drain.ended));
    start_server(&program, stress, arguments);
    loop_init(&loop, program.port);
    for (size_t i = 0; i < PEERS; i++) {
        require(peer_open(&peers[i], &loop, NULL), "the server takes no connection");
        peers[i].on_reply = on_reply;
        peers[i].on_end = on_end;
    }
    for (size_t i = 0; i < CALLS + endless; i++) {
        struct peer *peer = &peers[i % PEERS];

        calls[i].user = (void *)(uintptr_t)i;
        if (i < CALLS)
            begin(peer, &calls[i]);
        else
            begin_with(peer, &calls[i], CHAT, "sleep:60000", false);
        peer_flush(peer);
    }
    require(loop_until(&loop, &drain.warm, PEERS, 30 * stress->slowness), "there is no load");
    double end = seconds_now() + 0.001 * round;
    size_t cut = drain.cut;

    while (seconds_now() < end)
        loop_turn(&loop, 1);
    program_signal(&program);
    end = seconds_now() + 10 * stress->slowness;
    while (loop.open > 0 && seconds_now() < end)
        loop_turn(&loop, 10);
    require(loop.open == 0, "%zu connections are still open", loop.open);
    program_wait(&program, 5 * stress->slowness);
    require(drain.cut - cut == endless, "%zu of %zu endless calls ended UNAVAILABLE",
            drain.cut - cut, endless);
    require(drain.failed == 0, "%zu calls failed", drain.failed);
    require(program_counter(&program, "started ") == program_counter(&program, "finished "),
            "handlers are left: %s", program.counters);
    for (size_t i = 0; i < PEERS; i++)
        peer_close(&peers[i]);
    loop_fini(&loop);
}

void run_drain(const struct stress *stress)
{
    int rounds = stress->slowness > 1 ? ROUNDS_SLOW : ROUNDS;

    for (int round = 0; round < rounds; round++)
        run_round(stress, round);
    printf("  %d drains: %zu calls ended OK, %zu were not processed, %zu cut off by the limit, %zu "
           "failed\n",
           rounds, drain.ok, drain.refused, drain.cut, drain.failed);
    require(drain.ok >= (size_t)rounds * CALLS, "there was hardly any load");
}
