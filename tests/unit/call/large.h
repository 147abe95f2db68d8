/*
 * For tests: messages above the window of a stream, and a peer that sends as much as it has credit
 * for.
 */
#ifndef LARGE_H
#define LARGE_H

#include "streams.h"

#define LARGE ((size_t)300000)

static uint8_t large[LARGE + 64];
static bool may_take; /* what handlers wait for before they ask for a message */

/* A message of exactly `size` bytes, with its prefix. */
static inline size_t make_large(size_t size)
{
    static char text[LARGE];
    size_t wanted = size - TRI__PREFIX_SIZE - 2; /* its tag, and a byte of its length */

    wanted -= (size_t)(wanted > 128) + (size_t)(wanted > 16385);
    memset(text, 'x', sizeof(text));
    text[wanted] = '\0';
    assert_int_equal(make_text(large, text), size);
    return size;
}

/* What the peer may still send. */
static inline size_t credit_of(const struct stream *stream)
{
    return WINDOW + stream->credited - stream->received;
}

/* Sends bytes of `large` from `at` on, as many as there is credit for. Returns: where it stops. */
static inline size_t send_on(struct stream *stream, size_t at, size_t until)
{
    size_t piece = credit_of(stream) < until - at ? credit_of(stream) : until - at;

    if (piece > 0)
        receive_bytes(stream, large + at, piece);
    return at + piece;
}

static inline tri_code count_bytes(tri_call *call, const void *servicer, const void *request)
{
    char text[32];

    (void)servicer;
    while (!may_take && tri_call_sleep(call, TRI_MS(2)) == TRI_OK)
        ;
    if (request != NULL)
        tell("unary");
    while (request == NULL && (request = tri_gen_next(call)) != NULL) {
        snprintf(text, sizeof(text), "%zu", strlen(text_of(request)));
        tell(text);
        request = NULL;
        while (!may_take && tri_call_sleep(call, TRI_MS(2)) == TRI_OK)
            ;
    }
    return tri_call_code(call);
}

static inline void assert_budgets(size_t used)
{
    assert_int_equal(budget.used, used);
    assert_int_equal(atomic_load(&process_used), used);
}

#endif
