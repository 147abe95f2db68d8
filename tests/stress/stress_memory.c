/*
 * Memory: a limit on it under load, and a long mixed run in which it must not grow.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stress.h"

#define LIMIT ((size_t)320 << 20)
#define HUNGRY_PEERS ((size_t)60)
#define HUNGRY_EACH ((size_t)200)
#define HUNGRY (HUNGRY_PEERS * HUNGRY_EACH)
#define PADDING ((size_t)64 << 10)

static struct {
    size_t over, ok, exhausted, reset, lost, other, replied;
} hunger;

static void hungry_end(struct peer_call *call)
{
    hunger.over++;
    hunger.ok += call->status == 0;
    hunger.exhausted += call->status == 8;
    hunger.lost += call->is_lost;
    hunger.reset += !call->is_lost && call->status < 0;
    hunger.other += call->status > 0 && call->status != 8;
}

static void hungry_reply(struct peer_call *call)
{
    (void)call;
    hunger.replied++;
}

/* An Order { what, padding }. Returns: its size. */
static size_t padded_order(uint8_t *out, const char *what, size_t padding)
{
    uint8_t *at = out + text_message(out, what);

    *at++ = 0x12;
    for (size_t rest = padding; (*at++ = (uint8_t)(rest >= 128 ? rest | 128 : rest)) >= 128;)
        rest >>= 7;
    memset(at, 'x', padding);
    return (size_t)(at - out) + padding;
}

/*
 * Handlers that sleep on 64 KiB each need more address space than there is. Whoever gets none is
 * told so, or loses its stream or connection; the server lives, and serves once they have gone.
 */
void run_memory(const struct stress *stress)
{
    struct peer_call *calls = calloc(HUNGRY, sizeof(*calls));
    struct peer *peers = calloc(HUNGRY_PEERS, sizeof(*peers));
    uint8_t *message = malloc(PADDING + 64);
    const char *const arguments[] = {"--reactors", "2", "--workers", "2", NULL};
    struct program program;
    struct loop loop;

    require(calls != NULL && peers != NULL && message != NULL, "no memory");
    program_start(&program, &(struct program_options){.path = stress->server,
                                                      .arguments = arguments,
                                                      .memory_max = LIMIT,
                                                      .is_quiet = true});
    size_t files = program_files(&program);
    size_t size = padded_order(message, "sleep:5000", PADDING);

    loop_init(&loop, program.port);
    for (size_t i = 0; i < HUNGRY_PEERS; i++) {
        require(peer_open(&peers[i], &loop, NULL), "the server takes no connection");
        peers[i].on_end = hungry_end;
        peers[i].on_reply = hungry_reply;
    }
    for (size_t i = 0; i < HUNGRY; i++) {
        if (!peer_begin(&peers[i % HUNGRY_PEERS], &calls[i], ASK, NULL)) {
            hunger.over++;
            hunger.lost++;
            continue;
        }
        peer_send(&calls[i], message, size, true);
        if (i % 100 == 99)
            loop_turn(&loop, 0);
        peer_flush(&peers[i % HUNGRY_PEERS]);
    }
    require(loop_until(&loop, &hunger.over, HUNGRY, 60), "%zu of %zu calls have ended", hunger.over,
            HUNGRY);
    printf("  %zu MiB of address space, %zu calls: %zu OK, %zu RESOURCE_EXHAUSTED, %zu reset, %zu "
           "lost, %zu otherwise\n",
           LIMIT >> 20, HUNGRY, hunger.ok, hunger.exhausted, hunger.reset, hunger.lost,
           hunger.other);
    require(hunger.exhausted + hunger.reset + hunger.lost > 0, "the limit was not reached");
    require(hunger.ok > 100, "only %zu calls were served", hunger.ok);
    require(program_is_alive(&program), "the server has died");
    for (size_t i = 0; i < HUNGRY_PEERS; i++)
        peer_close(&peers[i]);
    require_service(program.port, 1000);
    loop_fini(&loop);
    free(message);
    free(peers);
    free(calls);
    stop_server(&program, stress, files);
}

#define MIXED_PEERS ((size_t)40)
#define MIXED_EACH ((size_t)8)
#define MIXED (MIXED_PEERS * MIXED_EACH)
#define SAMPLES_MAX 4096
/* What one run of a connection makes, before another takes its place. */
#define CALLS_OF_PEER 2000
#define WINDOWS 8
#define GROWTH_MAX 1.02

static struct mixed {
    struct loop loop;
    struct peer peers[MIXED_PEERS];
    struct peer_call calls[MIXED];
    uint64_t random;
    size_t begun, ok, cancelled, late, failed;
    size_t of_peer[MIXED_PEERS];
    uint8_t padded[(size_t)32 << 10];
    size_t padded_size;
    bool is_ending;
} mixed;

static uint32_t random_below(uint32_t bound)
{
    mixed.random ^= mixed.random << 13;
    mixed.random ^= mixed.random >> 7;
    mixed.random ^= mixed.random << 17;
    return (uint32_t)(mixed.random >> 32) % bound;
}

