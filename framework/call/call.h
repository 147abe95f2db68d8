/*
 * The call: what a reactor (its wire side) and the fiber of a servicer (its handler's side) share.
 *
 * A slot of memory is one call at a time and always a call: slots come from the slab of the reactor
 * that owns the connection and go back there. No lock, no allocation and no full queue lie on the
 * way between the two sides: each direction has a word of bits, a node that is queued exactly while
 * that word is not 0, and a list of payloads.
 *
 *     reactor --- inbox: messages --->  handler       bits `down`: what has happened on the wire
 *     reactor <--- outbox: chunks ----  handler       bits `up`:   what the handler wants
 *
 * The handler's side:   QUEUED -> RUNNING (<-> parked) -> RETURNED -> LEAVING -> GONE
 * The wire's side:      OPEN -> ENDING -> CLOSED, where OPEN knows whether the peer has half-closed
 *
 * Freed once, by the reactor, when the wire is CLOSED and the handler has said DONE:
 * - the handler's side sets CLOSED in `down` with its last look at it. If other bits stood there
 *   the node is queued, or about to be: the slot stays (LEAVING) until that node is popped.
 * - then it sets DONE in `up`: that, or the push of the node that this asks for, is its last touch.
 *
 * Whoever takes a list by exchange owns and frees it. Each cache line has one writer, but for the
 * atomics that are named shared. Memory orders stand where the atomics are used, in call_post.h.
 */
#ifndef TRI_CALL_H
#define TRI_CALL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <trireme/call.h>
#include <trireme/generated.h>

#include "arena.h"
#include "assertion.h"
#include "codec.h"
#include "list.h"
#include "log.h"
#include "mailbox.h"
#include "poster.h"
#include "scheduler.h"
#include "wheel.h"
#include "wire_frame.h"

/* Down: from the reactor to the handler. */
enum tri__down {
    TRI__START = 1,       /* run the handler */
    TRI__MESSAGE = 2,     /* the inbox has something */
    TRI__LARGE = 4,       /* a message above the stream's window waits for the handler to want it */
    TRI__HALF_CLOSED = 8, /* the peer has ended its side: stays */
    TRI__WRITABLE = 16,   /* output is below the low mark */
    TRI__CANCEL = 32,     /* it is over, `code` says why: stays */
    TRI__DRAIN = 64,      /* the server is shutting down: stays */
    TRI__CLOSED = 128,    /* set by the handler's side: it looks no more */
    TRI__STAYING = TRI__HALF_CLOSED | TRI__CANCEL | TRI__DRAIN
};

/* Up: from the handler to the reactor. */
enum tri__up {
    TRI__HEADERS = 1,    /* send the response headers */
    TRI__OUTPUT = 2,     /* the outbox has something */
    TRI__WANT_WRITE = 4, /* say WRITABLE when output is below the low mark */
    TRI__WANT_READ = 8,  /* give credit for the large message */
    TRI__CREDIT = 16,    /* `taken` has grown */
    TRI__STATUS = 32,    /* the handler has returned: `code` and the trailers are there */
    TRI__DONE = 64       /* and touches the call no more */
};

enum tri__wire_state {
    TRI__WIRE_OPEN,
    TRI__WIRE_ENDING, /* the status is decided: trailers or a reset are on their way */
    TRI__WIRE_CLOSED  /* the stream is gone */
};

/*
 * A request as it came. Made by the reactor, freed by the handler's side (or by whoever finds it).
 */
struct tri__message {
    struct tri__message *next;
    uint32_t size, capacity;
    bool is_inline; /* part of the call */
    uint8_t bytes[];
};

/* Output. Made by the handler's side, freed by the reactor. */
struct tri__chunk {
    struct tri__chunk *next;
    uint32_t size, capacity, taken;
    bool is_inline;
    uint8_t bytes[];
};

#define TRI__INLINE_SIZE 128

/* Key and value texts, one after the other: metadata that came, or fields that go out. */
struct tri__fields {
    struct tri__fields *next; /* idle */
    uint32_t size, capacity, count;
    uint32_t list_size; /* as HTTP/2 counts it */
    char bytes[];
};

/* A block of fields starts so large and doubles; blocks of this size are kept for the next call. */
#define TRI__FIELDS_FIRST 480

/* A method of a service, as calls need it. Memory: outlives them; constant. */
struct tri__method {
    char *path; /* "/package.Service/Method" */
    size_t path_size;
    tri_gen_run run; /* NULL: the servicer has no function for it */
    const void *servicer;
    void *state;
    struct tri__message_type request, reply;
    bool requests_stream, replies_stream, is_inline;
    size_t stack_size; /* 0: the default */
};

struct tri__call_limits {
    size_t receive_message_max, send_message_max;
    struct tri__decode_limits decode;
    uint32_t stream_window;
    size_t process_budget;
    size_t high_mark, low_mark;
    int64_t reservation_timeout; /* ns */
    uint32_t field_list_max;     /* of headers or trailers that go out */
    uint32_t metadata_max;       /* of a request, as it came; twice that once it is decoded */
};

