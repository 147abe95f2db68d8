#define _GNU_SOURCE
#include "signals.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "platform.h"

static void terminators(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
}

int tri__signals_init(struct tri__signals *signals)
{
    sigset_t set;

    terminators(&set);
    *signals = (struct tri__signals){.signal_fd = -1};
    signals->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (signals->event_fd < 0)
        return -errno;
    signals->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals->signal_fd < 0) {
        int error = errno;

        close(signals->event_fd);
        signals->event_fd = -1;
        return -error;
    }
    return 0;
}

void tri__signals_fini(struct tri__signals *signals)
{
    close(signals->signal_fd);
    close(signals->event_fd);
}

void tri__signals_block(struct tri__signals *signals)
{
    sigset_t set;

    terminators(&set);
    if (!signals->is_blocking)
        pthread_sigmask(SIG_BLOCK, &set, &signals->previous);
    signals->is_blocking = true;
}

void tri__signals_unblock(struct tri__signals *signals)
{
    if (signals->is_blocking)
        pthread_sigmask(SIG_SETMASK, &signals->previous, NULL);
    signals->is_blocking = false;
}

enum tri__signal_event tri__signals_wait(struct tri__signals *signals, int64_t duration)
{
    return tri__platform.wait(signals, duration);
}

enum tri__signal_event tri__signals_wait_system(struct tri__signals *signals, int64_t duration)
{
    struct pollfd fds[] = {{.fd = signals->signal_fd, .events = POLLIN},
                           {.fd = signals->event_fd, .events = POLLIN}};
    struct timespec timeout = {.tv_sec = (time_t)(duration / 1000000000),
                               .tv_nsec = (long)(duration % 1000000000)};
    struct signalfd_siginfo info;
    uint64_t nudges;

    if (ppoll(fds, 2, duration < 0 ? NULL : &timeout, NULL) <= 0)
        return TRI__SIGNAL_TIMEOUT;
    if (read(signals->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        return TRI__SIGNAL_TERMINATE;
    return read(signals->event_fd, &nudges, sizeof(nudges)) > 0 ? TRI__SIGNAL_NUDGED
                                                                : TRI__SIGNAL_TIMEOUT;
}

void tri__signals_nudge(struct tri__signals *signals)
{
    tri__platform.nudge(signals);
}

void tri__signals_nudge_system(struct tri__signals *signals)
{
    int saved_errno = errno;
    uint64_t one = 1;
    ssize_t written = write(signals->event_fd, &one, sizeof(one));

    (void)written;
    errno = saved_errno;
}
