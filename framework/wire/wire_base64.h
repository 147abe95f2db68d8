/*
 * Base64 (RFC 4648, section 4), which binary metadata travels in.
 */
#ifndef TRI_WIRE_BASE64_H
#define TRI_WIRE_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* What `size` bytes become, without padding. */
#define TRI__BASE64_SIZE(size) ((size_t)(size) / 3 * 4 + ((size_t)(size) % 3 * 4 + 2) / 3)

/* The most that `size` characters can become. */
#define TRI__BASE64_DECODED_MAX(size) ((size_t)(size) / 4 * 3 + (size_t)(size) % 4 * 3 / 4)

/* Encodes without padding and without a NUL. Returns: TRI__BASE64_SIZE(size). */
size_t tri__base64_encode(char *out, const void *bytes, size_t size);

/*
 * Decodes with or without padding. The bits that are left over at the end are not looked at.
 * `out` may be where `text` is.
 *
 * Returns: 0, or -EINVAL for a character or a length that cannot be; then `*out_size` is not
 * written.
 */
int tri__base64_decode(uint8_t *out, size_t *out_size, const char *text, size_t size);

#endif
