/*
 * What the bare loop serves: the messages of one call, in and out, through protobuf-c.
 * sayHello replies "Hello, NAME"; serverStream of "count:N" replies "0" to "N-1".
 */
#ifndef BENCH_GREETER_H
#define BENCH_GREETER_H

#include "greeter.pb-c.h"
#include "pool.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/param.h>
#include <sys/queue.h>

#define PROTO(name) org__apache__dubbo__samples__proto__greeter_##name

enum {
    PREFIX = 5,
    NUMBER_MAX = 32,
    BATCH = 16 << 10
};
enum method {
    UNKNOWN,
    SAY_HELLO,
    SERVER_STREAM
};
enum status {
    OK,
    UNIMPLEMENTED,
    INTERNAL
};

struct stream {
    LIST_ENTRY(stream) link;
    enum method method;
    uint8_t *data; /* the request, then what is packed of the reply */
    size_t length, sent;
    uint64_t next, count; /* replies of serverStream to pack */
};

/* protobuf-c's allocator: given back at once, before the next message. */
static _Alignas(max_align_t) uint8_t arena_bytes[16 << 20];
static size_t arena_used;

static void *arena_alloc(void *user UNUSED, size_t size)
{
    size_t at = (arena_used + 15) & ~(size_t)15;
    if (at > sizeof(arena_bytes) || size > sizeof(arena_bytes) - at)
        return NULL;
    arena_used = at + size;
    return arena_bytes + at;
}

static void arena_free(void *user UNUSED, void *pointer UNUSED)
{
}

static size_t reply_pack(uint8_t *out, char *text)
{
    Org__Apache__Dubbo__Samples__Proto__GreeterReply reply =
        ORG__APACHE__DUBBO__SAMPLES__PROTO__GREETER_REPLY__INIT;
    reply.message = text;
    size_t size = PROTO(reply__pack)(&reply, out + PREFIX);
    uint32_t length = htonl((uint32_t)size);
    out[0] = 0;
    memcpy(out + 1, &length, sizeof(length));
    return PREFIX + size;
}

static size_t number_pack(uint8_t *out, uint64_t number)
{
    char text[NUMBER_MAX], *digit = text + sizeof(text) - 1;
    for (*digit = 0; number >= 10; number /= 10)
        *--digit = (char)('0' + number % 10);
    *--digit = (char)('0' + number);
    return reply_pack(out, digit);
}

/* Runs the method on a whole request; then stream_fill gives the reply. */
static enum status stream_run(struct stream *stream)
{
    static ProtobufCAllocator arena = {arena_alloc, arena_free, NULL};
    Org__Apache__Dubbo__Samples__Proto__GreeterRequest *request;
    uint32_t size;
    if (stream->method == UNKNOWN)
        return UNIMPLEMENTED;
    if (stream->length < PREFIX || stream->data[0] != 0)
        return INTERNAL;
    memcpy(&size, stream->data + 1, sizeof(size));
    size = ntohl(size);
    if (size != stream->length - PREFIX)
        return INTERNAL;
    arena_used = 0;
    request = PROTO(request__unpack)(&arena, size, stream->data + PREFIX);
    char *text = request ? arena_alloc(NULL, size + sizeof("Hello, ")) : NULL;
    if (!text)
        return INTERNAL;
    stream->length = 0;
    if (stream->method == SAY_HELLO) {
        stream->data = pool_realloc(stream->data, size + NUMBER_MAX, NULL);
        strcpy(stpcpy(text, "Hello, "), request->name);
        stream->length = reply_pack(stream->data, text);
    } else if (strncmp(request->name, "count:", strlen("count:")) == 0) {
        stream->data = pool_realloc(stream->data, BATCH + NUMBER_MAX, NULL);
        stream->count = strtoull(request->name + strlen("count:"), NULL, 10);
    }
    return OK;
}

static bool stream_is_sent(const struct stream *stream)
{
    return stream->sent == stream->length && stream->next == stream->count;
}

/* Fills frames to the brim: a message may go over the end of its frame. */
static size_t stream_fill(struct stream *stream, uint8_t *out, size_t room)
{
    size_t used = 0;
    while (used < room && !stream_is_sent(stream)) {
        if (stream->sent == stream->length)
            stream->sent = stream->length = 0;
        while (stream->sent == 0 && stream->length < BATCH && stream->next < stream->count)
            stream->length += number_pack(stream->data + stream->length, stream->next++);
        size_t part = MIN(stream->length - stream->sent, room - used);
        memcpy(out + used, stream->data + stream->sent, part);
        stream->sent += part;
        used += part;
    }
    return used;
}

static void stream_free(struct stream *stream)
{
    LIST_REMOVE(stream, link);
    pool_free(stream->data, NULL);
    pool_free(stream, NULL);
}

#endif
