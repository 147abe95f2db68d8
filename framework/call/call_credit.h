/*
 * Credit for messages that are larger than a stream's window. It goes to calls whose handlers wait
 * for such a message, whole messages at a time, first come first served, out of a budget of the
 * connection and one of the process; so what peers can make us hold is bounded by the
 * configuration.
 *
 * Thread: the reactor's.
 */
#ifndef TRI_CALL_CREDIT_H
#define TRI_CALL_CREDIT_H

#include "call.h"

/* The call's handler wants the large message that is announced: puts it in the queue. */
void tri__call_reserve(struct tri_call *call);

/* Gives the reservation back, or leaves the queue; does no harm without either. */
void tri__call_release(struct tri_call *call);

/*
 * Bytes have come for a call with a reservation. A sixteenth of the message, or 64 KiB if that is
 * more, is progress; a byte now and then is not.
 */
void tri__call_note_progress(struct tri_call *call);

/* Ends the calls whose message made no progress for the reservation's time. */
void tri__call_reservations_tick(struct tri__timer *timer);

/* A peer with less than this left wants credit before the next message begins. */
#define TRI__CREDIT_LOW 1024

/* Gives the peer the credit that is due to it, unless that can wait. */
void tri__call_return_credit(struct tri_call *call);

#endif
