/*
 * A call, as the function that serves it sees it.
 *
 * A servicer function runs on a fiber: a small stack of its own, pinned to one thread. Waiting
 * (next, read, emit, tri_call_sleep) parks the fiber and lets the thread serve others. So, over a
 * wait: errno is kept; thread-local data keeps its address but another handler may have changed its
 * value (strtok, OpenSSL's error queue); a pthread mutex must not be held; what blocks the thread
 * itself (a file, a lock, a blocking client library) holds up its other calls.
 *
 * Failure is sticky. Once the call has failed, was cancelled or ran out of time, every `next` gives
 * NULL and every `emit` returns the code, so a plain loop ends by itself. A handler with side
 * effects asks tri_call_ended_ok() after its loop, since a reset ends the loop too.
 *
 * Memory: three life spans, none to be freed by hand.
 * - a request lives until the next one is asked for;
 * - scratch (tri_call_printf) lives until the handler next emits or asks for a request;
 * - the call and what tri_call_alloc gave live until the handler returns.
 *
 * Thread: everything here is the handler's own (its fiber), unless it says otherwise.
 */
#ifndef TRIREME_CALL_H
#define TRIREME_CALL_H

#include <stdbool.h>

#include <trireme/base.h>
#include <trireme/status.h>

TRI_BEGIN_DECLS

typedef struct tri_call tri_call;

/*
 * Ends the call with `code` and a message; to be returned at once:
 *
 *     return tri_call_fail(call, TRI_NOT_FOUND, "no user %s", name);
 *
 * The first failure wins; what had ended the call before (a cancel, a deadline) wins over both. A
 * `code` of TRI_OK, or one that is none of the 17, is TRI_UNKNOWN. The message is UTF-8; it is cut
 * after 1,024 bytes, and percent-coded on the wire.
 *
 * Returns: the code that the call ends with.
 */
TRI_API tri_code tri_call_fail(tri_call *call, tri_code code, const char *format, ...)
    TRI_PRINTF(3, 4);

/*
 * The same for a message made already.
 */
TRI_API tri_code tri_call_fail_message(tri_call *call, tri_code code, const char *message,
                                       size_t size);

/*
 * Puts a google.rpc.Status, serialized, next to the code and message that the call fails with
 * (`grpc-status-details-bin`). Its own code and message should be the same.
 *
 * Memory: copied. Returns: 0, -ENOMEM, or -E2BIG when the trailers would not fit.
 */
TRI_API int tri_call_set_details(tri_call *call, const void *details, size_t size);

/*
 * TRI_OK while nothing has gone wrong, else what has ended the call.
 */
TRI_API tri_code tri_call_code(tri_call *call);

/*
 * Whether the peer has sent all its requests and ended its side in good order: true only after
 * `next` gave NULL (or `read` TRI_EOF) for that reason alone.
 */
TRI_API bool tri_call_ended_ok(tri_call *call);

/*
 * Formats into scratch: lives until the handler next emits or asks for a request. Formatting runs
 * on the thread's own stack, so it costs the fiber's small one nothing.
 *
 * Returns: a string, never NULL. Without memory it is "" and the call fails with
 * TRI_RESOURCE_EXHAUSTED.
 */
TRI_API char *tri_call_printf(tri_call *call, const char *format, ...) TRI_PRINTF(2, 3);

/*
 * Memory that lives until the handler returns, aligned for any type, not cleared. For what grows
 * without end, use malloc.
 *
 * Returns: NULL when there is no memory; the call has then failed with TRI_RESOURCE_EXHAUSTED.
 */
TRI_API void *tri_call_alloc(tri_call *call, size_t size);

/*
 * Waits, without holding the thread.
 *
 * Returns: TRI_OK after `duration` (to the millisecond, never early), or at once the code that has
 * ended the call.
 */
TRI_API tri_code tri_call_sleep(tri_call *call, tri_duration duration);

/*
 * How long the call may still take; TRI_FOREVER without a deadline, 0 when it has passed.
 */
TRI_API tri_duration tri_call_time_left(tri_call *call);

/*
 * What the service was registered with (tri_service_config.state).
 */
TRI_API void *tri_call_state(tri_call *call);

/*
 * The path of the method as the peer sent it, such as "/helloworld.Greeter/SayHello".
 *
 * Memory: borrowed, until the handler returns.
 */
TRI_API const char *tri_call_path(tri_call *call);

/*
 * The address of the peer, such as "127.0.0.1:41952", "[::1]:41952" or "unix:".
 *
 * Memory: borrowed, until the handler returns.
 */
TRI_API const char *tri_call_peer(tri_call *call);

TRI_END_DECLS

#endif
