/*
 * A server on one reactor: its links, where their calls run, and what the owner's thread orders.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "alloc.h"
#include "assertion.h"
#include "server_private.h"

/* A worker that has run one handler for so long gets no new calls while another can take them. */
#define WORKER_IS_BUSY ((uint64_t)1000 * 1000)
#define IDLE_CHECK ((int64_t)4 * 1000 * 1000)

static struct tri__server_core *core_of(struct tri__link_host *host)
{
    return host->owner;
}

/* Whether the worker has been running one and the same handler for too long. */
static bool is_stuck(struct tri__watch *watch, struct tri__worker *worker, uint64_t now)
{
    uint64_t progress = atomic_load_explicit(&worker->scheduler.progress, memory_order_relaxed);

    if (progress != watch->progress || !tri__mailbox_is_awake(&worker->mailbox)) {
        watch->progress = progress;
        watch->since = now;
        return false;
    }
    return now - watch->since > WORKER_IS_BUSY &&
           atomic_load_explicit(&worker->scheduler.load, memory_order_relaxed) > 0;
}

static uint16_t pick_worker(struct tri__server_core *core)
{
    struct tri__runtime *runtime = core->core->runtime;
    uint64_t now = tri__reactor_now(&core->core->reactor);
    uint16_t own = (uint16_t)(core->core->index % runtime->config.workers);
    uint16_t best = own;
    uint32_t best_load = UINT32_MAX;

    if (tri_likely(!is_stuck(&core->watches[own], &runtime->cores[own].worker, now)))
        return own;
    for (uint16_t i = 0; i < runtime->config.workers; i++) {
        struct tri__worker *worker = &runtime->cores[i].worker;
        uint32_t load = atomic_load_explicit(&worker->scheduler.load, memory_order_relaxed);

        if (i != own && load < best_load && !is_stuck(&core->watches[i], worker, now)) {
            best = i;
            best_load = load;
        }
    }
    return best;
}

static void place(struct tri__link_host *host, const struct tri__method *method, uint16_t *down,
                  uint16_t *up)
{
    struct tri__server_core *core = core_of(host);
    struct tri__runtime *runtime = core->core->runtime;

    if (method->is_inline) {
        *down = tri__lane_inline_down(runtime);
        *up = tri__lane_inline_up(runtime);
        return;
    }
    *down = pick_worker(core);
    *up = core->core->index;
}

static void link_closed(struct tri__link_host *host)
{
    atomic_fetch_sub_explicit(&core_of(host)->connections, 1, memory_order_relaxed);
}

static const struct tri__link_events link_events = {
    .route = tri__server_route, .place = place, .closed = link_closed};

/* A connection on its way to another reactor. */
struct handoff {
    struct tri__node node;
    int fd;
};

static void open_link(struct tri__server_core *core, int fd)
{
    if (tri__link_open(&core->host, fd) == 0)
        return;
    atomic_fetch_sub_explicit(&core->connections, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&core->server->connections_refused, 1, memory_order_relaxed);
}

static void consume_handoff(struct tri__node *node, void *consumer)
{
    struct handoff *handoff = tri_container_of(node, struct handoff, node);
    struct tri__reactor *reactor = consumer;
    struct tri__core *core = tri_container_of(reactor, struct tri__core, reactor);

    open_link(core->service, handoff->fd);
    tri__free(handoff);
}

static const struct tri__node_kind handoff_kind = {.consume = consume_handoff};

static void push(struct tri__server_core *core, struct tri__node *node)
{
    tri__mailbox_push(&core->core->reactor.mailbox, node, node);
    tri__mailbox_wake(&core->core->reactor.mailbox);
}

static void refuse(struct tri__server_core *core, int fd)
{
    struct tri__engine *engine = core->core->reactor.engine;

    atomic_fetch_add_explicit(&core->server->connections_refused, 1, memory_order_relaxed);
    engine->ops->refuse(engine, fd);
}

/* Each connection goes to the reactor with the fewest, and stays there. */
static void accepted(struct tri__listener *listener, int fd)
{
    struct tri__server_core *here = listener->owner;
    struct tri_server *server = here->server;
    struct tri__server_core *least = here;
    uint32_t fewest = UINT32_MAX;
    uint64_t total = 0;

    for (uint32_t i = 0; i < server->config.reactors; i++) {
        uint32_t count = atomic_load_explicit(&server->cores[i].connections, memory_order_relaxed);

        total += count;
        if (count < fewest) {
            fewest = count;
            least = &server->cores[i];
        }
    }
    if (total >= server->config.limits.connections_max) {
        refuse(here, fd);
        return;
    }
    atomic_fetch_add_explicit(&here->accepted, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&least->connections, 1, memory_order_relaxed);
    if (least == here) {
        open_link(here, fd);
        return;
    }
    struct handoff *handoff = tri__alloc(sizeof(*handoff));

    if (handoff == NULL) {
        atomic_fetch_sub_explicit(&least->connections, 1, memory_order_relaxed);
        refuse(here, fd);
        return;
    }
    *handoff = (struct handoff){.node = {.kind = &handoff_kind}, .fd = fd};
    push(least, &handoff->node);
}

static void paused(struct tri__listener *listener, int error)
{
    struct tri__server_core *core = listener->owner;

    tri__log(&core->server->log, TRI_LOG_WARNING, "cannot accept a connection (%s); trying again",
             error == -EMFILE   ? "EMFILE: raise RLIMIT_NOFILE"
             : error == -ENFILE ? "ENFILE: raise fs.file-max"
             : error == -ENOMEM ? "no memory"
                                : "error of the system");
}

