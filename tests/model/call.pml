/*
 * One call, its reactor and the worker that it was dispatched to: framework/call/call_post.h,
 * call_handler.c, call_wire.c, call_stream.c, call_credit.c. See README.md for what is asserted and
 * for the switches.
 *
 * A unit of output is a reply; an open chunk of two replies counts as two. Payloads are counts:
 * that lists keep their order is interleavings_test.c's to show.
 */
#ifndef MESSAGES
#define MESSAGES 1
#endif
#ifndef REPLIES /* for each request */
#define REPLIES 1
#endif
#ifndef IS_PARTNER
#define IS_PARTNER true
#endif

#ifndef HIGH_MARK
#define HIGH_MARK 9
#define LOW_MARK 1
#endif

/* Down. */
#define START 1
#define MESSAGE 2
#define LARGE 4
#define HALF_CLOSED 8
#define WRITABLE 16
#define CANCEL 32
#define DRAIN 64
#define CLOSED 128

/* Up. */
#define OUTPUT 2
#define WANT_WRITE 4
#define WANT_READ 8
#define CREDIT 16
#define STATUS 32
#define DONE 64

/* The wire. */
#define OPEN 0
#define ENDING 1
#define GONE 2

/* The slot of the call may be looked at. */
#define TOUCH assert(!is_freed)

/* The call. */
byte down, up, code, inbox, outbox, taken, drained;
bool is_freed;

/* What the environment may do in this run. */
bool may_reset, may_expire, may_return, may_drain, may_time_out;

/* What is counted. */
byte messages, replies; /* that exist */
byte trailers, dones;
bool was_reset;

#ifdef INLINE
#define AT_CONSUMER CHAINED
bool is_workers_turn, has_run, has_timer;
#else
#define AT_CONSUMER PUSHED
#endif

#include "sleep.pml"

/* --- The reactor --- */

inline post_down(new)
{
    atomic {
        TOUCH;
        old = down;
        down = old | (new);
        if
        :: old == 0 -> assert(down_node == OUTSIDE); down_node = CHAINED
        :: else
        fi
    };
    if
    :: (old & CLOSED) != 0 -> atomic { TOUCH; messages = messages - inbox; inbox = 0 }
    :: else
    fi;
    old = 0
}

inline set_code(new)
{
    atomic {
        TOUCH;
        if
        :: code == 0 -> code = new
        :: else
        fi
    }
}

inline free_if_over()
{
    if
#ifdef MUTANT_FREE_BEFORE_DONE
    :: wire == GONE && !is_freed ->
#else
    :: wire == GONE && is_done ->
#endif
        atomic {
            TOUCH;
            assert(up == 0 && up_node == OUTSIDE && down_node == OUTSIDE);
            messages = messages - inbox;
            inbox = 0;
            replies = replies - outbox;
            outbox = 0;
            is_freed = true
        }
    :: else
    fi
}

inline send_trailers()
{
    trailers++;
    assert(trailers == 1);
    has_ended = true
}

/* A peer that waits for its replies: nothing that it does later can make up for a lost wake-up. */
#ifdef PING_PONG
#define PEER_GOES_ON (got_back == sent * REPLIES)
#else
#define PEER_GOES_ON true
#endif

#ifdef CREDITS
/*
 * Units on the wire: a prefix is one, and so is a small message's body; a large one has three. The
 * window is three, so the large one needs credit beyond it.
 */
#define WINDOW 3
#ifndef LARGE_AT
#define LARGE_AT 1
#endif
#define SIZE(index) ((index) == LARGE_AT -> 3 : 1)
#define GAIN_MIN 3 /* less waits, at the handler and at the reactor */
#define LOW_CREDIT 1

inline return_credit()
{
    atomic {
        TOUCH;
        k = taken;
        if
        :: reserved_to != 0 && k >= reserved_to -> reserved = 0; reserved_to = 0
        :: else
        fi;
        target = k + WINDOW + reserved;
        if
        :: target > allowed && wire == OPEN && !is_half_closed &&
           !(target - allowed < GAIN_MIN &&
             allowed - received >= (is_assembling -> missing : 0) + LOW_CREDIT) ->
            allowed = target
        :: else
        fi;
        k = 0;
        target = 0
    }
}

