/*
 * A call, as the function that serves it sees it.
 *
 * A servicer function runs on a fiber: a small stack of its own, pinned to one thread. Waiting
 * (next, read, emit, tri_call_sleep) parks the fiber and lets the thread serve others. So, over a
 * wait: errno is kept; thread-local data keeps its address but another handler may have changed its
 * value (strtok, OpenSSL's error queue); a pthread mutex must not be held; what blocks the thread
 * itself (a file, a lock, a blocking client library) holds up its other calls. Threads of one's own
 * may not call anything here, and cannot wake a handler yet.
 *
 * The stack is small (tri_server_config.stack_size): no large local arrays, no deep recursion;
 * tri_call_alloc() instead.
 *
 * Failure is sticky. Once the call has failed, was cancelled or ran out of time, every `next` gives
 * NULL and every `emit` returns the code, so a plain loop ends by itself. A handler with side
 * effects asks tri_call_ended_ok() after its loop, since a reset ends the loop too. A loop that
 * only emits has nothing that ends it: it looks at the code of each emit.
 *
 * The code that a handler returns ends the call, without a message; TRI_OK does not undo a failure.
 * A deadline that passes is DEADLINE_EXCEEDED, or CANCELLED when the client's reset comes first.
 *
 * Messages are protobuf-c's. What was not sent is "" for a string of proto3, NULL for one of proto2
 * without a default, and NULL for a submessage. Strings are not checked to be UTF-8, and a NUL
 * inside one ends it. A string of a reply that is NULL counts as "".
 *
 * Memory: three life spans, none to be freed by hand.
 * - a request lives until the next one is asked for, also by a read that timed out;
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
 * How long the call may still take; 0 when its deadline has passed. Without a deadline it is
 * TRI_FOREVER, which is negative, so compare like this:
 *
 *     tri_duration left = tri_call_time_left(call);
 *     if (left >= 0 && left < TRI_MS(50))
 *         return tri_call_fail(call, TRI_DEADLINE_EXCEEDED, "too little time is left");
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

/*
 * For request in requests: `tri_each (request, greeter_chat_next(requests)) { ... }`. It ends when
 * `next` gives NULL, and that is after the last request and when the call is over alike.
 */
#ifdef __cplusplus
/* NOLINTNEXTLINE(bugprone-macro-parentheses) a name cannot stand in them */
#define tri_each(name, next) for (auto name = (next); name != nullptr; name = (next))
#else
/* NOLINTNEXTLINE(bugprone-macro-parentheses) a name cannot stand in them */
#define tri_each(name, next) for (__auto_type name = (next); name != NULL; name = (next))
#endif

#endif
