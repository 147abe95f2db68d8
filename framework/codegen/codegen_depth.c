#include "codegen_depth.h"

enum {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_LENGTH = 2,
    WIRE_FIXED32 = 5,
    VARINT_MAX = 10
};

/* Returns the varint's length, or 0. */
static size_t read_varint(const uint8_t *data, size_t size, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < size && i < VARINT_MAX; i++) {
        *value |= (uint64_t)(data[i] & 0x7f) << (7 * i);
        if ((data[i] & 0x80) == 0)
            return i + 1;
    }
    return 0;
}

size_t codegen_read_field(const uint8_t *data, size_t size, uint32_t *number,
                          const uint8_t **content, size_t *content_size)
{
    uint64_t key;
    uint64_t value;
    size_t key_size = read_varint(data, size, &key);
    *content = NULL;
    *content_size = 0;
    if (key_size == 0 || key > UINT32_MAX)
        return 0;
    *number = (uint32_t)(key >> 3);
    size_t left = size - key_size;
    size_t length = 0;
    switch (key & 7) {
    case WIRE_VARINT:
        length = read_varint(data + key_size, left, &value);
        return length > 0 ? key_size + length : 0;
    case WIRE_FIXED64:
        return left >= 8 ? key_size + 8 : 0;
    case WIRE_FIXED32:
        return left >= 4 ? key_size + 4 : 0;
    case WIRE_LENGTH:
        length = read_varint(data + key_size, left, &value);
        if (length == 0 || value > left - length)
            return 0;
        *content = data + key_size + length;
        *content_size = (size_t)value;
        return key_size + length + (size_t)value;
    default:
        return 0;
    }
}

bool codegen_depth_is_ok(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t size,
                         int depth_max)
{
    if (depth_max <= 0)
        return false;
    while (size > 0) {
        uint32_t number;
        const uint8_t *content;
        size_t content_size;
        size_t length = codegen_read_field(data, size, &number, &content, &content_size);
        if (length == 0)
            return true;
        if (content != NULL) {
            const ProtobufCFieldDescriptor *field =
                protobuf_c_message_descriptor_get_field(type, number);
            if (field != NULL && field->type == PROTOBUF_C_TYPE_MESSAGE &&
                !codegen_depth_is_ok(field->descriptor, content, content_size, depth_max - 1))
                return false;
        }
        data += length;
        size -= length;
    }
    return true;
}