inline reserve()
{
    if
    :: is_large && reserved == 0 ->
        reserved = SIZE(sent) + 1;
        return_credit()
    :: else
    fi
}

inline receive()
{
    received++;
    if
    :: !is_assembling ->
        atomic {
            is_assembling = true;
            missing = SIZE(sent);
            is_large = (missing + 2 > WINDOW)
        };
#ifndef MUTANT_LARGE_UNSAID
        if
        :: is_large -> post_down(LARGE)
        :: else
        fi;
#endif
        return_credit()
    :: else ->
        missing--;
        if
        :: missing == 0 ->
            atomic {
                is_assembling = false;
                if
                :: is_large && reserved != 0 -> reserved_to = delivered + SIZE(sent) + 1
                :: else
                fi;
                is_large = false;
                delivered = delivered + SIZE(sent) + 1;
                sent++
            };
            atomic { TOUCH; inbox++; messages++ };
            post_down(MESSAGE);
            if
            :: allowed - received < LOW_CREDIT -> return_credit()
            :: else
            fi
        :: else
        fi
    fi
}
#define CAN_RECEIVE (wire == OPEN && sent < MESSAGES && received < allowed && PEER_GOES_ON)
#else
inline return_credit() { skip }
inline reserve() { skip }
inline receive()
{
    sent++;
#ifdef MUTANT_BIT_BEFORE_MESSAGE
    messages++;
    post_down(MESSAGE);
    atomic { TOUCH; inbox++ }
#else
    atomic { TOUCH; inbox++; messages++ };
    post_down(MESSAGE)
#endif
}
#define CAN_RECEIVE (wire == OPEN && sent < MESSAGES && is_dispatched && PEER_GOES_ON)
#endif

inline tell_writable()
{
    if
    :: wants_writable && output - drained < LOW_MARK ->
        wants_writable = false;
        post_down(WRITABLE)
    :: else
    fi
}

/* tri__call_closed: the stream is gone. */
inline close_wire(why)
{
    wire = GONE;
#ifdef MUTANT_CANCEL_BEFORE_CODE
    if
    :: is_dispatched && !is_done -> post_down(CANCEL)
    :: else -> is_done = true
    fi;
    if
    :: !has_status -> set_code(why)
    :: else
    fi;
#else
    if
    :: !has_status -> set_code(why)
    :: else
    fi;
    if
    :: is_dispatched && !is_done -> post_down(CANCEL)
    :: else -> is_done = true
    fi;
#endif
    atomic { replies = replies - pending; pending = 0; has_deadline = false };
    free_if_over()
}

/* end(): the deadline has passed, or the server gives up. */
inline end_from_wire(why)
{
    wire = ENDING;
    set_code(why);
    if
    :: is_dispatched && !is_done -> post_down(CANCEL)
    :: else
    fi;
    atomic {
        is_done = is_done || !is_dispatched;
        has_status = true;
        has_deadline = false;
        replies = replies - pending;
        pending = 0;
        if
        :: has_headers -> is_asked = true
        :: else -> has_headers = true; send_trailers()
        fi
    }
}

/* tri__call_output: the session takes a unit, or learns that there is none, or the trailers. */
inline pull()
{
    if
    :: pending > 0 ->
        atomic { pending--; replies--; got_back++ };
        atomic { TOUCH; drained++ };
        tell_writable()
    :: else -> is_asked = false
    fi;
    if
    :: has_status && pending == 0 ->
        atomic {
            if
            :: wire == OPEN -> wire = ENDING
            :: else
            fi;
            send_trailers()
        }
    :: else
    fi
}
#define CAN_PULL (is_asked && !has_ended && wire != GONE)

