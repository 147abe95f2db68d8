#include <protobuf-c/protobuf-c.h>
#include <stdio.h>

#include "assertion.h"
#include "codec.h"
#include "codec_scan.h"

#define ALIGNMENT ((size_t)16)

/*
 * While protobuf-c reads a message of more than 16 fields it keeps notes on them, in pieces of 1
 * KiB, 2 KiB and so on, which it frees when the message is done. A list of such messages would fill
 * the arena with notes, so what has such a size is used again once it is freed. All else is freed
 * with the arena.
 *
 * free() is told no size, so these pieces are known by their address: it is 8 above a multiple of
 * 16, where that of all others is one.
 */
#define PIECE_SIZE_MIN 1024
#define PIECE_CLASSES 32

struct piece {
    uint32_t class; /* its size is PIECE_SIZE_MIN << class */
    bool is_idle;
    struct piece *next; /* while it is idle, else the first bytes of its memory */
};

_Static_assert(offsetof(struct piece, next) == 8, "a piece's memory begins 8 bytes into it");

struct budget {
    struct tri__arena *arena;
    size_t left;
    size_t refused;   /* bytes that were asked for and not given; 0: none were */
    bool is_exceeded; /* that was above the limit; otherwise there was no memory */
    uint32_t classes; /* a bit for each that has idle pieces */
    struct piece *idle[PIECE_CLASSES];
};

static inline void *take(struct budget *budget, size_t size)
{
    size_t rounded = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    void *memory = NULL;

    if (tri_likely(rounded >= size && rounded <= budget->left))
        memory = tri__arena_alloc(budget->arena, rounded);
    else
        budget->is_exceeded = true;
    if (tri_likely(memory != NULL))
        budget->left -= rounded;
    else
        budget->refused = rounded;
    return memory;
}

static void *take_piece(struct budget *budget, size_t size)
{
    uint32_t class = (uint32_t)__builtin_ctzll(size / PIECE_SIZE_MIN);
    struct piece *piece;

    if ((budget->classes & UINT32_C(1) << class) != 0) {
        piece = budget->idle[class];
        budget->idle[class] = piece->next;
        if (piece->next == NULL)
            budget->classes &= ~(UINT32_C(1) << class);
    } else {
        piece = take(budget, offsetof(struct piece, next) + size);
        if (piece == NULL)
            return NULL;
        piece->class = class;
    }
    piece->is_idle = false;
    return &piece->next;
}

static void *on_alloc(void *context, size_t size)
{
    if (tri_unlikely(size >= PIECE_SIZE_MIN && (size & (size - 1)) == 0 &&
                     size / PIECE_SIZE_MIN < UINT64_C(1) << PIECE_CLASSES))
        return take_piece(context, size);
    return take(context, size);
}

static void on_free(void *context, void *memory)
{
    struct budget *budget = context;

    if (tri_likely(((uintptr_t)memory & (ALIGNMENT - 1)) == 0))
        return;
    struct piece *piece = tri_container_of(memory, struct piece, next);
    uint32_t bit = UINT32_C(1) << piece->class;

    tri_assert(!piece->is_idle);
    piece->is_idle = true;
    piece->next = (budget->classes & bit) != 0 ? budget->idle[piece->class] : NULL;
    budget->idle[piece->class] = piece;
    budget->classes |= bit;
}

static tri_code explain(const struct tri__message_type *type, const struct budget *budget,
                        const struct tri__decode_limits *limits, const uint8_t *bytes, size_t size,
                        char *error, size_t error_size)
{
    const ProtobufCMessageDescriptor *descriptor = type->descriptor;

    if (budget->is_exceeded) {
        snprintf(error, error_size,
                 "message needs %zu bytes of memory or more when decoded; the limit is %zu",
                 limits->memory_max - budget->left + budget->refused, limits->memory_max);
        return TRI_RESOURCE_EXHAUSTED;
    }
    if (budget->refused > 0) {
        snprintf(error, error_size, "no memory to decode a message of %zu bytes", size);
        return TRI_RESOURCE_EXHAUSTED;
    }
    tri_code code = tri__scan(descriptor, limits->depth_max, bytes, size, error, error_size);

    if (code == TRI_OK) {
        snprintf(error, error_size, "malformed message: not a %s, or without a required field",
                 descriptor->name);
        code = TRI_INTERNAL;
    }
    return code;
}

tri_code tri__decode(const struct tri__message_type *type, struct tri__arena *arena,
                     const struct tri__decode_limits *limits, const uint8_t *bytes, size_t size,
                     const void **message, char *error, size_t error_size)
{
    struct budget budget;
    ProtobufCAllocator allocator = {.alloc = on_alloc, .free = on_free, .allocator_data = &budget};

    if (tri_unlikely(type->needs_scan || type->depth > limits->depth_max)) {
        tri_code code =
            tri__scan(type->descriptor, limits->depth_max, bytes, size, error, error_size);
        if (code != TRI_OK)
            return code;
    }
    /* What `idle` holds is told by `classes`: it need not be cleared. */
    budget.arena = arena;
    budget.left = limits->memory_max;
    budget.refused = 0;
    budget.is_exceeded = false;
    budget.classes = 0;

    const void *unpacked = protobuf_c_message_unpack(type->descriptor, &allocator, size, bytes);

    if (tri_unlikely(unpacked == NULL))
        return explain(type, &budget, limits, bytes, size, error, error_size);
    *message = unpacked;
    return TRI_OK;
}
