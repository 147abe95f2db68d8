/*
 * The handler's side of a call: what its files share. Everything here runs on the thread that the
 * call was dispatched to, on the handler's fiber unless it says otherwise.
 */
#ifndef TRI_CALL_SIDE_H
#define TRI_CALL_SIDE_H

#include "call.h"

/* Takes the next message that has come, in order; NULL when there is none. */
struct tri__message *tri__side_take_message(struct tri_call *call);

/*
 * Decodes a message into the request arena, on the thread's own stack; gives the message's memory
 * and credit back. Returns: NULL when that failed, and then the call has.
 */
const void *tri__side_decode(struct tri_call *call, struct tri__message *message);

/* Publishes what has been emitted, with `bits`. */
void tri__side_publish(struct tri_call *call, uint32_t bits);

/*
 * Parks until one of `bits` comes or the time is up (false). The caller has looked, and published.
 */
bool tri__side_wait(struct tri_call *call, uint32_t bits, uint64_t deadline);

/* What the current handler asks of: asserts that it is its own call. */
void tri__side_assert_current(const struct tri_call *call);

/* Ends the call with a text of the library's, and logs it when `is_mistake` of the handler's. */
tri_code tri__side_fail(struct tri_call *call, tri_code code, bool is_mistake, const char *text);

/* Logs a mistake of the handler's that does not end the call: `what` is quoted, and why. */
void tri__side_warn(struct tri_call *call, const char *what, const char *why);

#endif
