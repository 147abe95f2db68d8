/*
 * Goal: where the kernel has no MADV_GUARD_INSTALL, or gives no memory, stacks are guarded all the
 * same, there are as many as vm.max_map_count bears, and a lack is an error that leaves nothing.
 * Method: children in which seccomp refuses that advice, or a limit the address space. Not under
 * sanitizers, whose own memory such limits would hit.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fibers.h"
#include "old_kernel.h"

#define STACKS_MAX 30000 /* with guards that are mappings of their own */
#define SKIPPED 77

/* Children end by exit(), so that gcov learns of them; their status tells what was not so. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            exit(__LINE__ % 70 + 1);                                                               \
    } while (0)

static bool can_write(const void *at)
{
    int ends[2];
    bool can;

    CHECK(pipe(ends) == 0);
    can = write(ends[1], at, 1) == 1;
    close(ends[0]);
    close(ends[1]);
    return can;
}

static void old_kernel(void)
{
    struct tri__stack_pool pool;

    if (!be_an_old_kernel())
        exit(SKIPPED); /* an emulator */
    tri__stack_pool_init(&pool, TRI__STACK_DEFAULT);
    for (int i = 0; i < 200; i++) {
        struct tri__fiber *fiber = tri__stack_pool_take(&pool);

        CHECK(fiber != NULL);
        CHECK(!can_write(fiber->stack - 1) && !can_write(fiber->stack - TRI__STACK_GUARD));
        CHECK(can_write(fiber->stack));
    }
}

/* The limit is the process's, and what a pool had comes back with it. */
static void as_many_as_the_kernel_maps(void)
{
    struct tri__stack_pool pool;
    uint32_t count = 0;

    if (!be_an_old_kernel())
        exit(SKIPPED); /* an emulator */
    for (int round = 0; round < 2; round++) {
        tri__stack_pool_init(&pool, TRI__STACK_MIN);
        for (count = 0; count <= STACKS_MAX; count++) {
            errno = 0;
            if (tri__stack_pool_take(&pool) == NULL)
                break;
        }
        CHECK(errno == ENOMEM);
        CHECK(count <= STACKS_MAX && count > STACKS_MAX - 64);
        CHECK(tri__stack_pool_take(&pool) == NULL);
        tri__stack_pool_fini(&pool);
    }
}

static void no_address_space(void)
{
    struct rlimit limit = {(rlim_t)1 << 20, (rlim_t)1 << 20};
    struct tri__stack_pool pool;

    tri__stack_pool_init(&pool, TRI__STACK_DEFAULT);
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    if (mmap(NULL, 1 << 24, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
        exit(SKIPPED); /* an emulator */
    errno = 0;
    CHECK(tri__stack_pool_take(&pool) == NULL);
    CHECK(errno == ENOMEM && pool.regions == NULL);
}

static void run(void (*child)(void))
{
    int status;
    pid_t pid;

    if (TRI__STACK_FACTOR > 1)
        skip();
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        child();
        exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == SKIPPED)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void an_old_kernel_guards_by_mprotect(void **state)
{
    (void)state;
    run(old_kernel);
}

static void there_are_as_many_as_can_be_mapped(void **state)
{
    (void)state;
    run(as_many_as_the_kernel_maps);
}

static void without_address_space_there_is_no_stack(void **state)
{
    (void)state;
    run(no_address_space);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_old_kernel_guards_by_mprotect),
        cmocka_unit_test(there_are_as_many_as_can_be_mapped),
        cmocka_unit_test(without_address_space_there_is_no_stack),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
