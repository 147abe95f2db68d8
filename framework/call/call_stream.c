/*
 * The streams of a call as its handler sees them: next, read, emit.
 */
#include <trireme/metadata.h>

#include "call.h"
#include "call_post.h"
#include "call_side.h"

/* Chunks grow with what is emitted between two flushes; with its head one fills a block. */
#define CHUNK_MIN (256 - (uint32_t)sizeof(struct tri__chunk))
#define CHUNK_MAX (16384 - (uint32_t)sizeof(struct tri__chunk))

/* Messages taken, or emitted, without a wait. */
#define MESSAGE_SHARE 128
#define EMIT_SHARE 8192

void tri__side_assert_current(const struct tri_call *call)
{
    tri_assert(call->fiber == tri__fiber_current());
}

bool tri__side_wait(struct tri_call *call, uint32_t bits, uint64_t deadline)
{
    call->waiting_for = bits;
    call->unbroken = 0;
    bool woken = tri__fiber_park_until(deadline);

    call->waiting_for = 0;
    return woken;
}

/* Bits that have come, those too whose node this thread has not popped yet. */
static uint32_t bits_of(struct tri_call *call)
{
    return call->seen | atomic_load_explicit(&call->down, memory_order_acquire);
}

/*
 * The size of the chunks follows the use that is made of them: a stream that publishes each small
 * reply by itself must not hold a large chunk for each while its peer does not read.
 */
static void learn_capacity(struct tri_call *call, const struct tri__chunk *chunk)
{
    if (chunk->size > chunk->capacity / 4 * 3)
        call->next_capacity =
            chunk->capacity < CHUNK_MAX / 4 ? (uint16_t)(chunk->capacity * 4) : CHUNK_MAX;
    else if (chunk->size < chunk->capacity / 4)
        call->next_capacity = (uint16_t)(chunk->capacity / 4);
}

void tri__side_publish(struct tri_call *call, uint32_t bits)
{
    struct tri__chunk *chunk = call->open;

    if (chunk != NULL && call->method->replies_stream) {
        learn_capacity(call, chunk);
        call->open = NULL;
        call->published += chunk->size;
        call->headers_out = true;
        tri__outbox_push(call, chunk);
        bits |= TRI__OUTPUT;
    }
    if (bits != 0)
        tri__post_up(call, bits);
}

struct tri__message *tri__side_take_message(struct tri_call *call)
{
    if (call->messages == NULL) {
        /* The inbox comes newest first. */
        struct tri__message *message = tri__inbox_take(call);

        while (message != NULL) {
            struct tri__message *next = message->next;

            message->next = call->messages;
            call->messages = message;
            message = next;
        }
    }
    struct tri__message *message = call->messages;

    if (message != NULL)
        call->messages = message->next;
    return message;
}

struct decoding {
    struct tri_call *call;
    const struct tri__message *message;
    const void *decoded;
    tri_code code;
    char error[160];
};

static void decode(void *argument)
{
    struct decoding *decoding = argument;
    struct tri_call *call = decoding->call;

    decoding->code =
        tri__decode(&call->method->request, &call->request_arena, &call->table->limits->decode,
                    decoding->message->bytes, decoding->message->size, &decoding->decoded,
                    decoding->error, sizeof(decoding->error));
}

const void *tri__side_decode(struct tri_call *call, struct tri__message *message)
{
    struct decoding decoding;
    uint64_t taken =
        atomic_load_explicit(&call->taken, memory_order_relaxed) + message->size + TRI__PREFIX_SIZE;

    decoding.call = call;
    decoding.message = message;
    decoding.decoded = NULL;
    tri__on_thread_stack(decode, &decoding);
    message->next = NULL;
    tri__messages_free(message);
    /* Release: with these bytes goes the message that is part of the call. */
    atomic_store_explicit(&call->taken, taken, memory_order_release);
    if (decoding.code != TRI_OK) {
        tri__side_fail(call, decoding.code, false, decoding.error);
        return NULL;
    }
    return decoding.decoded;
}

/* Before any wait: the credit for what has been taken goes back, however little it is. */
static uint32_t credit_bit(struct tri_call *call)
{
    uint64_t taken = atomic_load_explicit(&call->taken, memory_order_relaxed);

    if (taken == call->credit_posted)
        return 0;
    call->credit_posted = taken;
    return TRI__CREDIT;
}

/*
 * Before a wait for input: a message above the window gets its credit only from one that wants it.
 */
static uint32_t want_bit(struct tri_call *call)
{
    if ((call->seen & TRI__LARGE) == 0)
        return 0;
    call->seen &= ~(uint32_t)TRI__LARGE;
    return TRI__WANT_READ;
}

/* A stream that never has to wait lets the others of its thread run now and then. */
static void breathe(struct tri_call *call, uint32_t share)
{
    if (++call->unbroken < share)
        return;
    call->unbroken = 0;
    tri__side_publish(call, credit_bit(call));
    tri__fiber_yield();
}

