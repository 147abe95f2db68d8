/*
 * The five bytes in front of every gRPC message: a flag (1: compressed), then the length, big
 * endian.
 */
#ifndef TRI_WIRE_FRAME_H
#define TRI_WIRE_FRAME_H

#include <stdint.h>

#define TRI__PREFIX_SIZE 5

/* Writes the prefix of a message of `size` bytes that is not compressed. */
static inline void tri__prefix_write(uint8_t *out, uint32_t size)
{
    out[0] = 0;
    out[1] = (uint8_t)(size >> 24);
    out[2] = (uint8_t)(size >> 16);
    out[3] = (uint8_t)(size >> 8);
    out[4] = (uint8_t)size;
}

/* The length that a prefix tells; its flag, prefix[0], is the caller's to look at. */
static inline uint32_t tri__prefix_size(const uint8_t *prefix)
{
    return (uint32_t)prefix[1] << 24 | (uint32_t)prefix[2] << 16 | (uint32_t)prefix[3] << 8 |
           prefix[4];
}

#endif
