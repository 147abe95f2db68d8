/*
 * The life of a call on the handler's side: started, run, and left behind.
 */
#include <string.h>

#include "call.h"
#include "call_post.h"
#include "call_side.h"

enum side_state {
    SIDE_QUEUED,
    SIDE_RUNNING,
    SIDE_LEAVING
};

static void start(struct tri__task *task, struct tri__scheduler *scheduler);

/* Arenas draw on the blocks of the thread that the handler runs on. */
static void begin(struct tri_call *call, struct tri__scheduler *scheduler)
{
    memset(&call->scheduler, 0,
           offsetof(struct tri_call, inline_message) - offsetof(struct tri_call, scheduler));
    call->scheduler = scheduler;
    call->side_state = SIDE_QUEUED;
    call->task.start = start;
    tri__arena_init(&call->request_arena, &scheduler->blocks);
    tri__arena_init(&call->scratch, &scheduler->blocks);
    tri__arena_init(&call->memory, &scheduler->blocks);
    tri__scheduler_add(scheduler, &call->task);
}

static void consume_down(struct tri__node *node, void *consumer)
{
    struct tri_call *call = tri_container_of(node, struct tri_call, down_node);
    uint32_t bits = tri__bits_take(call, &call->down, TRI__CLOSED) & ~(uint32_t)TRI__CLOSED;

    if ((bits & TRI__START) != 0) {
        begin(call, consumer);
    } else if (call->side_state == SIDE_LEAVING) {
        /* This was the pop that the call had to wait for. */
        tri__post_up(call, TRI__DONE);
        return;
    }
    call->seen |= bits;
    if ((call->waiting_for & bits) != 0)
        tri__fiber_wake(call->fiber);
}

const struct tri__node_kind tri__call_down_kind = {.consume = consume_down};

/* The handler is through: after this the slot may be somebody else's at any time. */
static void leave(struct tri_call *call)
{
    uint32_t bits = TRI__STATUS;

    if (call->open != NULL) {
        tri__outbox_push(call, call->open);
        call->open = NULL;
        bits |= TRI__OUTPUT;
    }
    tri__messages_free(call->messages);
    call->messages = NULL;
    tri__arena_reset(&call->request_arena);
    tri__arena_reset(&call->scratch);
    tri__arena_reset(&call->memory);
    if ((tri__bits_or(call, &call->down, TRI__CLOSED) & ~(uint32_t)TRI__CLOSED) != 0) {
        call->side_state = SIDE_LEAVING;
        tri__post_up(call, bits);
        return;
    }
    tri__post_up(call, bits | TRI__DONE);
}

/* What a handler may get wrong becomes a status and a line in the log. */
static void settle_status(struct tri_call *call, tri_code code)
{
    if (tri__call_code(call) == TRI_OK) {
        if (code != TRI_OK)
            tri__call_set_code(call,
                               code > TRI_OK && code <= TRI_UNAUTHENTICATED ? code : TRI_UNKNOWN);
        else if (!call->method->replies_stream && call->emitted == 0)
            tri__side_fail(call, TRI_INTERNAL, true, "the handler returned TRI_OK without a reply");
    }
    /* A single reply goes out only with TRI_OK; else it would contradict the status. */
    if (!call->method->replies_stream && tri__call_code(call) != TRI_OK) {
        tri__chunks_free(call->open);
        call->open = NULL;
    }
}

static void run(void *argument)
{
    struct tri_call *call = argument;
    const struct tri__method *method = call->method;

    call->fiber = tri__fiber_current();
    settle_status(call, method->run(call, method->servicer, call->request));
    leave(call);
}

/*
 * The thread's turn has come to the call: on its own stack, where one request is decoded at once.
 */
static void start(struct tri__task *task, struct tri__scheduler *scheduler)
{
    struct tri_call *call = tri_container_of(task, struct tri_call, task);

    call->side_state = SIDE_RUNNING;
    if (tri__call_code(call) == TRI_OK && !call->method->requests_stream)
        call->request = tri__side_decode(call, tri__side_take_message(call));
    if (tri__call_code(call) == TRI_OK) {
        /* Once it has run, the call may be gone: nothing here looks at it again. */
        if (tri__scheduler_start(scheduler, call->method->stack_size, run, call,
                                 call->method->path) == 0)
            return;
        tri__side_fail(call, TRI_RESOURCE_EXHAUSTED, false,
                       "no memory for another handler's stack");
    }
    leave(call);
}
