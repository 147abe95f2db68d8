/*
 * The simulator: a whole tri_server, its reactors and workers, the thread that owns it, a network
 * and scripted peers, all on one thread and with a virtual clock. What happens next is decided by
 * a seed alone, so a run can be repeated byte for byte.
 *
 * An actor is something that can go on: a task, which stands for a thread and has a stack of its
 * own, or a peer, which is a state machine. The hub (world.c) picks one that is ready, again and
 * again; when none is, it moves the clock to what is due next. A task can be taken off its thread
 * wherever production code calls a hook: clock, sleep, wake, engine, allocation, log.
 */
#ifndef SIM_H
#define SIM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <trireme/server.h>
#include <trireme/status.h>

#include "random.h"
#include "sanitizer.h"

#define US UINT64_C(1000)
#define MS (1000 * US)
#define SECOND (1000 * MS)
#define NEVER UINT64_MAX

#define TASKS_MAX 8
#define PEERS_MAX 8
#define CORES_MAX 3

/* Kinds of fault: a kind that no seed of a long run has hit is a failure of the simulator. */
enum fault {
    FAULT_PREEMPTED,
    FAULT_WOKEN_EARLY,
    FAULT_WOKEN_LATE,
    FAULT_CLOCK_JUMP,
    FAULT_RECV_PARTIAL,
    FAULT_RECV_STARVED,
    FAULT_SEND_PARTIAL,
    FAULT_SEND_DELAYED,
    FAULT_SEND_FAILED,
    FAULT_RECV_RESET,
    FAULT_REORDERED,
    FAULT_CLOSE_LATE,
    FAULT_ACCEPT_EMFILE,
    FAULT_ACCEPT_ENDED,
    FAULT_NO_MEMORY,
    FAULT_NO_MEMORY_NTH,
    FAULT_CUT_FIN,
    FAULT_CUT_RESET,
    FAULT_PEER_HALF_CLOSE,
    FAULT_START_FAILED,
    FAULT_DRAIN_UNDER_LOAD,
    FAULT_DRAIN_ABANDONED,
    FAULT_SECOND_SIGNAL,
    FAULT_CANCELLED,
    FAULT_DEADLINE,
    FAULT_HANDLER_FAILED,
    FAULT_STREAM_REFUSED,
    FAULT_ZERO_WINDOW,
    FAULT_SETTINGS_CHANGED,
    FAULT_LARGE_MESSAGE,
    FAULT_GARBAGE,
    FAULT_FLOOD,
    FAULT_BAD_LENGTH,
    FAULT_BAD_HPACK,
    FAULT_OVERSIZE,
    FAULT_SILENT_PEER,
    FAULT_BUSY_HANDLER,
    FAULT_KINDS
};

/* --- world.c: seed, clock, trace, hub --- */

struct actor {
    const char *name;
    void (*step)(struct actor *actor); /* goes on until it has nothing to do, or is taken off */
    uint64_t deadline;                 /* when it is ready by itself; NEVER */
    uint32_t weight;                   /* how often it is picked, against the others */
    uint8_t id;
    bool is_ready, is_over;
};

/* What a seed decides once, for the whole run. */
struct profile {
    bool is_strict;         /* no fault that can end a call: each must end as planned */
    bool has_hostile;       /* malicious and greedy peers */
    bool has_resets;        /* connections cut and reset */
    bool has_jumps;         /* the clock leaps ahead */
    bool has_engine_faults; /* starved, late, failing operations */
    bool fails_start;
    bool drains_early;
    uint32_t switch_one_in;  /* hooks that lose the thread */
    uint32_t atomic_one_in;  /* atomic operations that do, in sim-fine */
    uint32_t partial_one_in; /* receives and sends that are cut short */
    uint32_t memory_one_in;  /* allocations that fail; 0: none */
    uint64_t memory_nth;     /* the one that fails; 0: none */
    uint32_t pipe_capacity;  /* of a connection, each way */
    uint32_t reactors, workers;
};

