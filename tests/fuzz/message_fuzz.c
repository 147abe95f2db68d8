/*
 * Goal: whatever bytes are decoded, it stays within the budget of memory and the depth; what is
 * decoded is what protobuf-c decodes without us, and survives another round; the scan ahead of it
 * finds fault with nothing that protobuf-c takes.
 * Method: the first bytes choose a type, the limits and an allocation that fails; the rest is the
 * message. protobuf-c by itself is what it is held against.
 */
#include <stdbool.h>

#include "../unit/base/failing_alloc.h"
#include "codec.h"
#include "codec_scan.h"
#include "codec_test.pb-c.h"
#include "fuzz.h"
#include "required_test.pb-c.h"

/* How deep protobuf-c may recurse here without limits of ours. */
#define DEPTH_SAFE 300
#define UNLIMITED ((size_t)1 << 30)

static const ProtobufCMessageDescriptor *const types[] = {
    &codec_test__all__descriptor,      &codec_test__flat__descriptor,
    &codec_test__tree__descriptor,     &codec_test__struct__descriptor,
    &codec_test__ping__descriptor,     &codec_test__level1__descriptor,
    &codec_test__some__descriptor,     &codec_test__empties__descriptor,
    &codec_test__records__descriptor,  &codec_test__holder__descriptor,
    &codec_test__required__descriptor,
};

/*
 * protobuf-c takes the field number 0, which does not exist, in a longer form than needed, keeps it
 * as unknown, writes it in the short form, and does not take that.
 */
static bool has_number_zero;

/* Levels of messages below one that is decoded, by its structs and not by its bytes. */
static unsigned depth_of(const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    unsigned depth = 0;

    for (unsigned i = 0; i < message->n_unknown_fields; i++)
        has_number_zero = has_number_zero || message->unknown_fields[i].tag == 0;

    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        const char *member = (const char *)message + field->offset;
        const char *quantifier = (const char *)message + field->quantifier_offset;
        bool is_list = field->label == PROTOBUF_C_LABEL_REPEATED;
        bool is_chosen = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0 ||
                         *(const uint32_t *)(const void *)quantifier == field->id;

        if (field->type != PROTOBUF_C_TYPE_MESSAGE || !is_chosen)
            continue;
        size_t count = is_list ? *(const size_t *)(const void *)quantifier : 1;
        ProtobufCMessage *const *below =
            is_list ? *(ProtobufCMessage *const *const *)(const void *)member
                    : (ProtobufCMessage *const *)(const void *)member;

        for (size_t j = 0; j < count; j++) {
            unsigned reached = below[j] != NULL ? 1 + depth_of(below[j]) : 0;

            depth = reached > depth ? reached : depth;
        }
    }
    return depth;
}

struct outcome {
    tri_code code;
    uint8_t *again; /* what was decoded, encoded */
    size_t again_size, peak;
    unsigned depth;
    char error[160];
};

static uint8_t *encode(const void *message, size_t *size)
{
    uint8_t *bytes = malloc(tri__encoded_size(message) + 1);

    FUZZ_CHECK(bytes != NULL);
    *size = tri__encode(message, bytes);
    FUZZ_CHECK(*size == tri__encoded_size(message));
    return bytes;
}

static struct outcome decode(const ProtobufCMessageDescriptor *descriptor,
                             struct tri__decode_limits limits, uint64_t fail_at,
                             const uint8_t *bytes, size_t size)
{
    struct outcome outcome = {0};
    struct tri__message_type type;
    struct tri__block_cache cache = {0};
    struct tri__arena arena;
    const void *message = NULL;

    failing_start(0, false);
    tri__message_type_init(&type, descriptor);
    FUZZ_CHECK(failing.live_count == 0);
    failing_start(fail_at, false);
    tri__arena_init(&arena, &cache);
    outcome.code = tri__decode(&type, &arena, &limits, bytes, size, &message, outcome.error,
                               sizeof(outcome.error));
    outcome.peak = failing.peak_bytes;
    FUZZ_CHECK((message != NULL) == (outcome.code == TRI_OK));
    FUZZ_CHECK((outcome.error[0] != '\0') == (outcome.code != TRI_OK));
    has_number_zero = false;
    if (message != NULL) {
        FUZZ_CHECK(tri__message_is_sound(&type, message));
        outcome.depth = depth_of(message);
        outcome.again = encode(message, &outcome.again_size);
    }
    tri__arena_reset(&arena);
    tri__block_cache_fini(&cache);
    FUZZ_CHECK(failing.live_count == 0);
    return outcome;
}

