/*
 * For tests: every interleaving of a few threads over production code.
 *
 * Included before the code under test, it replaces C11's atomic operations by ones before which the
 * running thread steps aside: each is a point at which any other thread may go on. The threads are
 * contexts on one real thread, so an operation is whole and the memory sequentially consistent;
 * weaker orders are ThreadSanitizer's to judge, in the tests with the label `concurrent`.
 *
 * Depth-first over schedules, each run from the start. A run is left where it comes to a state that
 * was seen before, with the same shared memory and the same stacks: all that can follow from it has
 * been tried, or will be. (States are kept as 128-bit hashes.)
 */
#ifndef EXPLORE_H
#define EXPLORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "context.h"

#define EXPLORE_THREADS 4
#define EXPLORE_STACK 16384
#define EXPLORE_DEPTH 400

struct explore_thread {
    void (*function)(int index);
    void *context;
    bool (*may_go_on)(int index); /* NULL: at once */
    bool is_over;
    _Alignas(16) uint8_t stack[EXPLORE_STACK];
};

struct explore_scenario {
    void (*functions[EXPLORE_THREADS])(int index);
    int threads;
    void (*reset)(void);
    void (*check_end)(void); /* no thread can go on */
    void *memory;            /* all that the threads share */
    size_t memory_size;
};

struct explore_result {
    uint64_t states, runs;
    int depth;           /* of the longest run */
    const char *failure; /* NULL: none in any interleaving */
};

struct explore_key {
    uint64_t low, high;
};

static struct explore_thread explore_threads[EXPLORE_THREADS];
static void *explore_native;
static int explore_current = -1;
static const char *explore_failure;

static struct explore_key *explore_seen;
static size_t explore_capacity, explore_count;

/* The running thread steps aside. Outside of a run it does nothing. */
static void explore_step(void)
{
    if (explore_current >= 0)
        tri__context_switch(&explore_threads[explore_current].context, explore_native);
}

/* The thread waits; `may_go_on` looks at shared memory only. */
static inline void explore_wait(bool (*may_go_on)(int index))
{
    explore_threads[explore_current].may_go_on = may_go_on;
    explore_step();
    explore_threads[explore_current].may_go_on = NULL;
}

static inline void explore_fail(const char *what)
{
    if (explore_failure == NULL)
        explore_failure = what;
}

