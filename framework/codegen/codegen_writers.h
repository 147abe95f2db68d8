/*
 * FILE.trireme.h and FILE.trireme.c.
 */
#ifndef CODEGEN_WRITERS_H
#define CODEGEN_WRITERS_H

#include "codegen_model.h"
#include "codegen_services.h"

/* Increased with every change of <trireme/generated.h> that old output does not stand. */
#define CODEGEN_ABI 1

const char *codegen_header(struct codegen *codegen, struct codegen_file *file,
                           const struct codegen_service *services);
const char *codegen_source(struct codegen *codegen, struct codegen_file *file,
                           const struct codegen_service *services);

/* The part of the header with the short names. */
void codegen_put_aliases(struct codegen *codegen, struct codegen_text *text,
                         struct codegen_file *file);

/* The part of the header for one service. */
void codegen_put_service(struct codegen *codegen, struct codegen_text *text,
                         const struct codegen_service *service);

/* protobuf-c's C name of a type. */
char *codegen_type_name(struct codegen *codegen, const struct codegen_type *type);

#endif
