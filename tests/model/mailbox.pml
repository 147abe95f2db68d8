/*
 * The mailbox itself, framework/queue/mailbox.c: two producers push chains with one CAS, the
 * consumer takes all by one exchange, turns the list round, and sleeps on its word. A node is
 * pushed again as soon as its consumption has begun.
 */
#ifndef ROUNDS
#define ROUNDS 2 /* pushes of each producer: a chain of one and of two nodes in turn */
#endif

#define AWAKE 0
#define ASLEEP 2
#define PER_PRODUCER 2
#define NODES (2 * PER_PRODUCER)

byte next[NODES + 1], number[NODES + 1]; /* nodes are 1 to NODES; 0 is NULL */
bool is_pushed[NODES + 1];
byte head, sleeping;
bool blocked;
byte expected[2], pushed[2];

proctype producer(byte me)
{
    byte round, first, last, old, seen;
    byte base = me * PER_PRODUCER;

    do
    :: round < ROUNDS ->
        /* The chain is linked from old to new and turned round before the push. */
        atomic { !is_pushed[base + 1]; is_pushed[base + 1] = true };
        atomic { first = base + 1; last = first; number[first] = pushed[me]; pushed[me]++ };
        if
        :: round % 2 == 1 ->
            atomic { !is_pushed[base + 2]; is_pushed[base + 2] = true };
            atomic { last = base + 2; number[last] = pushed[me]; pushed[me]++; next[last] = first }
        :: else
        fi;
#ifdef MUTANT_WAKES_BEFORE_PUSH
        seen = sleeping;
#endif
        old = head;
        do
        :: next[first] = old;
#ifdef MUTANT_PUSH_BY_STORE
            head = last;
            break
#else
            atomic {
                if
                :: head == old -> head = last; break
                :: else -> old = head
                fi
            }
#endif
        od;
#ifndef MUTANT_WAKES_BEFORE_PUSH
        seen = sleeping;
#endif
        if
        :: seen != AWAKE ->
            atomic { old = sleeping; sleeping = AWAKE };
            if
            :: old != AWAKE -> blocked = false
            :: else
            fi
        :: else
        fi;
        atomic { round++; first = 0; last = 0; old = 0; seen = 0 }
    :: else -> break
    od
}

inline consume(node)
{
    atomic {
        assert(is_pushed[node]);
        who = (node - 1) / PER_PRODUCER;
        assert(number[node] == expected[who]);
        expected[who]++;
        is_pushed[node] = false;
        who = 0
    }
}

proctype consumer()
{
    byte node, turned, after, who;

    do
    :: head != 0 ->
#ifdef MUTANT_DRAIN_BY_STORE
        node = head;
        head = 0;
#else
        atomic { node = head; head = 0 };
#endif
        atomic {
            turned = 0;
            do
            :: node != 0 -> after = next[node]; next[node] = turned; turned = node; node = after
            :: else -> break
            od;
            after = 0
        };
        do
        :: turned != 0 ->
#ifdef MUTANT_NEXT_LATE
            consume(turned);
            turned = next[turned]
#else
            after = next[turned];
            consume(turned);
            atomic { turned = after; after = 0 }
#endif
        :: else -> break
        od
    :: head == 0 ->
#ifdef MUTANT_LOOKS_ONCE
        sleeping = ASLEEP;
        blocked = true;
#else
        sleeping = ASLEEP;
        if
        :: head == 0 -> atomic { blocked = (sleeping == ASLEEP) }
        :: else
        fi;
#endif
end_asleep:
        !blocked;
        sleeping = AWAKE
    od
}

init
{
    atomic { run producer(0); run producer(1); run consumer() };
    timeout;
    assert(head == 0);
    assert(expected[0] == pushed[0] && expected[1] == pushed[1]);
    assert(pushed[0] == ROUNDS + ROUNDS / 2)
}
