/*
 * The hub: who goes on, what time it is, and what is remembered of it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim.h"

#define TRACE 300
#define STEPS_MAX 600000

struct event {
    uint64_t time, a, b;
    const char *what, *actor;
};

struct world world;
uint64_t fault_hits[FAULT_KINDS];
#define NAME(name) [FAULT_##name] = #name
const char *const fault_names[FAULT_KINDS] = {
    NAME(PREEMPTED),        NAME(WOKEN_EARLY),     NAME(WOKEN_LATE),      NAME(CLOCK_JUMP),
    NAME(RECV_PARTIAL),     NAME(RECV_STARVED),    NAME(SEND_PARTIAL),    NAME(SEND_DELAYED),
    NAME(SEND_FAILED),      NAME(RECV_RESET),      NAME(REORDERED),       NAME(CLOSE_LATE),
    NAME(ACCEPT_EMFILE),    NAME(ACCEPT_ENDED),    NAME(NO_MEMORY),       NAME(NO_MEMORY_NTH),
    NAME(CUT_FIN),          NAME(CUT_RESET),       NAME(PEER_HALF_CLOSE), NAME(START_FAILED),
    NAME(DRAIN_UNDER_LOAD), NAME(DRAIN_ABANDONED), NAME(SECOND_SIGNAL),   NAME(CANCELLED),
    NAME(DEADLINE),         NAME(HANDLER_FAILED),  NAME(STREAM_REFUSED),  NAME(ZERO_WINDOW),
    NAME(SETTINGS_CHANGED), NAME(LARGE_MESSAGE),   NAME(GARBAGE),         NAME(FLOOD),
    NAME(BAD_LENGTH),       NAME(BAD_HPACK),       NAME(OVERSIZE),        NAME(SILENT_PEER),
    NAME(BUSY_HANDLER)};
bool is_verbose;
const char *program_name = "sim";

static struct event trace[TRACE];
static uint64_t traced;
static bool is_failing;

void hit(enum fault fault)
{
    fault_hits[fault]++;
}

static void mix(uint64_t value)
{
    world.hash = (world.hash ^ value) * 0x100000001b3;
    world.hash ^= world.hash >> 29;
}

static const char *current_name(void)
{
    return world.current != NULL ? world.current->name : "hub";
}

static void print_event(const struct event *event)
{
    fprintf(stderr, "%14.6f ms  %-10s %-22s %llu %llu\n", (double)event->time / 1e6, event->actor,
            event->what, (unsigned long long)event->a, (unsigned long long)event->b);
}

void note(const char *what, uint64_t a, uint64_t b)
{
    struct event *event = &trace[traced++ % TRACE];

    *event = (struct event){world.now, a, b, what, current_name()};
    mix(world.now);
    mix(world.current != NULL ? world.current->id : 99);
    for (const char *at = what; *at != '\0'; at++)
        mix((uint8_t)*at);
    mix(a);
    mix(b);
    if (is_verbose)
        print_event(event);
}

/* Also called when a sanitizer or an assertion ends the process. */
void world_report(void);

void world_report(void)
{
    if (is_failing)
        return;
    is_failing = true;
    if (!is_verbose) {
        fprintf(stderr, "the last events of seed %llu, oldest first:\n",
                (unsigned long long)world.seed);
        for (uint64_t i = traced > TRACE ? traced - TRACE : 0; i < traced; i++)
            print_event(&trace[i % TRACE]);
    }
    fprintf(stderr, "sim: FAILED: seed %llu; again with: %s --seed %llu\n",
            (unsigned long long)world.seed, program_name, (unsigned long long)world.seed);
}

void fail(const char *format, ...)
{
    static char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    world_report();
    fprintf(stderr, "sim: seed %llu: %s (in %s, at %.6f ms)\n", (unsigned long long)world.seed,
            text, current_name(), (double)world.now / 1e6);
    fflush(NULL);
    _exit(1);
}

static void choose_faults(struct profile *profile)
{
    uint32_t kind = below(10);

    profile->is_strict = kind < 4;
    if (profile->is_strict)
        return;
    profile->has_hostile = chance(2);
    profile->has_resets = chance(2);
    profile->has_jumps = chance(3);
    profile->has_engine_faults = chance(2);
    if (kind == 8)
        profile->memory_one_in = between(20, 2000);
    else if (kind == 9)
        profile->memory_nth = 1 + below(chance(2) ? 600 : 3000);
    profile->fails_start = chance(40);
}

static void choose_profile(struct profile *profile)
{
    static const uint32_t switches[] = {2, 5, 20, 100};
    static const uint32_t atomics[] = {2, 6, 25, 100};
    static const uint32_t partials[] = {0, 2, 6};
    static const uint32_t capacities[] = {64, 700, 9000, 65536, 300000};

    profile->reactors = between(1, CORES_MAX);
    profile->workers = between(1, CORES_MAX);
    profile->switch_one_in = switches[below(4)];
    profile->atomic_one_in = atomics[below(4)];
    profile->partial_one_in = partials[below(3)];
    profile->pipe_capacity = capacities[chance(12) ? 0 : between(1, 4)];
    profile->drains_early = chance(4);
    choose_faults(profile);
}

