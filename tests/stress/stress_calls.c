/*
 * Many calls: open streams, resets, cancels, and a handler that holds its thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stress.h"

/* What the events of a scenario count. */
static struct tally {
    size_t over, ok, replied, reset, lost, late;
} tally;

static void count_end(struct peer_call *call)
{
    tally.over++;
    tally.ok += call->status == 0;
    tally.late += call->status == 4;
    tally.lost += call->is_lost;
    tally.reset += !call->is_lost && call->status < 0;
}

static void count_reply(struct peer_call *call)
{
    (void)call;
    tally.replied++;
}

static struct peer *open_peers(struct loop *loop, size_t count)
{
    struct peer *peers = calloc(count, sizeof(*peers));

    require(peers != NULL, "no memory");
    for (size_t i = 0; i < count; i++) {
        require(peer_open(&peers[i], loop, NULL), "connection %zu is refused", i);
        peers[i].on_end = count_end;
        peers[i].on_reply = count_reply;
    }
    return peers;
}

static void close_peers(struct peer *peers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        peer_close(&peers[i]);
    free(peers);
}

#define STREAMS_PEERS ((size_t)100)
#define STREAMS_EACH ((size_t)100)
#define STREAMS (STREAMS_PEERS * STREAMS_EACH)

void run_streams(const struct stress *stress)
{
    struct program program;
    struct loop loop;
    struct peer_call *calls = calloc(STREAMS, sizeof(*calls));

    require(calls != NULL, "no memory");
    start_server(&program, stress, NULL);
    size_t files = program_files(&program), rss = program_rss(&program);

    loop_init(&loop, program.port);
    struct peer *peers = open_peers(&loop, STREAMS_PEERS);

    tally = (struct tally){0};
    for (size_t i = 0; i < STREAMS; i++)
        begin_with(&peers[i / STREAMS_EACH], &calls[i], CHAT, "", false);
    for (size_t i = 0; i < STREAMS_PEERS; i++)
        peer_flush(&peers[i]);
    require(loop_until(&loop, &tally.replied, STREAMS, 30 * stress->slowness),
            "%zu of %zu streams have replied", tally.replied, STREAMS);
    printf("  %zu streams are open: %zu KiB of memory\n", STREAMS,
           (program_rss(&program) - rss) / 1024);
    /* In the other direction, so that each wakes a handler on a cold stack. */
    for (size_t i = STREAMS; i-- > 0;)
        peer_send(&calls[i], "", 0, false);
    for (size_t i = 0; i < STREAMS_PEERS; i++)
        peer_flush(&peers[i]);
    require(loop_until(&loop, &tally.replied, 2 * STREAMS, 30 * stress->slowness),
            "%zu of %zu replies have come", tally.replied, 2 * STREAMS);
    for (size_t i = 0; i < STREAMS; i++)
        peer_end_requests(&calls[i]);
    for (size_t i = 0; i < STREAMS_PEERS; i++)
        peer_flush(&peers[i]);
    require(loop_until(&loop, &tally.over, STREAMS, 30 * stress->slowness),
            "%zu of %zu streams have ended", tally.over, STREAMS);
    require(tally.ok == STREAMS, "%zu of %zu streams ended OK", tally.ok, STREAMS);
    close_peers(peers, STREAMS_PEERS);
    loop_fini(&loop);
    free(calls);
    stop_server(&program, stress, files);
}

/*
 * Resets of one connection, each of a stream whose handler waits or is about to begin. In steps,
 * each closed by a plain call: so the handlers of a step are gone before the next one begins, and
 * no stream is refused.
 */
#define STEP ((size_t)50)

static size_t reset_streams(struct loop *loop, struct peer *peer, size_t count)
{
    static struct peer_call calls[STEP];
    struct peer_call plain;
    size_t done = 0;

    while (done < count && peer->fd >= 0 && !peer->has_goaway) {
        size_t over = tally.over;
        size_t part = count - done < STEP ? count - done : STEP;

        for (size_t i = 0; i < part; i++)
            begin_with(peer, &calls[i], i % 2 == 0 ? CHAT : ASK, "sleep:60000", i % 2 == 1);
        peer_flush(peer);
        for (size_t i = 0; i < part; i++)
            peer_reset(&calls[i]);
        if (!peer_begin(peer, &plain, ASK, NULL))
            break;
        peer_send(&plain, "", 0, true);
        peer_flush(peer);
        require(loop_until(loop, &tally.over, over + part + 1, 30), "no answer after resets");
        done += part;
    }
    return done;
}

