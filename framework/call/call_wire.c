/*
 * The wire's side of a call: where it stands, how it ends, and its output; input is call_input.c.
 * Everything here runs on the reactor that owns the connection.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "call.h"
#include "call_credit.h"
#include "call_post.h"

/*
 * For the rest of a message and the trailers to go out, ns: by then a deadline has passed at the
 * peer too.
 */
#define PATIENCE ((int64_t)100 * 1000 * 1000)

static void count_up(_Atomic uint64_t *counter)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

static void drop_input(struct tri_call *call)
{
    tri__messages_free(call->assembling);
    call->assembling = NULL;
    tri__call_release(call);
}

static void drop_output(struct tri_call *call)
{
    for (struct tri__chunk *chunk = call->out_first; chunk != NULL && call->budget != NULL;
         chunk = chunk->next)
        call->budget->output -= chunk->size - chunk->taken;
    tri__chunks_free(call->out_first);
    call->out_first = NULL;
    call->out_last = NULL;
}

/*
 * What has not begun to be sent is dropped. A chunk holds whole messages, so the rest of one that
 * has begun must follow before trailers can.
 */
static void drop_unsent_output(struct tri_call *call)
{
    struct tri__chunk *begun = call->out_first;

    if (begun == NULL || begun->taken == 0) {
        drop_output(call);
        return;
    }
    call->out_first = begun->next;
    begun->next = NULL;
    drop_output(call);
    call->out_first = begun;
    call->out_last = begun;
}

static void set_deadline(struct tri_call *call, void (*fire)(struct tri__timer *), uint64_t when)
{
    tri__call_clear_deadline(call);
    call->has_deadline = true;
    tri__timer_init(&call->deadline, fire);
    tri__timer_set(call->table->wheel, &call->deadline, when);
}

static void give_up(struct tri__timer *timer)
{
    struct tri_call *call = tri_container_of(timer, struct tri_call, deadline);

    call->table->wire->reset(call, false);
    drop_output(call);
}

/*
 * Ends the call from the wire's side: with trailers, or with a reset when the peer opens no window
 * for what has to go before them. The handler, if there is one, is told, and may take its time.
 * `memory`, which may be NULL, is what `text` stands in, and is the call's from now on.
 */
static void end(struct tri_call *call, tri_code code, const char *text, char *memory)
{
    if (call->wire_state != TRI__WIRE_OPEN)
        return;
    call->wire_state = TRI__WIRE_ENDING;
    call->status_code = tri__call_set_code(call, code);
    call->has_status_text = call->status_code == code;
    call->status_text = text;
    call->has_status_memory = memory != NULL;
    call->status_memory = memory;
    if (call->is_dispatched && !call->is_done)
        tri__post_down(call, TRI__CANCEL);
    call->is_done = call->is_done || !call->is_dispatched;
    call->has_status = true;
    drop_input(call);
    drop_unsent_output(call);
    if (call->has_headers) {
        call->table->wire->resume(call);
        set_deadline(call, give_up, tri__time_after(*call->table->now, PATIENCE));
    } else {
        call->has_headers = true;
        call->table->wire->respond(call, false);
    }
}

void tri__call_refuse(struct tri_call *call, uint16_t http_status, tri_code code, const char *text)
{
    call->http_status = http_status;
    count_up(&call->table->refused);
    end(call, code, text, NULL);
}

void tri__call_abandon(struct tri_call *call, tri_code code, const char *text)
{
    end(call, code, text, NULL);
}

void tri__call_fail_wire(struct tri_call *call, tri_code code, const char *format, ...)
{
    char text[256];
    va_list arguments;

    if (call->wire_state != TRI__WIRE_OPEN)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (!call->is_dispatched)
        count_up(&call->table->refused);
    char *memory = tri__strdup(text);

    end(call, code, memory != NULL ? memory : "", memory);
}

const char *tri__call_status(struct tri_call *call, tri_code *code, size_t *size)
{
    if (call->wire_state == TRI__WIRE_ENDING && call->has_status_text) {
        *code = call->status_code;
        *size = strlen(call->status_text);
        return call->status_text;
    }
    *code = tri__call_code(call);
    *size = 0;
    if (!call->has_returned)
        return NULL; /* the handler may be writing its own text this moment */
    *size = call->failure != NULL && *code != TRI_OK ? call->failure_size : 0;
    return call->failure;
}

