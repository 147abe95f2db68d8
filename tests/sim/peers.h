/*
 * Peers: each a state machine that, when its turn comes, reads a little, writes a little, or does
 * the next thing of its script.
 */
#ifndef SIM_PEERS_H
#define SIM_PEERS_H

#include "client.h"

enum peer_kind {
    PEER_GOOD,      /* keeps to every rule, at full speed */
    PEER_SLOW,      /* small windows, small reads, pauses */
    PEER_CANCELLER, /* resets calls at any moment */
    PEER_GREEDY,    /* opens what it likes, above the limit too */
    PEER_SILENT,    /* says nothing, or half of something */
    PEER_MALICIOUS,
    PEER_KINDS
};

struct peer {
    struct actor actor; /* first: a peer is an actor */
    enum peer_kind kind;
    struct conn *conn;
    struct client client;
    uint32_t calls_left, concurrency;
    uint32_t read_max, pause_one_in;
    uint64_t resume_at;   /* it pauses until then */
    uint64_t progress_at; /* when it last did something */
    uint64_t cut_at;      /* bytes written after which the connection is cut; NEVER */
    uint64_t written;
    uint32_t mischief_left, oddities_left;
    bool is_done, small, never_reads, was_connected, wants_close;
};

/* Adds bytes or frames that no good peer would send. */
void hostile_act(struct peer *peer);
void silent_act(struct peer *peer);

#endif
