/*
 * The wire's side of a call, input: bytes of DATA become messages in the inbox. Everything here
 * runs on the reactor that owns the connection.
 */
#include <string.h>

#include "call.h"
#include "call_credit.h"
#include "call_post.h"
#include "wire_field.h"

/*
 * What a message starts with when its length is larger: memory follows the bytes, not the claim.
 * With its head it fills a block of the allocator's.
 */
#define FIRST_CAPACITY (16384 - (uint32_t)sizeof(struct tri__message))

/* The inline memory is free while all that was delivered has been taken. */
static bool inline_is_free(const struct tri_call *call)
{
    return call->message_size <= TRI__INLINE_SIZE - sizeof(struct tri__message) &&
           (call->delivered == 0 ||
            atomic_load_explicit(&call->taken, memory_order_acquire) == call->delivered);
}

/* Memory for the message whose prefix has come; `available` bytes of it are at hand. */
static bool make_message(struct tri_call *call, size_t available)
{
    uint32_t capacity = call->message_size;
    struct tri__message *message;

    if (inline_is_free(call)) {
        message = (struct tri__message *)(void *)call->inline_message;
        message->is_inline = true;
    } else {
        if (capacity > FIRST_CAPACITY && capacity > available)
            capacity = FIRST_CAPACITY;
        message = tri__alloc(sizeof(*message) + capacity);
        if (message == NULL)
            return false;
        message->is_inline = false;
    }
    message->next = NULL;
    message->size = call->message_size;
    message->capacity = capacity;
    call->assembling = message;
    call->assembled = 0;
    return true;
}

static bool grow_message(struct tri_call *call, size_t wanted)
{
    struct tri__message *message = call->assembling;
    size_t capacity = (size_t)message->capacity * 2;

    if (capacity < wanted)
        capacity = wanted;
    if (capacity > message->size)
        capacity = message->size;
    message = tri__resize(message, sizeof(*message) + capacity);
    if (message == NULL)
        return false;
    message->capacity = (uint32_t)capacity;
    call->assembling = message;
    return true;
}

static void deliver(struct tri_call *call, struct tri__message *message)
{
    call->delivered += (uint64_t)message->size + TRI__PREFIX_SIZE;
    if (call->is_dispatched) {
        tri__inbox_push(call, message);
        tri__post_down(call, TRI__MESSAGE);
    } else {
        /* Nobody else knows of the call yet. */
        message->next = atomic_load_explicit(&call->inbox, memory_order_relaxed);
        atomic_store_explicit(&call->inbox, message, memory_order_relaxed);
    }
}

/*
 * Dubbo-Python ends every stream of requests with an empty message of its own, and can be told by
 * its content type: there an empty one is held until it is clear that it was not the last.
 */
static bool deliver_held(struct tri_call *call)
{
    struct tri__message *empty;

    if (!call->holds_empty)
        return true;
    empty = tri__alloc(sizeof(*empty));
    if (empty == NULL)
        return false;
    *empty = (struct tri__message){0};
    call->holds_empty = false;
    deliver(call, empty);
    return true;
}

static void out_of_memory(struct tri_call *call)
{
    tri__call_fail_wire(call, TRI_RESOURCE_EXHAUSTED, "no memory for a message of %u bytes",
                        call->message_size);
}

static void finish_message(struct tri_call *call)
{
    struct tri__message *message = call->assembling;

    call->assembling = NULL;
    call->prefix_size = 0;
    call->messages_received++;
    if (call->is_large && call->is_granted)
        call->reserved_to = call->delivered + message->size + TRI__PREFIX_SIZE;
    else if (call->is_large)
        tri__call_release(call); /* it came by the window alone, before its turn */
    call->is_large = false;
    deliver(call, message);
}