void tri__server_order(struct tri__order *order)
{
    push(order->core, &order->node);
}

static void start_accepting(struct tri__node *node, void *consumer)
{
    struct tri__server_core *core = tri_container_of(node, struct tri__order, node)->core;

    (void)consumer;
    for (size_t i = 0; i < core->server->listeners_count; i++)
        tri__listener_start(&core->server->listeners[i]);
}

/* Reports, once, that no connection and no handler is left. */
static void check_idle(struct tri__timer *timer)
{
    struct tri__server_core *core = tri_container_of(timer, struct tri__server_core, idle_check);
    struct tri__reactor *reactor = &core->core->reactor;

    if (core->host.count == 0 && core->host.calls.live == 0) {
        core->is_idle = true;
        atomic_fetch_add_explicit(&core->server->idle_cores, 1, memory_order_release);
        tri__signals_nudge(&core->server->signals);
        return;
    }
    tri__timer_set(&reactor->wheel, timer, tri__time_after(tri__reactor_now(reactor), IDLE_CHECK));
}

static void begin_drain(struct tri__node *node, void *consumer)
{
    struct tri__server_core *core = tri_container_of(node, struct tri__order, node)->core;
    struct tri__reactor *reactor = consumer;

    for (size_t i = 0; core->core->index == 0 && i < core->server->listeners_count; i++)
        tri__listener_stop(&core->server->listeners[i]);
    tri__link_host_drain(&core->host);
    tri__timer_set(&reactor->wheel, &core->idle_check,
                   tri__time_after(tri__reactor_now(reactor), IDLE_CHECK));
}

static void abandon(struct tri__node *node, void *consumer)
{
    (void)consumer;
    tri__link_host_abandon(&tri_container_of(node, struct tri__order, node)->core->host);
}

static const struct tri__node_kind start_kind = {.consume = start_accepting};
static const struct tri__node_kind drain_kind = {.consume = begin_drain};
static const struct tri__node_kind abandon_kind = {.consume = abandon};

void tri__server_core_init(struct tri__server_core *core, struct tri_server *server,
                           struct tri__core *runtime_core)
{
    core->server = server;
    core->core = runtime_core;
    core->start = (struct tri__order){.node = {.kind = &start_kind}, .core = core};
    core->drain = (struct tri__order){.node = {.kind = &drain_kind}, .core = core};
    core->abandon = (struct tri__order){.node = {.kind = &abandon_kind}, .core = core};
    tri__timer_init(&core->idle_check, check_idle);
    runtime_core->service = core;
}

static int open_listeners(struct tri__server_core *core)
{
    struct tri_server *server = core->server;

    for (size_t i = 0; i < server->listeners_count; i++) {
        struct tri__listener *listener = &server->listeners[i];

        listener->accepted = accepted;
        listener->paused = paused;
        listener->owner = core;
        listener->address.user_timeout = server->config.limits.tcp_user_timeout;
        int r = tri__listener_open(listener, &core->core->reactor);

        if (r == -EADDRINUSE)
            tri__server_say(server,
                            "cannot listen on %s: the address is in use; stop what listens there, "
                            "or take another port",
                            server->listener_names[i]);
        else if (r == -EACCES)
            tri__server_say(server,
                            "cannot listen on %s: no permission; ports below 1024 want "
                            "CAP_NET_BIND_SERVICE, a socket's folder wants write access",
                            server->listener_names[i]);
        else if (r == -EADDRNOTAVAIL)
            tri__server_say(server, "cannot listen on %s: this machine has no such address",
                            server->listener_names[i]);
        else if (r < 0)
            tri__server_say(server, "cannot listen on %s: %s (%s)", server->listener_names[i],
                            strerrordesc_np(-r), strerrorname_np(-r));
        if (r < 0)
            return r;
    }
    return 0;
}

static int reactor_started(struct tri__core *runtime_core)
{
    struct tri__server_core *core = runtime_core->service;
    struct tri_server *server = core->server;
    struct tri__link_host_config host = {
        .reactor = &runtime_core->reactor,
        .limits = &server->link_limits,
        .events = &link_events,
        .h2_config = &server->h2_config,
        .call_limits = &server->call_limits,
        .log = &server->log,
        .poster = &runtime_core->inline_scheduler.poster,
        .process_used = &server->process_used,
        .owner = core,
    };
    int r = tri__link_host_init(&core->host, &host);

    if (r < 0)
        return r;
    core->is_open = true;
    core->watches = tri__alloc_zeroed(server->config.workers, sizeof(*core->watches));
    if (core->watches == NULL)
        return -ENOMEM;
    return runtime_core->index == 0 ? open_listeners(core) : 0;
}

static void reactor_stopped(struct tri__core *runtime_core)
{
    struct tri__server_core *core = runtime_core->service;

    /* A connection that was handed over in the last moment. */
    tri__mailbox_drain(&runtime_core->reactor.mailbox);
    for (size_t i = 0; runtime_core->index == 0 && i < core->server->listeners_count; i++)
        tri__listener_fini(&core->server->listeners[i]);
    if (core->is_open)
        tri__link_host_cut(&core->host);
    /* With a handler that does not return, its call and all that this hangs on stay. */
    if (core->is_open && core->host.calls.live == 0) {
        tri__link_host_fini(&core->host);
        core->is_open = false;
    }
    tri__free(core->watches);
    core->watches = NULL;
}

const struct tri__runtime_events tri__server_runtime_events = {
    .reactor_started = reactor_started,
    .reactor_stopped = reactor_stopped,
};
