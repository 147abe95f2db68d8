/*
 * The value of grpc-timeout.
 */
#ifndef TRI_WIRE_TIMEOUT_H
#define TRI_WIRE_TIMEOUT_H

#include <stddef.h>

#include <trireme/base.h>

/*
 * Reads digits and one unit: H, M, S, m, u or n. gRPC allows 8 digits; 18 are taken, since some
 * clients send more than 8. What does not fit is INT64_MAX, which is 292 years.
 *
 * Returns: 0, or -EINVAL, and then `*timeout` is not written.
 */
int tri__timeout_parse(const char *text, size_t size, tri_duration *timeout);

#endif