/* Against protobuf-c alone. */
static void check_plain(const ProtobufCMessageDescriptor *descriptor, const struct outcome *ours,
                        uint32_t depth_max, const uint8_t *bytes, size_t size)
{
    char error[160] = "";
    tri_code scanned = tri__scan(descriptor, DEPTH_SAFE, bytes, size, error, sizeof(error));

    if (scanned == TRI_RESOURCE_EXHAUSTED) {
        FUZZ_CHECK(ours->code != TRI_OK || DEPTH_SAFE < depth_max);
        return; /* it would recurse too deep */
    }
    ProtobufCMessage *plain = protobuf_c_message_unpack(descriptor, NULL, size, bytes);

    if (plain == NULL) {
        FUZZ_CHECK(ours->code != TRI_OK);
        return;
    }
    FUZZ_CHECK(scanned == TRI_OK);
    if (ours->code == TRI_OK) {
        size_t again_size;
        uint8_t *again = encode(plain, &again_size);

        FUZZ_CHECK(depth_of(plain) == ours->depth && ours->depth <= depth_max);
        FUZZ_CHECK(again_size == ours->again_size && memcmp(again, ours->again, again_size) == 0);
        free(again);
    } else {
        /* Of what protobuf-c takes, only a limit is refused. */
        FUZZ_CHECK(ours->code == TRI_RESOURCE_EXHAUSTED);
        if (strstr(ours->error, "nested") != NULL)
            FUZZ_CHECK(tri__scan(descriptor, depth_max, bytes, size, error, sizeof(error)) ==
                       TRI_RESOURCE_EXHAUSTED);
    }
    protobuf_c_message_free_unpacked(plain, NULL);
}

/* What it became is decoded to the same. */
static void check_round(const ProtobufCMessageDescriptor *descriptor,
                        struct tri__decode_limits limits, const struct outcome *first)
{
    struct outcome second;

    if (has_number_zero)
        return;
    limits.memory_max = UNLIMITED;
    second = decode(descriptor, limits, 0, first->again, first->again_size);
    FUZZ_CHECK(second.code == TRI_OK && second.depth == first->depth);
    FUZZ_CHECK(second.again_size == first->again_size &&
               memcmp(second.again, first->again, first->again_size) == 0);
    free(second.again);
}

void fuzz_run(struct fuzz_input *input)
{
    const ProtobufCMessageDescriptor *descriptor =
        types[fuzz_byte(input) % (sizeof(types) / sizeof(*types))];
    uint8_t depth = fuzz_byte(input), budget = fuzz_byte(input), fail_at = fuzz_byte(input);
    struct tri__decode_limits limits = {
        .memory_max = budget < 128 ? UNLIMITED : (size_t)(budget - 127) * 64,
        .depth_max = depth < 128 ? 100 : depth % 16,
    };
    size_t size = fuzz_left(input);
    uint8_t *bytes = fuzz_copy(fuzz_bytes(input, &size), size);
    struct outcome outcome = decode(descriptor, limits, 0, bytes, size);

    /* Blocks of the arena are larger than what they hold, and there may be two of them begun. */
    if (limits.memory_max < UNLIMITED)
        FUZZ_CHECK(outcome.peak <= 2 * limits.memory_max + (size_t)3 * TRI__ARENA_BLOCK);
    check_plain(descriptor, &outcome, limits.depth_max, bytes, size);
    if (outcome.code == TRI_OK) {
        FUZZ_CHECK(outcome.depth <= limits.depth_max);
        check_round(descriptor, limits, &outcome);
    }
    if (fail_at > 0) {
        struct outcome failed = decode(descriptor, limits, fail_at, bytes, size);

        FUZZ_CHECK(failed.code == outcome.code || failed.code == TRI_RESOURCE_EXHAUSTED);
        free(failed.again);
    }
    free(outcome.again);
    free(bytes);
}
