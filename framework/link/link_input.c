/*
 * Input: what comes is fed to the session at once, up to the connection's share of the turn. What
 * is left over is copied, since the engine's buffer goes back, and waits for the next turn. A
 * connection that holds a lot, or that lets control frames pile up for itself, is not read for a
 * while. What is on its way then comes all the same, and can be megabytes; so when a reactor holds
 * a lot for all of its connections together, the engine receives less in a turn.
 */
#include <string.h>

#include "alloc.h"
#include "link_private.h"

/* Above this, of all connections of a reactor, the engine is crowded. */
#define HELD_MAX ((size_t)8 * 1024 * 1024)

static void note_held(struct tri__link_host *host, size_t more, size_t less)
{
    host->held_bytes += more - less;
    host->reactor->engine->is_crowded = host->held_bytes > HELD_MAX;
}

void tri__link_drop_held(struct tri__link *link)
{
    note_held(link->host, 0, link->held_size - link->held_at);
    tri__free(link->held);
    link->held = NULL;
    link->held_at = link->held_size = link->held_capacity = 0;
    tri__list_remove(&link->in_held);
}

static bool hold(struct tri__link *link, const uint8_t *bytes, size_t size)
{
    size_t left = link->held_size - link->held_at;

    if (link->held_at > 0) {
        memmove(link->held, link->held + link->held_at, left);
        link->held_at = 0;
        link->held_size = left;
    }
    if (link->held_capacity - left < size) {
        size_t capacity =
            link->held_capacity * 2 > left + size ? link->held_capacity * 2 : left + size;
        uint8_t *larger = tri__resize(link->held, capacity);

        if (larger == NULL)
            return false;
        link->held = larger;
        link->held_capacity = capacity;
    }
    memcpy(link->held + left, bytes, size);
    link->held_size = left + size;
    note_held(link->host, size, 0);
    if (tri__list_is_empty(&link->in_held))
        tri__list_append(&link->host->held, &link->in_held);
    return true;
}

static bool is_choked(const struct tri__link *link)
{
    return tri__h2_queued(link->h2) > link->host->limits->outbound_pause_frames;
}

static void pause_input(struct tri__link *link)
{
    if (!link->input_is_paused)
        tri__link_engine(link)->ops->recv_stop(tri__link_engine(link), &link->socket);
    link->input_is_paused = true;
}

void tri__link_resume_input(struct tri__link *link)
{
    if (link->state == TRI__LINK_CLOSING)
        return;
    if (tri__link_has_input(link) && tri__list_is_empty(&link->in_held) && !is_choked(link))
        tri__list_append(&link->host->held, &link->in_held);
    if (!link->input_is_paused || is_choked(link) ||
        link->held_size - link->held_at > link->host->limits->turn_bytes)
        return;
    link->input_is_paused = false;
    tri__link_engine(link)->ops->recv_start(tri__link_engine(link), &link->socket);
}

/* Feeds what this turn allows. Returns: how much was taken. */
static size_t feed(struct tri__link *link, const uint8_t *bytes, size_t size)
{
    bool has_failed;

    if (link->fed_turn != link->host->turn) {
        link->fed_turn = link->host->turn;
        tri__h2_begin_turn(link->h2);
    }
    size_t taken = tri__h2_feed(link->h2, bytes, size, tri__link_now(link), &has_failed);

    if (tri__h2_is_in_headers(link->h2)) {
        if (link->headers_since == 0)
            link->headers_since = tri__link_now(link);
        tri__link_watch(link);
    } else {
        link->headers_since = 0;
    }
    if (has_failed && link->failed_since == 0) {
        link->failed_since = tri__link_now(link);
        tri__link_watch_end(link);
    }
    if (tri__h2_queued(link->h2) > link->host->limits->outbound_close_frames)
        link->must_close = true;
    tri__link_mark_dirty(link);
    return taken;
}

/*
 * Runs what was just fed, and writes the answers, while all of it is still in the cache: with ten
 * busy connections a turn is too much for that. The sends of a turn are submitted together all the
 * same.
 */
static void settle(struct tri__link *link)
{
    tri__reactor_run_stage(link->host->reactor, TRI__STAGE_RUN);
    tri__link_write(link);
}

void tri__link_on_received(struct tri__socket *socket, const uint8_t *bytes, size_t size)
{
    struct tri__link *link = tri_container_of(socket, struct tri__link, socket);
    size_t taken = 0;

    if (link->state != TRI__LINK_OPEN)
        return;
    if (!tri__link_has_input(link) && !is_choked(link))
        taken = feed(link, bytes, size);
    if (taken == size) {
        settle(link);
        return;
    }
    if (!hold(link, bytes + taken, size - taken)) {
        tri__link_close(link);
        return;
    }
    if (is_choked(link) || link->held_size - link->held_at > link->host->limits->turn_bytes)
        pause_input(link);
    settle(link);
}

/* One link's leftovers. Returns: whether it wants another turn for them. */
static bool feed_held(struct tri__link *link)
{
    if (is_choked(link)) {
        pause_input(link);
        return false; /* what is written next puts it back on the list */
    }
    size_t taken = feed(link, link->held + link->held_at, link->held_size - link->held_at);

    link->held_at += taken;
    note_held(link->host, 0, taken);
    if (tri__link_has_input(link))
        return true;
    tri__link_drop_held(link);
    tri__link_resume_input(link);
    return false;
}

bool tri__link_input_stage(void *context)
{
    struct tri__link_host *host = context;
    struct tri__list again;
    struct tri__list *at;

    tri__list_init(&again);
    while ((at = tri__list_take(&host->held)) != NULL) {
        struct tri__link *link = tri__list_entry(at, struct tri__link, in_held);

        /* One that has had its share in this turn waits for the next. */
        bool wants_more = link->fed_turn == host->turn || feed_held(link);

        settle(link);
        if (wants_more && link->state == TRI__LINK_OPEN && tri__list_is_empty(at))
            tri__list_append(&again, at);
    }
    host->turn++;
    bool has_more = !tri__list_is_empty(&again);

    while ((at = tri__list_take(&again)) != NULL)
        tri__list_append(&host->held, at);
    return has_more;
}
