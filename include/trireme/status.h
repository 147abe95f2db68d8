/*
 * How a call ends: the 17 codes of gRPC (grpc/doc/statuscodes.md), and what a timed read gives.
 */
#ifndef TRIREME_STATUS_H
#define TRIREME_STATUS_H

#include <trireme/base.h>

TRI_BEGIN_DECLS

typedef enum tri_code {
    TRI_OK = 0,
    TRI_CANCELLED = 1,
    TRI_UNKNOWN = 2,
    TRI_INVALID_ARGUMENT = 3,
    TRI_DEADLINE_EXCEEDED = 4,
    TRI_NOT_FOUND = 5,
    TRI_ALREADY_EXISTS = 6,
    TRI_PERMISSION_DENIED = 7,
    TRI_RESOURCE_EXHAUSTED = 8,
    TRI_FAILED_PRECONDITION = 9,
    TRI_ABORTED = 10,
    TRI_OUT_OF_RANGE = 11,
    TRI_UNIMPLEMENTED = 12,
    TRI_INTERNAL = 13,
    TRI_UNAVAILABLE = 14,
    TRI_DATA_LOSS = 15,
    TRI_UNAUTHENTICATED = 16
} tri_code;

/*
 * The name of a code as gRPC spells it, such as "NOT_FOUND"; "UNKNOWN" for a number that is none.
 *
 * Memory: static. Thread: any.
 */
TRI_API const char *tri_code_name(tri_code code);

/*
 * What a read with a timeout gives. The sign does not say whether to go on, since TRI_DRAINING is
 * negative and the stream still open; a loop looks at each:
 *
 *     for (;;) {
 *         const Note *note;
 *
 *         switch (chat_talk_requests_read(requests, &note, TRI_SECONDS(5))) {
 *         case TRI_MESSAGE:
 *             chat_talk_emit(replies, note);
 *             break;
 *         case TRI_TIMED_OUT:
 *             chat_talk_emit(replies, &still_here);
 *             break;
 *         case TRI_DRAINING:
 *             chat_talk_emit(replies, &goodbye);
 *             return TRI_OK;
 *         default: // TRI_EOF, TRI_OVER
 *             return tri_call_code(call);
 *         }
 *     }
 */
enum tri_read {
    TRI_EOF = 0,       /* the peer has said all that it had to say */
    TRI_MESSAGE = 1,   /* there is a message */
    TRI_TIMED_OUT = 2, /* none came in time, and the one before is gone; the stream is still open */
    TRI_OVER = -1,     /* the call is over: cancelled, deadline, reset, or it has failed */
    TRI_DRAINING = -2  /* said once, when the server begins to shut down; reading may go on */
};

TRI_END_DECLS

#endif
