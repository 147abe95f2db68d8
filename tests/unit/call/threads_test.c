/*
 * Goal: the protocol between the two sides of a call holds when they are real threads: every call
 * ends once, requests and replies keep their order, nothing is invented or lost, nobody sleeps over
 * what waits for it, and nothing is left. Method: a reactor on the test's thread with an engine
 * that only sleeps and a wire that records, and two workers (tri__worker), the one its partner;
 * random messages, half-closes, resets, deadlines, slow output and credit against handlers that
 * echo, nap, listen, talk and return early. Where no side has anything to do the reactor waits
 * without bound: a lost wake-up hangs until the alarm. Run it under ThreadSanitizer too.
 */
#define _GNU_SOURCE
#include "streams.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <poll.h>

#include "reactor.h"
#include "sleep.h"
#include "worker.h"

#define CALLS 6000
#define OPEN_MAX 24 /* calls at a time */
#define FEW 2
#define REQUESTS_MAX 12
#define LARGE_TEXT 70000 /* above the window */
#define WORKERS 2

struct talk {
    struct stream *stream;
    uint8_t *wire;
    size_t wire_size, sent;
    unsigned requests, replies; /* replies: as many as are due at the end */
    unsigned patience;          /* turns until it may be cut */
    bool has_half_closed, is_cut, may_end_early;
};

static struct tri__engine engine;
static struct tri__reactor reactor;
static struct tri__worker workers[WORKERS];
static pthread_t threads[WORKERS];
static const struct tri__clock system_clock = {.now = tri__monotonic_now};
static const struct tri__sleeper system_sleeper = {.sleep = tri__futex_sleep,
                                                   .wake = tri__futex_wake};
static _Atomic bool is_stopping;
static _Atomic unsigned workers_ended, disorder, early_ends;
static unsigned waits[3]; /* by enum tri__sleeping */
static int wake_fd;
static struct talk talks[OPEN_MAX];
static unsigned opened, ended_ok, cut, expired;
static unsigned seed = 1;

static unsigned roll(unsigned sides)
{
    return (unsigned)rand_r(&seed) % sides;
}

/* --- The engine: it sleeps, and tells the time. --- */

static void engine_turn(struct tri__engine *of, uint64_t deadline)
{
    struct pollfd poll_fd = {.fd = wake_fd, .events = POLLIN};
    uint64_t now = tri__now(&system_clock);
    struct timespec wait = {.tv_nsec = 0};
    eventfd_t count;

    if (deadline != TRI__NEVER && deadline > now) {
        wait.tv_sec = (time_t)((deadline - now) / 1000000000);
        wait.tv_nsec = (long)((deadline - now) % 1000000000);
    }
    if (deadline > now)
        waits[atomic_load_explicit(&reactor.mailbox.sleeping, memory_order_relaxed)]++;
    if (ppoll(&poll_fd, 1, deadline == TRI__NEVER ? NULL : &wait, NULL) > 0)
        eventfd_read(wake_fd, &count);
    of->now = tri__now(&system_clock);
}

static void engine_wake(struct tri__engine *of)
{
    (void)of;
    eventfd_write(wake_fd, 1);
}

static void engine_fini(struct tri__engine *of)
{
    (void)of;
}

/* --- Handlers. What they find wrong is counted: an assertion belongs to the test's thread. --- */

/* The text of request `number`; one of them is large. */
static void make_request(char *text, unsigned number, bool is_large)
{
    int size = snprintf(text, 16, "%u ", number);

    if (is_large) {
        memset(text + size, 'x', LARGE_TEXT);
        text[size + LARGE_TEXT] = '\0';
    }
}

static unsigned number_of(const char *text)
{
    return (unsigned)strtoul(text, NULL, 10);
}

static void check(bool is_right)
{
    if (!is_right)
        atomic_fetch_add_explicit(&disorder, 1, memory_order_relaxed);
}

static bool take(const void *request, unsigned *count)
{
    if (request == NULL)
        return false;
    check(number_of(text_of(request)) == *count);
    ++*count;
    return true;
}

static tri_code reply_number(tri_call *call, unsigned number)
{
    return emit_text(call, tri_call_printf(call, "%u%0*d", number, (int)(number % 3) * 300 + 1, 0));
}

static tri_code echo_all(tri_call *call, const void *servicer, const void *request)
{
    unsigned count = 0;

    (void)servicer;
    while (take((request = tri_gen_next(call)), &count)) {
        if (emit_text(call, tri_call_printf(call, "%u ", count - 1)) != TRI_OK)
            break;
    }
    return tri_call_code(call);
}

