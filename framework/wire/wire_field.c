#include "wire_field.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

struct text {
    const char *bytes;
    size_t size;
};

#define TEXT(literal)                                                                              \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static const struct text reserved_keys[] = {
    TEXT("connection"), TEXT("content-encoding"),  TEXT("content-length"),   TEXT("content-type"),
    TEXT("host"),       TEXT("keep-alive"),        TEXT("proxy-connection"), TEXT("te"),
    TEXT("trailer"),    TEXT("transfer-encoding"), TEXT("upgrade"),          TEXT("user-agent"),
};

static bool begins_with(const char *text, size_t size, struct text start)
{
    return size >= start.size && memcmp(text, start.bytes, start.size) == 0;
}

bool tri__field_key_is_valid(const char *key, size_t size)
{
    static const bool allowed[256] = {
        ['-'] = true, ['.'] = true, ['_'] = true, ['0' ... '9'] = true, ['a' ... 'z'] = true,
    };

    for (size_t i = 0; i < size; i++) {
        if (!allowed[(uint8_t)key[i]])
            return false;
    }
    return size > 0;
}

bool tri__field_key_is_binary(const char *key, size_t size)
{
    return size >= 4 && memcmp(key + size - 4, "-bin", 4) == 0;
}

bool tri__field_key_is_reserved(const char *key, size_t size)
{
    if (begins_with(key, size, (struct text)TEXT(":")) ||
        begins_with(key, size, (struct text)TEXT("grpc-")))
        return true;
    for (size_t i = 0; i < sizeof(reserved_keys) / sizeof(reserved_keys[0]); i++) {
        if (size == reserved_keys[i].size && begins_with(key, size, reserved_keys[i]))
            return true;
    }
    return false;
}

bool tri__field_value_is_valid(const char *value, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (value[i] < 0x20 || value[i] > 0x7e)
            return false;
    }
    return size == 0 || (value[0] != ' ' && value[size - 1] != ' ');
}

static bool equals_in_any_case(const char *text, size_t size, struct text other)
{
    return size == other.size && strncasecmp(text, other.bytes, size) == 0;
}

enum tri__content tri__content_type(const char *value, size_t size)
{
    static const struct text grpc = TEXT("application/grpc");

    if (size == grpc.size && memcmp(value, grpc.bytes, grpc.size) == 0)
        return TRI__CONTENT_GRPC;
    if (size < grpc.size || strncasecmp(value, grpc.bytes, grpc.size) != 0)
        return TRI__CONTENT_NOT_GRPC;
    value += grpc.size;
    size -= grpc.size;
    if (size == 0 || value[0] == ';')
        return TRI__CONTENT_GRPC;
    if (value[0] != '+')
        return TRI__CONTENT_NOT_GRPC;
    value++;
    size--;

    const char *parameters = memchr(value, ';', size);

    if (parameters != NULL)
        size = (size_t)(parameters - value);
    if (equals_in_any_case(value, size, (struct text)TEXT("proto")))
        return TRI__CONTENT_GRPC_PROTO;
    if (equals_in_any_case(value, size, (struct text)TEXT("data")))
        return TRI__CONTENT_GRPC_DATA;
    return TRI__CONTENT_GRPC_OTHER;
}
