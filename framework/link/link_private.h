/*
 * What the files of this module share.
 */
#ifndef TRI_LINK_PRIVATE_H
#define TRI_LINK_PRIVATE_H

#include "connection_link.h"
#include "wire_percent.h"

#define TRI__OUT_BUFFER ((size_t)64 * 1024)

struct tri__out_buffer {
    struct tri__out_buffer *next;
    uint8_t bytes[TRI__OUT_BUFFER];
};

/* The size of a header list is bounded on its way in, so this number is large enough. */
#define TRI__ANSWER_FIELDS 270

/*
 * Where header blocks that go out are put together: of the reactor, since on the stack it would be
 * pages of which each call probes every one.
 */
struct tri__answer {
    struct tri__field fields[TRI__ANSWER_FIELDS + 8];
    /* A message of 1,024 bytes, each of them coded, and U+FFFD for each that is no UTF-8. */
    char text[TRI__PERCENT_MAX(1024)];
};

enum tri__link_state {
    TRI__LINK_OPEN,
    TRI__LINK_LINGERING,
    TRI__LINK_CLOSING
};

/* The request whose header block is being received: blocks of a connection do not interleave. */
struct tri__request_head {
    const struct tri__method *method;
    bool is_post, has_path, has_bad_field, has_bad_timeout, has_unknown_encoding, has_no_room;
    tri_duration timeout;
    char path[160]; /* of an unknown method, cut, for the error */
    char encoding[32];
    char bad_field[64];
};

struct tri__link {
    struct tri__socket socket;
    struct tri__link_host *host;
    struct tri__h2 *h2;
    struct tri__list in_host, in_dirty, in_held;
    struct tri__list calls;
    struct tri__peer *peer;
    struct tri__call_budget budget;
    const struct tri__method *last_method; /* most connections call one method again and again */
    struct tri__request_head head;
    uint32_t live; /* calls with a slot: handlers can outlive their streams */
    uint8_t state; /* enum tri__link_state */
    bool is_draining, has_said_last, must_close;

    uint64_t fed_turn;
    uint8_t *held; /* input that waits for its turn */
    size_t held_size, held_at, held_capacity;
    bool input_is_paused;

    struct tri__out_buffer *sending;
    struct tri__timer timer; /* looks after everything that may take too long */
    uint64_t opened_at, idle_since;
    uint64_t headers_since;         /* 0: no header block is incomplete */
    uint64_t sent_mark, sent_since; /* bytes sent when last looked at, and since when */
    uint64_t draining_since, lingering_since;
    uint64_t failed_since; /* 0: the session has not failed */
};

/* link_calls.c: between the session and the calls. */
extern const struct tri__h2_events tri__link_h2_events;
extern const struct tri__wire_ops tri__link_wire_ops;

/* link_output.c */
void tri__link_mark_dirty(struct tri__link *link);
bool tri__link_write_stage(void *context);
/* Writes what one link has to say now, if it may. */
void tri__link_write(struct tri__link *link);
void tri__link_on_sent(struct tri__socket *socket, int error);
/* Gives back an idle or abandoned buffer. */
void tri__link_release_buffer(struct tri__link *link);

/* link_input.c */
bool tri__link_input_stage(void *context);
void tri__link_on_received(struct tri__socket *socket, const uint8_t *bytes, size_t size);
/* After something was written: goes on reading where that had been paused. */
void tri__link_resume_input(struct tri__link *link);

/* Forgets input that is left over. */
void tri__link_drop_held(struct tri__link *link);

/* link_timers.c */
void tri__link_on_timer(struct tri__timer *timer);
void tri__link_watch(struct tri__link *link);
/* Looks again soon: the connection is ending. */
void tri__link_watch_end(struct tri__link *link);

/* link.c */
/* Ends the calls and lets the engine close. Not from within the session. */
void tri__link_close(struct tri__link *link);
/* All is said: shut down, and wait a little for the peer to close. */
void tri__link_linger(struct tri__link *link);
/* GOAWAY(max id) and a PING; then GOAWAY(last id). */
void tri__link_drain(struct tri__link *link);
void tri__link_say_last(struct tri__link *link);

static inline uint64_t tri__link_now(const struct tri__link *link)
{
    return tri__reactor_now(link->host->reactor);
}

static inline struct tri__engine *tri__link_engine(const struct tri__link *link)
{
    return link->host->reactor->engine;
}

static inline bool tri__link_has_input(const struct tri__link *link)
{
    return link->held_at < link->held_size;
}

#endif