void world_begin(uint64_t seed)
{
    world = (struct world){.seed = seed, .hash = 0xcbf29ce484222325};
    rng_seed(&world.rng, seed);
    world.now = 1000 * SECOND + below(1000000000);
    traced = 0;
    choose_profile(&world.profile);
    world.terminate_after = world.profile.drains_early ? between(200, 20000) : NEVER;
}

void world_add(struct actor *actor, const char *name, void (*step)(struct actor *actor))
{
    expect_that(world.actors_count < TASKS_MAX + PEERS_MAX, "too many actors");
    static const uint32_t weights[] = {1, 4, 4, 16};

    *actor = (struct actor){.name = name,
                            .step = step,
                            .deadline = NEVER,
                            .weight = weights[below(4)],
                            .id = (uint8_t)world.actors_count,
                            .is_ready = true};
    world.actors[world.actors_count++] = actor;
}

void world_make_ready(struct actor *actor)
{
    if (actor != NULL)
        actor->is_ready = true;
}

void world_terminate(void)
{
    if (world.is_terminating)
        return;
    world.is_terminating = true;
    world.terminated_at = world.now;
    note("terminate", 0, 0);
}

/* Those whose time has come are ready. Returns: the sum of the weights of all that are. */
static uint32_t gather(uint64_t *next)
{
    uint32_t total = 0;

    *next = NEVER;
    for (uint32_t i = 0; i < world.actors_count; i++) {
        struct actor *actor = world.actors[i];

        if (actor->is_over)
            continue;
        if (!actor->is_ready && actor->deadline <= world.now)
            actor->is_ready = true;
        if (actor->is_ready)
            total += actor->weight;
        else if (actor->deadline < *next)
            *next = actor->deadline;
    }
    return total;
}

static struct actor *pick(uint32_t total)
{
    uint32_t at = below(total);

    for (uint32_t i = 0; i < world.actors_count; i++) {
        struct actor *actor = world.actors[i];

        if (actor->is_over || !actor->is_ready)
            continue;
        if (at < actor->weight)
            return actor;
        at -= actor->weight;
    }
    fail("nobody was picked");
}

/* Nothing can run: either something is due later, or the world has stopped for good. */
static void let_time_pass(uint64_t next)
{
    platform_check_quiet();
    peers_check_waits();
    if (peers_are_done() && world.finite_done_at == 0) {
        world.finite_done_at = world.now;
        note("peers are done", 0, 0);
    }
    /* Sometimes a while goes by before the end, so that what waits for a time-out sees it. */
    if (world.finite_done_at != 0 && !world.is_terminating &&
        (world.seed % 3 != 0 || world.now - world.finite_done_at > 25 * SECOND || next == NEVER)) {
        world_terminate();
        world_make_ready(world.actors[0]);
        return;
    }
    if (next == NEVER) {
        peers_check_deadlock();
        fail("deadlock: nothing can run and nothing is due, but there are threads");
    }
    world.now = next;
    if (chance(4)) {
        static const uint64_t lateness[] = {1 * US, 70 * US, 2 * MS, 9 * MS};

        hit(FAULT_WOKEN_LATE);
        world.now += lateness[below(world.profile.is_strict ? 3 : 4)];
    }
    if (world.profile.has_jumps && chance(60)) {
        hit(FAULT_CLOCK_JUMP);
        world.now += (uint64_t)between(1, 20000) * MS;
        note("clock jumps", 0, 0);
    }
}

static bool are_tasks_over(void)
{
    for (uint32_t i = 0; i < world.actors_count; i++) {
        /* Peers come after the owner's task, which starts the others. */
        if (!world.actors[i]->is_over && world.actors[i]->weight != 0 &&
            world.actors[i]->step == world.actors[0]->step)
            return false;
    }
    return true;
}

void world_run(void)
{
    while (!are_tasks_over()) {
        uint64_t next;
        uint32_t total = gather(&next);

        if (total == 0) {
            let_time_pass(next);
            continue;
        }
        struct actor *actor = pick(total);

        world.steps++;
        if (world.steps == world.terminate_after) {
            hit(FAULT_DRAIN_UNDER_LOAD);
            world_terminate();
            world_make_ready(world.actors[0]);
        }
        expect_that(world.steps < STEPS_MAX, "no end: %d steps; something spins", STEPS_MAX);
        /* Weights change now and then, so that everybody is once starved and once preferred. */
        if (chance(200))
            actor->weight = 1 + below(16);
        world.current = actor;
        actor->step(actor);
        world.current = NULL;
    }
}