struct world {
    uint64_t seed;
    struct rng rng;
    struct profile profile;
    uint64_t now;
    uint64_t hash; /* of all events */
    uint64_t steps, switches, completions;
    struct actor *actors[TASKS_MAX + PEERS_MAX];
    uint32_t actors_count;
    struct actor *current; /* NULL: the hub */
    bool is_terminating;   /* the owner has been told to drain */
    bool has_failed_memory;
    uint64_t terminated_at, drain_limit;
    uint32_t connection_window; /* the server's */
    uint64_t finite_done_at;    /* when the peers that matter were through; 0 */
    uint64_t calls_made, calls_ok;
    size_t memory_used, memory_peak, memory_bound, blocks;
    uint64_t allocations;
    bool memory_is_armed;
    uint64_t terminate_after; /* steps */
};

extern struct world world;
extern uint64_t fault_hits[FAULT_KINDS];
extern const char *const fault_names[FAULT_KINDS];
extern bool is_verbose;
extern const char *program_name;

void world_begin(uint64_t seed);
void world_add(struct actor *actor, const char *name, void (*step)(struct actor *actor));
void world_run(void); /* until every task is over */
void world_make_ready(struct actor *actor);
void world_terminate(void);

static inline bool chance(uint32_t one_in)
{
    return one_in > 0 && rng_one_in(&world.rng, one_in);
}

static inline uint32_t below(uint32_t bound)
{
    return rng_below(&world.rng, bound);
}

static inline uint32_t between(uint32_t least, uint32_t most)
{
    return rng_between(&world.rng, least, most);
}

void hit(enum fault fault);

/* An event: into the hash, and into the trace of the last ones. `what` is static. */
void note(const char *what, uint64_t a, uint64_t b);

/* Something is wrong: says what, and how to see it again, and ends the process. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define expect_that(expression, ...)                                                               \
    do {                                                                                           \
        if (__builtin_expect(!(expression), 0))                                                    \
            fail(__VA_ARGS__);                                                                     \
    } while (0)

/* --- tasks.c: stacks and switches --- */

struct task {
    struct actor actor;
    void *context; /* while it does not run */
    uint8_t *stack;
    void (*main)(void *argument);
    void *argument;
    _Atomic uint32_t *word; /* that it sleeps on */
    void *scheduler_here;
    const void *bottom; /* of the stack that it is on: its own, or a fiber's (ASan's) */
    size_t size;
    void *fake_stack;
};

struct task *task_start(const char *name, void (*main)(void *), void *argument);
/* The running task; NULL in the hub and in peers. */
struct task *task_current(void);
void tasks_reset(void);

/* A point where the running task may lose its thread; nothing in the hub. */
void preempt(void);
/* Gives the thread up; goes on when the actor is ready again, or `deadline` has passed. */
void task_block(uint64_t deadline);
void task_yield(void);

/* --- platform.c: what the runtime asks for --- */

void platform_install(void);
void platform_reset(void);
/* Looks for a thread that sleeps although something is due to it; called when nothing can run. */
void platform_check_quiet(void);
void platform_set_server(struct tri_server *running);

/* --- net.c: pipes between peers and the server --- */

struct pipe {
    uint8_t *bytes;
    uint32_t capacity, at, size;
    bool has_ended; /* the writer has: after what is in it comes the end */
    uint64_t total; /* that came through */
};

struct tri__socket;
struct engine;

struct conn {
    int fd;
    struct pipe up, down; /* to the server; to the peer */
    struct actor *peer;
    struct engine *engine; /* of the server's end, once it has a socket there */
    struct tri__socket *socket;
    bool is_accepted, is_reset; /* reset: both ends learn of it */
    bool server_closed, peer_closed;
    bool told_end;     /* the server, which then gets no more */
    bool may_get_more; /* a receive that was stopped too late */
    bool wants_shutdown;
    size_t send_moved;  /* that the server has not been told of */
    uint8_t close_wait; /* turns until a close completes */
};

