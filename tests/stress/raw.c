#include "raw.h"

#include <string.h>

uint8_t *raw_bytes(uint8_t *out, const void *bytes, size_t size)
{
    if (size > 0)
        memcpy(out, bytes, size);
    return out + size;
}

uint8_t *raw_frame(uint8_t *out, uint8_t type, uint8_t flags, uint32_t stream, const void *payload,
                   size_t size)
{
    const uint8_t header[] = {
        (uint8_t)(size >> 16),
        (uint8_t)(size >> 8),
        (uint8_t)size,
        type,
        flags,
        (uint8_t)(stream >> 24),
        (uint8_t)(stream >> 16),
        (uint8_t)(stream >> 8),
        (uint8_t)stream,
    };

    return raw_bytes(raw_bytes(out, header, sizeof(header)), payload, size);
}

/* A literal without indexing, its name new (RFC 7541, 6.2.2); both texts are short. */
static uint8_t *literal(uint8_t *out, const char *name, const char *value)
{
    *out++ = 0;
    *out++ = (uint8_t)strlen(name);
    out = raw_bytes(out, name, strlen(name));
    *out++ = (uint8_t)strlen(value);
    return raw_bytes(out, value, strlen(value));
}

uint8_t *raw_block(uint8_t *out, const char *path)
{
    out = literal(out, ":method", "POST");
    out = literal(out, ":scheme", "http");
    out = literal(out, ":path", path);
    out = literal(out, ":authority", "test");
    out = literal(out, "te", "trailers");
    return literal(out, "content-type", "application/grpc");
}

uint8_t *raw_headers(uint8_t *out, uint8_t flags, uint32_t stream, const char *path)
{
    uint8_t block[256];
    size_t size = (size_t)(raw_block(block, path) - block);

    return raw_frame(out, RAW_HEADERS, flags, stream, block, size);
}
