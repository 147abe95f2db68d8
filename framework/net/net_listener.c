#include "net_listener.h"

#include "assertion.h"

#define PAUSE ((int64_t)50 * 1000 * 1000)

static void start_again(struct tri__timer *timer)
{
    struct tri__listener *listener = tri_container_of(timer, struct tri__listener, again);

    if (!listener->is_stopping)
        tri__listener_start(listener);
}

static void on_accepted(struct tri__acceptor *acceptor, int fd)
{
    struct tri__listener *listener = tri_container_of(acceptor, struct tri__listener, acceptor);
    struct tri__reactor *reactor = listener->reactor;

    if (fd >= 0) {
        listener->accepted(listener, fd);
        /* The engine may have ended a multishot accept with its last connection. */
        if (!acceptor->is_armed)
            reactor->engine->ops->accept_start(reactor->engine, acceptor);
        return;
    }
    listener->is_accepting = false;
    listener->paused(listener, fd);
    tri__timer_set(&reactor->wheel, &listener->again,
                   tri__time_after(tri__reactor_now(reactor), PAUSE));
}

static void on_stopped(struct tri__acceptor *acceptor)
{
    tri__listener_fini(tri_container_of(acceptor, struct tri__listener, acceptor));
}

int tri__listener_open(struct tri__listener *listener, struct tri__reactor *reactor)
{
    int fd = reactor->engine->ops->listen(reactor->engine, &listener->address);

    if (fd < 0)
        return fd;
    listener->reactor = reactor;
    listener->acceptor =
        (struct tri__acceptor){.accepted = on_accepted, .stopped = on_stopped, .fd = fd};
    listener->is_open = true;
    tri__timer_init(&listener->again, start_again);
    return 0;
}

void tri__listener_start(struct tri__listener *listener)
{
    listener->is_accepting = true;
    listener->reactor->engine->ops->accept_start(listener->reactor->engine, &listener->acceptor);
}

void tri__listener_stop(struct tri__listener *listener)
{
    if (!listener->is_open || listener->is_stopping)
        return;
    listener->is_stopping = true;
    tri__timer_clear(&listener->reactor->wheel, &listener->again);
    if (listener->is_accepting)
        listener->reactor->engine->ops->accept_stop(listener->reactor->engine, &listener->acceptor);
    else
        tri__listener_fini(listener);
}

void tri__listener_fini(struct tri__listener *listener)
{
    if (!listener->is_open)
        return;
    listener->is_open = false;
    listener->reactor->engine->ops->unlisten(listener->reactor->engine, listener->acceptor.fd,
                                             &listener->address);
}
