/*
 * For tests: a table of calls with a wire that records, a connection, and a scheduler, all on the
 * test's own thread. The test is both sides in turn: what it calls directly is the reactor's, and
 * run_worker is the worker's turn, run_reactor the reactor's. The clock stands still until the test
 * moves it. With `is_local` set before the start the handlers are placed inline: the two sides
 * share a poster and no mailbox lies between them.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <trireme/metadata.h>

#include "../base/failing_alloc.h"
#include "call.h"
#include "text.pb-c.h"

#define STREAMS 64
#define MS UINT64_C(1000000)
#define WINDOW 65536

/* What the wire has been told of one stream, and what has been sent on it. */
struct stream {
    struct tri_call *call; /* NULL once it is freed */
    bool has_responded, has_body;
    bool is_asked; /* resume has been called since output last gave nothing */
    bool has_ended;
    tri_code code;
    char text[1100];
    unsigned resets, faults, freed;
    size_t credited, received;
    uint8_t *out;
    size_t out_size;
};

static uint64_t test_now;
static struct tri__call_limits limits;
static struct tri__call_table table;
static struct tri__call_budget budget;
static _Atomic size_t process_used;
static struct tri__peer *peer;
static struct tri__wheel reactor_wheel;
static struct tri__poster reactor_poster;
static struct tri__mailbox reactor_mailbox, worker_mailbox;
static struct tri__scheduler worker;
static struct stream streams[STREAMS];
static char log_line[512];
static unsigned log_lines, worker_stalls;
static bool is_local;
static void (*eager)(struct stream *stream); /* what takes output as soon as there is some */
static int connection;                       /* its address is what calls know of it */

static inline struct stream *stream_of(struct tri_call *call)
{
    return &streams[call->stream_id];
}

static inline void take_status(struct stream *stream)
{
    size_t size;
    const char *text = tri__call_status(stream->call, &stream->code, &size);

    assert_false(stream->has_ended);
    assert_true(size < sizeof(stream->text));
    if (size > 0)
        memcpy(stream->text, text, size);
    stream->text[size] = '\0';
    stream->has_ended = true;
}

static void wire_respond(struct tri_call *call, bool has_body)
{
    struct stream *stream = stream_of(call);

    assert_ptr_equal(call->link, &connection);
    assert_false(stream->has_responded);
    stream->has_responded = true;
    stream->has_body = has_body;
    stream->is_asked = has_body;
    if (!has_body)
        take_status(stream);
    else if (eager != NULL)
        eager(stream);
}

static void wire_resume(struct tri_call *call)
{
    assert_true(stream_of(call)->has_body);
    stream_of(call)->is_asked = true;
    if (eager != NULL)
        eager(stream_of(call));
}

static void wire_reset(struct tri_call *call, bool is_fault)
{
    stream_of(call)->resets++;
    stream_of(call)->faults += is_fault;
}

static void wire_credit(struct tri_call *call, size_t size)
{
    stream_of(call)->credited += size;
}

static void wire_freed(struct tri_call *call)
{
    stream_of(call)->freed++;
    stream_of(call)->call = NULL;
    if (call->link != NULL)
        tri__list_remove(&call->in_link);
}

static uint64_t harness_clock(void *context)
{
    (void)context;
    return test_now;
}

static void harness_log(void *context, tri_log_level level, const char *line)
{
    (void)context;
    assert_int_equal(level, TRI_LOG_WARNING);
    assert_null(tri__fiber_current()); /* on a full stack */
    snprintf(log_line, sizeof(log_line), "%s", line);
    log_lines++;
}

/* As the worker does it, and as the runtime does it for handlers placed inline. */
static void harness_switched(struct tri__scheduler *scheduler)
{
    if (is_local)
        tri__poster_consume_own(&scheduler->poster, 1, &table);
    else
        tri__poster_push(&scheduler->poster, scheduler->now);
}

static void harness_stalled(struct tri__scheduler *scheduler, const char *name, uint64_t held)
{
    (void)scheduler, (void)name, (void)held;
    worker_stalls++;
}

static void nobody_sleeps(struct tri__mailbox *mailbox)
{
    fail_msg("%p is woken, but nobody sleeps", (void *)mailbox);
}

