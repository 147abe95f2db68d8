/*
 * Protobuf messages to and from bytes: protobuf-c, with its memory taken from an arena and with the
 * limits that protobuf-c does not know.
 *
 * What protobuf-c 1.4.1 does to a server that trusts it: it recurses once for each level of
 * nesting, without a limit, so 30 KB of nested messages overflow a stack of 8 MiB; and it turns one
 * byte of the wire into up to 72 of memory. So a type whose messages can be nested without end is
 * scanned for its depth first, and the allocator has a budget.
 *
 * Stack: decoding takes about 1 KiB for each level of nesting, encoding less; both belong on a
 * thread's own stack. A flat message is encoded on a fiber's as well.
 */
#ifndef TRI_CODEC_H
#define TRI_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <trireme/status.h>

#include "arena.h"

struct tri__message_type {
    const void *descriptor; /* ProtobufCMessageDescriptor */
    uint32_t depth;         /* levels of messages below this one, at most; unless needs_scan */
    bool needs_scan;        /* recursive, or too large to tell: only the bytes say how deep */
    bool is_flat;           /* no messages below this one */
};

/*
 * Looks through all the types that `descriptor` leads to. Without the memory for that, the type is
 * one that needs a scan, which is always right.
 */
void tri__message_type_init(struct tri__message_type *type, const void *descriptor);

struct tri__decode_limits {
    /* Bytes taken from the arena; protobuf-c's own, while it decodes, are among them. */
    size_t memory_max;
    uint32_t depth_max; /* levels of messages below the outermost */
};

/*
 * Decodes a message into the arena. Fields that the type does not know are kept, and count as
 * memory.
 *
 * Returns: TRI_OK; TRI_INTERNAL for bytes that are no such message; TRI_RESOURCE_EXHAUSTED above a
 * limit or without memory. On an error `*message` is not written, `error` says what and, when that
 * is known, at which byte; the arena may hold what had been decoded until it is reset.
 */
tri_code tri__decode(const struct tri__message_type *type, struct tri__arena *arena,
                     const struct tri__decode_limits *limits, const uint8_t *bytes, size_t size,
                     const void **message, char *error, size_t error_size);

/*
 * Whether it is a message of this type at all: not NULL, and set up by the type's INIT. What
 * follows may only be called for one that is. (Messages inside it are not looked at.)
 */
bool tri__message_is_sound(const struct tri__message_type *type, const void *message);

size_t tri__encoded_size(const void *message);

/* Writes tri__encoded_size(message) bytes, and returns how many these are. */
size_t tri__encode(const void *message, uint8_t *out);

#endif
