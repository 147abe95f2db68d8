#include "poster.h"

#include <errno.h>

#include "alloc.h"

int tri__poster_init(struct tri__poster *poster, uint16_t lanes)
{
    *poster = (struct tri__poster){.count = lanes};
    poster->lanes = tri__alloc_zeroed(lanes, sizeof(*poster->lanes));
    return poster->lanes != NULL ? 0 : -ENOMEM;
}

void tri__poster_fini(struct tri__poster *poster)
{
    tri__free(poster->lanes);
    poster->lanes = NULL;
}

/* The owner is the only writer, so this needs no read-modify-write. */
static void count_up(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

static void push_lane(struct tri__poster *poster, struct tri__lane *lane, uint64_t now)
{
    tri__mailbox_push(lane->mailbox, lane->first, lane->last);
    count_up(&poster->handoffs, lane->count);
    count_up(&poster->batches, 1);
    lane->first = NULL;
    lane->count = 0;
    lane->is_dirty = false;
    poster->dirty--;

    if (lane->is_partner &&
        atomic_load_explicit(&lane->mailbox->sleeping, memory_order_seq_cst) == TRI__DOZING) {
        if (!lane->owes_wake) {
            lane->owes_wake = true;
            if (poster->owed_since == 0)
                poster->owed_since = now;
        }
        return;
    }
    if (tri__mailbox_wake(lane->mailbox))
        count_up(&poster->wakes, 1);
}

void tri__poster_push(struct tri__poster *poster, uint64_t now)
{
    poster->pushed_at = now;
    if (poster->dirty == 0)
        return;
    for (uint16_t i = 0; i < poster->count; i++) {
        struct tri__lane *lane = &poster->lanes[i];

        if (lane->is_dirty && lane->mailbox != NULL)
            push_lane(poster, lane, now);
    }
}

void tri__poster_settle(struct tri__poster *poster)
{
    if (poster->owed_since == 0)
        return;
    poster->owed_since = 0;
    for (uint16_t i = 0; i < poster->count; i++) {
        struct tri__lane *lane = &poster->lanes[i];

        if (!lane->owes_wake)
            continue;
        lane->owes_wake = false;
        if (tri__mailbox_wake(lane->mailbox))
            count_up(&poster->wakes, 1);
    }
}

size_t tri__poster_consume_own(struct tri__poster *poster, uint16_t index, void *consumer)
{
    struct tri__lane *lane = &poster->lanes[index];
    size_t count = 0;

    while (lane->first != NULL) {
        struct tri__node *node = lane->first;

        lane->first = node->next;
        lane->count--;
        node->kind->consume(node, consumer);
        count++;
    }
    if (lane->is_dirty) {
        lane->is_dirty = false;
        poster->dirty--;
    }
    return count;
}
