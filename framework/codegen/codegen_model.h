/*
 * One run: the request, its options, an index of its files and types, and the faults found.
 */
#ifndef CODEGEN_MODEL_H
#define CODEGEN_MODEL_H

#include <stdbool.h>

#include "codegen.h"
#include "codegen_descriptors.h"
#include "codegen_memory.h"

/* Where an element stands in a file: its fields and indices from the file down. */
struct codegen_path {
    const struct codegen_path *up;
    int32_t field;
    int32_t index;
};

struct codegen_file {
    file_proto *proto;
    const char *stem;              /* "dir/greeter" of "dir/greeter.proto" */
    const char *package;           /* "" without one */
    const char *c_package;         /* what protobuf-c takes for it: option (pb_c_file).c_package */
    bool is_generated;             /* FILE.pb-c.* and FILE.trireme.* are to be written */
    bool is_shipped;               /* a well-known type: the library has its code */
    bool is_visited;               /* set by codegen_mark_imports() */
    struct codegen_file **imports; /* in the order of the .proto */
    size_t imports_count;
    const location_proto **locations; /* sorted by path */
    size_t locations_count;
};

struct codegen_type {
    const char *name; /* "org.my_pkg.Reply", without the leading dot */
    struct codegen_file *file;
    const message_proto *message; /* one of the two */
    const enum_proto *enumeration;
};

struct codegen {
    struct codegen_memory memory;
    request_proto *request;
    bool aliases;       /* parameter aliases=on|off */
    const char *prefix; /* parameter prefix=NAME, in front of each service's name */
    codegen_child child;
    void *child_state;

    struct codegen_file *files; /* those of the request, in its order: imports come first */
    size_t files_count;
    struct codegen_type *types; /* sorted by name */
    size_t types_count;

    struct codegen_text errors; /* one a line */
};

/*
 * Notes what is wrong with a .proto: "greeter.proto:12: method Chat: ...". The run goes on, to find
 * more. `line` is 0 where there is none.
 */
void codegen_error(struct codegen *codegen, const struct codegen_file *file, int line,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Builds the index. The request must have passed codegen_check(). */
void codegen_model_init(struct codegen *codegen);

/* NULL when there is none. */
struct codegen_file *codegen_find_file(const struct codegen *codegen, const char *name);

/* `name` is a type_name, with its leading dot. NULL when there is none. */
const struct codegen_type *codegen_find_type(const struct codegen *codegen, const char *name);

/* Marks `file` and all that it imports, directly or not: is_visited. The array has imports first.
 */
void codegen_mark_imports(struct codegen *codegen, struct codegen_file *file);

/* NULL when protoc gave no place. */
const location_proto *codegen_location(const struct codegen_file *file,
                                       const struct codegen_path *path);

/* From 1; 0 when it is not known. `path` may be NULL. */
int codegen_line(const struct codegen_file *file, const struct codegen_path *path);

/* The full name that protobuf-c makes C names of. `name` is relative to the file's package. */
char *codegen_c_full_name(struct codegen *codegen, const struct codegen_file *file,
                          const char *name);

/* The part of a type's name behind its package: "Outer.Inner". */
const char *codegen_local_name(const struct codegen_type *type);

#endif
