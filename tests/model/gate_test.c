/*
 * Goal: in every interleaving of a call's two sides, its nodes are queued at most once each, every
 * message and chunk is freed once, DONE is said once and with it the handler's last touch is over,
 * and no bit is lost. Method: framework/call/call_post.h, call_handler.c and queue/mailbox.c
 * themselves, compiled with the operations of explore.h. The reactor's side of a call and the
 * handler are reduced to what they do to the shared words. The same with deliberate mistakes.
 */
#include "explore.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

/* The sources themselves, with each atomic operation made a point of scheduling. */
#include "call_handler.c" /* NOLINT(bugprone-suspicious-include) */
#include "mailbox.c"      /* NOLINT(bugprone-suspicious-include) */

#define MESSAGES 2

enum mistake {
    NONE,
    LEAVES_AT_ONCE,
    DONE_BEFORE_CLOSED,
    FREES_WITHOUT_DONE,
    BITS_AFTER_INBOX,
    OUTPUT_AFTER_DONE
};

enum ending {
    HALF_CLOSES,
    CANCELS, /* at any time, and the handler may be anywhere */
    RETURNS_EARLY,
    UNARY, /* the message is there before START, which is stored and not posted */
    ENDINGS
};

static struct {
    struct tri_call call;
    struct tri__call_table table;
    struct tri__scheduler scheduler;
    struct tri__poster reactor_poster;
    struct tri__lane up_lane, down_lane;
    struct tri__mailbox worker_mailbox, reactor_mailbox;
    _Alignas(8) uint8_t messages[MESSAGES][sizeof(struct tri__message)];
    _Alignas(8) uint8_t chunk[sizeof(struct tri__chunk)];
    uint32_t messages_freed, chunks_freed, taken, done;
    uint8_t left_behind[sizeof(struct tri_call)]; /* the slot when it was freed */
    bool is_wire_closed, is_freed, saw_end;
    uint64_t padding; /* hashed in words */
} shared;

static enum mistake mistake;
static enum ending ending;

static struct tri__message *message_at(int index)
{
    return (struct tri__message *)(void *)shared.messages[index];
}

/* --- What call_handler.c is linked with elsewhere --- */

void tri__messages_free(struct tri__message *message)
{
    for (; message != NULL; message = message->next) {
        explore_check(!message->is_inline); /* here: freed */
        message->is_inline = true;
        shared.messages_freed++;
    }
}

void tri__chunks_free(struct tri__chunk *chunk)
{
    for (; chunk != NULL; chunk = chunk->next) {
        explore_check(!chunk->is_inline);
        chunk->is_inline = true;
        shared.chunks_freed++;
    }
}

const void *tri__side_decode(struct tri_call *call, struct tri__message *message)
{
    (void)call, (void)message;
    abort();
}

struct tri__message *tri__side_take_message(struct tri_call *call)
{
    (void)call;
    abort();
}

tri_code tri__side_fail(struct tri_call *call, tri_code code, bool is_mistake, const char *text)
{
    (void)call, (void)code, (void)is_mistake, (void)text;
    abort();
}

/* --- The reactor --- */

static void free_if_over(struct tri_call *call)
{
    if (!shared.is_wire_closed || (shared.done == 0 && mistake != FREES_WITHOUT_DONE) ||
        shared.is_freed)
        return;
    explore_check(call->up == 0);
    tri__messages_free(atomic_exchange_explicit(&call->inbox, NULL, memory_order_acquire));
    tri__chunks_free(atomic_exchange_explicit(&call->outbox, NULL, memory_order_acquire));
    explore_check(shared.down_lane.first == NULL && shared.worker_mailbox.head == NULL);
    explore_check(shared.up_lane.first == NULL && shared.reactor_mailbox.head == NULL);
    /* Whoever writes to it from now on is found out at the end. */
    call->down = 0x5500;
    call->up = 0x5500;
    memcpy(shared.left_behind, (const void *)call, sizeof(*call));
    shared.is_freed = true;
}

static void consume_up(struct tri__node *node, void *consumer)
{
    struct tri_call *call = tri_container_of(node, struct tri_call, up_node);
    uint32_t bits = tri__bits_take(call, &call->up, 0);

    (void)consumer;
    explore_check(!shared.is_freed);
    if ((bits & TRI__OUTPUT) != 0)
        tri__chunks_free(atomic_exchange_explicit(&call->outbox, NULL, memory_order_acquire));
    if ((bits & TRI__DONE) != 0) {
        explore_check(shared.done == 0);
        shared.done = 1;
        free_if_over(call);
    }
}

