#include <protobuf-c/protobuf-c.h>

#include "codec.h"

bool tri__message_is_sound(const struct tri__message_type *type, const void *message)
{
    const ProtobufCMessage *base = message;

    return base != NULL && base->descriptor == type->descriptor;
}

size_t tri__encoded_size(const void *message)
{
    return protobuf_c_message_get_packed_size(message);
}

size_t tri__encode(const void *message, uint8_t *out)
{
    return protobuf_c_message_pack(message, out);
}
