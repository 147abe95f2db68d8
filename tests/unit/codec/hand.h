/*
 * For the tests of the codec: messages written by hand, byte by byte, and what it takes to decode
 * one.
 */
#ifndef HAND_H
#define HAND_H

#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "codec_test.pb-c.h"

#define DEFAULT_LIMITS                                                                             \
    {                                                                                              \
        .memory_max = 32u << 20, .depth_max = 100                                                  \
    }

struct hand {
    struct tri__block_cache cache;
    struct tri__arena arena;
    char error[160];
    const void *message;
};

static inline void hand_start(struct hand *hand)
{
    memset(hand, 0, sizeof(*hand));
    tri__arena_init(&hand->arena, &hand->cache);
}

static inline void hand_end(struct hand *hand)
{
    tri__arena_reset(&hand->arena);
    tri__block_cache_fini(&hand->cache);
}

static inline tri_code hand_decode(struct hand *hand, const void *descriptor,
                                   struct tri__decode_limits limits, const void *bytes, size_t size)
{
    struct tri__message_type type;

    tri__message_type_init(&type, descriptor);
    hand->error[0] = '\0';
    hand->message = NULL;
    return tri__decode(&type, &hand->arena, &limits, bytes, size, &hand->message, hand->error,
                       sizeof(hand->error));
}

static inline size_t put_varint(uint8_t *out, uint64_t value)
{
    size_t size = 0;

    for (; value >= 0x80; value >>= 7)
        out[size++] = (uint8_t)(value | 0x80);
    out[size++] = (uint8_t)value;
    return size;
}

/*
 * Wraps a field round what is there, `levels` times, from the inside out: so the bytes are written
 * from the end. The tag has one byte. Memory: the caller's to free.
 */
static inline uint8_t *nest(unsigned field, unsigned levels, size_t *size)
{
    size_t capacity = (size_t)levels * 7 + 1;
    uint8_t *bytes = malloc(capacity);
    uint8_t *at = bytes + capacity;

    for (unsigned i = 0; i < levels; i++) {
        uint8_t length[10];
        size_t length_size = put_varint(length, (uint64_t)(bytes + capacity - at));

        at -= length_size;
        memcpy(at, length, length_size);
        *--at = (uint8_t)(field << 3 | 2);
    }
    *size = (size_t)(bytes + capacity - at);
    memmove(bytes, at, *size);
    return bytes;
}

#define expect_error(hand, text)                                                                   \
    do {                                                                                           \
        assert_null((hand)->message);                                                              \
        assert_string_equal((hand)->error, text);                                                  \
    } while (0)

/* Every type of field, with what a type that knows less calls unknown. Memory: the caller's. */
static inline uint8_t *make_all(size_t *size)
{
    CodecTest__All all = CODEC_TEST__ALL__INIT;
    CodecTest__Flat flat = CODEC_TEST__FLAT__INIT;
    CodecTest__Flat *flats[] = {&flat, &flat, &flat};
    CodecTest__All__MapFieldEntry entry = CODEC_TEST__ALL__MAP_FIELD_ENTRY__INIT;
    CodecTest__All__MapFieldEntry *entries[] = {&entry};
    CodecTest__Tree leaf = CODEC_TEST__TREE__INIT, tree = CODEC_TEST__TREE__INIT;
    CodecTest__Tree *leaves[] = {&leaf, &leaf};
    int32_t numbers[] = {-1, 0, 300};
    protobuf_c_boolean bools[] = {1, 0, 1};
    uint32_t fixed[] = {1, 2};
    double doubles[] = {1.5, -2};
    char *strings[] = {(char[]){"a"}, (char[]){""}, (char[]){"ccc"}};
    ProtobufCBinaryData blobs[] = {{2, (uint8_t[]){0, 1}}, {0, NULL}};

    flat.name = (char[]){"flat"};
    flat.number = 7;
    entry.key = (char[]){"key"};
    entry.value = 1;
    leaf.name = (char[]){"leaf"};
    tree.left = &leaf;
    tree.branches = leaves;
    tree.n_branches = 2;

    all.int32_field = -5;
    all.int64_field = INT64_MIN;
    all.uint32_field = UINT32_MAX;
    all.uint64_field = UINT64_MAX;
    all.sint32_field = INT32_MIN;
    all.sint64_field = -1;
    all.fixed32_field = 1;
    all.fixed64_field = 2;
    all.sfixed32_field = -3;
    all.sfixed64_field = -4;
    all.float_field = 0.5f;
    all.double_field = 0.25;
    all.bool_field = 1;
    all.string_field = (char[]){"a string"};
    all.bytes_field = (ProtobufCBinaryData){3, (uint8_t[]){0, 255, 0}};
    all.enum_field = CODEC_TEST__ALL__COLOR__GREEN;
    all.message_field = &flat;
    all.packed_int32 = numbers;
    all.n_packed_int32 = 3;
    all.packed_bool = bools;
    all.n_packed_bool = 3;
    all.packed_fixed32 = fixed;
    all.n_packed_fixed32 = 2;
    all.packed_double = doubles;
    all.n_packed_double = 2;
    all.strings = strings;
    all.n_strings = 3;
    all.messages = flats;
    all.n_messages = 3;
    all.map_field = entries;
    all.n_map_field = 1;
    all.blobs = blobs;
    all.n_blobs = 2;
    all.choice_case = CODEC_TEST__ALL__CHOICE_CHOICE_MESSAGE;
    all.choice_message = &flat;
    all.tree = &tree;

    uint8_t *bytes = malloc(tri__encoded_size(&all));

    *size = tri__encode(&all, bytes);
    return bytes;
}

static inline void assert_encodes_to(const void *message, const uint8_t *bytes, size_t size)
{
    assert_int_equal(tri__encoded_size(message), size);
    uint8_t *again = malloc(size + 1);

    assert_int_equal(tri__encode(message, again), size);
    assert_memory_equal(again, bytes, size);
    free(again);
}

#endif