inline send()
{
    atomic {
        if
#ifndef MUTANT_SEND_ON_ANY_WIRE
        :: wire != OPEN
#endif
        :: else ->
            assert(wire != GONE);
            if
            :: has_headers -> is_asked = true
            :: else ->
                has_headers = true;
                if
                :: has_status && pending == 0 -> wire = ENDING; send_trailers()
                :: else -> is_asked = true
                fi
            fi
        fi
    }
}

inline consume_up()
{
#ifdef MUTANT_UP_NEXT_LATE
    atomic { TOUCH; bits = up; up = 0 };
    up_node = OUTSIDE;
#else
    atomic { TOUCH; up_node = OUTSIDE }; /* its `next` has been read */
    atomic { TOUCH; bits = up; up = 0 };
#endif
    if
    :: (bits & OUTPUT) != 0 ->
        atomic {
            TOUCH;
            k = outbox;
            outbox = 0;
            if
            :: wire != OPEN -> replies = replies - k
            :: else -> pending = pending + k; output = output + k
            fi;
            k = 0
        }
    :: else
    fi;
    if
    :: (bits & STATUS) != 0 -> has_status = true
    :: else
    fi;
    if
    :: (bits & (OUTPUT | STATUS)) != 0 -> send()
    :: else
    fi;
    if
    :: (bits & (CREDIT | WANT_READ)) != 0 -> return_credit()
    :: else
    fi;
    if
    :: (bits & WANT_READ) != 0 && wire == OPEN -> reserve()
    :: else
    fi;
    if
    :: (bits & WANT_WRITE) != 0 ->
        wants_writable = true;
#ifndef MUTANT_NO_WRITABLE_AT_ONCE
        tell_writable()
#endif
    :: else
    fi;
    if
    :: (bits & DONE) != 0 ->
        atomic { assert(!is_done); is_done = true; dones++ };
        free_if_over()
    :: else
    fi;
    bits = 0
}

#ifdef UNARY
/*
 * One request: it is stored before START is posted, and START by a plain store, since until the
 * push nobody else knows the call.
 */
#define CAN_DISPATCH (wire == OPEN && !is_dispatched)
inline dispatch()
{
    atomic {
        sent = 1;
        is_half_closed = true;
        is_dispatched = true;
        inbox = 1;
        messages++;
        assert(down == 0 && down_node == OUTSIDE);
        down = START | HALF_CLOSED;
        down_node = CHAINED
    }
}
#define CAN_HALF_CLOSE false
#else
#define CAN_DISPATCH (wire == OPEN && !is_dispatched)
inline dispatch() { is_dispatched = true; post_down(START) }
#define CAN_HALF_CLOSE (wire == OPEN && sent == MESSAGES && !is_half_closed && is_dispatched && PEER_GOES_ON)
#endif

#define CAN_CLOSE (has_ended && wire != GONE)
#define CAN_RESET (may_reset && wire != GONE)
#define CAN_EXPIRE (may_expire && has_deadline && wire == OPEN)
#define CAN_GIVE_UP (may_expire && !has_deadline && wire == ENDING && !has_ended)
#define CAN_DRAIN (may_drain && !is_draining && is_dispatched && !is_done && wire != GONE)
#define HAS_EVENT                                                                                  \
    (CAN_DISPATCH || CAN_RECEIVE || CAN_HALF_CLOSE || CAN_PULL || CAN_CLOSE || CAN_RESET ||        \
     CAN_EXPIRE || CAN_GIVE_UP || CAN_DRAIN)

#define ANY_EVENT                                                                                 \
    :: CAN_DISPATCH -> dispatch()                                                                 \
    :: CAN_RECEIVE -> receive()                                                                   \
    :: CAN_HALF_CLOSE -> is_half_closed = true; post_down(HALF_CLOSED)                            \
    :: CAN_CLOSE -> close_wire(1)                                                                 \
    :: CAN_RESET -> was_reset = true; close_wire(1)                                               \
    :: CAN_EXPIRE -> end_from_wire(4)                                                             \
    :: CAN_GIVE_UP -> was_reset = true; close_wire(1)                                             \
    :: CAN_DRAIN -> is_draining = true; post_down(DRAIN)

