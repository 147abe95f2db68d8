/*
 * Metadata of a call: what the peer sent with the request, and what goes out beside the replies.
 *
 * A key is lower-case (0-9 a-z _ - .). One that ends in "-bin" has bytes for a value, which travel
 * in base64; any other has printable ASCII (%x20-7E). Keys that begin with ":" or "grpc-", and
 * content-type, te, connection and other fields of HTTP itself, belong to the framework. (gRPC,
 * PROTOCOL-HTTP2.md, "Custom-Metadata".)
 *
 * Thread: the handler's.
 */
#ifndef TRIREME_METADATA_H
#define TRIREME_METADATA_H

#include <trireme/base.h>
#include <trireme/call.h>

TRI_BEGIN_DECLS

/*
 * The value number `index` (from 0) that the peer sent under `key`: several values keep their
 * order. A value of a "-bin" key comes decoded, and one that was joined with commas counts as
 * several. "user-agent" and ":authority" can be asked for too.
 *
 * Memory: borrowed, until the handler returns; a NUL follows it that `size` does not count.
 * Returns: `data` is NULL when there is no such value, or one in broken base64.
 */
TRI_API tri_bytes tri_call_metadata(tri_call *call, const char *key, size_t index);

/*
 * Walks over all metadata in the order of arrival. `*position` starts at 0.
 *
 *     size_t position = 0;
 *     const char *key;
 *     tri_bytes value;
 *     while (tri_call_metadata_next(call, &position, &key, &value))
 *         ...
 *
 * Memory: as tri_call_metadata.
 * Returns: false when there are no more.
 */
TRI_API bool tri_call_metadata_next(tri_call *call, size_t *position, const char **key,
                                    tri_bytes *value);

/*
 * Adds a response header: before the first emit, since the headers go out with it. For a client
 * that has announced that it takes less than all of them (SETTINGS_MAX_HEADER_LIST_SIZE) the call
 * ends RESOURCE_EXHAUSTED in their place; so it does for trailers, but a failure stays as it is and
 * goes out without them.
 *
 * Memory: copied.
 * Returns: 0; -EINVAL for a key or a value that may not be sent, an upper-case key for example: the
 * log has a warning then; -EALREADY when the headers are out; -E2BIG when all headers together
 * exceed 8 KiB (each counts its key, value and 32 bytes); -ENOMEM.
 */
TRI_API int tri_call_add_header(tri_call *call, const char *key, const char *value);

/*
 * The same for a value with a length, which the keys that end in "-bin" need.
 */
TRI_API int tri_call_add_header_bytes(tri_call *call, const char *key, const void *value,
                                      size_t size);

/*
 * Adds a trailer: at any time before the handler returns. Otherwise as tri_call_add_header.
 */
TRI_API int tri_call_add_trailer(tri_call *call, const char *key, const char *value);
TRI_API int tri_call_add_trailer_bytes(tri_call *call, const char *key, const void *value,
                                       size_t size);

/*
 * Sends the response headers now, ahead of the first reply, for a peer that waits for them.
 *
 * Returns: TRI_OK (also when they were out already), or what has ended the call.
 */
TRI_API tri_code tri_call_send_headers(tri_call *call);

TRI_END_DECLS

#endif
