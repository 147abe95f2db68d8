/*
 * The rules for the fields of a gRPC header or trailer (gRPC, PROTOCOL-HTTP2.md).
 */
#ifndef TRI_WIRE_FIELD_H
#define TRI_WIRE_FIELD_H

#include <stdbool.h>
#include <stddef.h>

/* Whether it is a key of metadata: 0-9 a-z _ - . and at least one of them. */
bool tri__field_key_is_valid(const char *key, size_t size);

/* Whether its values are bytes, in base64: it ends in "-bin". */
bool tri__field_key_is_binary(const char *key, size_t size);

/*
 * Whether it belongs to the framework or to HTTP, so that an application may not set it: ":...",
 * "grpc-...", user-agent, and what HTTP/2 forbids or uses itself. (It may read some of them:
 * user-agent and :authority.)
 */
bool tri__field_key_is_reserved(const char *key, size_t size);

/*
 * Whether it may be the value of a key that is not binary: printable ASCII (%x20-7E), and no space
 * at either end, since HTTP/2 peers reset a stream for that (RFC 9113, 8.2.1). It may be empty.
 */
bool tri__field_value_is_valid(const char *value, size_t size);

enum tri__content {
    TRI__CONTENT_NOT_GRPC,
    TRI__CONTENT_GRPC,       /* application/grpc */
    TRI__CONTENT_GRPC_PROTO, /* application/grpc+proto */
    TRI__CONTENT_GRPC_DATA,  /* application/grpc+data, from Dubbo's Python */
    TRI__CONTENT_GRPC_OTHER  /* application/grpc+json and the like */
};

/*
 * What a content-type says, in any case and with any parameters after a ';'. application/grpc-web
 * is not gRPC.
 */
enum tri__content tri__content_type(const char *value, size_t size);

#endif
