/*
 * Goal: where the kernel or a container refuses io_uring, or what a ring needs, tri_server_start
 * fails with that error, says why and what to do, and leaves nothing behind. Method: a child
 * process under a seccomp filter that lets io_uring_setup fail, as the profiles of containers do.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <trireme/trireme.h>

/* What the child saw. */
struct outcome {
    int prepared, result, second_result;
    int threads, second_threads; /* after each start: no more after the second */
    char text[512];
};

/* io_uring_setup fails with `error`; all else goes on as before. */
static int forbid_rings(int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((uint32_t)error & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(*code), .filter = code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}

/* No memory may be locked, and without root's rights that counts. */
static int forbid_locked_memory(int unused)
{
    const struct rlimit none = {0, 0};

    (void)unused;
    if (setrlimit(RLIMIT_MEMLOCK, &none) < 0)
        return -errno;
    return geteuid() != 0 || setresuid(65534, 65534, 65534) == 0 ? 0 : -errno;
}

static int count_threads(void)
{
    DIR *folder = opendir("/proc/self/task");
    const struct dirent *entry;
    int count = 0;

    if (folder == NULL)
        return -1;
    while ((entry = readdir(folder)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static void start_refused(int (*forbid)(int error), int error, struct outcome *outcome)
{
    tri_server *server = tri_server_new(
        TRI_SERVER_CONFIG(.listen = "tcp://127.0.0.1:0", .reactors = 2, .workers = 2));

    outcome->prepared = forbid(error);
    outcome->result = tri_server_start(server);
    snprintf(outcome->text, sizeof(outcome->text), "%s", tri_server_error(server));
    outcome->second_result = outcome->result;
    outcome->threads = count_threads(); /* a sanitizer may have added one of its own */
    outcome->second_threads = outcome->threads;
    if (outcome->result < 0) {
        outcome->second_result = tri_server_start(server);
        /* A thread that was joined may stand in /proc for a moment longer. */
        for (int i = 0; i < 1000; i++) {
            outcome->second_threads = count_threads();
            if (outcome->second_threads <= outcome->threads)
                break;
            usleep(1000);
        }
    }
    tri_server_free(server);
}

/* Forbids something in a child and starts a server there, twice. */
static struct outcome try_refused(int (*forbid)(int error), int error)
{
    struct outcome outcome = {0};
    int ends[2], status;

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        start_refused(forbid, error, &outcome);
        ssize_t written = write(ends[1], &outcome, sizeof(outcome));

        _exit(written == (ssize_t)sizeof(outcome) ? 0 : 1);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &outcome, sizeof(outcome)), sizeof(outcome));
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(outcome.prepared, 0);
    assert_int_equal(outcome.second_result, outcome.result);
    assert_true(outcome.second_threads <= outcome.threads);
    return outcome;
}

static void a_refused_ring_is_explained(void **state)
{
    static const struct {
        int error;
        const char *name, *advice;
    } cases[] = {
        {ENOSYS, "ENOSYS", "this kernel has no io_uring; Linux 6.1 or later is needed"},
        {EPERM, "EPERM", "kernel.io_uring_disabled must be 0"},
        {EPERM, "EPERM", "seccomp profile must allow io_uring_setup"},
        {EINVAL, "EINVAL", "too old; Linux 6.1 or later is needed"},
        {ENOMEM, "ENOMEM", "RLIMIT_MEMLOCK"},
        {EMFILE, "EMFILE", "RLIMIT_NOFILE"},
        {EIO, "EIO", "Input/output error"}, /* none that we know of: the system's own words */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct outcome outcome = try_refused(forbid_rings, cases[i].error);

        assert_int_equal(outcome.result, -cases[i].error);
        if (strstr(outcome.text, "io_uring") == NULL ||
            strstr(outcome.text, cases[i].name) == NULL ||
            strstr(outcome.text, cases[i].advice) == NULL || strstr(outcome.text, "manual") != NULL)
            fail_msg("error %d: \"%s\"", cases[i].error, outcome.text);
    }
}

/* Kernels differ in what they count of a ring; those that count it say ENOMEM. */
static void too_little_locked_memory_is_explained(void **state)
{
    struct outcome outcome = try_refused(forbid_locked_memory, 0);

    (void)state;
    if (outcome.result == 0) {
        print_message("this kernel counts nothing of a ring as locked memory\n");
        return;
    }
    assert_int_equal(outcome.result, -ENOMEM);
    assert_non_null(strstr(outcome.text, "ENOMEM"));
    assert_non_null(strstr(outcome.text, "RLIMIT_MEMLOCK (ulimit -l)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_ring_is_explained),
        cmocka_unit_test(too_little_locked_memory_is_explained),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
