/*
 * The percent-encoding of grpc-message.
 */
#ifndef TRI_WIRE_PERCENT_H
#define TRI_WIRE_PERCENT_H

#include <stddef.h>

/* The most that `size` bytes can become: each may be invalid, and then it is the 9 of U+FFFD. */
#define TRI__PERCENT_MAX(size) ((size_t)9 * (size))

/*
 * Encodes UTF-8. Printable ASCII stays as it is, but for '%', for '+', which Dubbo's Java client
 * takes for a space, and for a space at either end, which HTTP/2 forbids in a header's value (RFC
 * 9113, 8.2.1). Each byte that is not part of valid UTF-8 becomes U+FFFD. When `out_size` is short,
 * what does not fit is left out, never half a character.
 *
 * Returns: how many bytes were written; there is no NUL after them.
 */
size_t tri__percent_encode(char *out, size_t out_size, const char *text, size_t size);

#endif
