/*
 * A stress-server of one's own, as a child, and what the kernel says of it. It ends with its
 * parent, whatever becomes of that.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct program {
    pid_t pid;
    uint16_t port;
    int out; /* its stdout */
    char counters[256];
};

struct program_options {
    const char *path;             /* of stress-server */
    const char *const *arguments; /* NULL at the end */
    size_t files_max;             /* RLIMIT_NOFILE; 0: this process's */
    size_t memory_max;            /* RLIMIT_AS, bytes; 0: none */
    bool is_quiet;                /* nothing of its stderr is shown */
};

void program_start(struct program *program, const struct program_options *options);

/* SIGTERM. Ends the test unless the server ends well within so many seconds. Returns: how long. */
double program_stop(struct program *program, double seconds);
/* The same in two steps. */
void program_signal(struct program *program);
double program_wait(struct program *program, double seconds);

/* A counter of those that it prints at its end: "started". */
uint64_t program_counter(const struct program *program, const char *name);

size_t program_rss(const struct program *program);  /* bytes */
size_t program_peak(const struct program *program); /* the same at its highest, since: */
void program_reset_peak(const struct program *program);
size_t program_files(const struct program *program); /* open descriptors */
double program_cpu(const struct program *program);   /* seconds */
bool program_is_alive(const struct program *program);

/* How much slower than a plain build this one may be: a sanitizer's share. */
double program_slowness(void);

#endif