/* Asks, small and padded; chats; collects; lists; some with a deadline that they will not meet. */
static void mixed_begin(struct peer *peer, struct peer_call *call)
{
    uint32_t dice = random_below(100);
    size_t index = (size_t)(peer - mixed.peers);
    static const char *const paths[] = {ASK, LIST, CHAT, COLLECT};
    size_t kind = dice < 50 ? 0 : dice < 65 ? 1 : dice < 85 ? 2 : 3;
    bool has_one_request = kind < 2;
    bool is_late = dice == 99 || dice == 49;
    uint8_t message[32];

    if (mixed.is_ending || mixed.of_peer[index] >= CALLS_OF_PEER)
        return;
    if (!peer_begin(peer, call, paths[kind], is_late ? "5m" : "30S"))
        return;
    mixed.begun++;
    mixed.of_peer[index]++;
    if (is_late)
        peer_send(call, message, text_message(message, "sleep:1000"), true);
    else if (dice % 5 == 0)
        peer_send(call, mixed.padded, mixed.padded_size, has_one_request);
    else
        peer_send(call, "", 0, has_one_request);
    if (kind == 3)
        for (int i = 0; i < 20; i++)
            peer_send(call, "", 0, i == 19);
}

/* Chats go on for a while; one in thirty is cancelled in the middle. */
static void mixed_reply(struct peer_call *call)
{
    if (call->out_ended)
        return;
    if (random_below(200) == 0)
        peer_reset(call);
    else if (call->replies < 10)
        peer_send(call, "", 0, false);
    else
        peer_end_requests(call);
}

static void mixed_end(struct peer_call *call)
{
    if (call->status == 0)
        mixed.ok++;
    else if (call->status == 4 || (call->status < 0 && !call->is_lost))
        *(call->status == 4 ? &mixed.late : &mixed.cancelled) += 1;
    else
        mixed.failed++;
    mixed_begin(call->peer, call);
}

static void mixed_open(size_t index)
{
    struct peer *peer = &mixed.peers[index];

    require(peer_open(peer, &mixed.loop, NULL), "the server takes no connection");
    peer->on_reply = mixed_reply;
    peer->on_end = mixed_end;
    mixed.of_peer[index] = 0;
    for (size_t i = 0; i < MIXED_EACH; i++)
        mixed_begin(peer, &mixed.calls[index * MIXED_EACH + i]);
    peer_flush(peer);
}

/* A connection that has made its calls gives way to a new one. */
static void mixed_renew(void)
{
    for (size_t i = 0; i < MIXED_PEERS; i++) {
        require(mixed.peers[i].fd >= 0, "a connection was lost");
        if (mixed.of_peer[i] < CALLS_OF_PEER || mixed.peers[i].open > 0)
            continue;
        peer_close(&mixed.peers[i]);
        mixed_open(i);
    }
}

static int compare_sizes(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;

    return (x > y) - (x < y);
}

/* The median of each window; none may be more than 2 % above the first. */
static void judge(size_t *samples, size_t count)
{
    size_t each = count / WINDOWS, middle = each / 2, first = 0;

    require(each >= 3, "too few samples");
    printf("  RSS, medians of %d windows (MiB):", WINDOWS);
    for (size_t i = 0; i < WINDOWS; i++) {
        size_t *window = samples + i * each;

        qsort(window, each, sizeof(*window), compare_sizes);
        printf(" %.2f", (double)window[middle] / (1 << 20));
    }
    puts("");
    first = samples[middle];
    for (size_t i = 1; i < WINDOWS; i++)
        require((double)samples[i * each + middle] <= GROWTH_MAX * (double)first,
                "memory has grown by more than 2 %%: %zu KiB, then %zu KiB", first / 1024,
                samples[i * each + middle] / 1024);
}

void run_mixed(const struct stress *stress)
{
    static size_t samples[SAMPLES_MAX];
    struct program program;
    double warm = stress->seconds >= 300 ? 120 : stress->seconds / 3;
    size_t count = 0, wrong_files = 0;

    start_server(&program, stress, NULL);
    size_t files = program_files(&program);
    double start = seconds_now(), next = start + warm;
    double period = (stress->seconds - warm) / 200;

    loop_init(&mixed.loop, program.port);
    mixed.random = 88172645463325252u;
    mixed.padded_size = padded_order(mixed.padded, "", 20000);
    for (size_t i = 0; i < MIXED_PEERS; i++)
        mixed_open(i);
    while (seconds_now() < start + stress->seconds) {
        loop_turn(&mixed.loop, 10);
        mixed_renew();
        if (seconds_now() < next || count == SAMPLES_MAX)
            continue;
        next += period;
        samples[count++] = program_rss(&program);
        /* A connection that was renewed just now may be there twice for a moment. */
        for (int tries = 0; program_files(&program) != files + MIXED_PEERS; tries++) {
            if (tries == 100) {
                wrong_files++;
                break;
            }
            usleep(1000);
        }
    }
    mixed.is_ending = true;
    for (size_t i = 0; i < MIXED_PEERS; i++)
        while (mixed.peers[i].open > 0 && seconds_now() < start + stress->seconds + 30)
            loop_turn(&mixed.loop, 10);
    printf("  %.0f s: %zu calls, %zu OK, %zu cancelled, %zu late, %zu failed; %zu descriptors\n",
           stress->seconds, mixed.begun, mixed.ok, mixed.cancelled, mixed.late, mixed.failed,
           files + MIXED_PEERS);
    require(mixed.failed == 0, "%zu calls failed", mixed.failed);
    require(wrong_files == 0, "the number of descriptors was wrong %zu times", wrong_files);
    judge(samples, count);
    for (size_t i = 0; i < MIXED_PEERS; i++)
        peer_close(&mixed.peers[i]);
    loop_fini(&mixed.loop);
    stop_server(&program, stress, files);
}
