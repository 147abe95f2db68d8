/*
 * Which imports of a .proto its C code needs. Those that serve for options alone (such as
 * google/api/annotations.proto) are needed by nothing, and nobody has to generate them.
 */
#ifndef CODEGEN_IMPORTS_H
#define CODEGEN_IMPORTS_H

#include "codegen_model.h"

/*
 * One answer for each import, in order: true for those that a field's type comes from, directly or
 * through public imports, and for public ones.
 */
bool *codegen_needed_imports(struct codegen *codegen, const struct codegen_file *file);

/*
 * One answer for each file of the run: true for those whose header FILE.trireme.h includes, which
 * are the needed imports and the files of the methods' types.
 */
bool *codegen_included_files(struct codegen *codegen, const struct codegen_file *file);

/* Marks `file` and all that its header includes, directly or not: is_visited. */
void codegen_mark_included(struct codegen *codegen, struct codegen_file *file);

#endif
