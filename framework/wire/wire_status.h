/*
 * Status codes as they travel.
 */
#ifndef TRI_WIRE_STATUS_H
#define TRI_WIRE_STATUS_H

#include <stddef.h>
#include <stdint.h>

#include <trireme/status.h>

/* The code of a call that the peer ended with RST_STREAM (gRPC, PROTOCOL-HTTP2.md, "Errors"). */
tri_code tri__code_from_rst(uint32_t http2_error_code);

/*
 * The value of grpc-status: "0" to "16", with its length; "2", UNKNOWN, for a number that is no
 * code.
 *
 * Memory: static.
 */
const char *tri__code_digits(tri_code code, size_t *size);

#endif
