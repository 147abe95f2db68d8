/*
 * A walk over the bytes of a message with its descriptors, which decodes nothing: for the depth
 * before protobuf-c recurses, and for the reason after it has refused.
 *
 * Invariant: it finds fault only with what protobuf-c refuses too, and sees the same messages
 * inside messages, so what passes here recurses no deeper there.
 */
#ifndef TRI_CODEC_SCAN_H
#define TRI_CODEC_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>
#include <trireme/status.h>

/* Returns: TRI_OK, TRI_INTERNAL or TRI_RESOURCE_EXHAUSTED, and why not TRI_OK in `error`. */
tri_code tri__scan(const ProtobufCMessageDescriptor *descriptor, uint32_t depth_max,
                   const uint8_t *bytes, size_t size, char *error, size_t error_size);

#endif