/*
 * Waits for a message. Once the time is up it looks one last time, so a message that has come is
 * never passed over for a timeout.
 */
static int fetch(struct tri_call *call, struct tri__message **message, uint64_t deadline,
                 bool tells_drain)
{
    uint32_t awaited = TRI__MESSAGE | TRI__HALF_CLOSED | TRI__CANCEL | TRI__LARGE |
                       (tells_drain ? TRI__DRAIN : 0u);
    bool is_late = deadline == 0;

    for (;;) {
        uint32_t bits = bits_of(call);

        if (tri__call_code(call) != TRI_OK)
            return TRI_OVER;
        call->seen &= ~(uint32_t)TRI__MESSAGE;
        *message = tri__side_take_message(call);
        if (*message != NULL) {
            breathe(call, MESSAGE_SHARE);
            return TRI_MESSAGE;
        }
        /* The bits were read before the inbox: an empty one then is the end. */
        if ((bits & TRI__HALF_CLOSED) != 0) {
            call->ended_ok = true;
            return TRI_EOF;
        }
        if (tells_drain && !call->told_drain && (bits & TRI__DRAIN) != 0) {
            call->told_drain = true;
            return TRI_DRAINING;
        }
        tri__side_publish(call, credit_bit(call) | want_bit(call));
        if (is_late)
            return TRI_TIMED_OUT;
        if (!tri__side_wait(call, call->told_drain ? awaited & ~(uint32_t)TRI__DRAIN : awaited,
                            deadline))
            is_late = true;
    }
}

/* The previous request and scratch have lived as long as they may. */
static void begin_request(struct tri_call *call)
{
    tri__side_assert_current(call);
    tri_assert(call->method->requests_stream);
    tri__arena_reset(&call->request_arena);
    tri__arena_reset(&call->scratch);
}

static const void *receive(struct tri_call *call, struct tri__message *message)
{
    const void *request = tri__side_decode(call, message);
    uint64_t taken = atomic_load_explicit(&call->taken, memory_order_relaxed);

    /* Not with every message: the window has room for more. */
    if (taken - call->credit_posted >= call->table->limits->stream_window / 4) {
        call->credit_posted = taken;
        tri__post_up(call, TRI__CREDIT);
    }
    return request;
}

const void *tri_gen_next(tri_call *call)
{
    struct tri__message *message;

    begin_request(call);
    return fetch(call, &message, TRI__NEVER, false) == TRI_MESSAGE ? receive(call, message) : NULL;
}

int tri_gen_read(tri_call *call, const void **request, tri_duration timeout)
{
    struct tri__message *message;
    uint64_t deadline = 0;

    begin_request(call);
    *request = NULL;
    if (timeout != 0)
        deadline = tri__time_after(tri__now(call->scheduler->clock), timeout);
    int outcome = fetch(call, &message, deadline, true);

    if (outcome != TRI_MESSAGE)
        return outcome;
    *request = receive(call, message);
    return *request != NULL ? TRI_MESSAGE : TRI_OVER;
}

/*
 * The chunk that is part of the call can be used when the reactor has drained all that was
 * published.
 */
static bool inline_is_free(const struct tri_call *call, size_t size)
{
    if (size > TRI__INLINE_SIZE - sizeof(struct tri__chunk))
        return false;
    return atomic_load_explicit(&call->drained, memory_order_acquire) == call->published;
}

static struct tri__chunk *make_chunk(struct tri_call *call, size_t size)
{
    struct tri__chunk *chunk;

    if (inline_is_free(call, size)) {
        chunk = (struct tri__chunk *)(void *)call->inline_chunk;
        *chunk = (struct tri__chunk){.capacity = TRI__INLINE_SIZE - (uint32_t)sizeof(*chunk),
                                     .is_inline = true};
        return chunk;
    }
    size_t capacity = size;

    if (call->method->replies_stream) {
        if (capacity < CHUNK_MIN)
            capacity = CHUNK_MIN;
        if (capacity < call->next_capacity)
            capacity = call->next_capacity;
    }
    chunk = tri__alloc(sizeof(*chunk) + capacity);
    if (chunk != NULL)
        *chunk = (struct tri__chunk){.capacity = (uint32_t)capacity};
    return chunk;
}

/* Room for `size` bytes in the open chunk; a full one is published. */
static uint8_t *make_room(struct tri_call *call, size_t size)
{
    struct tri__chunk *chunk = call->open;

    if (chunk != NULL && chunk->capacity - chunk->size < size) {
        tri__side_publish(call, 0);
        chunk = NULL;
    }
    if (chunk == NULL) {
        chunk = make_chunk(call, size);
        if (chunk == NULL)
            return NULL;
        call->open = chunk;
    }
    uint8_t *room = chunk->bytes + chunk->size;

    chunk->size += (uint32_t)size;
    return room;
}

struct encoding {
    const void *message;
    uint8_t *out;
    size_t size;
};

static void measure(void *argument)
{
    struct encoding *encoding = argument;

    encoding->size = tri__encoded_size(encoding->message);
}

