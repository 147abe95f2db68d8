/*
 * The messages: protoc-gen-c writes them, from a request that is made fit for it.
 */
#ifndef CODEGEN_MESSAGES_H
#define CODEGEN_MESSAGES_H

#include "codegen_model.h"

/*
 * Runs protoc-gen-c. This changes the request, so it comes last.
 *
 * Returns: its response, or NULL when an error has been noted.
 */
response_proto *codegen_messages(struct codegen *codegen);

#endif
