/*
 * How deep serialized messages nest, before anything recursive reads them.
 */
#ifndef CODEGEN_DEPTH_H
#define CODEGEN_DEPTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

/*
 * Whether messages nest no deeper than `depth_max` levels. Broken bytes may pass: to find them is
 * the reader's part.
 */
bool codegen_depth_is_ok(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t size,
                         int depth_max);

/*
 * Reads one field. Returns its length with key, or 0 when the bytes are broken; `*number` is the
 * field's, `*content` and `*content_size` what it holds when it has a length (else NULL).
 */
size_t codegen_read_field(const uint8_t *data, size_t size, uint32_t *number,
                          const uint8_t **content, size_t *content_size);

#endif