static inline void make_limits(void)
{
    limits = (struct tri__call_limits){
        .receive_message_max = 4 << 20,
        .send_message_max = UINT32_MAX,
        .decode = {.memory_max = 32 << 20, .depth_max = 100},
        .stream_window = WINDOW,
        .process_budget = 8 << 20,
        .high_mark = 4096,
        .low_mark = 2048,
        .reservation_timeout = (int64_t)(10000 * MS),
        .field_list_max = 8192,
        .metadata_max = 65536,
    };
    budget = (struct tri__call_budget){.limit = 4 << 20};
}

/* Returns: 0 or -ENOMEM. */
static inline int harness_init(void)
{
    static const struct tri__wire_ops wire = {wire_respond, wire_resume, wire_reset, wire_credit,
                                              wire_freed};
    static const struct tri__log log = {.function = harness_log};
    static const struct tri__clock clock = {.now = harness_clock};
    static const struct tri__scheduler_hooks hooks = {.switched = harness_switched,
                                                      .stalled = harness_stalled};
    const struct tri__call_table_config config = {
        .limits = &limits,
        .wire = &wire,
        .log = &log,
        .poster = is_local ? &worker.poster : &reactor_poster,
        .wheel = &reactor_wheel,
        .now = &test_now,
        .process_used = &process_used,
    };
    const struct tri__scheduler_config scheduler = {
        .clock = &clock,
        .hooks = &hooks,
        .stack_size = TRI__STACK_DEFAULT,
        .stall_limit = UINT64_MAX / 2,
        .lanes = 2,
    };

    memset(streams, 0, sizeof(streams));
    log_line[0] = '\0';
    log_lines = 0;
    eager = NULL;
    test_now = 1000 * MS;
    atomic_init(&process_used, 0);
    make_limits();
    tri__wheel_init(&reactor_wheel, test_now);
    tri__mailbox_init(&reactor_mailbox, nobody_sleeps, &table);
    tri__mailbox_init(&worker_mailbox, nobody_sleeps, &worker);
    peer = malloc(sizeof(*peer) + 16);
    if (peer == NULL || tri__scheduler_init(&worker, &scheduler) < 0 ||
        tri__poster_init(&reactor_poster, 1) < 0)
        return -1;
    peer->references = 1000000; /* the test's own */
    snprintf(peer->text, 16, "127.0.0.1:1");
    reactor_poster.lanes[0].mailbox = &worker_mailbox;
    if (!is_local)
        worker.poster.lanes[0].mailbox = &reactor_mailbox;
    tri__call_table_init(&table, &config);
    return 0;
}

/* Returns: 0 when all is as at the beginning. */
static inline int harness_fini(void)
{
    int r = 0;

    if (table.live != 0 || worker.fibers != 0 || budget.used != 0 || budget.output != 0 ||
        atomic_load(&process_used) != 0 || peer->references != 1000000)
        r = -1;
    for (size_t i = 0; i < STREAMS; i++)
        free(streams[i].out);
    if (r != 0)
        return r; /* what hangs together stays */
    tri__call_table_fini(&table);
    tri__scheduler_fini(&worker);
    tri__poster_fini(&reactor_poster);
    free(peer);
    if (failing.live_count != 0)
        r = -2;
    return r;
}

/* The worker's turn. Returns: whether it did anything. */
static inline bool run_worker(void)
{
    bool did;

    tri__poster_push(&reactor_poster, test_now);
    did = (is_local ? tri__poster_consume_own(&worker.poster, 0, &worker)
                    : tri__mailbox_drain(&worker_mailbox)) > 0;
    did = did || !tri__scheduler_is_idle(&worker);
    while (tri__scheduler_run(&worker, 64))
        ;
    tri__poster_push(&worker.poster, test_now);
    return did;
}

/* The reactor's turn. Returns: whether it did anything. */
static inline bool run_reactor(void)
{
    bool did = (is_local ? tri__poster_consume_own(&worker.poster, 1, &table)
                         : tri__mailbox_drain(&reactor_mailbox)) > 0;

    tri__poster_push(&reactor_poster, test_now);
    return did;
}

static inline void run_both(void)
{
    while ((int)run_worker() | (int)run_reactor())
        ;
}

static inline void advance(uint64_t ns)
{
    test_now += ns;
    tri__wheel_advance(&reactor_wheel, test_now);
}

#endif
