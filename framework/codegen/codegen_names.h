/*
 * C names: protobuf-c's own, which must come out to the letter as protoc-gen-c writes them, and the
 * names of services and methods.
 */
#ifndef CODEGEN_NAMES_H
#define CODEGEN_NAMES_H

#include <stdbool.h>

#include "codegen_memory.h"

bool codegen_is_identifier(const char *name);

/* Identifiers with dots between them. */
bool codegen_is_dotted(const char *name);

/* Whether C17 (with GNU's extensions) or C++ up to 20 takes the word, or GNU's headers define it.
 */
bool codegen_is_reserved(const char *word);

/*
 * protobuf-c's names of a type, from its full name:
 *
 *     org.my_pkg.HTTPReply.inner  ->  Org__MyPkg__HTTPReply__Inner   (camel)
 *                                     org__my_pkg__httpreply__inner  (lower)
 *                                     ORG__MY_PKG__HTTPREPLY__INNER  (upper)
 */
char *codegen_camel(struct codegen_memory *memory, const char *full_name);
char *codegen_lower(struct codegen_memory *memory, const char *full_name);
char *codegen_upper(struct codegen_memory *memory, const char *full_name);

/* The member for a field: lower-case, and an underscore behind a reserved word. */
char *codegen_member(struct codegen_memory *memory, const char *field_name);

/* Whether the member's underscore is one that protobuf-c does not know of. */
bool codegen_must_rename_field(struct codegen_memory *memory, const char *field_name);

/*
 * The snake name of a service or a method: sayHello, SayHello and say_hello are say_hello,
 * HTTPService is http_service, getV2Url is get_v2_url. A word begins at a capital that follows a
 * small letter or a digit, and at the last of several capitals when a small letter follows it. Runs
 * of underscores become one; those at the ends are dropped. What would begin with a digit, or is
 * empty, gets an "n" in front.
 */
char *codegen_snake(struct codegen_memory *memory, const char *name);

/* The snake name as a struct's member: a reserved word gets an underscore at its end. */
char *codegen_snake_member(struct codegen_memory *memory, const char *name);

/* A file's name as part of an identifier: what is no letter or digit becomes _ and two hex digits.
 */
char *codegen_file_identifier(struct codegen_memory *memory, const char *file_name);

/* A file's name without ".proto", as protobuf-c cuts it. */
char *codegen_file_stem(struct codegen_memory *memory, const char *file_name);

#endif
