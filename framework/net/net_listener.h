/*
 * A listener: accepts connections on a reactor and hands each on. When descriptors or memory run
 * out it pauses, and looks again after a while instead of spinning.
 *
 * Thread: the reactor's.
 */
#ifndef TRI_NET_LISTENER_H
#define TRI_NET_LISTENER_H

#include "engine.h"
#include "reactor.h"
#include "wheel.h"

struct tri__listener {
    struct tri__reactor *reactor;
    struct tri__address address;
    struct tri__acceptor acceptor;
    struct tri__timer again;
    bool is_open, is_accepting, is_stopping;

    void (*accepted)(struct tri__listener *listener, int fd);
    /* Accepting has failed with -errno and is tried again by itself. */
    void (*paused)(struct tri__listener *listener, int error);
    void *owner;
};

/*
 * Opens it: `address` becomes the real one. Returns: 0 or -errno. The owner has set the last three.
 */
int tri__listener_open(struct tri__listener *listener, struct tri__reactor *reactor);

void tri__listener_start(struct tri__listener *listener);

/* Accepts no more, and closes. Takes effect within the next turns. */
void tri__listener_stop(struct tri__listener *listener);

/* Frees what the reactor's end left: closes a listener that was never stopped. */
void tri__listener_fini(struct tri__listener *listener);

#endif