void net_reset(void);
struct conn *net_connect(struct actor *peer); /* NULL: nobody listens */
struct conn *net_find(int fd);
size_t net_conns(struct conn **out); /* all of them */
bool net_all_closed(void);
/* The peer's end. */
size_t net_read(struct conn *conn, uint8_t *out, size_t size);
size_t net_write(struct conn *conn, const uint8_t *bytes, size_t size);
bool net_is_readable(const struct conn *conn); /* bytes or the end */
bool net_is_at_end(const struct conn *conn);
void net_finish(struct conn *conn); /* half-close */
void net_close(struct conn *conn, bool with_reset);
/* The server's end. */
void net_pump(struct conn *conn); /* what is being sent goes into the pipe, as far as it fits */
void net_server_close(struct conn *conn);

size_t pipe_room(const struct pipe *pipe);
size_t pipe_put(struct pipe *pipe, const uint8_t *bytes, size_t size);
size_t pipe_take(struct pipe *pipe, uint8_t *out, size_t size);

/* --- engine.c --- */

struct tri__engine;

int engine_open(struct tri__engine **out);
void engine_reset(void);
bool engine_is_waiting(const struct tri__engine *base, uint64_t *deadline);
/* Something may have become ready for the engine that has this connection, or that accepts. */
void engine_kick(struct engine *engine);
void engine_kick_acceptor(void);
bool engine_is_listening(void);
struct conn *net_next_unaccepted(void);

/* --- calls.c: what each call should be --- */

enum call_kind {
    CALL_UNARY,
    CALL_COLLECT,
    CALL_COUNT,
    CALL_CHAT,
    CALL_KINDS
};

/* What the handler does beside reading and replying. */
enum call_twist {
    TWIST_NONE,
    TWIST_SLEEP,      /* sleeps between messages */
    TWIST_FAIL,       /* ends with ABORTED after so many messages */
    TWIST_EMIT_FIRST, /* replies before it reads */
    TWIST_TIMED_READ, /* reads with timeouts */
    TWIST_EARLY,      /* returns without reading all */
    TWIST_BUSY,       /* holds its thread */
    TWIST_HEADERS,    /* sends headers early, and trailers of its own */
    TWIST_KINDS
};

struct call {
    uint32_t id;
    enum call_kind kind;
    enum call_twist twist;
    bool is_inline;
    bool must_be_exact; /* as planned; else it may end in any way, but nothing may be invented */
    uint32_t requests, replies; /* how many are due */
    uint32_t request_size, reply_size;
    uint32_t delay_us, twist_at;
    uint64_t timeout; /* ns; 0: none */
    tri_code expected;

    /* The handler's side. */
    uint32_t started, ended, requests_seen;
    bool saw_end;
    /* The peer's side. */
    uint32_t replies_seen, endings;
    bool has_headers, was_cancelled;
    tri_code status;
};

void calls_reset(void);
struct call *call_make(bool small);
struct call *call_find(uint32_t id);
void calls_check_over(void);
size_t calls_count(void);

#define NOTE_MAX (200 * 1024)

/* A Note as protobuf, with the 5 bytes of its prefix. Returns: how many bytes. */
size_t call_encode_request(const struct call *call, uint32_t index, uint8_t *out);
/* Checks a reply of the peer's side; fails when it is not the one that is due. */
void call_check_reply(struct call *call, const uint8_t *bytes, size_t size);
uint8_t call_byte(uint32_t call, uint32_t index, size_t at, bool is_reply);
/* The peer has seen the call end. `code` < 0: without a status. */
void call_ended(struct call *call, int code);

/* --- servicer.c --- */

int servicer_serve(tri_server *server);

/* --- peers --- */

void peers_make(void);
void peers_reset(void);
/* The server is gone: so are the calls that are left. */
void peers_finish(void);
bool peers_are_done(void);
/* Fails when a peer has waited too long for what is due to it. */
void peers_check_waits(void);
void peers_check_deadlock(void);

#endif
