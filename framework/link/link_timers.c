/*
 * What may not take for ever. One timer per connection looks once a second, and is set only while
 * there is something to look after: an idle connection costs nothing.
 */
#include "link_private.h"

#define PERIOD ((int64_t)1000 * 1000 * 1000)
/* For the answer to the PING of a drain, and for the peer to take our last words and close. */
#define PATIENCE ((int64_t)1000 * 1000 * 1000)
/* The same for a peer that floods us. */
#define IMPATIENCE ((int64_t)100 * 1000 * 1000)

static bool is_over(uint64_t now, uint64_t since, int64_t limit)
{
    return limit > 0 && now - since >= (uint64_t)limit;
}

static bool needs_watching(const struct tri__link *link)
{
    const struct tri__link_limits *limits = link->host->limits;

    return link->state != TRI__LINK_OPEN || !tri__h2_settings_acked(link->h2) ||
           link->headers_since != 0 || link->sending != NULL || link->budget.output > 0 ||
           link->is_draining || limits->idle_timeout > 0 || limits->age_max > 0;
}

void tri__link_watch(struct tri__link *link)
{
    if (tri__timer_is_set(&link->timer) || link->state == TRI__LINK_CLOSING)
        return;
    tri__timer_set(&link->host->reactor->wheel, &link->timer,
                   tri__time_after(tri__link_now(link), PERIOD));
}

static int64_t patience(const struct tri__link *link)
{
    return tri__h2_is_flooded(link->h2) ? IMPATIENCE : PATIENCE;
}

void tri__link_watch_end(struct tri__link *link)
{
    if (link->state != TRI__LINK_CLOSING)
        tri__timer_set(&link->host->reactor->wheel, &link->timer,
                       tri__time_after(tri__link_now(link), patience(link)));
}

static void terminate(struct tri__link *link, enum tri__h2_error error, const char *reason)
{
    tri__h2_terminate(link->h2, error, reason);
    link->failed_since = tri__link_now(link);
    tri__link_mark_dirty(link);
}

/* Streams whose peer opens no window: each costs itself. */
static void check_windows(struct tri__link *link, uint64_t now)
{
    struct tri__list *at = link->calls.next;

    while (link->budget.output > 0 && at != &link->calls) {
        struct tri_call *call = tri__list_entry(at, struct tri_call, in_link);

        at = at->next;
        if (call->out_first != NULL &&
            is_over(now, call->output_at, link->host->limits->window_timeout))
            tri__call_abandon(call, TRI_RESOURCE_EXHAUSTED,
                              "the peer opened no window for the reply");
    }
    tri__link_mark_dirty(link);
}

static void check_open(struct tri__link *link, uint64_t now)
{
    const struct tri__link_limits *limits = link->host->limits;

    if (!tri__h2_has_settings(link->h2) && is_over(now, link->opened_at, limits->handshake_timeout))
        terminate(link, TRI__H2_PROTOCOL_ERROR, "no preface and SETTINGS in time");
    else if (tri__h2_has_settings(link->h2) && !tri__h2_settings_acked(link->h2) &&
             is_over(now, link->opened_at, limits->settings_ack_timeout))
        terminate(link, TRI__H2_SETTINGS_TIMEOUT, "no acknowledgement of SETTINGS in time");
    else if (link->headers_since != 0 && is_over(now, link->headers_since, limits->headers_timeout))
        terminate(link, TRI__H2_PROTOCOL_ERROR, "no END_HEADERS in time");
    if (link->is_draining && is_over(now, link->draining_since, PATIENCE))
        tri__link_say_last(link);
    if (tri__list_is_empty(&link->calls) && is_over(now, link->idle_since, limits->idle_timeout))
        tri__link_drain(link);
    if (is_over(now, link->opened_at, limits->age_max))
        tri__link_drain(link);
    if (link->budget.output > 0 && link->sending == NULL)
        check_windows(link, now);
}

void tri__link_on_timer(struct tri__timer *timer)
{
    struct tri__link *link = tri_container_of(timer, struct tri__link, timer);
    uint64_t now = tri__link_now(link);

    if (link->state == TRI__LINK_CLOSING)
        return;
    if (link->sending == NULL || link->socket.bytes_sent != link->sent_mark) {
        link->sent_mark = link->socket.bytes_sent;
        link->sent_since = now;
    } else if (is_over(now, link->sent_since, link->host->limits->write_timeout)) {
        tri__link_close(link);
        return;
    }
    /* A peer that does not even take our last words has no claim on them. */
    if ((link->failed_since != 0 && is_over(now, link->failed_since, patience(link))) ||
        (link->state == TRI__LINK_LINGERING &&
         is_over(now, link->lingering_since, patience(link)))) {
        tri__link_close(link);
        return;
    }
    if (link->state == TRI__LINK_OPEN)
        check_open(link, now);
    if (needs_watching(link))
        tri__link_watch(link);
}
