/*
 * Many connections: dropped at every moment, and more of them than there are descriptors.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "raw.h"
#include "stress.h"

#define EACH ((size_t)1000)
#define AT_ONCE ((size_t)50)

enum stage {
    BEFORE_PREFACE,
    IN_PREFACE,
    IN_SETTINGS,
    IN_HEADERS,
    IN_DATA,
    BEFORE_REPLIES,
    IN_REPLIES,
    IN_GOAWAY,
    AFTER_FAULT,
    STAGES
};

static const char *const stage_names[] = {"before the preface", "in the preface", "in SETTINGS",
                                          "in HEADERS",         "in DATA",        "before replies",
                                          "in replies",         "in GOAWAY",      "after a fault"};

/* All that is sent before the end, at most 2 KiB. Returns: its size. */
static size_t script(uint8_t *start, enum stage stage)
{
    static const uint8_t flood[] = {0, 0, 0, 0, 7, 0x0a, 5, 'f', 'l', 'o', 'o', 'd'};
    static const uint8_t goaway[8] = {0};
    uint8_t *out = raw_bytes(start, RAW_PREFACE, strlen(RAW_PREFACE));

    if (stage == BEFORE_PREFACE)
        return 0;
    if (stage == IN_PREFACE)
        return 11;
    out = raw_frame(out, RAW_SETTINGS, 0, 0, NULL, 0);
    if (stage == IN_SETTINGS)
        return (size_t)(out - start) - 4;
    out = raw_headers(out, RAW_END_HEADERS, 1, CHAT);
    if (stage == IN_HEADERS)
        return (size_t)(out - start) - 30;
    out = raw_frame(out, RAW_DATA, 0, 1, "\0\0\0\0\0\0\0\0\1\0half", 14);
    if (stage == IN_DATA)
        return (size_t)(out - start);
    for (uint32_t id = 3; id < 13; id += 2) {
        out = raw_headers(out, RAW_END_HEADERS, id, LIST);
        out = raw_frame(out, RAW_DATA, RAW_END_STREAM, id, flood, sizeof(flood));
    }
    if (stage == IN_GOAWAY)
        out = raw_frame(out, RAW_GOAWAY, 0, 0, goaway, sizeof(goaway));
    if (stage == AFTER_FAULT) /* DATA on stream 0: an error of the connection */
        out = raw_frame(out, RAW_DATA, 0, 0, "x", 1);
    return (size_t)(out - start);
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in name = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct timeval patience = {.tv_sec = 10};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    require(fd >= 0 && connect(fd, (const struct sockaddr *)&name, sizeof(name)) == 0,
            "the server takes no connection");
    return fd;
}

/* Half of them end with a reset, as those of a process that dies with unread input. */
static void drop(int fd, bool is_abrupt)
{
    struct linger linger = {.l_onoff = 1};

    if (is_abrupt)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(fd);
}

static void run_stage(uint16_t port, enum stage stage)
{
    static uint8_t in[(size_t)64 << 10];
    uint8_t out[2048];
    size_t size = script(out, stage);
    int fds[AT_ONCE];

    for (size_t done = 0; done < EACH; done += AT_ONCE) {
        for (size_t i = 0; i < AT_ONCE; i++) {
            fds[i] = connect_to(port);
            require(send(fds[i], out, size, MSG_NOSIGNAL) == (ssize_t)size, "send");
        }
        for (size_t i = 0; i < AT_ONCE; i++) {
            if (stage == IN_REPLIES || stage == IN_GOAWAY)
                require(recv(fds[i], in, 1000 * (i + 1), MSG_WAITALL) == (ssize_t)(1000 * (i + 1)),
                        "no replies come");
            else if (stage == AFTER_FAULT)
                require(recv(fds[i], in, sizeof(in), 0) > 0, "nothing comes");
            drop(fds[i], i % 2 == 0);
        }
    }
}

void run_stages(const struct stress *stress)
{
    struct program program;

    start_server(&program, stress, NULL);
    size_t files = program_files(&program);
    struct neighbour *neighbour = neighbour_start(program.port);

    for (int stage = 0; stage < STAGES; stage++) {
        double start = seconds_now();

        run_stage(program.port, (enum stage)stage);
        printf("  %zu connections dropped %s: %.2f s, %zu KiB\n", EACH, stage_names[stage],
               seconds_now() - start, program_rss(&program) / 1024);
    }
    require_good_neighbour(neighbour, 100, "dropped connections");
    require_service(program.port, 100);
    stop_server(&program, stress, files);
    /* Two of the stages make sure of their six calls each. */
    require(program_counter(&program, "started ") >= 2 * 6 * EACH,
            "hardly any handler was started");
}

#define FILES 64
#define CROWD ((size_t)500)
#define WAIT_S 3

void run_files(const struct stress *stress)
{
    struct program program;
    int fds[CROWD];
    double cpu;

    program_start(&program, &(struct program_options){
                                .path = stress->server, .files_max = FILES, .is_quiet = true});
    size_t files = program_files(&program);

    require_service(program.port, 10);
    for (size_t i = 0; i < CROWD; i++)
        fds[i] = connect_to(program.port);
    usleep(200000);
    cpu = program_cpu(&program);
    usleep(WAIT_S * 1000000);
    cpu = program_cpu(&program) - cpu;
    printf("  %zu connections, %zu of %d descriptors: %.2f %% of a CPU while it waits\n", CROWD,
           program_files(&program), FILES, 100 * cpu / WAIT_S);
    require(program_files(&program) >= FILES - 2, "the limit was not reached");
    require(cpu < 0.02 * WAIT_S * stress->slowness, "it spins: %.2f s of CPU in %d s", cpu, WAIT_S);
    /* Whoever leaves makes room for those that wait, though there are still too many. */
    for (size_t i = 0; i < CROWD; i++)
        drop(fds[i], i % 2 == 0);
    require_service(program.port, 100);
    stop_server(&program, stress, files);
}
