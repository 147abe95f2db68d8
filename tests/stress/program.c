#define _GNU_SOURCE
#include "program.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "peer.h"

#define ARGUMENTS_MAX 64

static void become(const struct program_options *options, int out)
{
    char *arguments[ARGUMENTS_MAX] = {(char *)(uintptr_t)options->path};
    size_t count = 1;
    struct rlimit files = {options->files_max, options->files_max};
    struct rlimit memory = {options->memory_max, options->memory_max};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (const char *const *at = options->arguments; at != NULL && *at != NULL; at++) {
        if (count + 1 < ARGUMENTS_MAX)
            arguments[count++] = (char *)(uintptr_t)*at;
    }
    if (dup2(out, STDOUT_FILENO) < 0)
        _exit(126);
    if (options->is_quiet) {
        int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);

        dup2(nothing, STDERR_FILENO);
    }
    if ((options->files_max != 0 && setrlimit(RLIMIT_NOFILE, &files) < 0) ||
        (options->memory_max != 0 && setrlimit(RLIMIT_AS, &memory) < 0))
        _exit(126);
    execv(options->path, arguments);
    _exit(127);
}

/* The next line of its stdout; false at its end. */
static bool read_line(struct program *program, char *line, size_t size)
{
    size_t at = 0;
    char byte = '\0';

    while (at + 1 < size && read(program->out, &byte, 1) == 1 && byte != '\n')
        line[at++] = byte;
    line[at] = '\0';
    return byte == '\n';
}

void program_start(struct program *program, const struct program_options *options)
{
    int ends[2];
    char line[256];

    if (pipe2(ends, O_CLOEXEC) < 0)
        err(1, "pipe2");
    *program = (struct program){.pid = fork(), .out = ends[0]};
    if (program->pid < 0)
        err(1, "fork");
    if (program->pid == 0)
        become(options, ends[1]);
    close(ends[1]);
    const char *colon = read_line(program, line, sizeof(line)) ? strrchr(line, ':') : NULL;

    if (colon == NULL)
        die("%s does not start", options->path);
    program->port = (uint16_t)strtoul(colon + 1, NULL, 10);
}

void program_signal(struct program *program)
{
    kill(program->pid, SIGTERM);
}

double program_wait(struct program *program, double seconds)
{
    double start = seconds_now();
    int status;
    pid_t ended;

    while ((ended = waitpid(program->pid, &status, WNOHANG)) == 0) {
        if (seconds_now() - start > seconds) {
            kill(program->pid, SIGKILL);
            die("the server did not end within %.1f s", seconds);
        }
        usleep(2000);
    }
    if (ended < 0)
        err(1, "waitpid");
    if (WIFSIGNALED(status))
        die("the server was ended by signal %d", WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        die("the server ended with exit code %d", WEXITSTATUS(status));
    if (!read_line(program, program->counters, sizeof(program->counters)))
        program->counters[0] = '\0';
    close(program->out);
    return seconds_now() - start;
}

double program_stop(struct program *program, double seconds)
{
    program_signal(program);
    return program_wait(program, seconds);
}

uint64_t program_counter(const struct program *program, const char *name)
{
    const char *at = strstr(program->counters, name);

    if (at == NULL)
        die("the server has no counter \"%s\": %s", name, program->counters);
    return strtoull(at + strlen(name), NULL, 10);
}

/* A line of /proc/PID/status, in KiB. */
static size_t status_field(const struct program *program, const char *name)
{
    char path[64], line[256];
    size_t value = 0;

    snprintf(path, sizeof(path), "/proc/%d/status", program->pid);
    FILE *file = fopen(path, "re");

    if (file == NULL)
        die("the server has died");
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0)
            value = strtoul(line + strlen(name), NULL, 10);
    }
    fclose(file);
    return value * 1024;
}

size_t program_rss(const struct program *program)
{
    return status_field(program, "VmRSS:");
}

size_t program_peak(const struct program *program)
{
    return status_field(program, "VmHWM:");
}

void program_reset_peak(const struct program *program)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/clear_refs", program->pid);
    FILE *file = fopen(path, "we");

    if (file == NULL || fputs("5", file) == EOF || fclose(file) != 0)
        die("%s cannot be written", path);
}

size_t program_files(const struct program *program)
{
    char path[64];
    size_t count = 0;
    struct dirent *entry;

    snprintf(path, sizeof(path), "/proc/%d/fd", program->pid);
    DIR *folder = opendir(path);

    if (folder == NULL)
        die("the server has died");
    while ((entry = readdir(folder)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

double program_cpu(const struct program *program)
{
    struct timespec time;
    /* The kernel's clock of another process: see clock_getcpuclockid. */
    clockid_t clock;

    if (clock_getcpuclockid(program->pid, &clock) != 0 || clock_gettime(clock, &time) < 0)
        die("the server has died");
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

bool program_is_alive(const struct program *program)
{
    siginfo_t info = {0};

    return waitid(P_PID, (id_t)program->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == 0;
}

double program_slowness(void)
{
#if defined(__SANITIZE_THREAD__)
    return 10;
#elif defined(__SANITIZE_ADDRESS__)
    return 4;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
    return 10;
#endif
#endif
    return 1;
}
