#define _GNU_SOURCE
#include "overflow.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fiber_switch.h"

/*
 * Room for the widest register file (AMX needs 11 KiB of frame) and for what a previous handler
 * does.
 */
#define SIGNAL_STACK ((size_t)64 * 1024)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned installed; /* under the lock */
static struct sigaction previous_segv, previous_bus;

static _Thread_local void *signal_stack;

static size_t append(char *out, size_t at, size_t size, const char *text)
{
    while (*text != '\0' && at < size)
        out[at++] = *text++;
    return at;
}

static size_t append_number(char *out, size_t at, size_t size, size_t number)
{
    char digits[24];
    size_t i = sizeof(digits) - 1;

    digits[i] = '\0';
    do {
        digits[--i] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    return append(out, at, size, digits + i);
}

/* Async-signal-safe: no formatting of libc's, and write(2). */
static void report(const struct tri__fiber *fiber)
{
    char line[512];
    size_t at = append(line, 0, sizeof(line), "trireme: stack overflow in the handler of ");

    at = append(line, at, sizeof(line), fiber->name != NULL ? fiber->name : "?");
    at = append(line, at, sizeof(line), ": its stack has ");
    at = append_number(line, at, sizeof(line), fiber->pool->stack_size);
    at = append(line, at, sizeof(line),
                " bytes; a larger stack_size in tri_method_config or tri_server_config helps\n");
    ssize_t written = write(STDERR_FILENO, line, at);
    (void)written;
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    const struct tri__fiber *fiber = tri__fiber_current();
    const struct sigaction *previous = number == SIGSEGV ? &previous_segv : &previous_bus;

    if (fiber != NULL) {
        const uint8_t *address = info->si_addr;

        if (address >= fiber->stack - TRI__STACK_GUARD && address < fiber->stack)
            report(fiber);
    }
    if ((previous->sa_flags & SA_SIGINFO) != 0 && previous->sa_sigaction != NULL) {
        previous->sa_sigaction(number, info, context);
        return;
    }
    if (previous->sa_handler != SIG_DFL && previous->sa_handler != SIG_IGN) {
        previous->sa_handler(number);
        return;
    }
    /* The instruction faults again, with the default action. */
    signal(number, SIG_DFL);
}

int tri__overflow_install(void)
{
    struct sigaction action = {.sa_sigaction = on_fault,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    int r = 0;

    pthread_mutex_lock(&lock);
    if (installed == 0) {
        sigemptyset(&action.sa_mask);
        if (sigaction(SIGSEGV, &action, &previous_segv) < 0)
            r = -errno;
        else if (sigaction(SIGBUS, &action, &previous_bus) < 0) {
            r = -errno;
            sigaction(SIGSEGV, &previous_segv, NULL);
        }
    }
    if (r == 0)
        installed++;
    pthread_mutex_unlock(&lock);
    return r;
}

static void restore(int number, const struct sigaction *previous)
{
    struct sigaction now;

    /* Somebody who came after us stays. */
    if (sigaction(number, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0 &&
        now.sa_sigaction == on_fault)
        sigaction(number, previous, NULL);
}

void tri__overflow_uninstall(void)
{
    pthread_mutex_lock(&lock);
    if (--installed == 0) {
        restore(SIGSEGV, &previous_segv);
        restore(SIGBUS, &previous_bus);
    }
    pthread_mutex_unlock(&lock);
}

int tri__overflow_prepare_thread(void)
{
    stack_t now;

    /* A sanitizer may have given the thread one already. */
    if (sigaltstack(NULL, &now) == 0 && (now.ss_flags & SS_DISABLE) == 0)
        return 0;
    signal_stack =
        mmap(NULL, SIGNAL_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (signal_stack == MAP_FAILED) {
        signal_stack = NULL;
        return -errno;
    }
    stack_t stack = {.ss_sp = signal_stack, .ss_size = SIGNAL_STACK};

    if (sigaltstack(&stack, NULL) < 0) {
        int error = errno;

        munmap(signal_stack, SIGNAL_STACK);
        signal_stack = NULL;
        return -error;
    }
    return 0;
}

void tri__overflow_release_thread(void)
{
    stack_t none = {.ss_flags = SS_DISABLE};

    if (signal_stack == NULL)
        return;
    sigaltstack(&none, NULL);
    munmap(signal_stack, SIGNAL_STACK);
    signal_stack = NULL;
}