/* Reads with a timeout, naps, flushes. */
static tri_code dawdle(tri_call *call, const void *servicer, const void *request)
{
    unsigned count = 0;
    int outcome = TRI_TIMED_OUT;

    (void)servicer;
    while (outcome == TRI_TIMED_OUT || outcome == TRI_MESSAGE || outcome == TRI_DRAINING) {
        outcome = tri_gen_read(call, &request, (tri_duration)(count % 4) * 200000);
        if (outcome == TRI_TIMED_OUT && tri_call_sleep(call, 100000) != TRI_OK)
            break;
        if (outcome != TRI_MESSAGE)
            continue;
        take(request, &count);
        if (emit_text(call, tri_call_printf(call, "%u ", count - 1)) != TRI_OK)
            break;
        if (count % 3 == 0)
            tri_gen_flush(call);
    }
    return tri_call_code(call);
}

/* Returns when it likes: what has not been read is nobody's. */
static tri_code return_early(tri_call *call, const void *servicer, const void *request)
{
    unsigned count = 0;

    (void)servicer;
    while (count < 2 && take((request = tri_gen_next(call)), &count))
        ;
    atomic_fetch_add_explicit(&early_ends, 1, memory_order_relaxed);
    return tri_call_code(call);
}

static tri_code count_requests(tri_call *call, const void *servicer, const void *request)
{
    unsigned count = 0;

    (void)servicer;
    while (take((request = tri_gen_next(call)), &count))
        ;
    return tri_call_ended_ok(call) ? emit_text(call, tri_call_printf(call, "%u ", 0))
                                   : tri_call_code(call);
}

/* More than the high mark, so it waits for the peer. */
static tri_code talk_much(tri_call *call, const void *servicer, const void *request)
{
    (void)servicer;
    check(number_of(text_of(request)) == 0);
    for (unsigned i = 0; i < 60; i++) {
        if (emit_text(call, tri_call_printf(call, "%u %0300d", i, 0)) != TRI_OK)
            break;
    }
    return tri_call_code(call);
}

static tri_code answer_one(tri_call *call, const void *servicer, const void *request)
{
    (void)servicer;
    check(number_of(text_of(request)) == 0);
    return reply_number(call, 0);
}

static const struct behaviour {
    tri_gen_run run;
    bool requests_stream, replies_stream, may_end_early;
    unsigned replies; /* 0: as many as requests */
} behaviours[] = {
    {echo_all, true, true, false, 0},    {dawdle, true, true, false, 0},
    {return_early, true, true, true, 0}, {count_requests, true, false, false, 1},
    {talk_much, false, true, false, 60}, {answer_one, false, false, false, 1},
};
#define BEHAVIOURS (sizeof(behaviours) / sizeof(*behaviours))

static struct tri__method methods[BEHAVIOURS];

/* --- Threads --- */

static void stalled(struct tri__worker *of, const char *name, uint64_t held)
{
    (void)of, (void)name, (void)held;
}

static void quiet_log(void *context, tri_log_level level, const char *line)
{
    (void)context, (void)level, (void)line;
}

static void *be_worker(void *argument)
{
    struct tri__worker *self = argument;

    while (!atomic_load_explicit(&is_stopping, memory_order_acquire))
        tri__worker_turn(self);
    atomic_fetch_add_explicit(&workers_ended, 1, memory_order_release);
    return NULL;
}

static bool post_stage(void *context)
{
    (void)context;
    tri__poster_push(&reactor_poster, engine.now);
    return false;
}