proctype reactor()
{
    byte old, bits, k, how;
    bool may_sleep;
    byte wire = OPEN, sent, pending, output, got_back;
    bool is_dispatched, is_half_closed, is_done, has_status, has_headers, has_ended, is_asked,
        wants_writable, is_draining, has_deadline = true;
#ifdef CREDITS
    byte received, allowed = WINDOW, delivered, missing, reserved, reserved_to, target;
    bool is_assembling, is_large;
#endif

#ifdef INLINE
    /*
     * One thread: the process worker runs during the stage RUN only. Lanes of the thread's own
     * take the mailboxes' place, and nobody sleeps with anything in them.
     */
turn:
    do
    ANY_EVENT
    :: break
    od;
    has_run = false;
    is_workers_turn = true;
    !is_workers_turn;
    if
    :: has_run && up_node == CHAINED -> consume_up()
    :: else
    fi;
    do
    :: CAN_PULL -> pull()
    :: break
    od;
#ifndef MUTANT_POST_STAGE_BLIND
    if
    :: down_node == CHAINED -> goto turn
    :: else
    fi;
#endif
    assert(up_node == OUTSIDE);
end_reactor_waits:
    HAS_EVENT || has_timer;
    goto turn;
#else
    do
    :: up_node == PUSHED -> up_node = TAKEN; consume_up()
    :: CAN_PULL -> pull()
    ANY_EVENT
    :: true ->
        /* The stage POST, and the wait. */
        if
        :: down_node == CHAINED ->
            atomic { TOUCH; down_node = PUSHED };
            wake_worker();
            k = 0
        :: else
        fi;
        reactor_sleep(HAS_EVENT)
    od
#endif
}

/* --- The worker, and the handler on its fiber --- */

#define QUEUED 1
#define RUNNING 2
#define LEAVING 3
#define LEFT 4

/* Where the fiber is parked. */
#define IN_SLEEP 1
#define IN_NEXT 2
#define IN_ROOM 3

inline post_up(new)
{
    atomic {
        TOUCH;
        old = up;
        up = old | (new);
        /* Even after DONE: a node that nobody has pushed keeps the slot. */
        if
        :: old == 0 -> TOUCH; assert(up_node == OUTSIDE); up_node = CHAINED
        :: else
        fi;
        old = 0
    }
}

/* tri__side_publish; the open chunk goes first. */
inline publish(new)
{
    want = new;
    if
    :: open > 0 ->
        atomic { TOUCH; outbox = outbox + open; published = published + open; open = 0 };
        want = want | OUTPUT
    :: else
    fi;
    if
    :: want != 0 -> post_up(want)
    :: else
    fi;
    want = 0
}

inline leave()
{
    want = STATUS;
    if
    :: open > 0 ->
        atomic { TOUCH; outbox = outbox + open; open = 0 };
        want = want | OUTPUT
    :: else
    fi;
    atomic { messages = messages - own; own = 0 };
#ifdef MUTANT_DONE_BEFORE_CLOSED
    post_up(want | DONE);
    atomic { TOUCH; down = down | CLOSED; side = LEFT };
#else
    atomic { TOUCH; bits = down; down = bits | CLOSED };
    if
#ifdef MUTANT_LEAVES_AT_ONCE
    :: false
#else
    :: bits != 0 ->
#ifdef INLINE
        assert(false); /* RUN takes all that has come before it runs the handler */
#endif
        side = LEAVING;
        post_up(want)
#endif
    :: else -> side = LEFT; post_up(want | DONE)
    fi;
#endif
    bits = 0;
    want = 0
}

