/*
 * The bits between the two sides of a call, and their memory orders.
 *
 * | atomic         | write                        | read                              |
 * |----------------|------------------------------|-----------------------------------|
 * | down           | fetch_or, fetch_and acq_rel  | acquire                           |
 * | up             | fetch_or, exchange acq_rel   | none                              |
 * | inbox, outbox  | CAS release                  | exchange acquire                  |
 * | - of one only  | relaxed, before the bit      | relaxed, after the bit            |
 * | code           | CAS release                  | acquire                           |
 * | drained, taken | release                      | acquire: with it goes the inline  |
 * |                |                              | message's or chunk's memory       |
 *
 * A word that was 0 before is what queues the node: so a node is queued at most once, and only its
 * consumer, which takes the bits after it has popped the node, makes the word 0 again (`down` keeps
 * CLOSED for ever: then nothing is queued any more).
 */
#ifndef TRI_CALL_POST_H
#define TRI_CALL_POST_H

#include "alloc.h"
#include "call.h"

void tri__messages_free(struct tri__message *message);
void tri__chunks_free(struct tri__chunk *chunk);

/* Gives a slot back when both sides are through with it. Thread: the reactor's. */
void tri__call_free_if_over(struct tri_call *call);

/* Thread: the reactor's. */
static inline void tri__call_clear_deadline(struct tri_call *call)
{
    if (call->has_deadline)
        tri__timer_clear(call->table->wheel, &call->deadline);
}

/*
 * For a call whose handler runs on the reactor itself both sides are one thread, and a locked
 * instruction would buy nothing. The words stay atomic, so that anyone may look.
 */
static inline uint32_t tri__bits_or(struct tri_call *call, _Atomic uint32_t *word, uint32_t bits)
{
    if (!call->is_local)
        return atomic_fetch_or_explicit(word, bits, memory_order_acq_rel);
    uint32_t old = atomic_load_explicit(word, memory_order_relaxed);

    atomic_store_explicit(word, old | bits, memory_order_relaxed);
    return old;
}

/* Takes the bits out, but for those of `keep`. */
static inline uint32_t tri__bits_take(struct tri_call *call, _Atomic uint32_t *word, uint32_t keep)
{
    if (!call->is_local)
        return atomic_fetch_and_explicit(word, keep, memory_order_acq_rel);
    uint32_t old = atomic_load_explicit(word, memory_order_relaxed);

    atomic_store_explicit(word, old & keep, memory_order_relaxed);
    return old;
}

static inline void tri__post_down(struct tri_call *call, uint32_t bits)
{
    uint32_t old = tri__bits_or(call, &call->down, bits);

    if ((old & TRI__CLOSED) != 0)
        tri__messages_free(atomic_exchange_explicit(&call->inbox, NULL, memory_order_acquire));
    else if (old == 0)
        tri__poster_add(call->table->poster, call->down_lane, &call->down_node);
}

static inline void tri__post_up(struct tri_call *call, uint32_t bits)
{
    /* Read before the bits are out: after DONE the slot may be somebody else's. */
    struct tri__poster *poster = &call->scheduler->poster;
    uint16_t lane = call->up_lane;
    struct tri__node *node = &call->up_node;

    if (tri__bits_or(call, &call->up, bits) == 0)
        tri__poster_add(poster, lane, node);
}

/*
 * The inbox and the outbox each have one producer, so the push is a loop in form only. Where only
 * one payload goes that way, before START or with STATUS, the bit that follows publishes it and
 * nothing else is ever put there: loads and stores do.
 */
static inline void tri__inbox_push(struct tri_call *call, struct tri__message *message)
{
    message->next = atomic_load_explicit(&call->inbox, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&call->inbox, &message->next, message,
                                                  memory_order_release, memory_order_relaxed))
        ;
}

static inline struct tri__message *tri__inbox_take(struct tri_call *call)
{
    if (call->method->requests_stream)
        return atomic_exchange_explicit(&call->inbox, NULL, memory_order_acquire);
    struct tri__message *message = atomic_load_explicit(&call->inbox, memory_order_relaxed);

    atomic_store_explicit(&call->inbox, NULL, memory_order_relaxed);
    return message;
}

static inline void tri__outbox_push(struct tri_call *call, struct tri__chunk *chunk)
{
    chunk->next = atomic_load_explicit(&call->outbox, memory_order_relaxed);
    if (!call->method->replies_stream) {
        atomic_store_explicit(&call->outbox, chunk, memory_order_relaxed);
        return;
    }
    while (!atomic_compare_exchange_weak_explicit(&call->outbox, &chunk->next, chunk,
                                                  memory_order_release, memory_order_relaxed))
        ;
}

static inline struct tri__chunk *tri__outbox_take(struct tri_call *call)
{
    if (call->method->replies_stream)
        return atomic_exchange_explicit(&call->outbox, NULL, memory_order_acquire);
    struct tri__chunk *chunk = atomic_load_explicit(&call->outbox, memory_order_relaxed);

    atomic_store_explicit(&call->outbox, NULL, memory_order_relaxed);
    return chunk;
}

/* What has ended the call; the first one wins. Returns: what it is now. */
static inline tri_code tri__call_set_code(struct tri_call *call, tri_code code)
{
    uint32_t expected = TRI_OK;

    if (atomic_compare_exchange_strong_explicit(&call->code, &expected, (uint32_t)code,
                                                memory_order_release, memory_order_acquire))
        return code;
    return (tri_code)expected;
}

static inline tri_code tri__call_code(struct tri_call *call)
{
    return (tri_code)atomic_load_explicit(&call->code, memory_order_acquire);
}

#endif