static void start_threads(void)
{
    static const struct tri__engine_ops ops = {
        .name = "none", .fini = engine_fini, .turn = engine_turn, .wake = engine_wake};
    static const struct tri__wire_ops wire = {wire_respond, wire_resume, wire_reset, wire_credit,
                                              wire_freed};
    static const struct tri__log log = {.function = quiet_log};
    const struct tri__call_table_config config = {
        .limits = &limits,
        .wire = &wire,
        .log = &log,
        .poster = &reactor_poster,
        .wheel = &reactor.wheel,
        .now = &engine.now,
        .process_used = &process_used,
    };
    const struct tri__worker_config worker_config = {
        .clock = &system_clock,
        .sleeper = &system_sleeper,
        .stalled = stalled,
        .stack_size = TRI__STACK_DEFAULT,
        .stall_limit = UINT64_MAX / 2,
        .lanes = 1,
    };

    make_limits();
    limits.process_budget = 200000; /* some large messages have to wait for others */
    wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_true(wake_fd >= 0);
    engine = (struct tri__engine){.ops = &ops, .now = tri__now(&system_clock)};
    tri__reactor_init(&reactor, &engine);
    tri__reactor_set_stage(&reactor, TRI__STAGE_POST, post_stage, NULL);
    assert_int_equal(tri__poster_init(&reactor_poster, WORKERS), 0);
    tri__call_table_init(&table, &config);
    peer = malloc(sizeof(*peer) + 1);
    assert_non_null(peer);
    peer->references = 1;
    peer->text[0] = '\0';
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(tri__worker_init(&workers[i], &worker_config), 0);
        workers[i].scheduler.poster.lanes[0].mailbox = &reactor.mailbox;
        workers[i].scheduler.poster.lanes[0].is_partner = i == 0;
        reactor_poster.lanes[i].mailbox = &workers[i].mailbox;
    }
    reactor.partner = &workers[0].mailbox;
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, be_worker, &workers[i]), 0);
}

static void stop_threads(void)
{
    atomic_store_explicit(&is_stopping, true, memory_order_release);
    while (atomic_load_explicit(&workers_ended, memory_order_acquire) < WORKERS) {
        for (int i = 0; i < WORKERS; i++) {
            tri__mailbox_woken(&workers[i].mailbox);
            system_sleeper.wake(system_sleeper.context, &workers[i].mailbox.sleeping);
        }
        usleep(1000);
    }
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].scheduler.fibers, 0);
        tri__worker_fini(&workers[i]);
    }
    assert_int_equal(table.live, 0);
    tri__call_table_fini(&table);
    tri__poster_fini(&reactor_poster);
    tri__reactor_fini(&reactor);
    close(wake_fd);
    assert_int_equal(peer->references, 1);
    free(peer);
}

/* --- The peers, as the reactor sees them --- */

static void begin_talk(struct talk *talk, int32_t id)
{
    static char text[LARGE_TEXT + 32];
    unsigned kind = roll(BEHAVIOURS);
    /* In the second half no timer makes up for a lost wake-up. */
    bool has_timers = opened < CALLS / 2;
    const struct behaviour *behaviour = &behaviours[kind];
    int large =
        behaviour->requests_stream && has_timers && roll(8) == 0 ? (int)roll(REQUESTS_MAX) : -1;

    *talk = (struct talk){.requests = behaviour->requests_stream ? roll(REQUESTS_MAX) : 1,
                          .may_end_early = behaviour->may_end_early,
                          .patience = roll(4) == 0 ? 1 + roll(30) : 0};
    talk->replies = behaviour->replies != 0 ? behaviour->replies : talk->requests;
    talk->wire = malloc(talk->requests * (size_t)64 + LARGE_TEXT + 64);
    assert_non_null(talk->wire);
    for (unsigned i = 0; i < talk->requests; i++) {
        make_request(text, i, (int)i == large);
        talk->wire_size += make_text(talk->wire + talk->wire_size, text);
    }
    talk->stream = open_stream(id);
    assert_non_null(talk->stream);
    tri__call_accept(talk->stream->call, &methods[kind],
                     has_timers && roll(6) == 0 ? (tri_duration)(1 + roll(3000000)) : TRI_FOREVER,
                     (uint16_t)roll(WORKERS), 0);
    opened++;
}

/* Replies that have come whole, in order. Only of a stream that was cut one may lack its end. */
static unsigned count_replies(const struct talk *talk)
{
    const struct stream *stream = talk->stream;
    size_t at = 0;
    unsigned count = 0;
    char text[2048];

    while (stream->out_size - at >= TRI__PREFIX_SIZE) {
        size_t size = tri__prefix_size(stream->out + at) + TRI__PREFIX_SIZE;

        if (size > stream->out_size - at)
            break;
        assert_non_null(reply_of(&(struct stream){.out = stream->out + at, .out_size = size}, 0,
                                 text, sizeof(text)));
        assert_int_equal(number_of(text), count);
        count++;
        at += size;
    }
    assert_true(talk->is_cut || at == stream->out_size);
    return count;
}

/* The stream has come to its end: what the peer got must be right. */
static void check_talk(struct talk *talk)
{
    const struct stream *stream = talk->stream;
    unsigned count = count_replies(talk);

    assert_int_equal(stream->freed, 1);
    assert_true(count <= talk->replies);
    if (talk->is_cut) {
        cut++;
        return;
    }
    assert_true(stream->has_ended);
    if (stream->code == TRI_OK && !talk->may_end_early)
        assert_int_equal(count, talk->replies);
    if (stream->code != TRI_OK)
        assert_int_equal(stream->code, TRI_DEADLINE_EXCEEDED);
    ended_ok += stream->code == TRI_OK;
    expired += stream->code != TRI_OK;
}

