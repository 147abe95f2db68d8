/*
 * A server: listeners, services, and a life from tri_server_new to tri_server_free.
 *
 *     tri_server *server = tri_server_new(TRI_SERVER_CONFIG(.listen = "tcp://0.0.0.0:50051"));
 *     greeter_serve(server, &servicer, NULL);
 *     int r = tri_server_run(server);
 *     if (r < 0)
 *         fprintf(stderr, "%s\n", tri_server_error(server));
 *     tri_server_free(server);
 *
 * One check is enough, at the end: the first preparation that fails (a field of the configuration,
 * an address, a service) is what tri_server_start and tri_server_run return, with its text.
 */
#ifndef TRIREME_SERVER_H
#define TRIREME_SERVER_H

#include <stdbool.h>

#include <trireme/base.h>
#include <trireme/log.h>

TRI_BEGIN_DECLS

typedef struct tri_server tri_server;

/* Where a handler's fiber runs. */
typedef enum tri_placement {
    TRI_PLACEMENT_DEFAULT = 0, /* the method's service's, else the server's, else workers */
    TRI_PLACEMENT_WORKERS = 1, /* on a worker thread: the rule */
    TRI_PLACEMENT_INLINE =
        2 /* on the reactor itself: fastest, for handlers that never block a thread */
} tri_placement;

typedef enum tri_switch {
    TRI_DEFAULT = 0,
    TRI_ON = 1,
    TRI_OFF = 2
} tri_switch;

/*
 * Every limit that the peer's behaviour can reach. Zero means the default, which stands behind
 * each. Sizes are bytes; a duration can be TRI_FOREVER. What makes no sense is refused:
 * the server does not start.
 */
typedef struct tri_limits {
    size_t receive_message_max; /* one request message; 4 MiB. Above: RESOURCE_EXHAUSTED */
    size_t send_message_max;    /* one reply message; none. Above: as for a request */
    size_t decoded_message_max; /* memory of one decoded message; 8 x receive_message_max */
    uint32_t depth_max;         /* nesting of a message; 100 */

    uint32_t header_list_soft_max; /* names + values + 32 each; 8 KiB. Above: RESOURCE_EXHAUSTED */
    uint32_t header_list_hard_max; /* 64 KiB. Above: the connection ends */
    uint32_t header_fields_max;    /* 128. Above: as the soft limit */
    uint32_t continuation_max;     /* CONTINUATION frames of one header block; 8 */

    uint32_t streams_max;     /* MAX_CONCURRENT_STREAMS, and live handlers, per connection; 256 */
    uint32_t connections_max; /* RLIMIT_NOFILE less 64 */

    uint32_t stream_window;           /* 1 MiB */
    uint32_t connection_window;       /* 16 MiB */
    size_t connection_receive_budget; /* credit beyond the stream windows; 16 MiB */
    size_t process_receive_budget;    /* 1 GiB, or a quarter of the memory when that is less */
    size_t emit_high_mark;            /* bytes of one stream at which emit waits; 64 KiB */
    size_t emit_low_mark;             /* and at which it goes on; 32 KiB */

    /* Of one connection in one turn of the loop; what is above waits for the next turn. */
    uint32_t turn_frames; /* 256, which is the most too */
    uint32_t turn_resets; /* 8 */
    uint32_t turn_bytes;  /* 256 KiB */

    uint32_t outbound_pause_frames; /* control frames that wait: not read any more at 1,000 */
    uint32_t outbound_close_frames; /* and closed at 10,000 */

    /* At once, and a second after that; a peer that does more is told ENHANCE_YOUR_CALM. */
    uint32_t reset_burst, reset_rate;       /* streams reset by it or for its faults: 1,000, 33 */
    uint32_t glitch_burst, glitch_rate;     /* frames without use: 1,000, 33 */
    uint32_t settings_burst, settings_rate; /* 100, 10 */
    uint32_t ping_burst, ping_rate;         /* 100, 10 */

    tri_duration handshake_timeout;    /* preface and first SETTINGS; 10 s */
    tri_duration headers_timeout;      /* HEADERS to END_HEADERS; 5 s */
    tri_duration settings_ack_timeout; /* 10 s */
    tri_duration write_timeout;        /* a write that makes no progress; 60 s */
    tri_duration window_timeout;       /* output that waits for the peer's window alone; 60 s */
    /* For each 64 KiB, or sixteenth if that is more, of a message above the stream window; 10 s */
    tri_duration reservation_timeout;
    tri_duration idle_timeout;     /* a connection without calls; none */
    tri_duration age_max;          /* a connection; none */
    tri_duration tcp_user_timeout; /* TCP_USER_TIMEOUT; 60 s */
} tri_limits;

/*
 * `size` comes first and is set by TRI_SERVER_CONFIG. Zero means the default everywhere.
 *
 * Memory: all is copied by tri_server_new, but `log_context`, which must outlive the server.
 */
typedef struct tri_server_config {
    uint32_t size;
    uint32_t reactors;  /* I/O threads; one for each CPU that the process may use */
    uint32_t workers;   /* threads for handlers; as many as reactors, each beside one on its core */
    const char *listen; /* one address; more with tri_server_listen */
    tri_placement placement;
    tri_switch pin; /* threads to CPUs; on while there are no more reactors than CPUs */
    /*
     * Name the handler that overflows its stack, on stderr; on. A local array larger than the guard
     * (16 KiB) is only caught in code compiled with -fstack-clash-protection, which the CMake
     * target and trireme.pc bring along.
     */
    tri_switch stack_overflow_report;
    uint32_t stack_size;        /* of a handler, in bytes of address space; 64 KiB */
    const char *engine;         /* "auto" or "io_uring" */
    tri_duration drain_limit;   /* calls in flight at shutdown; 10 s (and see tri_server_run) */
    tri_duration stall_warning; /* a handler that holds a worker; 10 ms (inline: a tenth of it) */
    tri_log_function log;
    void *log_context;
    tri_limits limits;
} tri_server_config;