#define RESETS ((size_t)100000)
#define RESET_PEERS ((size_t)110)
#define GREEDY_PEERS ((size_t)10)
#define RESETS_LEAST ((size_t)1000)
#define RESETS_MOST ((size_t)3000) /* the bucket fills up by 33 a second meanwhile */

void run_resets(const struct stress *stress)
{
    struct program program;
    struct loop loop;
    struct peer peer;
    size_t done = 0;

    start_server(&program, stress, NULL);
    size_t files = program_files(&program), rss = program_rss(&program);
    struct neighbour *neighbour = neighbour_start(program.port);

    loop_init(&loop, program.port);
    tally = (struct tally){0};
    for (size_t i = 0; i < RESET_PEERS; i++) {
        require(peer_open(&peer, &loop, NULL), "the server takes no connection");
        peer.on_end = count_end;
        done += reset_streams(&loop, &peer, RESETS / RESET_PEERS + 1);
        require(!peer.has_goaway && peer.fd >= 0,
                "a connection within the budget was ended after %zu resets", done);
        peer_close(&peer);
    }
    require(done >= RESETS, "%zu resets are not %zu", done, RESETS);
    printf("  %zu resets on %zu connections, none ended; %zu plain calls among them\n", done,
           RESET_PEERS, tally.ok);
    for (size_t i = 0; i < GREEDY_PEERS; i++) {
        require(peer_open(&peer, &loop, NULL), "the server takes no connection");
        peer.on_end = count_end;
        done = reset_streams(&loop, &peer, RESETS_MOST);
        for (int turn = 0; peer.fd >= 0 && turn < 200; turn++)
            loop_turn(&loop, 10);
        require(done >= RESETS_LEAST && done < RESETS_MOST, "a greedy one was ended after %zu",
                done);
        require(peer.fd < 0 && peer.has_goaway && peer.goaway == NGHTTP2_ENHANCE_YOUR_CALM,
                "a greedy one got no GOAWAY(ENHANCE_YOUR_CALM), but %u", peer.goaway);
        peer_close(&peer);
    }
    printf("  %zu greedy connections got ENHANCE_YOUR_CALM, the last after %zu resets\n",
           GREEDY_PEERS, done);
    printf("  %zd KiB of memory more than before\n",
           ((ssize_t)program_rss(&program) - (ssize_t)rss) / 1024);
    require_good_neighbour(neighbour, 100, "resets");
    loop_fini(&loop);
    stop_server(&program, stress, files);
}

#define STORM_PEERS ((size_t)25)
#define STORM_EACH ((size_t)200)
#define STORM (STORM_PEERS * STORM_EACH)
#define STORM_ROUNDS 6
#define STORM_ROUNDS_SLOW 3 /* with a sanitizer */

enum end {
    BY_RESET,
    BY_DEADLINE,
    BY_LOSS,
    ENDS
};

/* A third each: in `next`, in a sleep, and with replies that nobody takes. */
static void begin_storm(struct peer *peers, struct peer_call *calls, enum end end)
{
    static const char *const paths[] = {CHAT, ASK, LIST};
    static const char *const orders[] = {"", "sleep:60000", "flood"};
    uint8_t message[32];

    for (size_t i = 0; i < STORM; i++) {
        size_t kind = i % 3;
        size_t size = kind == 0 ? 0 : text_message(message, orders[kind]);

        require(peer_begin(&peers[i % STORM_PEERS], &calls[i], paths[kind],
                           end == BY_DEADLINE ? "150m" : NULL),
                "a call cannot begin");
        peer_send(&calls[i], message, size, kind != 0);
    }
    for (size_t i = 0; i < STORM_PEERS; i++)
        peer_flush(&peers[i]);
}

static void end_storm(struct peer *peers, struct peer_call *calls, enum end end)
{
    for (size_t i = 0; end == BY_RESET && i < STORM; i++)
        peer_reset(&calls[i]);
    for (size_t i = 0; i < STORM_PEERS; i++) {
        if (end == BY_LOSS)
            peer_close(&peers[i]);
        else
            peer_flush(&peers[i]);
    }
}

