/*
 * protoc-gen-trireme as a function from bytes to bytes.
 *
 * protoc hands a plugin a google.protobuf.compiler.CodeGeneratorRequest (the parsed files) and
 * takes a CodeGeneratorResponse (the files to write, or an error). The way of a request:
 *
 *     codegen_depth     no deeper than its reader can stand
 *     codegen_check     names, types and indices are such as protoc sends: the rest relies on it
 *     codegen_model     an index of the files and of their types
 *     codegen_limits    what cannot be generated, and C names that would meet
 *     codegen_header, codegen_source   write FILE.trireme.h and FILE.trireme.c
 *     codegen_messages  makes a request for protoc-gen-c of it, which writes the messages
 *
 * All memory is one arena's, and whatever cannot go on (no memory, a request that is none) leaves
 * through one longjmp in codegen_memory.c; what is wrong with a .proto is collected by
 * codegen_error().
 */
#ifndef CODEGEN_H
#define CODEGEN_H

#include <stddef.h>
#include <stdint.h>

/* Bytes from malloc(), or why there are none. */
struct codegen_result {
    uint8_t *data;
    size_t size;
    char error[1024];
};

/*
 * Runs protoc-gen-c: a request in, a response out. Returns 0, or -1 with result->error in words.
 */
typedef int (*codegen_child)(void *state, const uint8_t *request, size_t size,
                             struct codegen_result *result);

/*
 * Answers a request. A fault of a .proto is an answer too: it is the response's `error`.
 *
 * Memory: result->data is owned: free(). Returns: 0, or -1 with result->error when the request is
 * none or there is no memory.
 */
int codegen_run(const uint8_t *request, size_t size, codegen_child child, void *state,
                struct codegen_result *result);

/*
 * The codegen_child that starts the program protoc-gen-c from PATH. `state` is not used.
 */
int codegen_child_run(void *state, const uint8_t *request, size_t size,
                      struct codegen_result *result);

#endif