#define EXPLORE_TEXT(line) #line
#define EXPLORE_LINE(line) EXPLORE_TEXT(line)
#define explore_check(condition)                                                                   \
    do {                                                                                           \
        if (!(condition))                                                                          \
            explore_fail("line " EXPLORE_LINE(__LINE__) ": " #condition);                          \
    } while (0)

static void explore_entry(void *argument)
{
    struct explore_thread *thread = argument;

    thread->function((int)(thread - explore_threads));
    thread->is_over = true;
    explore_step();
    abort();
}

static uint64_t explore_mix(uint64_t hash, uint64_t word, uint64_t factor)
{
    hash = (hash ^ word) * factor;
    return hash ^ (hash >> 29);
}

static void explore_hash(struct explore_key *key, const void *bytes, size_t size)
{
    const uint8_t *from = bytes;

    for (size_t i = 0; i + sizeof(uint64_t) <= size; i += sizeof(uint64_t)) {
        uint64_t word;

        memcpy(&word, from + i, sizeof(word));
        key->low = explore_mix(key->low, word, UINT64_C(0x9fb21c651e98df25));
        key->high = explore_mix(key->high, word, UINT64_C(0xd6e8feb86659fd93));
    }
}

/* Returns: whether the state is new. */
static bool explore_note_state(const struct explore_scenario *scenario)
{
    struct explore_key key = {1, 2};

    explore_hash(&key, scenario->memory, scenario->memory_size);
    for (int i = 0; i < scenario->threads; i++) {
        struct explore_thread *thread = &explore_threads[i];
        const uint64_t place[2] = {(uint64_t)(uintptr_t)thread->context,
                                   (uint64_t)(uintptr_t)thread->may_go_on + thread->is_over};

        explore_hash(&key, place, sizeof(place));
        if (!thread->is_over)
            explore_hash(&key, thread->context,
                         (size_t)(thread->stack + EXPLORE_STACK - (uint8_t *)thread->context));
    }
    if (explore_count * 2 >= explore_capacity) {
        struct explore_key *old = explore_seen;
        size_t old_capacity = explore_capacity;

        explore_capacity = old_capacity == 0 ? 1 << 16 : old_capacity * 2;
        explore_seen = calloc(explore_capacity, sizeof(*explore_seen));
        if (explore_seen == NULL)
            abort();
        for (size_t i = 0; i < old_capacity; i++) {
            size_t at = old[i].low & (explore_capacity - 1);

            if (old[i].high == 0)
                continue;
            while (explore_seen[at].high != 0)
                at = (at + 1) & (explore_capacity - 1);
            explore_seen[at] = old[i];
        }
        free(old);
    }
    key.high |= 1; /* 0 is an empty place */
    for (size_t at = key.low & (explore_capacity - 1);; at = (at + 1) & (explore_capacity - 1)) {
        if (explore_seen[at].high == 0) {
            explore_seen[at] = key;
            explore_count++;
            return true;
        }
        if (explore_seen[at].low == key.low && explore_seen[at].high == key.high)
            return false;
    }
}

static void explore_begin_run(const struct explore_scenario *scenario)
{
    scenario->reset();
    for (int i = 0; i < scenario->threads; i++) {
        struct explore_thread *thread = &explore_threads[i];

        thread->function = scenario->functions[i];
        thread->may_go_on = NULL;
        thread->is_over = false;
        memset(thread->stack, 0, sizeof(thread->stack));
        thread->context = tri__context_make(thread->stack + EXPLORE_STACK, explore_entry, thread);
    }
}

/* Lets a thread make its next operation and what follows, up to the one after. */
static void explore_resume(int index)
{
    explore_current = index;
    tri__context_switch(&explore_native, explore_threads[index].context);
    explore_current = -1;
}

static uint32_t explore_enabled(const struct explore_scenario *scenario)
{
    uint32_t enabled = 0;

    for (int i = 0; i < scenario->threads; i++) {
        struct explore_thread *thread = &explore_threads[i];

        if (!thread->is_over && (thread->may_go_on == NULL || thread->may_go_on(i)))
            enabled |= 1U << i;
    }
    return enabled;
}

static struct explore_result explore(const struct explore_scenario *scenario)
{
    static uint32_t untried[EXPLORE_DEPTH]; /* threads, at each place of the schedule */
    static int schedule[EXPLORE_DEPTH];
    struct explore_result result = {0};
    int prefix = 0;

    explore_failure = NULL;
    do {
        int depth = 0;

        explore_begin_run(scenario);
        result.runs++;
        for (;;) {
            if (depth >= prefix) {
                uint32_t enabled = explore_enabled(scenario);

                if (!explore_note_state(scenario))
                    break;
                if (enabled == 0) {
                    scenario->check_end();
                    break;
                }
                if (depth == EXPLORE_DEPTH) {
                    explore_fail("a run is too long");
                    break;
                }
                schedule[depth] = __builtin_ctz(enabled);
                untried[depth] = enabled & (enabled - 1);
            }
            explore_resume(schedule[depth++]);
            if (explore_failure != NULL)
                break;
        }
        if (depth > result.depth)
            result.depth = depth;
        if (explore_failure != NULL)
            break;
        /* The deepest place where another thread could have gone on. */
        prefix = depth < EXPLORE_DEPTH ? depth : EXPLORE_DEPTH;
        while (prefix > 0 && untried[prefix - 1] == 0)
            prefix--;
        if (prefix > 0) {
            schedule[prefix - 1] = __builtin_ctz(untried[prefix - 1]);
            untried[prefix - 1] &= untried[prefix - 1] - 1;
        }
    } while (prefix > 0);
    result.states = explore_count;
    result.failure = explore_failure;
    free(explore_seen);
    explore_seen = NULL;
    explore_capacity = 0;
    explore_count = 0;
    return result;
}

/* --- The operations. Only one thread runs at a time: between two steps nothing comes. --- */

#define EXPLORE_VALUE(object) __typeof__((void)0, *(object))

#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange_explicit
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and_explicit
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub_explicit
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak_explicit

#define atomic_load_explicit(object, order) (explore_step(), *(object))
#define atomic_store_explicit(object, value, order)                                                \
    __extension__({                                                                                \
        EXPLORE_VALUE(object) explore_new = (value);                                               \
        explore_step();                                                                            \
        *(object) = explore_new;                                                                   \
    })
#define EXPLORE_CHANGE(object, change)                                                             \
    __extension__({                                                                                \
        explore_step();                                                                            \
        EXPLORE_VALUE(object) explore_old = *(object);                                             \
        *(object) = (change);                                                                      \
        explore_old;                                                                               \
    })
#define atomic_exchange_explicit(object, value, order) EXPLORE_CHANGE(object, value)
#define atomic_fetch_or_explicit(object, bits, order) EXPLORE_CHANGE(object, explore_old | (bits))
#define atomic_fetch_and_explicit(object, bits, order) EXPLORE_CHANGE(object, explore_old &(bits))
#define atomic_fetch_add_explicit(object, by, order) EXPLORE_CHANGE(object, explore_old + (by))
#define atomic_fetch_sub_explicit(object, by, order) EXPLORE_CHANGE(object, explore_old - (by))
#define atomic_compare_exchange_strong_explicit(object, expected, value, success, failure)         \
    __extension__({                                                                                \
        explore_step();                                                                            \
        bool explore_is_same = *(object) == *(expected);                                           \
        if (explore_is_same)                                                                       \
            *(object) = (value);                                                                   \
        else                                                                                       \
            *(expected) = *(object);                                                               \
        explore_is_same;                                                                           \
    })
#define atomic_compare_exchange_weak_explicit atomic_compare_exchange_strong_explicit

#endif
