/*
 * Tasks: stand-ins for threads, each with a large stack of its own, all on the one thread of the
 * process. A task may be taken off while it runs a handler on a fiber's stack; what belongs to the
 * thread (the scheduler that is here, errno) goes with it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "context.h"
#include "fiber_switch.h"
#include "sim.h"

#if TRI__ASAN
#include <sanitizer/common_interface_defs.h>
#endif

#define STACK ((size_t)512 * 1024)

static struct task tasks[TASKS_MAX];
static uint32_t tasks_count;
static void *hub_context;
static void *hub_fake_stack;
static const void *hub_bottom;
static size_t hub_size;

static void leave(void **fake_stack, const void *bottom, size_t size)
{
#if TRI__ASAN
    __sanitizer_start_switch_fiber(fake_stack, bottom, size);
#endif
    (void)fake_stack, (void)bottom, (void)size;
}

static void arrive(void *fake_stack, const void **bottom, size_t *size)
{
#if TRI__ASAN
    __sanitizer_finish_switch_fiber(fake_stack, bottom, size);
#endif
    (void)fake_stack, (void)bottom, (void)size;
}

struct task *task_current(void)
{
    if (world.current == NULL || world.current->step != world.actors[0]->step)
        return NULL;
    return (struct task *)(void *)world.current;
}

/* To the hub, from the task or a fiber of it. `fake_stack` NULL: for good. */
static void go_to_hub(struct task *task, void **fake_stack)
{
    leave(fake_stack, hub_bottom, hub_size);
    tri__context_switch(&task->context, hub_context);
    arrive(task->fake_stack, &hub_bottom, &hub_size);
}

static void step(struct actor *actor)
{
    struct task *task = (struct task *)(void *)actor;
    struct tri__scheduler *here = tri__scheduler_here;
    int saved_errno = errno;

    world.switches++;
    tri__scheduler_here = task->scheduler_here;
    leave(&hub_fake_stack, task->bottom, task->size);
    tri__context_switch(&hub_context, task->context);
    arrive(hub_fake_stack, &task->bottom, &task->size);
    task->scheduler_here = tri__scheduler_here;
    tri__scheduler_here = here;
    errno = saved_errno;
}

static void entry(void *argument)
{
    struct task *task = argument;

    arrive(NULL, &hub_bottom, &hub_size);
    task->main(task->argument);
    note("task ends", 0, 0);
    task->actor.is_over = true;
    go_to_hub(task, NULL);
    __builtin_unreachable();
}

struct task *task_start(const char *name, void (*main)(void *), void *argument)
{
    expect_that(tasks_count < TASKS_MAX, "too many tasks");
    struct task *task = &tasks[tasks_count++];
    uint8_t *stack = task->stack;

    if (stack == NULL) {
        stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
        expect_that(stack != MAP_FAILED, "no memory for a stack");
    }
    tri__unpoison(stack, STACK);
    *task = (struct task){.stack = stack, .main = main, .argument = argument};
    task->bottom = stack;
    task->size = STACK;
    world_add(&task->actor, name, step);
    task->context = tri__context_make(stack + STACK, entry, task);
    return task;
}

void tasks_reset(void)
{
    tasks_count = 0;
}

void task_block(uint64_t deadline)
{
    struct task *task = task_current();
    int saved_errno = errno;

    expect_that(task != NULL, "a block outside of a task");
    task->actor.is_ready = false;
    task->actor.deadline = deadline;
    go_to_hub(task, &task->fake_stack);
    task->actor.deadline = NEVER;
    errno = saved_errno;
}

void task_yield(void)
{
    struct task *task = task_current();
    int saved_errno = errno;

    task->actor.is_ready = true;
    go_to_hub(task, &task->fake_stack);
    errno = saved_errno;
}

void preempt(void)
{
    if (task_current() != NULL && chance(world.profile.switch_one_in)) {
        hit(FAULT_PREEMPTED);
        task_yield();
    }
}

/* Called by a library that was compiled with points/stdatomic.h. */
void sim_atomic_point(void);

void sim_atomic_point(void)
{
    if (task_current() != NULL && chance(world.profile.atomic_one_in))
        task_yield();
}
