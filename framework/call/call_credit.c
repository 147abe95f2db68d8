#include "call_credit.h"

#include "call_post.h"

/*
 * How often those that wait for the process's budget look again, and how often progress is checked.
 */
#define LOOK_AGAIN ((int64_t)20 * 1000 * 1000)
#define CHECK ((int64_t)500 * 1000 * 1000)

/* The least that counts as progress. */
#define PROGRESS_MIN 65536

static void set_timer(struct tri__call_table *table)
{
    int64_t period = !tri__list_is_empty(&table->waiting) ? LOOK_AGAIN : CHECK;

    if (tri__list_is_empty(&table->waiting) && tri__list_is_empty(&table->granted))
        return;
    tri__timer_set(table->wheel, &table->reservations, tri__time_after(*table->now, period));
}

/* Takes `size` bytes from the process's budget. One above all of it may pass alone. */
static bool take_from_process(struct tri__call_table *table, size_t size)
{
    size_t used = atomic_load_explicit(table->process_used, memory_order_relaxed);

    do {
        if (used != 0 && used + size > table->limits->process_budget)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(table->process_used, &used, used + size,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

static size_t needed_by(const struct tri_call *call)
{
    return (size_t)call->message_size + TRI__PREFIX_SIZE;
}

/* Of a connection; here as well one above all of it may pass alone. */
static bool has_room(const struct tri__call_budget *budget, size_t size)
{
    return budget->used == 0 || budget->used + size <= budget->limit;
}

static bool grant(struct tri_call *call)
{
    struct tri__call_table *table = call->table;
    size_t size = needed_by(call);

    tri_assert(call->is_large);
    if (!has_room(call->budget, size))
        return false;
    if (!take_from_process(table, size))
        return false;
    call->budget->used += size;
    call->reserved = size;
    call->reserved_to = 0;
    call->progress_at = *table->now;
    call->is_waiting = false;
    call->is_granted = true;
    call->progress_from = call->received;
    tri__list_remove(&call->in_reservations);
    tri__list_append(&table->granted, &call->in_reservations);
    tri__call_return_credit(call);
    return true;
}

/* In order; a connection at its own limit does not hold up the others, the process's limit does. */
static void grant_waiting(struct tri__call_table *table)
{
    struct tri__list *link = table->waiting.next;

    while (link != &table->waiting) {
        struct tri__list *next = link->next;
        struct tri_call *call = tri__list_entry(link, struct tri_call, in_reservations);
        bool has_own_room = has_room(call->budget, needed_by(call));

        if (!grant(call) && has_own_room)
            return;
        link = next;
    }
}

void tri__call_reserve(struct tri_call *call)
{
    struct tri__call_table *table = call->table;

    if (!call->is_large || call->is_waiting || call->is_granted)
        return;
    tri__call_return_credit(call);
    call->is_waiting = true;
    tri__list_append(&table->waiting, &call->in_reservations);
    grant_waiting(table);
    if (!tri__timer_is_set(&table->reservations) || !tri__list_is_empty(&table->waiting))
        set_timer(table);
}

void tri__call_release(struct tri_call *call)
{
    struct tri__call_table *table = call->table;

    if (!call->is_waiting && !call->is_granted)
        return;
    tri__list_remove(&call->in_reservations);
    call->is_waiting = false;
    if (!call->is_granted)
        return;
    call->is_granted = false;
    call->budget->used -= call->reserved;
    atomic_fetch_sub_explicit(table->process_used, call->reserved, memory_order_relaxed);
    grant_waiting(table);
}

static uint32_t progress_of(const struct tri_call *call)
{
    uint32_t part = call->message_size / 16;

    return part > PROGRESS_MIN ? part : PROGRESS_MIN;
}

void tri__call_note_progress(struct tri_call *call)
{
    if (call->received - call->progress_from < progress_of(call))
        return;
    call->progress_from = call->received;
    call->progress_at = *call->table->now;
}

void tri__call_reservations_tick(struct tri__timer *timer)
{
    struct tri__call_table *table = tri_container_of(timer, struct tri__call_table, reservations);
    struct tri__list *link = table->granted.next;

    while (link != &table->granted) {
        struct tri_call *call = tri__list_entry(link, struct tri_call, in_reservations);

        link = link->next;
        if (call->assembling == NULL ||
            *table->now - call->progress_at < (uint64_t)table->limits->reservation_timeout)
            continue;
        tri__call_fail_wire(call, TRI_RESOURCE_EXHAUSTED,
                            "a message of %u bytes came too slowly: %u bytes of it so far, and the "
                            "last %u took more "
                            "than %llu ms",
                            call->message_size, call->assembled, progress_of(call),
                            (unsigned long long)(table->limits->reservation_timeout / 1000000));
        tri__call_release(call);
        link = table->granted.next;
    }
    grant_waiting(table);
    set_timer(table);
}

/*
 * The peer may send `allowed` bytes on the stream. What it should be allowed is a window beyond
 * what the handler has taken, and the large message beyond that; so credit for a large message,
 * once that is taken, is not given a second time.
 *
 * A small gain is kept back, but never from a peer that needs it to go on: one whose message, or
 * the prefix of the next, does not fit into what it has left. (nghttp2's own rule, half a window,
 * would let a message and a handler wait for each other.)
 */
void tri__call_return_credit(struct tri_call *call)
{
    uint64_t taken = atomic_load_explicit(&call->taken, memory_order_acquire);
    uint32_t window = call->table->limits->stream_window;

    if (call->is_granted && call->reserved_to != 0 && taken >= call->reserved_to)
        tri__call_release(call);
    uint64_t target = taken + window + (call->is_granted ? call->reserved : 0);

    if (target <= call->allowed || call->wire_state != TRI__WIRE_OPEN || call->is_half_closed)
        return;
    uint64_t left = call->allowed - call->received;
    uint64_t needed = call->assembling != NULL ? call->message_size - call->assembled : 0;

    if (target - call->allowed < window / 4 && left >= needed + TRI__CREDIT_LOW)
        return;
    call->table->wire->credit(call, (size_t)(target - call->allowed));
    call->allowed = target;
}
