/*
 * What a thread is sent: a lock-free list with many producers and one consumer, and the word that
 * says whether the consumer sleeps.
 *
 * A node is part of what it announces (a call has two), so a push allocates nothing and nothing can
 * be full. A producer pushes a chain of nodes with one CAS on the head; the consumer takes all of
 * it with one exchange and turns it round, so that nodes come out in the order in which each
 * producer pushed them.
 *
 * Why it is right
 * - No ABA. A push writes `last->next = head` and CASes that same value of head. Whatever happened
 *   between, if head holds that value again then the list that it stands for is the one that the
 *   chain now points at; and the consumer never follows a `next` of a node that it has not taken,
 *   since it takes by exchange.
 * - Whoever exchanges owns the chain. A producer does not touch a node after the CAS that published
 *   it, until the consumer has reset what keeps the node from being pushed twice (for a call, its
 *   bits).
 * - The CAS releases the nodes; the exchange acquires them.
 * - No lost wake-up. The producer writes head, then reads `sleeping`; the consumer writes
 *   `sleeping`, then reads head; all four are seq_cst, so at least one of the two sees the other's
 *   write. If the producer sees a sleeper it exchanges the word with 0, and the one producer that
 *   got not 0 wakes it. If the consumer sees a node it stays awake.
 */
#ifndef TRI_MAILBOX_H
#define TRI_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRI__CACHE_LINE 64
/* Two lines: the adjacent-line prefetcher pulls them in pairs. */
#define TRI__NO_SHARING 128

struct tri__node;

struct tri__node_kind {
    /* Thread: the consumer's. The node may be pushed again as soon as this begins. */
    void (*consume)(struct tri__node *node, void *consumer);
};

struct tri__node {
    struct tri__node *next;
    const struct tri__node_kind *kind;
};

enum tri__sleeping {
    TRI__AWAKE = 0,
    TRI__DOZING = 1, /* waits at most 1 ms, since the thread that shares its core is awake */
    TRI__ASLEEP = 2  /* waits without bound */
};

struct tri__mailbox {
    _Alignas(
        TRI__NO_SHARING) _Atomic(struct tri__node *) head; /* all producers; the consumer takes */
    _Alignas(TRI__NO_SHARING) _Atomic uint32_t sleeping;   /* enum tri__sleeping */
    void (*wake)(struct tri__mailbox *mailbox);            /* constant; thread: any producer's */
    void *consumer;                                        /* constant */
};

static inline void tri__mailbox_init(struct tri__mailbox *mailbox,
                                     void (*wake)(struct tri__mailbox *), void *consumer)
{
    atomic_init(&mailbox->head, NULL);
    atomic_init(&mailbox->sleeping, TRI__AWAKE);
    mailbox->wake = wake;
    mailbox->consumer = consumer;
}

/* Adds the chain from `first` to `last`, linked from old to new. Thread: any. */
void tri__mailbox_push(struct tri__mailbox *mailbox, struct tri__node *first,
                       struct tri__node *last);

/*
 * To be called after a push. Returns: whether it woke the consumer.
 */
static inline bool tri__mailbox_wake(struct tri__mailbox *mailbox)
{
    if (atomic_load_explicit(&mailbox->sleeping, memory_order_seq_cst) == TRI__AWAKE)
        return false;
    if (atomic_exchange_explicit(&mailbox->sleeping, TRI__AWAKE, memory_order_seq_cst) ==
        TRI__AWAKE)
        return false;
    mailbox->wake(mailbox);
    return true;
}

/* Consumes all that is there, oldest first. Thread: the consumer's. Returns: how many nodes. */
size_t tri__mailbox_drain(struct tri__mailbox *mailbox);

/*
 * Says that the consumer is about to sleep, and looks once more.
 *
 * Returns: false when something has come meanwhile: then do not sleep, and call tri__mailbox_woken.
 */
static inline bool tri__mailbox_may_sleep(struct tri__mailbox *mailbox, enum tri__sleeping how)
{
    atomic_store_explicit(&mailbox->sleeping, how, memory_order_seq_cst);
    return atomic_load_explicit(&mailbox->head, memory_order_seq_cst) == NULL;
}

static inline void tri__mailbox_woken(struct tri__mailbox *mailbox)
{
    atomic_store_explicit(&mailbox->sleeping, TRI__AWAKE, memory_order_seq_cst);
}

/* Whether the consumer is awake; a hint, but for the rule of the two sleeping states. */
static inline bool tri__mailbox_is_awake(struct tri__mailbox *mailbox)
{
    return atomic_load_explicit(&mailbox->sleeping, memory_order_seq_cst) == TRI__AWAKE;
}

#endif