static const struct tri__node_kind up_kind = {.consume = consume_up};

/* The stage POST: what is chained goes out. */
static void push(struct tri__lane *lane, struct tri__mailbox *mailbox)
{
    if (lane->first == NULL)
        return;
    tri__mailbox_push(mailbox, lane->first, lane->last);
    lane->first = NULL;
    lane->is_dirty = false;
    lane->count = 0;
}

static void turn_reactor(void)
{
    push(&shared.down_lane, &shared.worker_mailbox);
    tri__mailbox_drain(&shared.reactor_mailbox);
}

static void begin_unary(struct tri_call *call)
{
    call->inbox = message_at(0);
    call->down = TRI__START | TRI__HALF_CLOSED;
    tri__poster_add(&shared.reactor_poster, 0, &call->down_node);
    turn_reactor();
}

static void begin_stream(struct tri_call *call)
{
    tri__post_down(call, TRI__START);
    turn_reactor();
    for (int i = 0; i < MESSAGES && !shared.is_freed; i++) {
        tri__inbox_push(call, message_at(i));
        tri__post_down(call, TRI__MESSAGE);
        /* One turn of the reactor may bring much, or little. */
        if (i == 0)
            turn_reactor();
    }
}

static bool reactor_has_work(int index)
{
    (void)index;
    return shared.reactor_mailbox.head != NULL;
}

static void be_reactor(int index)
{
    struct tri_call *call = &shared.call;

    (void)index;
    if (ending == UNARY)
        begin_unary(call);
    else
        begin_stream(call);
    if (ending == HALF_CLOSES || ending == RETURNS_EARLY) {
        tri__post_down(call, TRI__HALF_CLOSED);
        turn_reactor();
    }
    if (ending != HALF_CLOSES)
        tri__call_set_code(call, TRI_CANCELLED);
    shared.is_wire_closed = true;
    if (shared.done == 0 && ending != HALF_CLOSES)
        tri__post_down(call, TRI__CANCEL);
    free_if_over(call);
    turn_reactor();
    while (!shared.is_freed) {
        explore_wait(reactor_has_work);
        turn_reactor();
    }
}

/* --- The worker and its handler --- */

static void leave_wrongly(struct tri_call *call)
{
    if (mistake == OUTPUT_AFTER_DONE) {
        struct tri__chunk *chunk = call->open;

        call->open = NULL;
        leave(call);
        push(&shared.up_lane, &shared.reactor_mailbox);
        tri__outbox_push(call, chunk);
        return;
    }
    tri__messages_free(call->messages);
    if (mistake == DONE_BEFORE_CLOSED) {
        tri__outbox_push(call, call->open);
        tri__post_up(call, TRI__OUTPUT | TRI__STATUS | TRI__DONE);
        push(&shared.up_lane, &shared.reactor_mailbox);
        tri__bits_or(call, &call->down, TRI__CLOSED);
        return;
    }
    tri__outbox_push(call, call->open);
    tri__bits_or(call, &call->down, TRI__CLOSED);
    tri__post_up(call, TRI__OUTPUT | TRI__STATUS | TRI__DONE);
}

static void end_handler(struct tri_call *call)
{
    call->open = (struct tri__chunk *)(void *)shared.chunk;
    shared.saw_end = true;
    if (mistake == LEAVES_AT_ONCE || mistake == DONE_BEFORE_CLOSED || mistake == OUTPUT_AFTER_DONE)
        leave_wrongly(call);
    else
        leave(call);
}

static bool take_inbox(struct tri_call *call)
{
    struct tri__message *message =
        atomic_exchange_explicit(&call->inbox, NULL, memory_order_acquire);
    bool has_any = message != NULL;

    for (const struct tri__message *at = message; at != NULL; at = at->next)
        shared.taken++;
    tri__messages_free(message);
    return has_any;
}

