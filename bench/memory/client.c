/*
 * The client of `./dev bench memory`: opens connections, and parks calls of biStream on them, each
 * in the handler's `next` after its second reply. Prints "ready" when that is so, and ends when its
 * stdin does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peer.h"

#define METHOD "/org.apache.dubbo.samples.proto.Greeter/biStream"
#define PATIENCE_S 120

static size_t parked;

static void on_reply(struct peer_call *call)
{
    uint8_t message[16];

    if (call->replies == 1)
        peer_send(call, message, text_message(message, "Grace"), false);
    else
        parked++;
}

static void on_end(struct peer_call *call)
{
    die("a call ended: grpc-status %d, reset %u, %s", call->status, call->error,
        call->is_lost ? "with its connection" : "by itself");
}

/* So many at a time: the server's backlog is finite, and a storm is not what is measured. */
static void open_peers(struct loop *loop, struct peer *peers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!peer_open(&peers[i], loop, NULL))
            die("connection %zu is refused", i);
        peers[i].on_reply = on_reply;
        peers[i].on_end = on_end;
        if (i % 64 == 63)
            loop_turn(loop, 5);
    }
    for (int i = 0; i < 50; i++)
        loop_turn(loop, 10);
    if (loop->open != count)
        die("%zu of %zu connections are open", loop->open, count);
}

static void say_ready(void)
{
    char byte;

    puts("ready");
    fflush(stdout);
    if (read(STDIN_FILENO, &byte, 1) < 0)
        die("stdin cannot be read");
}

int main(int argc, char **argv)
{
    uint8_t message[16];
    struct loop loop;

    if (argc != 4) {
        fputs("usage: bench-memory PORT CONNECTIONS CALLS_OF_EACH\n"
              "Started by bench/memory/run; a line on stdin makes it go on from its connections to "
              "its calls,\nthe end of stdin ends it.\n",
              stderr);
        return argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    size_t connections = strtoul(argv[2], NULL, 10);
    size_t each = strtoul(argv[3], NULL, 10);
    struct peer *peers = calloc(connections, sizeof(*peers));
    struct peer_call *calls = calloc(connections * each + 1, sizeof(*calls));

    if (peers == NULL || calls == NULL)
        die("no memory");
    loop_init(&loop, (uint16_t)strtoul(argv[1], NULL, 10));
    open_peers(&loop, peers, connections);
    say_ready();
    for (size_t i = 0; i < connections * each; i++) {
        struct peer *peer = &peers[i / each];

        if (!peer_begin(peer, &calls[i], METHOD, NULL))
            die("call %zu cannot begin", i);
        peer_send(&calls[i], message, text_message(message, "Ada"), false);
        if (i % each == each - 1) {
            peer_flush(peer);
            loop_turn(&loop, 0);
        }
    }
    if (!loop_until(&loop, &parked, connections * each, PATIENCE_S))
        die("%zu of %zu calls have come so far", parked, connections * each);
    say_ready();
    return 0;
}