static void deadline_passed(struct tri__timer *timer)
{
    end(tri_container_of(timer, struct tri_call, deadline), TRI_DEADLINE_EXCEEDED,
        "the deadline has passed", NULL);
}

/*
 * Nobody else knows of the call yet: the push of its node publishes what stands here, so no
 * read-modify-write is needed.
 */
static void dispatch(struct tri_call *call, uint32_t bits)
{
    call->is_dispatched = true;
    count_up(&call->table->started);
    atomic_store_explicit(&call->down, TRI__START | bits, memory_order_relaxed);
    tri__poster_add(call->table->poster, call->down_lane, &call->down_node);
}

void tri__call_accept(struct tri_call *call, const struct tri__method *method, tri_duration timeout,
                      uint16_t down_lane, uint16_t up_lane)
{
    struct tri__call_table *table = call->table;

    /* Abandoned while its header block was on its way. */
    if (call->wire_state != TRI__WIRE_OPEN)
        return;
    call->method = method;
    call->is_local = method->is_inline;
    call->down_lane = down_lane;
    call->up_lane = up_lane;
    if (timeout == 0) {
        tri__call_refuse(call, 200, TRI_DEADLINE_EXCEEDED, "the deadline had passed on arrival");
        return;
    }
    call->deadline_at = tri__time_after(*table->now, timeout);
    if (call->deadline_at != TRI__NEVER)
        set_deadline(call, deadline_passed, call->deadline_at);
    /* With one request there is nothing to do for a handler before that is whole. */
    if (method->requests_stream)
        dispatch(call, 0);
}

void tri__call_half_closed(struct tri_call *call)
{
    call->is_half_closed = true;
    if (call->wire_state != TRI__WIRE_OPEN || call->method == NULL)
        return;
    if (call->prefix_size != 0) {
        tri__call_fail_wire(call, TRI_INTERNAL, "the request ended within a message");
    } else if (call->method->requests_stream) {
        tri__post_down(call, TRI__HALF_CLOSED);
    } else if (call->messages_received == 0) {
        tri__call_fail_wire(call, TRI_UNIMPLEMENTED,
                            "no request message for a method that takes one");
    } else {
        dispatch(call, TRI__HALF_CLOSED);
    }
}

void tri__call_closed(struct tri_call *call, tri_code code)
{
    call->wire_state = TRI__WIRE_CLOSED;
    if (!call->has_status)
        tri__call_set_code(call, code);
    if (call->is_dispatched && !call->is_done)
        tri__post_down(call, TRI__CANCEL);
    else
        call->is_done = true;
    drop_input(call);
    drop_output(call);
    tri__call_clear_deadline(call);
    tri__call_free_if_over(call);
}

void tri__call_unlink(struct tri_call *call)
{
    tri_assert(call->wire_state == TRI__WIRE_CLOSED);
    tri__list_remove(&call->in_link);
    call->link = NULL;
    call->budget = NULL;
}

void tri__call_drain(struct tri_call *call)
{
    if (call->is_dispatched && !call->is_done)
        tri__post_down(call, TRI__DRAIN);
}

static uint64_t backlog(const struct tri_call *call)
{
    return call->output_bytes - atomic_load_explicit(&call->drained, memory_order_relaxed);
}

static void tell_writable(struct tri_call *call)
{
    if (call->wants_writable && backlog(call) < call->table->limits->low_mark) {
        call->wants_writable = false;
        tri__post_down(call, TRI__WRITABLE);
    }
}

