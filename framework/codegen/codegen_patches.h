/*
 * What is mended in the output of protoc-gen-c.
 */
#ifndef CODEGEN_PATCHES_H
#define CODEGEN_PATCHES_H

#include "codegen_model.h"

/* The messages of a request are those of the .proto still, but for what codegen_messages() changed.
 */
void codegen_patch(struct codegen *codegen, const struct codegen_file *file,
                   response_file_proto *header);

#endif
