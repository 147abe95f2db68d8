/*
 * Goal: a handler that overflows its stack ends the process by SIGSEGV, after a line on stderr that
 * names it; the handler of the signal that was there before is called after ours, and is there
 * again at the end. Method: children that recurse without end, or fault elsewhere, with stderr in a
 * pipe. Not under sanitizers, which have handlers of their own.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fibers.h"
#include "overflow.h"

/* A process that ends by _exit() has to tell gcov itself what it has reached. */
#ifdef TRIREME_COVERAGE
void __gcov_dump(void);
#define DUMP_COVERAGE() __gcov_dump()
#else
#define DUMP_COVERAGE() ((void)0)
#endif

/* Without end, which the compiler is not to know. */
static volatile size_t levels = SIZE_MAX;

static __attribute__((noinline)) size_t recurse(volatile uint8_t *above)
{
    volatile uint8_t room[1024];

    room[0] = above != NULL ? above[0] : 0;
    room[sizeof(room) - 1] = (uint8_t)(room[0] + 1);
    return levels-- > 0 ? recurse(room) + room[sizeof(room) - 1] : 0;
}

static void overflow(void *argument)
{
    (void)argument;
    recurse(NULL);
}

/* One frame that is larger than the stack and its guard together; only its far end is written. */
static __attribute__((noinline)) void take_too_much(void *argument)
{
    volatile uint8_t room[200000];

    (void)argument;
    room[0] = 1;
    levels -= room[0];
}

/* An address that is no stack's. */
static void fault_elsewhere(void *argument)
{
    volatile uintptr_t address = 64;

    (void)argument;
    *(volatile uint8_t *)address = 1;
}

static void run_on_fiber(void (*function)(void *))
{
    struct spawned spawned = {.name = "/test.Service/Deep"};

    if (fibers_init() != 0 || tri__overflow_install() != 0 || tri__overflow_prepare_thread() != 0)
        _exit(100);
    spawn(&spawned, function, NULL);
    run_all();
    _exit(101);
}

static void child_overflows(void)
{
    run_on_fiber(overflow);
}

static void child_takes_too_much(void)
{
    run_on_fiber(take_too_much);
}

static void child_faults_elsewhere(void)
{
    run_on_fiber(fault_elsewhere);
}

static void previous_handler(int number)
{
    static const char line[] = "previous\n";
    ssize_t written = write(STDERR_FILENO, line, sizeof(line) - 1);

    (void)number, (void)written;
    DUMP_COVERAGE();
    _exit(42);
}

static void previous_action(int number, siginfo_t *info, void *context)
{
    if (info->si_addr != NULL && context != NULL)
        previous_handler(number);
    _exit(43);
}

static void child_with_previous_handler(void)
{
    signal(SIGSEGV, previous_handler);
    run_on_fiber(overflow);
}

static void child_with_previous_action(void)
{
    struct sigaction action = {.sa_sigaction = previous_action, .sa_flags = SA_SIGINFO};

    sigaction(SIGSEGV, &action, NULL);
    run_on_fiber(overflow);
}

/* On the thread's own stack there is no fiber to name. */
static void *overflow_own_stack(void *argument)
{
    if (tri__overflow_prepare_thread() != 0)
        _exit(100);
    recurse(NULL);
    return argument;
}

static void child_overflows_a_thread(void)
{
    pthread_t thread;

    if (tri__overflow_install() != 0 ||
        pthread_create(&thread, NULL, overflow_own_stack, NULL) != 0)
        _exit(100);
    pthread_join(thread, NULL);
    _exit(101);
}

static int run_child(void (*child)(void), char *said, size_t size)
{
    struct rlimit none = {0, 0};
    int ends[2], status;
    size_t length = 0;
    ssize_t got;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGSEGV, SIG_DFL); /* cmocka has a handler of its own */
        signal(SIGBUS, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        child();
        _exit(102);
    }
    close(ends[1]);
    while (length < size - 1 && (got = read(ends[0], said + length, size - 1 - length)) > 0)
        length += (size_t)got;
    said[length] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* An emulator of user programs may not know of guards: what the kernel refuses is one. */
