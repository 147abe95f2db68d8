/*
 * Whether a request is one that protoc could have sent: what comes after relies on it.
 */
#ifndef CODEGEN_CHECK_H
#define CODEGEN_CHECK_H

#include "codegen_model.h"

/* Does not return when it is not. */
void codegen_check(struct codegen *codegen);

#endif