static void encode(void *argument)
{
    struct encoding *encoding = argument;

    tri__encode(encoding->message, encoding->out);
}

static void on_right_stack(const struct tri_call *call, void (*function)(void *),
                           struct encoding *encoding)
{
    if (call->method->reply.is_flat)
        function(encoding);
    else
        tri__on_thread_stack(function, encoding);
}

static tri_code check_reply(struct tri_call *call, const void *reply)
{
    if (tri__call_code(call) != TRI_OK)
        return tri__call_code(call);
    if (!tri__message_is_sound(&call->method->reply, reply))
        return tri__side_fail(
            call, TRI_INTERNAL, true,
            "the handler emitted something that is no reply of this method, or not initialized");
    if (!call->method->replies_stream && call->emitted > 0)
        return tri__side_fail(call, TRI_INTERNAL, true,
                              "the handler emitted two replies where one is due");
    return TRI_OK;
}

static tri_code reply_too_large(struct tri_call *call, size_t size, size_t limit)
{
    return tri_call_fail(call, TRI_RESOURCE_EXHAUSTED,
                         "a reply message of %zu bytes; the limit is %zu", size, limit);
}

/* Waits while the peer is behind. */
static tri_code wait_for_room(struct tri_call *call)
{
    for (;;) {
        uint64_t drained = atomic_load_explicit(&call->drained, memory_order_relaxed);
        uint64_t backlog = call->published + (call->open != NULL ? call->open->size : 0) - drained;

        if (tri__call_code(call) != TRI_OK)
            return tri__call_code(call);
        if (backlog <= call->table->limits->high_mark)
            return TRI_OK;
        call->seen &= ~(uint32_t)TRI__WRITABLE;
        tri__side_publish(call, credit_bit(call) | TRI__WANT_WRITE);
        tri__side_wait(call, TRI__WRITABLE | TRI__CANCEL, TRI__NEVER);
    }
}

/* A reply is held back for its successors, but not longer than this thread's last push is old. */
static void publish_if_held_long(struct tri_call *call)
{
    struct tri__scheduler *scheduler = call->scheduler;

    if (call->method->is_inline || !tri__scheduler_look_at_clock(scheduler))
        return;
    if (scheduler->now - scheduler->poster.pushed_at >= TRI__HOLD_MAX) {
        tri__side_publish(call, 0);
        tri__poster_push(&scheduler->poster, scheduler->now);
        if (tri__poster_is_overdue(&scheduler->poster, scheduler->now))
            tri__poster_settle(&scheduler->poster);
    }
}

tri_code tri_gen_emit(tri_call *call, const void *reply)
{
    struct encoding encoding = {.message = reply};
    size_t limit = call->table->limits->send_message_max;
    tri_code code;

    tri__side_assert_current(call);
    code = check_reply(call, reply);
    if (code != TRI_OK)
        return code;
    on_right_stack(call, measure, &encoding);
    /* The frame's length field has 32 bits. */
    if (encoding.size > limit || encoding.size > UINT32_MAX - TRI__INLINE_SIZE)
        return reply_too_large(call, encoding.size, limit);
    uint8_t *room = make_room(call, encoding.size + TRI__PREFIX_SIZE);

    if (room == NULL)
        return tri__side_fail(call, TRI_RESOURCE_EXHAUSTED, false, "no memory for a reply");
    tri__prefix_write(room, (uint32_t)encoding.size);
    encoding.out = room + TRI__PREFIX_SIZE;
    on_right_stack(call, encode, &encoding);
    tri__arena_reset(&call->scratch);
    call->emitted++;
    if (!call->method->replies_stream)
        return TRI_OK;
    publish_if_held_long(call);
    breathe(call, EMIT_SHARE);
    return wait_for_room(call);
}

/* What is published goes out at once; the scheduler's time must not fall behind the poster's. */
static void push_now(struct tri_call *call)
{
    struct tri__scheduler *scheduler = call->scheduler;

    if (call->method->is_inline)
        return;
    scheduler->now = tri__now(scheduler->clock);
    tri__poster_push(&scheduler->poster, scheduler->now);
}

tri_code tri_gen_flush(tri_call *call)
{
    tri__side_assert_current(call);
    tri__side_publish(call, 0);
    push_now(call);
    return tri__call_code(call);
}

tri_code tri_call_send_headers(tri_call *call)
{
    tri__side_assert_current(call);
    if (call->headers_out || tri__call_code(call) != TRI_OK)
        return tri__call_code(call);
    call->headers_out = true;
    tri__side_publish(call, TRI__HEADERS);
    push_now(call);
    return TRI_OK;
}

tri_code tri_call_sleep(tri_call *call, tri_duration duration)
{
    uint64_t deadline = tri__time_after(tri__now(call->scheduler->clock), duration);

    tri__side_assert_current(call);
    tri__side_publish(call, credit_bit(call));
    while (tri__call_code(call) == TRI_OK && tri__side_wait(call, TRI__CANCEL, deadline))
        ;
    return tri__call_code(call);
}