/* A prefix is complete: what it says is checked before memory is spent. */
static bool check_prefix(struct tri_call *call)
{
    const struct tri__call_limits *limits = call->table->limits;

    call->message_size = tri__prefix_size(call->prefix);
    if (call->prefix[0] > 1) {
        tri__call_fail_wire(call, TRI_INTERNAL, "a message's flag byte is %u; 0 and 1 are known",
                            call->prefix[0]);
    } else if (call->prefix[0] == 1) {
        tri__call_fail_wire(call, TRI_INTERNAL,
                            "a message is compressed, but the call has no grpc-encoding");
    } else if (call->message_size > limits->receive_message_max) {
        tri__call_fail_wire(call, TRI_RESOURCE_EXHAUSTED,
                            "a request message of %u bytes; the limit is %zu", call->message_size,
                            limits->receive_message_max);
    } else if (!call->method->requests_stream && call->messages_received > 0) {
        if (call->content == TRI__CONTENT_GRPC_DATA && call->message_size == 0) {
            call->prefix_size = 0;
            return false;
        }
        tri__call_fail_wire(call, TRI_UNIMPLEMENTED,
                            "more than one request message for a method that takes one");
    } else {
        return true;
    }
    return false;
}

static bool begin_message(struct tri_call *call, size_t available)
{
    const struct tri__call_limits *limits = call->table->limits;

    if (!check_prefix(call))
        return false;
    if (!deliver_held(call)) {
        out_of_memory(call);
        return false;
    }
    if (call->message_size == 0 && call->content == TRI__CONTENT_GRPC_DATA &&
        call->method->requests_stream) {
        call->holds_empty = true;
        call->prefix_size = 0;
        return false;
    }
    if (!make_message(call, available)) {
        out_of_memory(call);
        return false;
    }
    /* The second prefix is that of the empty message with which Dubbo-Python ends a stream. */
    if ((uint64_t)call->message_size + (size_t)2 * TRI__PREFIX_SIZE > limits->stream_window &&
        available < call->message_size) {
        call->is_large = true;
        if (call->is_dispatched)
            tri__post_down(call, TRI__LARGE);
        else
            tri__call_reserve(call);
    }
    if (call->allowed - call->received + available < (uint64_t)call->message_size + TRI__CREDIT_LOW)
        tri__call_return_credit(call);
    return true;
}

/* Most prefixes come in one piece. Returns: how many bytes of it were there. */
static size_t take_prefix(struct tri_call *call, const uint8_t *bytes, size_t size)
{
    size_t missing = (size_t)(TRI__PREFIX_SIZE - call->prefix_size);

    if (tri_likely(missing == TRI__PREFIX_SIZE && size >= TRI__PREFIX_SIZE)) {
        memcpy(call->prefix, bytes, TRI__PREFIX_SIZE);
        call->prefix_size = TRI__PREFIX_SIZE;
        return TRI__PREFIX_SIZE;
    }
    size_t taken = size < missing ? size : missing;

    memcpy(call->prefix + call->prefix_size, bytes, taken);
    call->prefix_size = (uint8_t)(call->prefix_size + taken);
    return taken;
}

void tri__call_receive(struct tri_call *call, const uint8_t *bytes, size_t size)
{
    call->received += size;
    if (call->is_granted)
        tri__call_note_progress(call);
    while (call->wire_state == TRI__WIRE_OPEN) {
        if (call->prefix_size < TRI__PREFIX_SIZE) {
            size_t taken = take_prefix(call, bytes, size);

            bytes += taken;
            size -= taken;
            if (call->prefix_size < TRI__PREFIX_SIZE)
                return;
            if (!begin_message(call, size))
                continue;
        }
        struct tri__message *message = call->assembling;
        size_t piece = message->size - call->assembled;

        if (piece > size)
            piece = size;
        if (call->assembled + piece > message->capacity) {
            if (!grow_message(call, call->assembled + piece)) {
                out_of_memory(call);
                return;
            }
            message = call->assembling;
        }
        memcpy(message->bytes + call->assembled, bytes, piece);
        call->assembled += (uint32_t)piece;
        bytes += piece;
        size -= piece;
        if (call->assembled < message->size)
            return;
        finish_message(call);
        if (call->allowed - call->received < TRI__CREDIT_LOW)
            tri__call_return_credit(call);
    }
}
