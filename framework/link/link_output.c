/*
 * Output: at the end of a turn, one buffer and one send for each connection that has something to
 * say. While a send is in flight the frames stay in the session, and messages in their calls: that
 * is what makes a slow connection push back.
 */
#include "alloc.h"
#include "link_private.h"

#define IDLE_BUFFERS_MAX 32

/*
 * Replies come from workers connection by connection, as the requests went. When the next one's
 * turn has come the last one's are written, while they are in the cache: a thousand calls are too
 * many for it.
 */
static void write_last(struct tri__link *link)
{
    struct tri__link_host *host = link->host;
    struct tri__link *last = host->answered;

    if (!host->reactor->is_consuming || last == link || host->is_writing)
        return;
    host->answered = link;
    if (last == NULL)
        return;
    host->is_writing = true;
    tri__link_write(last);
    host->is_writing = false;
}

void tri__link_mark_dirty(struct tri__link *link)
{
    if (link->state != TRI__LINK_OPEN)
        return;
    write_last(link);
    if (tri__list_is_empty(&link->in_dirty))
        tri__list_append(&link->host->dirty, &link->in_dirty);
}

static struct tri__out_buffer *take_buffer(struct tri__link_host *host)
{
    struct tri__out_buffer *buffer = host->idle_buffers;

    if (buffer == NULL)
        return tri__alloc(sizeof(*buffer));
    host->idle_buffers = buffer->next;
    host->idle_buffers_count--;
    return buffer;
}

void tri__link_release_buffer(struct tri__link *link)
{
    struct tri__link_host *host = link->host;
    struct tri__out_buffer *buffer = link->sending;

    if (buffer == NULL)
        return;
    link->sending = NULL;
    if (host->idle_buffers_count >= IDLE_BUFFERS_MAX) {
        tri__free(buffer);
        return;
    }
    buffer->next = host->idle_buffers;
    host->idle_buffers = buffer;
    host->idle_buffers_count++;
}

/* Nothing is left to say: is that the end? */
static void end_if_over(struct tri__link *link)
{
    bool is_drained =
        link->has_said_last && tri__list_is_empty(&link->calls) && !tri__h2_wants_write(link->h2);

    if (tri__h2_is_over(link->h2) || is_drained)
        tri__link_linger(link);
}

/* Returns: false when there was no memory for a buffer. */
static bool write_link(struct tri__link *link)
{
    struct tri__out_buffer *buffer = take_buffer(link->host);

    if (buffer == NULL)
        return false;
    size_t size = tri__h2_write(link->h2, buffer->bytes, sizeof(buffer->bytes));

    link->sending = buffer;
    if (size == 0) {
        tri__link_release_buffer(link);
        end_if_over(link);
        if (link->budget.output > 0)
            tri__link_watch(link);
        return true;
    }
    tri__link_engine(link)->ops->send(tri__link_engine(link), &link->socket, buffer->bytes, size);
    tri__link_watch(link);
    return true;
}

void tri__link_write(struct tri__link *link)
{
    if (tri__list_is_empty(&link->in_dirty))
        return;
    tri__list_remove(&link->in_dirty);
    /* While a send is in flight its end makes the link dirty again. */
    if (link->sending != NULL || link->state != TRI__LINK_OPEN)
        return;
    if (link->must_close)
        tri__link_close(link);
    else if (!write_link(link))
        tri__list_append(&link->host->dirty, &link->in_dirty);
}

bool tri__link_write_stage(void *context)
{
    struct tri__link_host *host = context;
    struct tri__list *last = host->dirty.previous;
    struct tri__list *at;

    /* Up to the last one of now: without memory for a buffer a link goes back to the end. */
    do {
        at = host->dirty.next;
        if (at != &host->dirty)
            tri__link_write(tri__list_entry(at, struct tri__link, in_dirty));
    } while (at != last && at != &host->dirty);
    return !tri__list_is_empty(&host->dirty);
}

void tri__link_on_sent(struct tri__socket *socket, int error)
{
    struct tri__link *link = tri_container_of(socket, struct tri__link, socket);

    tri__link_release_buffer(link);
    if (error < 0) {
        tri__link_close(link);
        return;
    }
    tri__link_mark_dirty(link);
    tri__link_resume_input(link);
}