inline consume_down()
{
#ifndef MUTANT_DOWN_NEXT_LATE
    atomic { TOUCH; down_node = OUTSIDE }; /* its `next` has been read */
#endif
    atomic { TOUCH; bits = down & (255 - CLOSED); down = down & CLOSED };
#ifdef MUTANT_CLOSED_FORGOTTEN
    down = 0;
#endif
    if
    :: side == LEAVING -> side = LEFT; post_up(DONE)
    :: else ->
        atomic {
            assert(side != LEFT);
            if
            :: (bits & START) != 0 -> assert(side == 0); side = QUEUED
            :: else
            fi;
#ifdef MUTANT_SEEN_FORGOTTEN
            if
            :: (waiting_for & bits) != 0 -> seen = seen | bits
            :: else
            fi;
#else
            seen = seen | bits;
#endif
            if
            :: (waiting_for & bits) != 0 -> is_runnable = true
            :: else
            fi
        }
    fi;
#ifdef MUTANT_DOWN_NEXT_LATE
    atomic { TOUCH; down_node = OUTSIDE };
#endif
    bits = 0
}

#ifdef MUTANT_NO_CREDIT_BEFORE_WAIT
#define CREDIT_BIT 0
#else
#define CREDIT_BIT (taken != credit_posted -> CREDIT : 0)
#endif
#define WANT_BIT ((seen & LARGE) != 0 -> WANT_READ : 0)

#ifdef MUTANT_LARGE_UNAWAITED
#define AWAITED (MESSAGE | HALF_CLOSED | CANCEL)
#else
#define AWAITED (MESSAGE | HALF_CLOSED | CANCEL | LARGE)
#endif

