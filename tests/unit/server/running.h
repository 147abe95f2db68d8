/*
 * For tests: a server that runs on a thread of its own, and a service of one's own making.
 */
#ifndef RUNNING_H
#define RUNNING_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>

#include <trireme/generated.h>
#include <trireme/trireme.h>

#include "text.pb-c.h"

/* A servicer table is one function that is not NULL; the runs below do the work. */
static const struct {
    void (*function)(void);
    void (*none)(void);
} servicer = {.function = (void (*)(void))pthread_self};

#define METHOD(name_, run_, requests_, replies_)                                                   \
    {                                                                                              \
        .name = (name_), .request = &call_test__text__descriptor,                                  \
        .reply = &call_test__text__descriptor, .run = (run_), .slot = 0,                           \
        .requests_stream = (requests_), .replies_stream = (replies_)                               \
    }

#define SERVICE(name_, methods_)                                                                   \
    {                                                                                              \
        .name = (name_), .methods = (methods_),                                                    \
        .methods_count = sizeof(methods_) / sizeof(*(methods_)), .abi = TRI_GENERATED_ABI,         \
        .servicer_size = sizeof(servicer)                                                          \
    }

struct running {
    tri_server *server;
    pthread_t thread;
    sem_t started;
    int start_result, result;
};

static void *run_server(void *argument)
{
    struct running *running = argument;

    running->start_result = tri_server_start(running->server);
    sem_post(&running->started);
    if (running->start_result == 0)
        running->result = tri_server_run(running->server);
    return NULL;
}

/* Starts it. Returns: its first address, or NULL. */
static inline const char *running_start(struct running *running, tri_server *server)
{
    running->server = server;
    sem_init(&running->started, 0, 0);
    if (pthread_create(&running->thread, NULL, run_server, running) != 0)
        return NULL;
    while (sem_wait(&running->started) != 0)
        ;
    return running->start_result == 0 ? tri_server_address(server, 0) : NULL;
}

/* Stops and frees it. Returns: what tri_server_run did. */
static inline int running_stop(struct running *running)
{
    tri_server_stop(running->server);
    pthread_join(running->thread, NULL);
    sem_destroy(&running->started);
    tri_server_free(running->server);
    return running->result;
}

static inline tri_code reply_text(tri_call *call, char *text)
{
    CallTest__Text reply = CALL_TEST__TEXT__INIT;

    reply.text = text;
    return tri_gen_emit(call, &reply);
}

#endif
