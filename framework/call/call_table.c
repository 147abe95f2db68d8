#include <string.h>

#include "call.h"
#include "call_credit.h"
#include "call_post.h"

/* As many as fill a block of the allocator's with the line that their alignment may take. */
#define SLAB_CALLS ((65536 - TRI__CACHE_LINE) / sizeof(struct tri_call))
#define IDLE_FIELDS_MAX 1024

/* Slots stay calls for ever (type-stable), and a slab is never given back before the end. */
struct tri__call_slab {
    struct tri__call_slab *next;
    void *memory;
    struct tri_call *calls;
};

void tri__call_table_init(struct tri__call_table *table,
                          const struct tri__call_table_config *config)
{
    *table = (struct tri__call_table){
        .limits = config->limits,
        .wire = config->wire,
        .log = config->log,
        .poster = config->poster,
        .wheel = config->wheel,
        .now = config->now,
        .process_used = config->process_used,
    };
    tri__list_init(&table->waiting);
    tri__list_init(&table->granted);
    tri__timer_init(&table->reservations, tri__call_reservations_tick);
}

void tri__call_table_fini(struct tri__call_table *table)
{
    tri_assert(table->live == 0);
    tri__timer_clear(table->wheel, &table->reservations);
    while (table->slabs != NULL) {
        struct tri__call_slab *slab = table->slabs;

        table->slabs = slab->next;
        tri__free(slab->memory);
        tri__free(slab);
    }
    while (table->idle_fields != NULL) {
        struct tri__fields *fields = table->idle_fields;

        table->idle_fields = fields->next;
        tri__free(fields);
    }
}

/* The link of an idle slot lies where no other side ever writes. */
static struct tri_call **idle_link(struct tri_call *call)
{
    return (struct tri_call **)(void *)&call->in_link;
}

static bool add_slab(struct tri__call_table *table)
{
    struct tri__call_slab *slab = tri__alloc_zeroed(1, sizeof(*slab));
    void *memory = tri__alloc_zeroed(1, SLAB_CALLS * sizeof(struct tri_call) + TRI__CACHE_LINE);

    if (slab == NULL || memory == NULL) {
        tri__free(slab);
        tri__free(memory);
        return false;
    }
    slab->memory = memory;
    slab->calls = (struct tri_call *)(((uintptr_t)memory + TRI__CACHE_LINE - 1) &
                                      ~(uintptr_t)(TRI__CACHE_LINE - 1));
    slab->next = table->slabs;
    table->slabs = slab;
    for (size_t i = SLAB_CALLS; i-- > 0;) {
        *idle_link(&slab->calls[i]) = table->idle;
        table->idle = &slab->calls[i];
    }
    return true;
}

struct tri_call *tri__call_open(struct tri__call_table *table, void *link,
                                struct tri__call_budget *budget, struct tri__peer *peer,
                                int32_t stream_id)
{
    if (table->idle == NULL && !add_slab(table))
        return NULL;
    struct tri_call *call = table->idle;

    table->idle = *idle_link(call);
    table->live++;
    memset(call, 0, offsetof(struct tri_call, scheduler));
    call->table = table;
    call->link = link;
    call->budget = budget;
    call->peer = peer;
    peer->references++;
    call->stream_id = stream_id;
    call->http_status = 200;
    call->deadline_at = TRI__NEVER;
    call->allowed = table->limits->stream_window;
    tri__list_init(&call->in_link);
    call->down_node.kind = &tri__call_down_kind;
    call->up_node.kind = &tri__call_up_kind;
    return call;
}

void tri__peer_unref(struct tri__peer *peer)
{
    if (--peer->references == 0)
        tri__free(peer);
}

void tri__messages_free(struct tri__message *message)
{
    while (message != NULL) {
        struct tri__message *next = message->next;

        if (!message->is_inline)
            tri__free(message);
        message = next;
    }
}

void tri__chunks_free(struct tri__chunk *chunk)
{
    while (chunk != NULL) {
        struct tri__chunk *next = chunk->next;

        if (!chunk->is_inline)
            tri__free(chunk);
        chunk = next;
    }
}

static void give_fields(struct tri__call_table *table, struct tri__fields *fields)
{
    if (fields == NULL)
        return;
    if (table->idle_fields_count >= IDLE_FIELDS_MAX || fields->capacity > TRI__FIELDS_FIRST) {
        tri__free(fields);
        return;
    }
    fields->next = table->idle_fields;
    table->idle_fields = fields;
    table->idle_fields_count++;
}

/* What few calls have. */
static void free_extras(struct tri_call *call)
{
    if (call->has_status_memory)
        tri__free(call->status_memory);
    if (!call->has_returned)
        return;
    if (call->headers != NULL || call->trailers != NULL || call->failure != NULL) {
        tri__free(call->headers);
        tri__free(call->trailers);
        tri__free(call->failure);
    }
}

void tri__call_free_if_over(struct tri_call *call)
{
    struct tri__call_table *table = call->table;

    if (call->wire_state != TRI__WIRE_CLOSED || !call->is_done)
        return;
    tri_assert(atomic_load_explicit(&call->up, memory_order_acquire) == 0);
    tri__call_clear_deadline(call);
    tri__call_release(call);
    /* The other side is through with both, or has never seen them: its DONE came before. */
    tri__messages_free(atomic_load_explicit(&call->inbox, memory_order_acquire));
    tri__messages_free(call->assembling);
    tri__chunks_free(atomic_load_explicit(&call->outbox, memory_order_acquire));
    tri__chunks_free(call->out_first);
    give_fields(table, call->metadata);
    free_extras(call);
    table->wire->freed(call);
    tri__peer_unref(call->peer);
    *idle_link(call) = table->idle;
    table->idle = call;
    table->live--;
}