#define TRI_SERVER_CONFIG(...)                                                                     \
    (&(const tri_server_config){.size = (uint32_t)sizeof(tri_server_config), __VA_ARGS__})

/* What one method does differently from its service. */
typedef struct tri_method_config {
    const char *method; /* as in the .proto: "SayHello" */
    tri_placement placement;
    uint32_t stack_size;
} tri_method_config;

/*
 * How a service is served; `greeter_serve(server, &servicer, NULL)` takes the defaults.
 *
 * Memory: copied, but `state`, which must outlive the server.
 */
typedef struct tri_service_config {
    uint32_t size;
    tri_placement placement;
    const char *const
        *names;  /* full names to serve it under, NULL at the end; the one of the .proto */
    void *state; /* what tri_call_state gives */
    const tri_method_config *methods;
    size_t methods_count;
} tri_service_config;

#define TRI_SERVICE_CONFIG(...)                                                                    \
    (&(const tri_service_config){.size = (uint32_t)sizeof(tri_service_config), __VA_ARGS__})

/*
 * Makes a server. It does nothing yet: no socket, no thread. With a configuration that is wrong it
 * is made too, but cannot be started: tri_server_error() names the field, its value and what would
 * be right, and tri_server_start returns -EINVAL, or -E2BIG for a field of a later version that
 * this library does not know.
 *
 * Returns: NULL, with errno ENOMEM, only when there is no memory. Every function here takes that
 * NULL; those that return an error return -EINVAL.
 */
TRI_API tri_server *tri_server_new(const tri_server_config *config);

/*
 * Adds an address to listen on: "tcp://HOST:PORT" with an IPv4 address, an IPv6 address in brackets
 * or a name; port 0 takes a free one; "unix:PATH" (an abandoned socket file is replaced).
 *
 * Thread: before tri_server_start. Returns: 0; -EINVAL for what is no address, -EADDRNOTAVAIL for a
 * name that is not found, with the reason in tri_server_error(). A failure stays: the start returns
 * it.
 */
TRI_API int tri_server_listen(tri_server *server, const char *address);

/*
 * Opens the listeners and starts the threads; returns when connections are accepted. The log says
 * at TRI_LOG_INFO where: "listening on tcp://127.0.0.1:50052 (io_uring, 2 reactors, 2 workers)".
 *
 * Returns: 0; or -errno, with a line in tri_server_error() that names the value, the reason and
 * what to do: -EADDRINUSE, -EACCES, -ENOSYS and -EPERM (no io_uring), -EALREADY, ...; then it may
 * be tried again. Or the first error of what was prepared before, each time.
 */
TRI_API int tri_server_start(tri_server *server);

/*
 * tri_server_start (unless that was done), then waits until SIGTERM, SIGINT or tri_server_stop,
 * drains and returns: no new connection, GOAWAY, calls in flight finish within `drain_limit`, the
 * rest ends UNAVAILABLE. A second signal ends the drain at once. A handler that does not return
 * then is waited for, up to 4 s after `drain_limit`.
 *
 * The two signals are blocked in the calling thread and in all threads of the library for as long
 * as it runs; other threads of the process must block them too, or the kernel may hand the signal
 * to one of these.
 *
 * Returns: 0; -ETIMEDOUT when a handler was stuck in its own code (its stack and call are left
 * alone); or as tri_server_start.
 */
TRI_API int tri_server_run(tri_server *server);

/*
 * Asks tri_server_run to drain and return.
 *
 * Thread: any, and signal handlers. Returns: 0 or -EINVAL.
 */
TRI_API int tri_server_stop(tri_server *server);

/*
 * Frees a server that is not running. Takes NULL.
 */
TRI_API void tri_server_free(tri_server *server);

/*
 * The address number `index` as it really is, with the real port: "tcp://127.0.0.1:41233".
 *
 * Memory: the server's. Thread: after tri_server_start. Returns: NULL when there is no such
 * address.
 */
TRI_API const char *tri_server_address(tri_server *server, size_t index);

/*
 * Why the last function of this server failed, in words; "" when it did not. For NULL: that there
 * was no memory.
 *
 * Memory: the server's, until its next call. Thread: that of the call which failed.
 */
TRI_API const char *tri_server_error(tri_server *server);

/*
 * The engine in use, after the start, such as "io_uring"; and how many threads there are.
 */
TRI_API const char *tri_server_engine(tri_server *server);
TRI_API uint32_t tri_server_reactors(tri_server *server);
TRI_API uint32_t tri_server_workers(tri_server *server);

/*
 * Counters since the start, summed over all threads; each is exact, together they are no snapshot.
 */
typedef struct tri_server_counters {
    uint64_t connections_accepted;
    uint64_t connections_open;
    uint64_t connections_refused; /* above connections_max, or dropped for a lack of memory */
    uint64_t calls_started;       /* reached a handler */
    uint64_t calls_finished;      /* their handler has returned */
    uint64_t calls_refused;       /* ended before any handler saw them */
    uint64_t handoffs;            /* calls given to another thread */
    uint64_t handoff_batches;     /* pushes that carried them */
    uint64_t wakes_worker;        /* system calls to wake a worker */
    uint64_t wakes_reactor;       /* and to wake a reactor */
    uint64_t stalls;              /* handlers that held their thread longer than stall_warning */
    uint64_t floods;              /* connections ended for too many frames of one kind */
} tri_server_counters;

/*
 * Thread: any, between start and free.
 */
TRI_API void tri_server_count(tri_server *server, tri_server_counters *counters);

TRI_END_DECLS

#endif