size_t tri__call_output(struct tri_call *call, uint8_t *out, size_t size, bool *is_end)
{
    size_t filled = 0;

    while (filled < size && call->out_first != NULL) {
        struct tri__chunk *chunk = call->out_first;
        size_t piece = chunk->size - chunk->taken;

        if (piece > size - filled)
            piece = size - filled;
        memcpy(out + filled, chunk->bytes + chunk->taken, piece);
        chunk->taken += (uint32_t)piece;
        filled += piece;
        if (chunk->taken == chunk->size) {
            call->out_first = chunk->next;
            chunk->next = NULL;
            tri__chunks_free(chunk);
        }
    }
    if (filled > 0) {
        call->budget->output -= filled;
        call->output_at = *call->table->now;
        /* Release: with these bytes goes the chunk that is part of the call. */
        atomic_store_explicit(&call->drained,
                              atomic_load_explicit(&call->drained, memory_order_relaxed) + filled,
                              memory_order_release);
        tell_writable(call);
    }
    *is_end = call->has_status && call->out_first == NULL;
    if (*is_end && call->wire_state == TRI__WIRE_OPEN)
        call->wire_state = TRI__WIRE_ENDING;
    return filled;
}

/*
 * What waits behind a peer that does not read is packed, so that its memory is about its bytes:
 * into the room of the chunk before it goes a chunk that is mostly empty. Not into one that has
 * begun to be sent: that could not be dropped any more.
 */
static bool pack(struct tri__chunk *into, struct tri__chunk *chunk)
{
    if (into->taken > 0 || chunk->size > chunk->capacity / 2 ||
        into->capacity - into->size < chunk->size)
        return false;
    memcpy(into->bytes + into->size, chunk->bytes, chunk->size);
    into->size += chunk->size;
    chunk->next = NULL;
    tri__chunks_free(chunk);
    return true;
}

/* The outbox comes newest first. */
static void take_output(struct tri_call *call)
{
    struct tri__chunk *chunk = tri__outbox_take(call);
    struct tri__chunk *first = NULL;
    size_t size = 0;

    while (chunk != NULL) {
        struct tri__chunk *next = chunk->next;

        chunk->next = first;
        first = chunk;
        size += chunk->size;
        chunk = next;
    }
    if (first == NULL)
        return;
    if (call->wire_state != TRI__WIRE_OPEN) {
        tri__chunks_free(first);
        return;
    }
    if (call->out_first == NULL) {
        call->out_first = call->out_last = first;
        call->output_at = *call->table->now;
        first = first->next;
    }
    call->out_last->next = NULL;
    while (first != NULL) {
        struct tri__chunk *next = first->next;

        if (!pack(call->out_last, first)) {
            first->next = NULL;
            call->out_last->next = first;
            call->out_last = first;
        }
        first = next;
    }
    call->output_bytes += size;
    call->budget->output += size;
}

/* Headers, output and the status, as far as the wire is still open for them. */
static void send(struct tri_call *call)
{
    if (call->wire_state != TRI__WIRE_OPEN)
        return;
    if (call->has_headers) {
        call->table->wire->resume(call);
        return;
    }
    bool has_body = !call->has_status || call->out_first != NULL || call->headers != NULL;

    call->has_headers = true;
    if (!has_body)
        call->wire_state = TRI__WIRE_ENDING;
    call->table->wire->respond(call, has_body);
}

static void consume_up(struct tri__node *node, void *consumer)
{
    struct tri_call *call = tri_container_of(node, struct tri_call, up_node);
    uint32_t bits = tri__bits_take(call, &call->up, 0);

    (void)consumer;
    if ((bits & TRI__OUTPUT) != 0)
        take_output(call);
    if ((bits & TRI__STATUS) != 0) {
        call->has_status = true;
        call->has_returned = true;
    }
    if ((bits & (TRI__HEADERS | TRI__OUTPUT | TRI__STATUS)) != 0)
        send(call);
    if ((bits & (TRI__CREDIT | TRI__WANT_READ)) != 0)
        tri__call_return_credit(call);
    if ((bits & TRI__WANT_READ) != 0 && call->wire_state == TRI__WIRE_OPEN)
        tri__call_reserve(call);
    if ((bits & TRI__WANT_WRITE) != 0) {
        call->wants_writable = true;
        tell_writable(call);
    }
    if ((bits & TRI__DONE) != 0) {
        call->is_done = true;
        count_up(&call->table->finished);
        tri__call_free_if_over(call);
    }
}

const struct tri__node_kind tri__call_up_kind = {.consume = consume_up};