static bool send_some(struct talk *talk)
{
    struct stream *stream = talk->stream;
    size_t left = talk->wire_size - talk->sent;
    size_t piece = WINDOW + stream->credited - stream->received;

    if (stream->has_ended || talk->has_half_closed)
        return false;
    if (left == 0) {
        talk->has_half_closed = true;
        tri__call_half_closed(stream->call);
        return true;
    }
    if (piece > left)
        piece = left;
    if (piece == 0)
        return false;
    if (roll(3) > 0)
        piece = 1 + roll((unsigned)piece);
    receive_bytes(stream, talk->wire + talk->sent, piece);
    talk->sent += piece;
    return true;
}

/* Returns: whether anything is left that does not need the other side first. */
static bool go_on(struct talk *talk)
{
    struct stream *stream = talk->stream;
    bool did = false;

    if (talk->patience != 0 && --talk->patience == 0) {
        talk->is_cut = !stream->has_ended;
        close_stream(stream, TRI_CANCELLED);
        return true;
    }
    if (roll(2) == 0) {
        did = send_some(talk);
    } else if (stream->is_asked && !stream->has_ended) {
        pull(stream, 1 + roll(3000));
        did = true;
    }
    if (roll(200) == 0)
        tri__call_drain(stream->call);
    if (stream->resets > 0 || stream->has_ended) {
        talk->is_cut = !stream->has_ended;
        close_stream(stream, TRI_CANCELLED);
        return true;
    }
    return did || talk->patience != 0 || (stream->is_asked && !stream->has_ended) ||
           (talk->sent < talk->wire_size && WINDOW + stream->credited - stream->received > 0) ||
           (talk->sent == talk->wire_size && !talk->has_half_closed);
}

static bool turn_all(void)
{
    bool has_more = false;

    for (int i = 0; i < OPEN_MAX; i++) {
        struct talk *talk = &talks[i];

        if (talk->stream != NULL && talk->stream->freed > 0) {
            check_talk(talk);
            free(talk->wire);
            free(talk->stream->out);
            talk->stream->out = NULL;
            talk->stream = NULL;
        }
        /* In the second half there are few, so that everybody sleeps often. */
        if (talk->stream == NULL && opened < CALLS && (opened < CALLS / 2 || i < FEW))
            begin_talk(talk, i);
        if (talk->stream != NULL && talk->stream->call != NULL &&
            talk->stream->call->wire_state != TRI__WIRE_CLOSED)
            has_more = go_on(talk) || has_more;
    }
    return has_more;
}

static bool has_talks(void)
{
    for (int i = 0; i < OPEN_MAX; i++) {
        if (talks[i].stream != NULL)
            return true;
    }
    return opened < CALLS;
}

static void two_real_threads_keep_the_protocol(void **state)
{
    (void)state;
    alarm(150);
    for (size_t i = 0; i < BEHAVIOURS; i++)
        methods[i] = make_method(behaviours[i].run, behaviours[i].requests_stream,
                                 behaviours[i].replies_stream);
    start_threads();
    for (;;) {
        bool has_more = turn_all();

        if (!has_talks())
            break;
        /* Now and then it sleeps though the wire has something to say. */
        reactor.is_busy = has_more && roll(16) > 0;
        tri__reactor_turn(&reactor, has_more ? engine.now + MS : TRI__NEVER);
    }
    alarm(0);
    stop_threads();
    assert_int_equal(atomic_load(&disorder), 0);
    assert_int_equal(budget.used, 0);
    assert_int_equal(budget.output, 0);
    assert_int_equal(atomic_load(&process_used), 0);
    assert_int_equal(atomic_load(&table.started), atomic_load(&table.finished));
    printf("threads: %u calls, %u ended OK, %u cut, %u out of time, %u returned early; "
           "the reactor slept %u times and dozed %u times\n",
           opened, ended_ok, cut, expired, atomic_load(&early_ends), waits[TRI__ASLEEP],
           waits[TRI__DOZING]);
    /* The schedule was worth its name. */
    assert_true(ended_ok > CALLS / 4 && cut > CALLS / 100 && expired > 0);
    assert_true(atomic_load(&early_ends) > CALLS / 100 && waits[TRI__ASLEEP] > CALLS / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_real_threads_keep_the_protocol),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
