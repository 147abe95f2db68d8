#include "connection_link.h"

#include <errno.h>
#include <string.h>

#include "alloc.h"
#include "link_private.h"

static void on_ended(struct tri__socket *socket, int error)
{
    /* A peer that ends its side of the connection cannot cancel, credit or acknowledge any more. */
    (void)error;
    tri__link_close(tri_container_of(socket, struct tri__link, socket));
}

static void free_link(struct tri__link *link)
{
    tri__h2_free(link->h2);
    tri__link_drop_held(link);
    if (link->peer != NULL)
        tri__peer_unref(link->peer);
    tri__free(link);
}

static void on_closed(struct tri__socket *socket)
{
    struct tri__link *link = tri_container_of(socket, struct tri__link, socket);
    struct tri__link_host *host = link->host;

    tri__timer_clear(&host->reactor->wheel, &link->timer);
    tri__list_remove(&link->in_host);
    tri__link_release_buffer(link);
    host->count--;
    free_link(link);
    host->events->closed(host);
}

static const struct tri__socket_events socket_events = {
    .received = tri__link_on_received,
    .ended = on_ended,
    .sent = tri__link_on_sent,
    .closed = on_closed,
};

static struct tri__peer *make_peer(struct tri__link *link)
{
    char text[64];

    tri__link_engine(link)->ops->peer(tri__link_engine(link), &link->socket, text, sizeof(text));
    struct tri__peer *peer = tri__alloc(sizeof(*peer) + strlen(text) + 1);

    if (peer != NULL) {
        peer->references = 1;
        memcpy(peer->text, text, strlen(text) + 1);
    }
    return peer;
}

int tri__link_open(struct tri__link_host *host, int fd)
{
    struct tri__engine *engine = host->reactor->engine;
    struct tri__link *link = tri__alloc_zeroed(1, sizeof(*link));
    uint64_t now = tri__reactor_now(host->reactor);

    if (link == NULL) {
        engine->ops->refuse(engine, fd);
        return -ENOMEM;
    }
    link->host = host;
    link->socket.events = &socket_events;
    link->socket.fd = fd;
    link->budget.limit = host->limits->connection_budget;
    link->opened_at = now;
    link->idle_since = now;
    tri__list_init(&link->in_dirty);
    tri__list_init(&link->in_held);
    tri__list_init(&link->calls);
    tri__timer_init(&link->timer, tri__link_on_timer);
    link->peer = make_peer(link);
    if (link->peer == NULL || tri__h2_new(&link->h2, host->h2_config, &host->h2_memory,
                                          &tri__link_h2_events, link, now) < 0) {
        free_link(link);
        engine->ops->refuse(engine, fd);
        return -ENOMEM;
    }
    tri__list_append(&host->links, &link->in_host);
    host->count++;
    engine->ops->recv_start(engine, &link->socket);
    tri__link_mark_dirty(link);
    tri__link_watch(link);
    if (host->is_draining)
        tri__link_drain(link);
    return 0;
}

/*
 * The streams are gone with the connection; handlers that still run keep their slots, without a
 * link.
 */
static void end_calls(struct tri__link *link)
{
    while (!tri__list_is_empty(&link->calls)) {
        struct tri_call *call = tri__list_entry(link->calls.next, struct tri_call, in_link);

        if (call->wire_state != TRI__WIRE_CLOSED) {
            tri__call_closed(call, TRI_CANCELLED);
            continue; /* it may be free already, or stands there still */
        }
        tri__call_unlink(call);
        link->live--;
    }
}

void tri__link_close(struct tri__link *link)
{
    if (link->state == TRI__LINK_CLOSING)
        return;
    if (link->h2 != NULL && tri__h2_is_flooded(link->h2)) {
        atomic_fetch_add_explicit(&link->host->floods, 1, memory_order_relaxed);
        tri__log(link->host->log, TRI_LOG_WARNING, "connection of %s ended: %s", link->peer->text,
                 tri__h2_reason(link->h2));
    }
    link->state = TRI__LINK_CLOSING;
    if (link->host->answered == link)
        link->host->answered = NULL;
    end_calls(link);
    tri__list_remove(&link->in_dirty);
    tri__link_drop_held(link);
    tri__link_engine(link)->ops->close(tri__link_engine(link), &link->socket);
}

