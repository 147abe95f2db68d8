#include "codec_scan.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#include "assertion.h"

/* Bytes of a varint: as a value, as a field's number or a length. */
#define VALUE_SIZE_MAX 10
#define NUMBER_SIZE_MAX 5

#define WIRE_TYPE_GROUP_START 3
#define WIRE_TYPE_GROUP_END 4

struct scan {
    const uint8_t *start; /* of the outermost message */
    const uint8_t *at;
    uint32_t depth_max;
    char *error;
    size_t error_size;
};

struct field {
    const ProtobufCFieldDescriptor *descriptor; /* NULL: not known */
    const uint8_t *start;                       /* of its tag */
    uint32_t number;
    unsigned wire_type;
};

static size_t offset_of(const struct scan *scan, const uint8_t *at)
{
    return (size_t)(at - scan->start);
}

static tri_code refuse(struct scan *scan, const char *what, size_t offset)
{
    snprintf(scan->error, scan->error_size, "malformed message: %s at byte %zu", what, offset);
    return TRI_INTERNAL;
}

static tri_code refuse_field(struct scan *scan, const struct field *field, const char *what)
{
    const char *name = field->descriptor != NULL ? field->descriptor->name : "not known";

    snprintf(scan->error, scan->error_size, "malformed message: field %u (%s) %s at byte %zu",
             field->number, name, what, offset_of(scan, field->start));
    return TRI_INTERNAL;
}

/* Returns: false when it does not end within `size_max` bytes and before `end`. */
static inline bool read_varint(const uint8_t **at, const uint8_t *end, unsigned size_max,
                               uint64_t *value)
{
    const uint8_t *byte = *at;
    uint64_t sum = 0;

    for (unsigned i = 0; i < size_max && byte < end; i++, byte++) {
        sum |= (uint64_t)(*byte & 0x7f) << 7 * i;
        if (*byte < 0x80) {
            *value = sum;
            *at = byte + 1;
            return true;
        }
    }
    return false;
}

static unsigned wire_type_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return PROTOBUF_C_WIRE_TYPE_32BIT;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return PROTOBUF_C_WIRE_TYPE_64BIT;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
    default:
        return PROTOBUF_C_WIRE_TYPE_VARINT;
    }
}

static tri_code scan_packed(struct scan *scan, const struct field *field, const uint8_t *end)
{
    unsigned wire_type = wire_type_of(field->descriptor->type);
    size_t size = (size_t)(end - scan->at);
    uint64_t value;

    if ((wire_type == PROTOBUF_C_WIRE_TYPE_32BIT && size % 4 != 0) ||
        (wire_type == PROTOBUF_C_WIRE_TYPE_64BIT && size % 8 != 0))
        return refuse_field(scan, field, "has half a value");
    if (wire_type != PROTOBUF_C_WIRE_TYPE_VARINT)
        return TRI_OK;
    for (const uint8_t *at = scan->at; at < end;) {
        if (!read_varint(&at, end, VALUE_SIZE_MAX, &value))
            return refuse_field(scan, field, "has a value that does not end");
    }
    return TRI_OK;
}

/* Whether a known field may come with its wire type; protobuf-c takes any for a bool. */
static bool is_expected(const struct field *field)
{
    const ProtobufCFieldDescriptor *descriptor = field->descriptor;

    return wire_type_of(descriptor->type) == field->wire_type ||
           descriptor->type == PROTOBUF_C_TYPE_BOOL ||
           (descriptor->label == PROTOBUF_C_LABEL_REPEATED &&
            field->wire_type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED);
}

static tri_code scan_message(struct scan *scan, const ProtobufCMessageDescriptor *descriptor,
                             const uint8_t *end, uint32_t depth);

/* Steps over a length and what it counts, into it when that is a message. */
static tri_code scan_counted(struct scan *scan, const struct field *field, const uint8_t *end,
                             uint32_t depth)
{
    const ProtobufCFieldDescriptor *descriptor = field->descriptor;
    tri_code code = TRI_OK;
    uint64_t number;

    if (!read_varint(&scan->at, end, NUMBER_SIZE_MAX, &number))
        return refuse_field(scan, field, "has a length that does not end");
    uint32_t size = (uint32_t)number;

    if (size > INT_MAX || size > (size_t)(end - scan->at))
        return refuse_field(scan, field, "is longer than what is left");
    end = scan->at + size;
    if (descriptor != NULL && descriptor->type == PROTOBUF_C_TYPE_MESSAGE)
        code = scan_message(scan, descriptor->descriptor, end, depth + 1);
    else if (descriptor != NULL && descriptor->label == PROTOBUF_C_LABEL_REPEATED &&
             wire_type_of(descriptor->type) != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
        code = scan_packed(scan, field, end);
    scan->at = end;
    return code;
}

static tri_code scan_field(struct scan *scan, const struct field *field, const uint8_t *end,
                           uint32_t depth)
{
    size_t left = (size_t)(end - scan->at);
    uint64_t value;

    switch (field->wire_type) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        if (!read_varint(&scan->at, end, VALUE_SIZE_MAX, &value))
            return refuse_field(scan, field, "has a value that does not end");
        return TRI_OK;
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        if (left < 8)
            return refuse_field(scan, field, "is longer than what is left");
        scan->at += 8;
        return TRI_OK;
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        return scan_counted(scan, field, end, depth);
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        if (left < 4)
            return refuse_field(scan, field, "is longer than what is left");
        scan->at += 4;
        return TRI_OK;
    case WIRE_TYPE_GROUP_START:
    case WIRE_TYPE_GROUP_END:
        return refuse_field(scan, field, "is a group, which is not supported,");
    default:
        return refuse_field(scan, field, "has a wire type that does not exist");
    }
}

static tri_code scan_message(struct scan *scan, const ProtobufCMessageDescriptor *descriptor,
                             const uint8_t *end, uint32_t depth)
{
    if (depth > scan->depth_max) {
        snprintf(scan->error, scan->error_size, "message nested %u deep or more; the limit is %u",
                 depth, scan->depth_max);
        return TRI_RESOURCE_EXHAUSTED;
    }
    while (scan->at < end) {
        struct field field = {.start = scan->at};
        uint64_t tag;

        if (!read_varint(&scan->at, end, NUMBER_SIZE_MAX, &tag))
            return refuse(scan, "a field's number that does not end", offset_of(scan, scan->at));
        field.number = (uint32_t)(tag >> 3);
        field.wire_type = (unsigned)(tag & 7);
        field.descriptor = protobuf_c_message_descriptor_get_field(descriptor, field.number);

        tri_code code = scan_field(scan, &field, end, depth);

        if (tri_likely(code == TRI_OK) && field.descriptor != NULL && !is_expected(&field))
            code = refuse_field(scan, &field, "has the wrong wire type");
        if (tri_unlikely(code != TRI_OK))
            return code;
    }
    return TRI_OK;
}

tri_code tri__scan(const ProtobufCMessageDescriptor *descriptor, uint32_t depth_max,
                   const uint8_t *bytes, size_t size, char *error, size_t error_size)
{
    struct scan scan = {
        .start = bytes,
        .at = bytes,
        .depth_max = depth_max,
        .error = error,
        .error_size = error_size,
    };

    return size > 0 ? scan_message(&scan, descriptor, bytes + size, 0) : TRI_OK;
}