/* What the calls of one connection hold together. Part of the connection. */
struct tri__call_budget {
    size_t used, limit; /* credit beyond the stream windows */
    size_t output;      /* bytes that wait to be sent */
};

/* What the wire does for a call. Thread: the reactor's. The call's link is there: `call->link`. */
struct tri__wire_ops {
    /* Sends the response's headers; `has_body`: tri__call_output will have more. */
    void (*respond)(struct tri_call *call, bool has_body);
    /* There is output, or an end, after tri__call_output gave 0. */
    void (*resume)(struct tri_call *call);
    void (*reset)(struct tri_call *call, bool is_fault);
    /* Lets the peer send that much more on the stream. */
    void (*credit)(struct tri_call *call, size_t size);
    /* The slot goes back: drop what points at it. `call->link` may be NULL. */
    void (*freed)(struct tri_call *call);
};

/* What a reactor has for its calls. Thread: the reactor's. */
struct tri__call_table {
    const struct tri__call_limits *limits;
    const struct tri__wire_ops *wire;
    const struct tri__log *log;
    struct tri__poster *poster;
    struct tri__wheel *wheel;
    const uint64_t *now;
    _Atomic size_t *process_used; /* shared: credit beyond windows of all reactors */

    struct tri__call_slab *slabs;
    struct tri_call *idle;
    struct tri__fields *idle_fields;
    uint32_t idle_fields_count;
    uint32_t live; /* slots in use */

    struct tri__list
        waiting; /* calls that want credit for a large message, first come first served */
    struct tri__list granted; /* and those that have it */
    struct tri__timer reservations;

    /* Written by the reactor, read by anyone. */
    _Atomic uint64_t started, finished, refused;
};

/*
 * Laid out by who writes, so that the two sides do not pull lines from each other, and by use: a
 * small unary call without a deadline touches ten lines of the fourteen. What is marked as not
 * cleared holds rubbish until the flag that is named says otherwise.
 */
struct tri_call {
    /* The reactor's; from START on only read, by both sides. */
    struct tri__call_table *table;
    const struct tri__method *method;
    struct tri__peer *peer;
    struct tri__fields *metadata;
    uint64_t deadline_at; /* ns; TRI__NEVER */
    void *link;           /* the connection; NULL when it is gone; the reactor's alone */
    int32_t stream_id;
    uint16_t down_lane, up_lane;
    uint16_t http_status; /* 200, or what a request that is no gRPC call is answered with */
    uint8_t content;      /* enum tri__content */
    bool is_local;        /* the handler runs on the reactor's own thread */

    /* The reactor's: input. */
    _Alignas(TRI__CACHE_LINE) struct tri__list in_link;
    struct tri__call_budget *budget; /* NULL when the connection is gone */
    struct tri__message *assembling;
    /* Bytes of the stream: come, put into the inbox, and that the peer may send in all. */
    uint64_t received, delivered, allowed;
    uint32_t assembled, message_size;

    /* The reactor's: output, and where the call stands. */
    struct tri__chunk *out_first, *out_last;
    uint64_t output_bytes; /* that came out of the outbox */
    uint64_t output_at;    /* ns, when output last made progress */
    uint32_t messages_received;
    tri_code status_code; /* with has_status_text */
    uint8_t wire_state;   /* enum tri__wire_state */
    uint8_t prefix_size;
    uint8_t prefix[TRI__PREFIX_SIZE];
    bool is_dispatched : 1, is_done : 1, is_half_closed : 1;
    bool has_headers : 1, has_status : 1, has_returned : 1;
    bool has_status_text : 1; /* the reactor decided the status */
    bool has_status_memory : 1;
    bool has_deadline : 1; /* `deadline` can be set */
    bool is_large : 1;     /* the message that comes is above the window */
    bool is_waiting : 1;   /* for a reservation */
    bool is_granted : 1;   /* has one */
    bool wants_writable : 1, holds_empty : 1, tells_encodings : 1;

    /* Shared, mostly the reactor's. */
    _Alignas(TRI__CACHE_LINE) _Atomic uint32_t down;
    _Atomic uint32_t code; /* tri_code: what has ended the call; set once */
    struct tri__node down_node;
    _Atomic(struct tri__message *) inbox;
    _Atomic uint64_t drained; /* bytes of output; the reactor's */

    /* Shared, mostly the handler's. */
    _Alignas(TRI__CACHE_LINE) _Atomic uint32_t up;
    struct tri__node up_node;
    _Atomic(struct tri__chunk *) outbox;
    _Atomic uint64_t taken; /* bytes of input; the handler's */