void tri__link_linger(struct tri__link *link)
{
    if (link->state != TRI__LINK_OPEN)
        return;
    link->state = TRI__LINK_LINGERING;
    link->lingering_since = tri__link_now(link);
    tri__link_drop_held(link);
    tri__link_resume_input(link);
    tri__link_engine(link)->ops->shutdown(tri__link_engine(link), &link->socket);
    tri__link_watch_end(link);
}

void tri__link_drain(struct tri__link *link)
{
    if (link->is_draining || link->state != TRI__LINK_OPEN)
        return;
    link->is_draining = true;
    link->draining_since = tri__link_now(link);
    tri__h2_announce_shutdown(link->h2);
    for (struct tri__list *at = link->calls.next; at != &link->calls; at = at->next)
        tri__call_drain(tri__list_entry(at, struct tri_call, in_link));
    tri__link_mark_dirty(link);
    tri__link_watch(link);
}

void tri__link_say_last(struct tri__link *link)
{
    if (!link->is_draining || link->has_said_last || link->state != TRI__LINK_OPEN)
        return;
    link->has_said_last = true;
    tri__h2_shutdown(link->h2);
    tri__link_mark_dirty(link);
}

void tri__link_host_drain(struct tri__link_host *host)
{
    host->is_draining = true;
    for (struct tri__list *at = host->links.next; at != &host->links; at = at->next)
        tri__link_drain(tri__list_entry(at, struct tri__link, in_host));
}

void tri__link_host_abandon(struct tri__link_host *host)
{
    for (struct tri__list *at = host->links.next; at != &host->links; at = at->next) {
        struct tri__link *link = tri__list_entry(at, struct tri__link, in_host);

        for (struct tri__list *c = link->calls.next; c != &link->calls; c = c->next)
            tri__call_abandon(tri__list_entry(c, struct tri_call, in_link), TRI_UNAVAILABLE,
                              "the server is shutting down");
        tri__link_say_last(link);
        tri__link_mark_dirty(link);
    }
}

int tri__link_host_init(struct tri__link_host *host, const struct tri__link_host_config *config)
{
    struct tri__call_table_config calls = {
        .limits = config->call_limits,
        .wire = &tri__link_wire_ops,
        .log = config->log,
        .poster = config->poster,
        .wheel = &config->reactor->wheel,
        .now = &config->reactor->engine->now,
        .process_used = config->process_used,
    };

    *host = (struct tri__link_host){
        .reactor = config->reactor,
        .limits = config->limits,
        .events = config->events,
        .h2_config = config->h2_config,
        .log = config->log,
        .owner = config->owner,
        .turn = 1,
    };
    tri__list_init(&host->links);
    tri__list_init(&host->dirty);
    tri__list_init(&host->held);
    tri__call_table_init(&host->calls, &calls);
    host->answer = tri__alloc(sizeof(*host->answer));
    int r = host->answer != NULL ? tri__h2_memory_init(&host->h2_memory) : -ENOMEM;

    if (r < 0) {
        tri__free(host->answer);
        return r;
    }
    tri__reactor_set_stage(config->reactor, TRI__STAGE_INPUT, tri__link_input_stage, host);
    tri__reactor_set_stage(config->reactor, TRI__STAGE_WRITE, tri__link_write_stage, host);
    return 0;
}

void tri__link_host_cut(struct tri__link_host *host)
{
    for (struct tri__list *at = host->links.next; at != &host->links; at = at->next)
        end_calls(tri__list_entry(at, struct tri__link, in_host));
}

void tri__link_host_fini(struct tri__link_host *host)
{
    while (!tri__list_is_empty(&host->links)) {
        struct tri__link *link = tri__list_entry(host->links.next, struct tri__link, in_host);

        tri__list_remove(&link->in_host);
        tri__timer_clear(&host->reactor->wheel, &link->timer);
        tri__link_engine(link)->ops->refuse(tri__link_engine(link), link->socket.fd);
        end_calls(link);
        tri__link_release_buffer(link);
        free_link(link);
    }
    while (host->idle_buffers != NULL) {
        struct tri__out_buffer *buffer = host->idle_buffers;

        host->idle_buffers = buffer->next;
        tri__free(buffer);
    }
    tri__free(host->answer);
    tri__call_table_fini(&host->calls);
    tri__h2_memory_fini(&host->h2_memory);
}
