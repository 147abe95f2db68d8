/*
 * The C names of one scope, and the elements that they come from, to find two that are the same.
 */
#ifndef CODEGEN_IDENTIFIERS_H
#define CODEGEN_IDENTIFIERS_H

#include "codegen_model.h"

struct codegen_identifier {
    const char *name;
    const char *shown;   /* in the error, when `name` is only one of several that begin with it */
    const char *element; /* "method sayHello" */
    const struct codegen_file *file;
    int line;
};

struct codegen_identifiers {
    struct codegen *codegen;
    struct codegen_identifier *entries;
    size_t count;
    size_t capacity;
};

void codegen_identifiers_init(struct codegen_identifiers *identifiers, struct codegen *codegen);
void codegen_identifiers_add(struct codegen_identifiers *identifiers,
                             struct codegen_identifier identifier);

/*
 * Notes an error for each element of `file` with a name that another element has too, in the order
 * of the lines; sorts the names.
 */
void codegen_identifiers_check(struct codegen_identifiers *identifiers,
                               const struct codegen_file *file);

#endif