/* What fetch() does, until it would wait. */
static void run_handler(struct tri_call *call)
{
    for (;;) {
        bool took = mistake == BITS_AFTER_INBOX && take_inbox(call);
        uint32_t bits = call->seen | atomic_load_explicit(&call->down, memory_order_acquire);

        if (tri__call_code(call) != TRI_OK || ending == RETURNS_EARLY) {
            end_handler(call);
            return;
        }
        if (mistake != BITS_AFTER_INBOX)
            took = take_inbox(call);
        if (took)
            continue;
        if ((bits & TRI__HALF_CLOSED) != 0) {
            /* The end is never told before the last message. */
            explore_check(shared.taken == (ending == UNARY ? 1 : MESSAGES));
            end_handler(call);
        }
        return;
    }
}

static bool worker_has_work(int index)
{
    (void)index;
    return shared.worker_mailbox.head != NULL;
}

static void be_worker(int index)
{
    (void)index;
    while (!shared.is_freed) {
        explore_wait(worker_has_work);
        tri__mailbox_drain(&shared.worker_mailbox);
        if (!shared.saw_end && shared.scheduler.ready_first != NULL) {
            shared.call.side_state = SIDE_RUNNING;
            run_handler(&shared.call);
        }
        push(&shared.up_lane, &shared.reactor_mailbox);
    }
}

/* --- */

static void never_woken(struct tri__mailbox *mailbox)
{
    (void)mailbox;
}

static const struct tri__method unary = {0};
static const struct tri__method streaming = {.requests_stream = true, .replies_stream = true};

static void reset(void)
{
    struct tri_call *call = &shared.call;

    memset((void *)&shared, 0, sizeof(shared));
    tri__mailbox_init(&shared.worker_mailbox, never_woken, &shared.scheduler);
    tri__mailbox_init(&shared.reactor_mailbox, never_woken, NULL);
    shared.reactor_poster.lanes = &shared.down_lane;
    shared.reactor_poster.count = 1;
    shared.scheduler.poster.lanes = &shared.up_lane;
    shared.scheduler.poster.count = 1;
    shared.table.poster = &shared.reactor_poster;
    call->table = &shared.table;
    call->method = ending == UNARY ? &unary : &streaming;
    call->scheduler = &shared.scheduler;
    call->down_node.kind = &tri__call_down_kind;
    call->up_node.kind = &up_kind;
}

static void check_end(void)
{
    uint32_t messages = ending == UNARY ? 1 : MESSAGES;

    explore_check(shared.is_freed);
    explore_check(shared.messages_freed == messages);
    explore_check(shared.chunks_freed == 1);
    explore_check(shared.worker_mailbox.head == NULL && shared.reactor_mailbox.head == NULL);
    explore_check(shared.up_lane.first == NULL && shared.down_lane.first == NULL);
    explore_check(memcmp((const void *)&shared.call, shared.left_behind, sizeof(shared.call)) == 0);
}

static struct explore_result explore_gate(enum ending how, enum mistake made)
{
    static const struct explore_scenario scenario = {
        .functions = {be_reactor, be_worker},
        .threads = 2,
        .reset = reset,
        .check_end = check_end,
        .memory = &shared,
        .memory_size = sizeof(shared),
    };

    ending = how;
    mistake = made;
    return explore(&scenario);
}

static void a_slot_is_freed_once(void **state)
{
    static const char *const names[] = {"half-close", "cancel", "early return", "unary"};

    (void)state;
    for (int how = 0; how < ENDINGS; how++) {
        struct explore_result result = explore_gate((enum ending)how, NONE);

        printf("gate: %s: %llu states, %llu runs, depth %d\n", names[how],
               (unsigned long long)result.states, (unsigned long long)result.runs, result.depth);
        if (result.failure != NULL)
            fail_msg("%s: %s", names[how], result.failure);
        assert_true(result.runs > 10);
    }
}

static void mistakes_are_found(void **state)
{
    (void)state;
    for (int made = LEAVES_AT_ONCE; made <= OUTPUT_AFTER_DONE; made++) {
        struct explore_result result = {.failure = NULL};

        for (int how = 0; how < ENDINGS && result.failure == NULL; how++)
            result = explore_gate((enum ending)how, (enum mistake)made);
        if (result.failure == NULL)
            fail_msg("mistake %d is not found", made);
        printf("gate: mistake %d found after %llu runs: %s\n", made,
               (unsigned long long)result.runs, result.failure);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slot_is_freed_once),
        cmocka_unit_test(mistakes_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
