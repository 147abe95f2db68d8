#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codegen.h"

enum {
    READ_SIZE = 64 * 1024
};

/* The parent's ends of the child's three standard streams; -1 once closed. */
struct pipes {
    int input;
    int output;
    int errors;
};

struct collected {
    uint8_t *data;
    size_t size;
};

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Starts the child. Returns 0 or an errno. */
static int start(struct pipes *pipes, pid_t *child)
{
    static char name[] = "protoc-gen-c";
    char *arguments[] = {name, NULL};
    int ends[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
    posix_spawn_file_actions_t actions;
    int r = posix_spawn_file_actions_init(&actions);
    if (r != 0)
        return r;
    for (int i = 0; i < 3 && r == 0; i++)
        r = pipe2(ends[i], O_CLOEXEC) == 0 ? 0 : errno;
    for (int i = 0; i < 3 && r == 0; i++)
        r = posix_spawn_file_actions_adddup2(&actions, ends[i][i == 0 ? 0 : 1], i);
    if (r == 0)
        r = posix_spawnp(child, name, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    for (int i = 0; i < 3; i++) {
        close_end(&ends[i][i == 0 ? 0 : 1]);
        if (r != 0)
            close_end(&ends[i][i == 0 ? 1 : 0]);
    }
    *pipes = (struct pipes){ends[0][1], ends[1][0], ends[2][0]};
    return r;
}

static int collect(int *fd, struct collected *collected)
{
    uint8_t *grown = realloc(collected->data, collected->size + READ_SIZE + 1);
    if (grown == NULL)
        return ENOMEM;
    collected->data = grown;
    ssize_t n = read(*fd, grown + collected->size, READ_SIZE);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : errno;
    if (n == 0)
        close_end(fd);
    collected->size += (size_t)n;
    collected->data[collected->size] = '\0';
    return 0;
}

static int feed(int *fd, const uint8_t **data, size_t *size)
{
    ssize_t n = write(*fd, *data, *size);
    if (n < 0 && errno != EINTR && errno != EAGAIN) {
        /* It does not want the rest; what it has to say comes on the other pipes. */
        bool is_closed = errno == EPIPE;
        int r = errno;
        close_end(fd);
        return is_closed ? 0 : r;
    }
    if (n > 0) {
        *data += n;
        *size -= (size_t)n;
    }
    if (*size == 0)
        close_end(fd);
    return 0;
}

/* Both ways at once: neither side may wait for the other with a full pipe. */
static int talk(struct pipes *pipes, const uint8_t *data, size_t size, struct collected *output,
                struct collected *errors)
{
    int r = 0;
    if (fcntl(pipes->input, F_SETFL, O_NONBLOCK) != 0)
        return errno;
    if (size == 0)
        close_end(&pipes->input);
    while (r == 0 && (pipes->output >= 0 || pipes->errors >= 0 || pipes->input >= 0)) {
        struct pollfd fds[] = {
            {.fd = pipes->input, .events = POLLOUT},
            {.fd = pipes->output, .events = POLLIN},
            {.fd = pipes->errors, .events = POLLIN},
        };
        if (poll(fds, 3, -1) < 0) {
            r = errno == EINTR ? 0 : errno;
            continue;
        }
        if (fds[0].revents != 0)
            r = feed(&pipes->input, &data, &size);
        if (r == 0 && fds[1].revents != 0)
            r = collect(&pipes->output, output);
        if (r == 0 && fds[2].revents != 0)
            r = collect(&pipes->errors, errors);
    }
    return r;
}

/* How the child ended, with what it said on stderr. Returns 0 when all is well. */
static int judge(int status, const struct collected *errors, char *text, size_t size)
{
    const char *said = errors->size > 0 ? (const char *)errors->data : "";
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFSIGNALED(status))
        snprintf(text, size, "it was killed by signal %d\n%s", WTERMSIG(status), said);
    else
        snprintf(text, size, "it ended with status %d\n%s", WEXITSTATUS(status), said);
    return -1;
}

int codegen_child_run(void *state, const uint8_t *request, size_t size,
                      struct codegen_result *result)
{
    struct pipes pipes;
    struct collected output = {0};
    struct collected errors = {0};
    pid_t child;
    int status = 0;
    (void)state;
    *result = (struct codegen_result){0};
    int r = start(&pipes, &child);
    if (r != 0) {
        snprintf(result->error, sizeof(result->error), "cannot be started: %s%s", strerror(r),
                 r == ENOENT ? "; apt-get install protobuf-c-compiler" : "");
        return -1;
    }
    /* A child that ends early must not end us. */
    void (*old_handler)(int) = signal(SIGPIPE, SIG_IGN);
    r = talk(&pipes, request, size, &output, &errors);
    signal(SIGPIPE, old_handler);
    close_end(&pipes.input);
    close_end(&pipes.output);
    close_end(&pipes.errors);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (r != 0)
        snprintf(result->error, sizeof(result->error), "cannot be talked to: %s", strerror(r));
    else
        r = judge(status, &errors, result->error, sizeof(result->error));
    free(errors.data);
    if (r != 0) {
        free(output.data);
        return -1;
    }
    result->data = output.data;
    result->size = output.size;
    return 0;
}
