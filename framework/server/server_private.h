/*
 * What the files of this module share.
 */
#ifndef TRI_SERVER_PRIVATE_H
#define TRI_SERVER_PRIVATE_H

#include <stdatomic.h>

#include <trireme/generated.h>
#include <trireme/server.h>

#include "connection_link.h"
#include "map.h"
#include "net_listener.h"
#include "runtime.h"
#include "signals.h"

#define TRI__LISTENERS_MAX 16

/* A service as it was added, under all its names. */
struct tri__service {
    struct tri__service *next;
    struct tri__method *methods; /* one for each name and method */
    size_t count;
};

enum tri__server_state {
    TRI__SERVER_NEW,
    TRI__SERVER_RUNNING,
    TRI__SERVER_STOPPED,
    TRI__SERVER_STUCK /* a handler did not return: nothing may be freed */
};

/* What a reactor is told by the thread that owns the server. */
struct tri__order {
    struct tri__node node;
    struct tri__server_core *core;
};

/* How a reactor sees a worker. */
struct tri__watch {
    uint64_t progress;
    uint64_t since; /* ns, when it had first made that much */
};

struct tri__server_core {
    struct tri_server *server;
    struct tri__core *core;
    struct tri__link_host host;
    struct tri__watch *watches; /* of each worker; the reactor's */
    struct tri__order start, drain, abandon;
    struct tri__timer idle_check; /* while draining */
    bool is_open, is_idle;
    _Atomic uint32_t
        connections; /* assigned to it and not closed: the acceptor adds, the core takes off */
    _Atomic uint64_t accepted;
};

struct tri_server {
    tri_server_config config;
    struct tri__log log;
    struct tri__link_limits link_limits;
    struct tri__call_limits call_limits;
    struct tri__h2_config h2_config;
    enum tri__server_state state;
    char error[512];
    int failure; /* -errno of the first preparation that failed: the server cannot start */
    char failure_text[512];

    struct tri__service *services;
    struct tri__map routes;
    struct tri__listener listeners[TRI__LISTENERS_MAX];
    char listener_names[TRI__LISTENERS_MAX][140];
    size_t listeners_count;

    struct tri__runtime runtime;
    struct tri__server_core *cores; /* one for each reactor */
    struct tri__signals signals;
    _Atomic size_t process_used;
    _Atomic uint32_t idle_cores;
    _Atomic bool is_asked_to_stop;
    _Atomic uint64_t connections_refused;
    const char *engine_name;
};

/* server_config.c */
/* Copies the configuration, fills in the defaults, checks it. Returns: 0, -EINVAL or -E2BIG. */
int tri__server_configure(struct tri_server *server, const tri_server_config *config);

/* server.c */
void tri__server_say(struct tri_server *server, const char *format, ...) TRI_PRINTF(2, 3);
/*
 * Keeps the first failure before the start, with its text, for tri_server_start. Returns: `r`.
 */
int tri__server_prepared(struct tri_server *server, int r);

/* server_services.c */
const struct tri__method *tri__server_route(struct tri__link_host *host, const char *path,
                                            size_t size);
void tri__server_free_services(struct tri_server *server);

/* server_core.c */
extern const struct tri__runtime_events tri__server_runtime_events;
/* Hands an order to a core's reactor. Thread: any. */
void tri__server_order(struct tri__order *order);
void tri__server_core_init(struct tri__server_core *core, struct tri_server *server,
                           struct tri__core *runtime_core);

#endif