void run_cancels(const struct stress *stress)
{
    struct peer_call *calls = calloc(STORM, sizeof(*calls));
    int rounds = (stress->slowness > 1 ? STORM_ROUNDS_SLOW : STORM_ROUNDS) * ENDS;
    struct program program;
    struct loop loop;

    require(calls != NULL, "no memory");
    start_server(&program, stress, NULL);
    size_t files = program_files(&program);
    struct neighbour *neighbour = neighbour_start(program.port);

    loop_init(&loop, program.port);
    for (int round = 0; round < rounds; round++) {
        enum end end = (enum end)(round % ENDS);
        struct peer *peers = open_peers(&loop, STORM_PEERS);

        tally = (struct tally){0};
        begin_storm(peers, calls, end);
        for (int turn = 0; turn < round; turn++)
            loop_turn(&loop, 2);
        end_storm(peers, calls, end);
        require(loop_until(&loop, &tally.over, STORM, 60 * stress->slowness),
                "%zu of %zu calls have ended", tally.over, STORM);
        require(end != BY_DEADLINE || tally.late > STORM / 2,
                "%zu of %zu calls ended with DEADLINE_EXCEEDED", tally.late, STORM);
        close_peers(peers, STORM_PEERS);
    }
    printf("  %d storms of %zu calls on %zu connections\n", rounds, STORM, STORM_PEERS);
    require_good_neighbour(neighbour, 100, "cancels");
    loop_fini(&loop);
    free(calls);
    stop_server(&program, stress, files);
}

#define HOG_MS 2000
#define HOG_PEERS ((size_t)20)
#define HOG_EACH ((size_t)10)

static struct {
    double begun[HOG_PEERS * HOG_EACH];
    double slowest, until;
    size_t quick, all, failed;
} hog;

static void ask_again(struct peer_call *call)
{
    size_t index = (size_t)(uintptr_t)call->user;
    double took = seconds_now() - hog.begun[index];

    hog.all++;
    hog.quick += took < 0.1;
    hog.failed += call->status != 0;
    if (took > hog.slowest)
        hog.slowest = took;
    tally.over++;
    hog.begun[index] = seconds_now();
    if (seconds_now() < hog.until)
        begin_with(call->peer, call, ASK, "", true);
}

void run_hog(const struct stress *stress)
{
    static struct peer_call calls[HOG_PEERS * HOG_EACH];
    const char *const arguments[] = {"--reactors", "2", "--workers", "2", NULL};
    struct peer_call hogging = {0};
    struct program program;
    struct loop loop;
    char what[32];

    start_server(&program, stress, arguments);
    size_t files = program_files(&program);

    loop_init(&loop, program.port);
    struct peer *peers = open_peers(&loop, HOG_PEERS + 1);

    tally = (struct tally){0};
    hog.until = seconds_now() + 1e-3 * HOG_MS;
    snprintf(what, sizeof(what), "spin:%d", HOG_MS);
    begin_with(&peers[HOG_PEERS], &hogging, ASK, what, true);
    peer_flush(&peers[HOG_PEERS]);
    for (size_t i = 0; i < HOG_PEERS * HOG_EACH; i++) {
        struct peer *peer = &peers[i / HOG_EACH];

        peer->on_end = ask_again;
        calls[i].user = (void *)(uintptr_t)i;
        hog.begun[i] = seconds_now();
        begin_with(peer, &calls[i], ASK, "", true);
        peer_flush(peer);
    }
    while (seconds_now() < hog.until + 2 * stress->slowness) {
        size_t open = 0;

        loop_turn(&loop, 10);
        for (size_t i = 0; i <= HOG_PEERS; i++)
            open += peers[i].open;
        if (open == 0)
            break;
    }
    require(hogging.is_over && hogging.status == 0, "the handler that holds its thread failed");
    printf("  %zu calls beside it, %zu of them above 100 ms, the slowest %.0f ms (it took %d)\n",
           hog.all, hog.all - hog.quick, 1e3 * hog.slowest, HOG_MS);
    require(hog.failed == 0, "%zu calls failed", hog.failed);
    require(hog.all >= 1000, "only %zu calls were answered", hog.all);
    /* Those that had been given to its thread must wait; all others need not. */
    require(hog.all - hog.quick <= HOG_PEERS * HOG_EACH, "too many calls waited");
    require(hog.slowest < 1e-3 * HOG_MS + 1 * stress->slowness, "a call waited for too long");
    close_peers(peers, HOG_PEERS + 1);
    loop_fini(&loop);
    stop_server(&program, stress, files);
}
