/*
 * What cannot be generated, and C names that would meet: noted with codegen_error().
 */
#ifndef CODEGEN_LIMITS_H
#define CODEGEN_LIMITS_H

#include "codegen_model.h"

void codegen_check_limits(struct codegen *codegen, struct codegen_file *file);

#endif