proctype worker()
{
    byte old, bits, k, want;
    bool owes_wake, has_taken, is_late;
    byte side, seen, waiting_for, place, own, open, got, published, credit_posted, to_emit;
    bool is_runnable, has_told_drain, has_timed_out;

turn:
#ifdef INLINE
end_worker_waits:
    is_workers_turn;
#endif
    has_taken = false;
    if
    :: down_node == AT_CONSUMER -> down_node = TAKEN; has_taken = true; consume_down()
    :: else
    fi;
    if
    :: side == QUEUED || is_runnable -> goto resume
    :: else
    fi;
    goto switched;

resume:
#ifdef INLINE
    has_run = true;
#endif
    if
    :: side == QUEUED -> goto start
    :: else -> is_runnable = false; waiting_for = 0
    fi;
    if
    :: place == IN_SLEEP -> goto asleep
    :: place == IN_NEXT -> goto next
    :: place == IN_ROOM -> goto room
    fi;

switched:
#ifdef INLINE
    has_timer = (may_time_out && !has_timed_out && waiting_for != 0);
    is_workers_turn = false;
    goto late;
#endif
    worker_push();
    k = 0;
    if
    :: is_runnable -> goto turn
    :: has_taken && down_node == PUSHED -> goto turn
    :: else
    fi;
    worker_settle();
    k = 0;
    worker_sleep(may_time_out && !has_timed_out && waiting_for != 0);
late:
    /* A timer may be due by now. */
    if
    :: may_time_out && !has_timed_out && waiting_for != 0 && !is_runnable &&
       (place == IN_SLEEP || place == IN_NEXT) ->
        atomic { has_timed_out = true; is_late = true; is_runnable = true }
    :: true
    fi;
    goto turn;

start:
    side = RUNNING;
#ifdef UNARY
    if
    :: atomic { code == 0 -> TOUCH };
        atomic {
            TOUCH;
            assert(inbox == 1);
            inbox = 0;
            messages--;
            got = 1
        }
    :: atomic { code != 0 -> TOUCH } -> goto over
    fi;
    if
    :: atomic { code == 0 -> TOUCH } -> atomic { open = 1; replies++ }
    :: atomic { code != 0 -> TOUCH }
    fi;
    /* settle_status(): a single reply goes out only with TRI_OK. */
    if
    :: atomic { code == 0 -> TOUCH }
    :: atomic { code != 0 -> TOUCH } -> atomic { replies = replies - open; open = 0 }
    fi;
    goto over;
#endif
#ifdef NAPS
asleep:
    /* tri_call_sleep */
    if
    :: atomic { code == 0 && !is_late -> TOUCH } ->
        publish(CREDIT_BIT);
        atomic { waiting_for = CANCEL; place = IN_SLEEP };
        goto switched
    :: atomic { code != 0 || is_late -> TOUCH } -> is_late = false
    fi;
#else
asleep:
#endif

next:
    /* fetch(), and what the handler does with what it gets */
    if
    :: may_return -> goto over
    :: true
    fi;
#ifdef MUTANT_INBOX_BEFORE_BITS
    if
    :: own == 0 -> atomic { TOUCH; own = inbox; inbox = 0 }
    :: else
    fi;
#endif
    atomic { TOUCH; bits = seen | down };
    if
    :: atomic { code != 0 -> TOUCH } -> bits = 0; goto over
    :: atomic { code == 0 -> TOUCH }
    fi;
    seen = seen & (255 - MESSAGE);
#ifndef MUTANT_INBOX_BEFORE_BITS
    if
    :: own == 0 -> atomic { TOUCH; own = inbox; inbox = 0 }
    :: else
    fi;
#endif
    if
    :: own > 0 ->
        bits = 0;
        atomic {
            TOUCH;
            own--;
            messages--;
#ifdef CREDITS
            taken = taken + SIZE(got) + 1;
#endif
            got++;
            to_emit = REPLIES
        };
#ifdef CREDITS
        if
        :: taken - credit_posted >= GAIN_MIN -> credit_posted = taken; post_up(CREDIT)
        :: else
        fi;
#endif
        goto emit
    :: own == 0 && (bits & HALF_CLOSED) != 0 ->
        atomic {
            bits = 0;
            assert(got == MESSAGES) /* the end is told after the last message only */
        };
        goto over
    :: own == 0 && (bits & HALF_CLOSED) == 0 && (bits & DRAIN) != 0 && !has_told_drain ->
        bits = 0;
        has_told_drain = true;
        if
        :: goto over
        :: goto next
        fi
    :: else ->
        bits = 0;
        atomic { want = CREDIT_BIT | WANT_BIT; seen = seen & (255 - LARGE); credit_posted = taken };
        publish(want);
        if
        :: is_late -> is_late = false; goto next /* timed out; the handler asks again */
        :: else
        fi;
        atomic {
            waiting_for = AWAITED | (has_told_drain -> 0 : DRAIN);
            place = IN_NEXT
        };
        goto switched
    fi;

emit:
    if
    :: to_emit == 0 -> goto next
    :: else -> to_emit--
    fi;
    if
    :: atomic { code != 0 -> TOUCH } -> goto emit /* a naive handler goes on */
    :: atomic { code == 0 -> TOUCH } -> atomic { open++; replies++ }
    fi;
#ifndef INLINE
    if
    :: publish(0); worker_push(); k = 0 /* held for 50 us */
    :: true
    fi;
#endif
room:
    /* wait_for_room() */
    if
    :: atomic { published + open - drained <= HIGH_MARK -> TOUCH } -> goto emit
    :: atomic { published + open - drained > HIGH_MARK -> TOUCH }
    fi;
    if
    :: atomic { code != 0 -> TOUCH } -> goto emit
    :: atomic { code == 0 -> TOUCH }
    fi;
    seen = seen & (255 - WRITABLE);
    atomic { want = CREDIT_BIT | WANT_WRITE; credit_posted = taken };
    publish(want);
    atomic { waiting_for = WRITABLE | CANCEL; place = IN_ROOM };
    goto switched;

over:
    leave();
    goto switched
}

/* --- What may happen in a run, and what must be at its end --- */

inline choose(switch)
{
    if
    :: switch = true
    :: switch = false
    fi
}

init
{
    atomic {
#ifdef RESET
        choose(may_reset);
#endif
#ifdef DEADLINE
        choose(may_expire);
#endif
#ifdef RETURNS
        choose(may_return);
#endif
#ifdef DRAINS
        choose(may_drain);
#endif
#ifdef NAPS
        may_time_out = true;
#endif
        run reactor();
        run worker()
    };
    timeout;
    assert(is_freed);
    assert(messages == 0 && replies == 0);
    assert(trailers == 1 || was_reset);
    assert(dones <= 1);
    assert(down_node == OUTSIDE && up_node == OUTSIDE)
}
