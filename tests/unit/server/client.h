/*
 * For tests: a small client of gRPC over a blocking socket. It reads and writes only when it is
 * asked to, on the thread that asks; what should not happen ends the test.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client;

struct client_call {
    int32_t id;
    uint8_t *out; /* not sent yet */
    size_t out_size;
    bool out_ended;
    bool has_headers, is_closed;
    uint32_t error;    /* of a reset */
    int http_status;   /* -1: none came */
    int status;        /* grpc-status; -1: none came */
    char message[512]; /* grpc-message, as it was on the wire */
    uint8_t *in;
    size_t in_size;
};

/* Connects to "tcp://127.0.0.1:PORT". */
struct client *client_open(const char *address);
void client_close(struct client *client);

/* Begins a call; `timeout` is a grpc-timeout or NULL. client_end frees what it holds. */
void client_begin(struct client *client, struct client_call *call, const char *path,
                  const char *timeout);
void client_end(struct client_call *call);

/* Sends one message { string text = 1; }, and ends the requests if `is_last`. */
void client_send(struct client *client, struct client_call *call, const char *text, bool is_last);
void client_half_close(struct client *client, struct client_call *call);
void client_reset(struct client *client, struct client_call *call);

/* Reads until the call is over; or until there are so many replies. */
void client_finish(struct client *client, struct client_call *call);
void client_wait_replies(struct client *client, struct client_call *call, size_t count);
/* Reads until the server has closed the connection. */
void client_wait_closed(struct client *client);

/* How many replies have come, and the text of one ("" when there is no such one). */
size_t client_replies(const struct client_call *call);
const char *client_reply(const struct client_call *call, size_t index, char *text, size_t size);

/* A whole unary call. Returns: its status; `reply` is "" without one. */
int client_unary(struct client *client, const char *path, const char *text, char *reply,
                 size_t reply_size);

#endif