static bool has_guards(void)
{
    struct tri__stack_pool pool;
    struct tri__fiber *fiber;
    int ends[2];
    bool is_guarded;

    if (TRI__STACK_FACTOR > 1) {
        print_message("[  SKIP    ] a sanitizer handles SIGSEGV itself\n");
        return false;
    }
    tri__stack_pool_init(&pool, TRI__STACK_DEFAULT);
    fiber = tri__stack_pool_take(&pool);
    assert_non_null(fiber);
    assert_int_equal(pipe(ends), 0);
    is_guarded = write(ends[1], fiber->stack - 1, 1) < 0 && errno == EFAULT;
    assert_int_equal(write(ends[1], fiber->stack, 1), 1);
    close(ends[0]);
    close(ends[1]);
    tri__stack_pool_give(&pool, fiber);
    tri__stack_pool_fini(&pool);
    if (!is_guarded)
        print_message("[  SKIP    ] there are no guards under this emulator\n");
    return is_guarded;
}

static void an_overflow_names_the_handler(void **state)
{
    void (*children[])(void) = {child_overflows, child_takes_too_much};
    char said[1024];

    (void)state;
    if (!has_guards())
        return;
    for (size_t i = 0; i < 2; i++) {
        int status = run_child(children[i], said, sizeof(said));

        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGSEGV);
        assert_non_null(strstr(said, "stack overflow in the handler of /test.Service/Deep"));
        assert_non_null(strstr(said, "65536 bytes"));
        assert_non_null(strstr(said, "stack_size"));
        assert_int_equal(said[strlen(said) - 1], '\n');
    }
}

static void another_fault_is_not_named(void **state)
{
    char said[1024];
    int status;

    (void)state;
    if (!has_guards())
        return;
    status = run_child(child_faults_elsewhere, said, sizeof(said));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    assert_string_equal(said, "");
    status = run_child(child_overflows_a_thread, said, sizeof(said));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    assert_string_equal(said, "");
}

static void the_previous_handler_comes_after(void **state)
{
    void (*children[])(void) = {child_with_previous_handler, child_with_previous_action};
    char said[1024];

    (void)state;
    if (!has_guards())
        return;
    for (size_t i = 0; i < 2; i++) {
        int status = run_child(children[i], said, sizeof(said));
        const char *first = strstr(said, "stack overflow in the handler of /test.Service/Deep");

        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 42);
        assert_non_null(first);
        assert_non_null(strstr(first, "previous\n"));
    }
}

static void (*handler_of(int number))(int)
{
    struct sigaction now;

    assert_int_equal(sigaction(number, NULL, &now), 0);
    return now.sa_handler;
}

static void the_last_to_leave_puts_the_previous_back(void **state)
{
    void (*original)(int) = handler_of(SIGSEGV);
    void (*original_bus)(int) = handler_of(SIGBUS);
    void (*ours)(int);

    (void)state;
    assert_int_equal(tri__overflow_install(), 0);
    ours = handler_of(SIGSEGV);
    assert_true(ours != original);
    assert_int_equal(tri__overflow_install(), 0);
    tri__overflow_uninstall();
    assert_true(handler_of(SIGSEGV) == ours);
    tri__overflow_uninstall();
    assert_true(handler_of(SIGSEGV) == original);
    assert_true(handler_of(SIGBUS) == original_bus);
    /* Somebody who came after us stays. */
    assert_int_equal(tri__overflow_install(), 0);
    signal(SIGSEGV, previous_handler);
    tri__overflow_uninstall();
    assert_true(handler_of(SIGSEGV) == previous_handler);
    assert_true(handler_of(SIGBUS) == original_bus);
    signal(SIGSEGV, SIG_DFL);
}

static void *prepare_and_release(void *argument)
{
    stack_t before, during, after;
    bool *is_right = argument;

    sigaltstack(NULL, &before);
    *is_right = tri__overflow_prepare_thread() == 0;
    sigaltstack(NULL, &during);
    *is_right = *is_right && (during.ss_flags & SS_DISABLE) == 0 && during.ss_size >= 16384;
    tri__overflow_release_thread();
    sigaltstack(NULL, &after);
    *is_right = *is_right && after.ss_flags == before.ss_flags;
    tri__overflow_release_thread(); /* does no harm */
    return NULL;
}

static void a_thread_has_its_stack_for_signals(void **state)
{
    bool is_right = false;
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, prepare_and_release, &is_right), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(is_right);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_overflow_names_the_handler),
        cmocka_unit_test(another_fault_is_not_named),
        cmocka_unit_test(the_previous_handler_comes_after),
        cmocka_unit_test(the_last_to_leave_puts_the_previous_back),
        cmocka_unit_test(a_thread_has_its_stack_for_signals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
