/*
 * The two kinds of sleep: a reactor, the worker that shares its core and may put off its wake
 * while it dozes, and a worker of another core. Either worker may fall, after any push, into a
 * handler that never returns; what was pushed before must be seen all the same.
 *
 * A mailbox is a count of nodes; see mailbox.pml for the lists.
 */
#ifndef OWN
#define OWN 2     /* requests for the worker of the reactor's core */
#define FOREIGN 1 /* and for the other one */
#endif

#define AWAKE 0
#define DOZING 1
#define ASLEEP 2

byte head[3], sleeping[3]; /* of worker 0, worker 1, and the reactor */
bool blocked[2], token;
byte answered;
bool is_stuck[2];
bool sleeps_unbounded; /* the reactor, until somebody wakes it */

#define REACTOR 2

inline wake(who)
{
    if
#ifdef MUTANT_WAKES_BEFORE_PUSH
    :: seen_sleeping != AWAKE ->
#else
    :: sleeping[who] != AWAKE ->
#endif
        atomic { old = sleeping[who]; sleeping[who] = AWAKE };
        if
        :: old != AWAKE && who == REACTOR -> token = true
        :: old != AWAKE && who != REACTOR -> blocked[who] = false
        :: else
        fi;
        old = 0
    :: else
    fi
}

inline push(who)
{
#ifdef MUTANT_WAKES_BEFORE_PUSH
    seen_sleeping = sleeping[who];
#endif
    head[who]++;
    wake(who);
    seen_sleeping = 0
}

active proctype reactor()
{
    byte asked[2], old, how, seen_sleeping, i;
    bool may_sleep;

    do
    :: atomic { head[REACTOR] > 0 -> answered = answered + head[REACTOR]; head[REACTOR] = 0 }
    :: asked[0] < OWN -> asked[0]++; push(0)
    :: asked[1] < FOREIGN -> asked[1]++; push(1)
    :: true ->
        how = ASLEEP;
        sleeping[REACTOR] = ASLEEP;
        may_sleep = (head[REACTOR] == 0);
        if
        :: sleeping[0] == AWAKE ->
#ifdef MUTANT_ONE_SLEEP
            sleeping[REACTOR] = DOZING;
#else
            atomic { sleeping[REACTOR] = DOZING; how = DOZING };
#endif
            may_sleep = (head[REACTOR] == 0)
        :: else
        fi;
        sleeps_unbounded = may_sleep && how == ASLEEP;
end_asleep:
        if
        :: atomic { token || !may_sleep -> token = false; sleeps_unbounded = false }
        :: asked[0] < OWN || asked[1] < FOREIGN -> sleeps_unbounded = false /* the wire */
        :: how == DOZING /* 1 ms is over */
        fi;
        sleeping[REACTOR] = AWAKE;
        atomic { may_sleep = false; how = AWAKE }
    od
}

/* tri__worker_turn of worker `me`; only worker 0 is the reactor's partner. */
active [2] proctype worker()
{
    byte ready, old, seen_sleeping;
    byte me = _pid - 1;
    bool owes_wake, has_taken;

    do
    :: has_taken = (head[me] > 0);
        atomic { ready = ready + head[me]; head[me] = 0 };
        do
        :: ready > 0 ->
            ready--;
            /* The handler's reply is pushed when the fiber is left. */
#ifdef MUTANT_WAKES_BEFORE_PUSH
            seen_sleeping = sleeping[REACTOR];
#endif
            head[REACTOR]++;
            if
#ifdef MUTANT_DEFERS_TO_SLEEPER
            :: me == 0 && sleeping[REACTOR] != AWAKE -> owes_wake = true
#else
            :: me == 0 && sleeping[REACTOR] == DOZING -> owes_wake = true
#endif
            :: else -> wake(REACTOR)
            fi;
            if
            :: owes_wake -> owes_wake = false; wake(REACTOR) /* 50 us are over */
            :: true
            fi;
            if
            :: is_stuck[me] = true
            :: true
            fi;
            seen_sleeping = 0;
end_stuck:
            !is_stuck[me]
        :: else -> break
        od;
        if
        :: has_taken && head[me] > 0
        :: else ->
            has_taken = false;
            if
            :: owes_wake -> owes_wake = false; wake(REACTOR)
            :: else
            fi;
#ifdef MUTANT_WORKER_LOOKS_ONCE
            if
            :: head[me] == 0 ->
                sleeping[me] = ASLEEP;
                atomic { blocked[me] = (sleeping[me] == ASLEEP) };
end_asleep_early:
                !blocked[me]
            :: else
            fi;
#else
            sleeping[me] = ASLEEP;
            if
            :: head[me] == 0 ->
                atomic { blocked[me] = (sleeping[me] == ASLEEP) };
end_asleep:
                !blocked[me]
            :: else
            fi;
#endif
            sleeping[me] = AWAKE
        fi
    od
}

active proctype monitor()
{
    timeout;
    assert(!(sleeps_unbounded && head[REACTOR] > 0));
    assert(is_stuck[0] || head[0] == 0);
    assert(is_stuck[1] || head[1] == 0);
    assert(is_stuck[0] || is_stuck[1] || answered == OWN + FOREIGN)
}