    /* The handler's. Not cleared before START. */
    _Alignas(TRI__CACHE_LINE) struct tri__scheduler *scheduler;
    struct tri__task task;
    struct tri__fiber *fiber; /* that waits on the call */
    uint32_t waiting_for;
    uint32_t seen;
    struct tri__message *messages;
    struct tri__chunk *open;
    const void *request; /* of a method whose requests do not stream */
    struct tri__arena request_arena, scratch, memory;
    uint64_t published;
    uint64_t credit_posted;
    uint32_t emitted;
    uint16_t unbroken; /* messages since the handler last waited */
    uint16_t next_capacity;
    uint8_t side_state; /* of the handler's side: enum in call_handler.c */
    bool ended_ok, told_drain, headers_out;
    uint32_t failure_size;
    char *failure;                          /* message of tri_call_fail */
    struct tri__fields *headers, *trailers; /* with `failure` the reactor's once it has returned */

    _Alignas(TRI__CACHE_LINE) uint8_t inline_message[TRI__INLINE_SIZE];
    _Alignas(TRI__CACHE_LINE) uint8_t inline_chunk[TRI__INLINE_SIZE];

    /* The reactor's: what most calls do not need. Not cleared. */
    struct tri__timer deadline;       /* has_deadline */
    struct tri__list in_reservations; /* is_waiting or is_granted */
    const char *status_text;          /* has_status_text */
    char *status_memory;              /* has_status_memory: what that stands in */
    size_t reserved;                  /* is_granted: bytes of credit beyond the window */
    uint64_t reserved_to;   /* is_granted: of `delivered`: when that is taken, it goes back; or 0 */
    uint64_t progress_at;   /* is_granted: ns, when it last made progress */
    uint64_t progress_from; /* and of `received`: from where it has to make more */
};

/* No power of two: the same field of many calls spreads over the sets of a cache. */
_Static_assert(sizeof(struct tri_call) == 14 * (size_t)TRI__CACHE_LINE, "a slot is 14 lines");

/* The name of a connection's other end, for as long as a call or the connection needs it. */
struct tri__peer {
    uint32_t references; /* the reactor's */
    char text[];
};

/* call_table.c */
struct tri__call_table_config {
    const struct tri__call_limits *limits;
    const struct tri__wire_ops *wire;
    const struct tri__log *log;
    struct tri__poster *poster;
    struct tri__wheel *wheel;
    const uint64_t *now;
    _Atomic size_t *process_used;
};

void tri__call_table_init(struct tri__call_table *table,
                          const struct tri__call_table_config *config);
/* No call may be live. */
void tri__call_table_fini(struct tri__call_table *table);

/* A call for a stream that begins. Returns: NULL without memory. */
struct tri_call *tri__call_open(struct tri__call_table *table, void *link,
                                struct tri__call_budget *budget, struct tri__peer *peer,
                                int32_t stream_id);

void tri__peer_unref(struct tri__peer *peer);

/* call_wire.c and call_input.c: what the wire tells. Thread: the reactor's. */

/*
 * The request's headers are complete: the call goes to `method` by these lanes, within `timeout`.
 */
void tri__call_accept(struct tri_call *call, const struct tri__method *method, tri_duration timeout,
                      uint16_t down_lane, uint16_t up_lane);
/* Ends a call that no handler has seen. `text` is static. */
void tri__call_refuse(struct tri_call *call, uint16_t http_status, tri_code code, const char *text);
void tri__call_receive(struct tri_call *call, const uint8_t *bytes, size_t size);
void tri__call_half_closed(struct tri_call *call);
/* The connection forgets the call, whose stream is gone. */
void tri__call_unlink(struct tri_call *call);
/* The stream is gone; `code` is what that means for a call without a status. */
void tri__call_closed(struct tri_call *call, tri_code code);
/* The server is shutting down; and: it does not wait any longer. */
void tri__call_drain(struct tri_call *call);
void tri__call_abandon(struct tri_call *call, tri_code code, const char *text);
/* Ends the call from the wire's side with a text that is formatted now. */
void tri__call_fail_wire(struct tri_call *call, tri_code code, const char *format, ...)
    TRI_PRINTF(3, 4);
/* Fills in output. Returns: how many bytes; `*is_end` with the last of a call that has a status. */
size_t tri__call_output(struct tri_call *call, uint8_t *out, size_t size, bool *is_end);
/* Consumes the up node; the consumer is not used. */
extern const struct tri__node_kind tri__call_up_kind;

/* The status as it goes out. Returns: its message, not NUL-terminated, and its size. */
const char *tri__call_status(struct tri_call *call, tri_code *code, size_t *size);

/* call_handler.c: consumes the down node; the consumer is the scheduler. */
extern const struct tri__node_kind tri__call_down_kind;

/* call_metadata.c */
/* Stores a field that came. Returns: 0, -EINVAL for broken base64, -E2BIG, -ENOMEM. */
int tri__call_store_field(struct tri_call *call, const char *key, size_t key_size,
                          const char *value, size_t value_size);
/* Walks over fields. `*position` starts at 0. Returns: false at the end. */
bool tri__fields_next(const struct tri__fields *fields, size_t *position, const char **key,
                      size_t *key_size, const char **value, size_t *value_size);

#endif
