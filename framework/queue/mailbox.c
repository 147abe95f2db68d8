#include "mailbox.h"

/*
 * A chain is linked from old to new, the list from new to old: the chain is turned round before the
 * push, node by node, which costs nothing beside the nodes' own cache misses.
 */
static struct tri__node *turn_round(struct tri__node *node)
{
    struct tri__node *turned = NULL;

    while (node != NULL) {
        struct tri__node *next = node->next;

        node->next = turned;
        turned = node;
        node = next;
    }
    return turned;
}

void tri__mailbox_push(struct tri__mailbox *mailbox, struct tri__node *first,
                       struct tri__node *last)
{
    last->next = NULL;
    turn_round(first);

    struct tri__node *head = atomic_load_explicit(&mailbox->head, memory_order_relaxed);
    do {
        first->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&mailbox->head, &head, last,
                                                    memory_order_seq_cst, memory_order_relaxed));
}

size_t tri__mailbox_drain(struct tri__mailbox *mailbox)
{
    if (atomic_load_explicit(&mailbox->head, memory_order_relaxed) == NULL)
        return 0;
    struct tri__node *node =
        turn_round(atomic_exchange_explicit(&mailbox->head, NULL, memory_order_acquire));
    size_t count = 0;

    while (node != NULL) {
        struct tri__node *next = node->next;

        /*
         * A consumed node may be pushed again at once, or its memory be gone: `next` is read first.
         */
        if (next != NULL)
            __builtin_prefetch(next);
        node->kind->consume(node, mailbox->consumer);
        node = next;
        count++;
    }
    return count;
}
