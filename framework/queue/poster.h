/*
 * What a thread sends: a chain of nodes per receiver, filled without atomics and pushed as a whole.
 * A lane without a mailbox is the sender's own: its nodes are consumed by the same thread, in
 * order, with no atomic operation (handlers placed inline).
 *
 * Thread: the owner's, but for the counters.
 */
#ifndef TRI_POSTER_H
#define TRI_POSTER_H

#include "clock.h"
#include "mailbox.h"

struct tri__lane {
    struct tri__mailbox *mailbox; /* NULL: the sender's own thread */
    struct tri__node *first, *last;
    uint32_t count;
    bool is_dirty;
    bool is_partner; /* shares the sender's core: its wake may be put off while it dozes */
    bool owes_wake;  /* such a wake is due at the end of the batch, or after 50 us */
};

struct tri__poster {
    struct tri__lane *lanes; /* owned */
    uint16_t count;
    uint16_t dirty;      /* lanes with nodes to push */
    uint64_t pushed_at;  /* ns, when nodes were last pushed */
    uint64_t owed_since; /* ns, when the wake that is owed first was; 0: none is */
    _Atomic uint64_t handoffs, batches, wakes; /* written by the owner, read by anyone */
};

/* Returns: 0 or -ENOMEM. */
int tri__poster_init(struct tri__poster *poster, uint16_t lanes);
void tri__poster_fini(struct tri__poster *poster);

static inline void tri__poster_add(struct tri__poster *poster, uint16_t index,
                                   struct tri__node *node)
{
    struct tri__lane *lane = &poster->lanes[index];

    node->next = NULL;
    if (lane->first == NULL)
        lane->first = node;
    else
        lane->last->next = node;
    lane->last = node;
    lane->count++;
    if (!lane->is_dirty) {
        lane->is_dirty = true;
        poster->dirty++;
    }
}

/*
 * Pushes what has gathered for other threads and wakes those that sleep. The wake of a partner that
 * dozes is put off: tri__poster_settle does it.
 */
void tri__poster_push(struct tri__poster *poster, uint64_t now);

/* Does the wakes that are owed: at the end of a batch, and when tri__poster_is_overdue says so. */
void tri__poster_settle(struct tri__poster *poster);

/*
 * A reply is held back for 50 us at most, in ns, less what the time can be old that is compared
 * with it.
 */
#define TRI__HOLD_MAX (50000 - TRI__CLOCK_SHORT)

static inline bool tri__poster_is_overdue(const struct tri__poster *poster, uint64_t now)
{
    /* Signed: a push can have had a later time than the one at hand. */
    return poster->owed_since != 0 && (int64_t)(now - poster->owed_since) >= TRI__HOLD_MAX;
}

/* Consumes the nodes of the sender's own lane, those too that come meanwhile. Returns: how many. */
size_t tri__poster_consume_own(struct tri__poster *poster, uint16_t index, void *consumer);

#endif
