/*
 * HTTP/2 frames by hand, for connections that no library would make.
 */
#ifndef RAW_H
#define RAW_H

#include <stddef.h>
#include <stdint.h>

enum {
    RAW_DATA = 0,
    RAW_HEADERS = 1,
    RAW_RST_STREAM = 3,
    RAW_SETTINGS = 4,
    RAW_GOAWAY = 7,
    RAW_CONTINUATION = 9,
    RAW_END_STREAM = 1,
    RAW_END_HEADERS = 4
};

#define RAW_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

/* Each appends to `out` and returns the end of it. */
uint8_t *raw_bytes(uint8_t *out, const void *bytes, size_t size);
uint8_t *raw_frame(uint8_t *out, uint8_t type, uint8_t flags, uint32_t stream, const void *payload,
                   size_t size);
/* The header block of a call of stress.Stress, with no use of HPACK's table. At most 256 bytes. */
uint8_t *raw_block(uint8_t *out, const char *path);
uint8_t *raw_headers(uint8_t *out, uint8_t flags, uint32_t stream, const char *path);

#endif
