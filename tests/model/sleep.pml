/*
 * How the reactor and a worker sleep and wake each other: framework/queue/mailbox.h and poster.c,
 * tri__worker_turn and prepare_to_wait. One node at a time lies in each mailbox, so a place is
 * enough for it; lists of nodes are in mailbox.pml.
 *
 * Each access to something shared is a step of its own; what only one thread sees is done in the
 * same step as the access before it.
 */
#define AWAKE 0
#define DOZING 1
#define ASLEEP 2

/* Where a node is: nowhere, in its producer's chain, in the mailbox, or with the consumer. */
#define OUTSIDE 0
#define CHAINED 1
#define PUSHED 2
#define TAKEN 3

byte down_node, up_node;
byte worker_sleeping, reactor_sleeping; /* the sleeping words */
bool worker_blocked;                    /* in the futex */
bool token;                             /* the engine has been woken */

/* The reactor's wake of the worker: tri__mailbox_wake with a futex. */
inline wake_worker()
{
    if
    :: worker_sleeping != AWAKE ->
        atomic { k = worker_sleeping; worker_sleeping = AWAKE };
        if
        :: k != AWAKE -> worker_blocked = false
        :: else
        fi
    :: else
    fi
}

inline wake_reactor()
{
    if
    :: reactor_sleeping != AWAKE ->
        atomic { k = reactor_sleeping; reactor_sleeping = AWAKE };
        if
        :: k != AWAKE -> token = true
        :: else
        fi
    :: else
    fi
}

/* tri__poster_push of the worker: the wake of a partner that dozes is put off. */
inline worker_push()
{
    if
    :: up_node == CHAINED ->
        atomic { TOUCH; up_node = PUSHED };
        if
        :: IS_PARTNER && reactor_sleeping == DOZING -> owes_wake = true
        :: else -> wake_reactor()
        fi
    :: else
    fi
}

inline worker_settle()
{
    if
    :: owes_wake -> owes_wake = false; wake_reactor()
    :: else
    fi
}

/* The end of tri__worker_turn; `timer` is what else may end the wait. */
inline worker_sleep(timer)
{
#ifdef MUTANT_WORKER_LOOKS_ONCE
    if
    :: down_node == PUSHED
    :: else -> worker_sleeping = ASLEEP;
        atomic { worker_blocked = (worker_sleeping == ASLEEP) };
end_worker_asleep:
        if
        :: !worker_blocked
        :: timer -> worker_blocked = false
        fi
    fi;
#else
    worker_sleeping = ASLEEP;
    if
    :: down_node == PUSHED
    :: else ->
        atomic { worker_blocked = (worker_sleeping == ASLEEP) };
end_worker_asleep:
        if
        :: !worker_blocked
        :: timer -> worker_blocked = false
        fi
    fi;
#endif
    worker_sleeping = AWAKE
}

/* tri__reactor_turn up to the mailbox; `event` is what else may end the wait. */
inline reactor_sleep(event)
{
    how = ASLEEP;
#ifdef MUTANT_REACTOR_LOOKS_ONCE
    may_sleep = (up_node != PUSHED);
    reactor_sleeping = ASLEEP;
#else
    reactor_sleeping = ASLEEP;
    may_sleep = (up_node != PUSHED);
#endif
    if
    :: IS_PARTNER && worker_sleeping == AWAKE ->
        atomic { reactor_sleeping = DOZING; how = DOZING };
#ifndef MUTANT_REACTOR_LOOKS_ONCE
        may_sleep = (up_node != PUSHED)
#endif
    :: else
    fi;
end_reactor_asleep:
    if
    :: atomic { token || !may_sleep -> token = false }
    :: event
    :: how == DOZING /* 1 ms is over */
    fi;
    atomic { reactor_sleeping = AWAKE; may_sleep = false; how = AWAKE }
}
