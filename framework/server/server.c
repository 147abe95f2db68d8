/*
 * The life of a server: new, start, run, drain, free.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "alloc.h"
#include "net_address.h"
#include "server_private.h"

/* After the drain's limit: for the last writes and for handlers to see that it is over. */
#define GRACE TRI_SECONDS(2)

void tri__server_say(struct tri_server *server, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(server->error, sizeof(server->error), format, arguments);
    va_end(arguments);
    tri__log(&server->log, TRI_LOG_ERROR, "%s", server->error);
}

int tri__server_prepared(struct tri_server *server, int r)
{
    if (r == 0 || server->state != TRI__SERVER_NEW)
        return r;
    if (server->error[0] == '\0')
        tri__server_say(server, "cannot prepare the server: %s", strerrordesc_np(-r));
    if (server->failure == 0) {
        server->failure = r;
        memcpy(server->failure_text, server->error, sizeof(server->error));
    }
    return r;
}

tri_server *tri_server_new(const tri_server_config *config)
{
    tri_server *server = tri__alloc_zeroed(1, sizeof(*server));

    if (server == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    int r = tri__server_prepared(server, tri__server_configure(server, config));

    if (r == 0 && server->config.listen != NULL)
        tri_server_listen(server, server->config.listen);
    r = tri__signals_init(&server->signals);
    if (r < 0 && server->failure == 0)
        tri__server_say(server, "no file descriptors for the signals: %s", strerrordesc_np(-r));
    tri__server_prepared(server, r);
    /* The caller's strings are not ours to keep. */
    server->config.listen = NULL;
    server->config.engine = NULL;
    return server;
}

static int add_listener(tri_server *server, const char *address)
{
    char error[512];

    if (server->state != TRI__SERVER_NEW || server->listeners_count == TRI__LISTENERS_MAX) {
        tri__server_say(server, "%s: addresses are added before the start, %d at most", address,
                        TRI__LISTENERS_MAX);
        return -EINVAL;
    }
    int r = tri__address_parse(&server->listeners[server->listeners_count].address, address, error,
                               sizeof(error));

    if (r < 0) {
        tri__server_say(server, "cannot listen: %s", error);
        return r;
    }
    snprintf(server->listener_names[server->listeners_count], sizeof(server->listener_names[0]),
             "%s", address);
    server->listeners_count++;
    return 0;
}

int tri_server_listen(tri_server *server, const char *address)
{
    if (server == NULL)
        return -EINVAL;
    server->error[0] = '\0';
    return tri__server_prepared(server, add_listener(server, address));
}

/* What to do about an error of the system that keeps the engine or its threads from starting. */
static const char *advice_on(int error)
{
    switch (error) {
    case ENOSYS:
        return "this kernel has no io_uring; Linux 6.1 or later is needed";
    case EPERM:
        return "io_uring is forbidden here: kernel.io_uring_disabled must be 0 (or 1, with this "
               "process in kernel.io_uring_group), and a container's seccomp profile must allow "
               "io_uring_setup, io_uring_enter and io_uring_register";
    case EINVAL:
        return "this kernel's io_uring is too old; Linux 6.1 or later is needed";
    case ENOMEM:
        return "there is no memory, or RLIMIT_MEMLOCK (ulimit -l) is too low for io_uring: raise "
               "it";
    case EMFILE:
    case ENFILE:
        return "no file descriptor is left: raise RLIMIT_NOFILE (ulimit -n)";
    case EAGAIN:
        return "no thread can be made: raise RLIMIT_NPROC (ulimit -u) or the container's limit, or "
               "configure fewer reactors and workers";
    default:
        return NULL;
    }
}

static void explain_engine(tri_server *server, int error)
{
    const char *advice = advice_on(-error);
    const char *name = strerrorname_np(-error);
    const char *words = strerrordesc_np(-error);

    if (server->error[0] != '\0')
        return;
    tri__server_say(server, "cannot start with engine io_uring and %u reactors: %s (%s)%s%s",
                    server->config.reactors, name != NULL ? name : "an unknown error",
                    words != NULL ? words : "", advice != NULL ? "; " : "",
                    advice != NULL ? advice : "");
}

static int init_runtime(tri_server *server)
{
    struct tri__runtime_config config = {
        .reactors = (uint16_t)server->config.reactors,
        .workers = (uint16_t)server->config.workers,
        .pin = (int)server->config.pin,
        .reports_overflow = server->config.stack_overflow_report != TRI_OFF,
        .stack_size = server->config.stack_size,
        .worker_stall_limit = (uint64_t)server->config.stall_warning,
        .inline_stall_limit = (uint64_t)server->config.stall_warning / 10,
        .log = &server->log,
        .events = &tri__server_runtime_events,
        .owner = server,
    };

    server->cores = tri__alloc_zeroed(server->config.reactors, sizeof(*server->cores));
    if (server->cores == NULL)
        return -ENOMEM;
    int r = tri__runtime_init(&server->runtime, &config);

    for (uint32_t i = 0; r == 0 && i < server->config.reactors; i++)
        tri__server_core_init(&server->cores[i], server, &server->runtime.cores[i]);
    return r;
}

/* What keeps a server from being started at all. */
static int check_start(tri_server *server)
{
    server->error[0] = '\0';
    if (server->state != TRI__SERVER_NEW) {
        tri__server_say(server, "the server has been started before");
        return -EALREADY;
    }
    if (server->failure < 0) {
        memcpy(server->error, server->failure_text, sizeof(server->error));
        return server->failure; /* the log has it already */
    }
    if (server->listeners_count == 0) {
        tri__server_say(server,
                        "no address to listen on: tri_server_config.listen or tri_server_listen");
        return -EINVAL;
    }
    return 0;
}

static void say_started(tri_server *server)
{
    for (size_t i = 0; i < server->listeners_count; i++)
        tri__log(&server->log, TRI_LOG_INFO, "listening on %s (%s, %u reactors, %u workers)",
                 server->listener_names[i], server->engine_name, server->config.reactors,
                 server->config.workers);
    if (server->services == NULL)
        tri__log(&server->log, TRI_LOG_WARNING,
                 "the server has no service: every call will end UNIMPLEMENTED");
}

int tri_server_start(tri_server *server)
{
    if (server == NULL)
        return -EINVAL;
    int r = check_start(server);

    if (r < 0)
        return r;
    r = init_runtime(server);

    if (r < 0) {
        tri__free(server->cores);
        server->cores = NULL;
        return r;
    }
    tri__signals_block(&server->signals);
    r = tri__runtime_start(&server->runtime);
    if (r < 0) {
        explain_engine(server, r);
        tri__signals_unblock(&server->signals);
        tri__runtime_fini(&server->runtime);
        tri__free(server->cores);
        server->cores = NULL;
        return r;
    }
    server->engine_name = server->runtime.cores[0].reactor.engine->ops->name;
    for (size_t i = 0; i < server->listeners_count; i++)
        tri__address_format(&server->listeners[i].address, server->listener_names[i],
                            sizeof(server->listener_names[i]));
    server->state = TRI__SERVER_RUNNING;
    say_started(server);
    tri__server_order(&server->cores[0].start);
    return 0;
}

static bool is_idle(tri_server *server)
{
    return atomic_load_explicit(&server->idle_cores, memory_order_acquire) ==
           server->config.reactors;
}

/* Waits until every reactor is idle, for `limit` ns at most or until a signal comes. */
static bool wait_until_idle(tri_server *server, tri_duration limit)
{
    uint64_t deadline = tri__time_after(tri__now(&server->runtime.clock), limit);

    while (!is_idle(server)) {
        uint64_t now = tri__now(&server->runtime.clock);

        if (now >= deadline ||
            tri__signals_wait(&server->signals, (int64_t)(deadline - now)) == TRI__SIGNAL_TERMINATE)
            break;
    }
    return is_idle(server);
}

/* The paths of what runs, for the error; a method's path lives as long as the server. */
static void say_stuck(tri_server *server)
{
    const struct tri__runtime *runtime = &server->runtime;
    const char *first = NULL;
    unsigned count = 0;

    for (uint32_t i = 0; i < runtime->cores_count; i++) {
        const struct tri__core *core = &runtime->cores[i];
        const struct tri__scheduler *both[] = {&core->inline_scheduler, &core->worker.scheduler};

        for (size_t j = 0; j < 2; j++) {
            const char *name = atomic_load_explicit(&both[j]->running, memory_order_relaxed);

            if (name != NULL && count++ == 0)
                first = name;
        }
    }
    tri__server_say(server,
                    "the handler of %s did not return after its call was cancelled (stuck in all: "
                    "%u); its thread is left alone",
                    first != NULL ? first : "a method", count);
}

static int drain(tri_server *server)
{
    tri__log(&server->log, TRI_LOG_INFO, "draining: calls in flight have %lld ms",
             (long long)(server->config.drain_limit / 1000000));
    for (uint32_t i = 0; i < server->config.reactors; i++)
        tri__server_order(&server->cores[i].drain);
    if (!wait_until_idle(server, server->config.drain_limit)) {
        for (uint32_t i = 0; i < server->config.reactors; i++)
            tri__server_order(&server->cores[i].abandon);
        wait_until_idle(server, GRACE);
    }
    int r = tri__runtime_stop(&server->runtime, (uint64_t)GRACE);

    for (uint32_t i = 0; r == 0 && i < server->config.reactors; i++) {
        if (server->cores[i].is_open)
            r = -ETIMEDOUT;
    }
    server->state = r == 0 ? TRI__SERVER_STOPPED : TRI__SERVER_STUCK;
    if (r == 0)
        tri__log(&server->log, TRI_LOG_INFO, "stopped");
    else
        say_stuck(server);
    return r;
}

int tri_server_run(tri_server *server)
{
    int r = 0;

    if (server == NULL)
        return -EINVAL;
    if (server->state != TRI__SERVER_RUNNING)
        r = tri_server_start(server);
    if (r < 0)
        return r;
    while (!atomic_load_explicit(&server->is_asked_to_stop, memory_order_acquire)) {
        if (tri__signals_wait(&server->signals, -1) == TRI__SIGNAL_TERMINATE)
            break;
    }
    r = drain(server);
    tri__signals_unblock(&server->signals);
    return r;
}

int tri_server_stop(tri_server *server)
{
    if (server == NULL)
        return -EINVAL;
    atomic_store_explicit(&server->is_asked_to_stop, true, memory_order_release);
    tri__signals_nudge(&server->signals);
    return 0;
}

void tri_server_free(tri_server *server)
{
    if (server == NULL || server->state == TRI__SERVER_STUCK)
        return;
    if (server->state == TRI__SERVER_RUNNING && drain(server) < 0)
        return;
    if (server->state == TRI__SERVER_STOPPED)
        tri__runtime_fini(&server->runtime);
    tri__signals_unblock(&server->signals);
    tri__signals_fini(&server->signals);
    tri__server_free_services(server);
    tri__free(server->cores);
    tri__free(server);
}

const char *tri_server_address(tri_server *server, size_t index)
{
    if (server == NULL || index >= server->listeners_count)
        return NULL;
    return server->listener_names[index];
}

const char *tri_server_error(tri_server *server)
{
    return server != NULL ? server->error : "there was no memory for the server";
}

const char *tri_server_engine(tri_server *server)
{
    return server != NULL && server->engine_name != NULL ? server->engine_name : "";
}

uint32_t tri_server_reactors(tri_server *server)
{
    return server != NULL ? server->config.reactors : 0;
}

uint32_t tri_server_workers(tri_server *server)
{
    return server != NULL ? server->config.workers : 0;
}

static uint64_t read_counter(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void tri_server_count(tri_server *server, tri_server_counters *counters)
{
    *counters = (tri_server_counters){0};
    if (server == NULL || server->cores == NULL)
        return;
    counters->connections_refused = read_counter(&server->connections_refused);
    for (uint32_t i = 0; i < server->config.reactors; i++) {
        struct tri__server_core *core = &server->cores[i];
        const struct tri__scheduler *scheduler = &core->core->inline_scheduler;

        counters->connections_accepted += read_counter(&core->accepted);
        counters->connections_open +=
            atomic_load_explicit(&core->connections, memory_order_relaxed);
        counters->calls_started += read_counter(&core->host.calls.started);
        counters->calls_finished += read_counter(&core->host.calls.finished);
        counters->calls_refused += read_counter(&core->host.calls.refused);
        counters->handoffs += read_counter(&scheduler->poster.handoffs);
        counters->handoff_batches += read_counter(&scheduler->poster.batches);
        counters->wakes_worker += read_counter(&scheduler->poster.wakes);
        counters->stalls += read_counter(&scheduler->stalls);
        counters->floods += read_counter(&core->host.floods);
    }
    for (uint32_t i = 0; i < server->config.workers; i++) {
        const struct tri__scheduler *scheduler = &server->runtime.cores[i].worker.scheduler;

        counters->handoffs += read_counter(&scheduler->poster.handoffs);
        counters->handoff_batches += read_counter(&scheduler->poster.batches);
        counters->wakes_reactor += read_counter(&scheduler->poster.wakes);
        counters->stalls += read_counter(&scheduler->stalls);
    }
}
