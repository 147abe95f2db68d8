/*
 * The arena that holds all memory of one run, and the way out when there is none left.
 */
#ifndef CODEGEN_MEMORY_H
#define CODEGEN_MEMORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

struct codegen_block;

struct codegen_memory {
    struct codegen_block *blocks;
    size_t budget; /* bytes that may still be taken */
    ProtobufCAllocator allocator;
    jmp_buf out;
    char error[1024];
};

void codegen_memory_init(struct codegen_memory *memory, size_t budget);
void codegen_memory_fini(struct codegen_memory *memory);

/* Ends the run: codegen_run() returns -1 with this text. */
_Noreturn void codegen_fatal(struct codegen_memory *memory, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Zeroed memory, aligned for any type, never NULL: without memory it does not return. */
void *codegen_alloc(struct codegen_memory *memory, size_t size);
void *codegen_alloc_array(struct codegen_memory *memory, size_t count, size_t size);
char *codegen_copy(struct codegen_memory *memory, const char *string, size_t size);
char *codegen_printf(struct codegen_memory *memory, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Text that grows. `data` always ends in a NUL that `size` does not count. */
struct codegen_text {
    struct codegen_memory *memory;
    char *data;
    size_t size;
    size_t capacity;
};

void codegen_text_init(struct codegen_text *text, struct codegen_memory *memory);
void codegen_put_bytes(struct codegen_text *text, const char *data, size_t size);
void codegen_put_char(struct codegen_text *text, char c);
void codegen_put(struct codegen_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * `head(first, second)`: broken where a line would pass 100 columns. `parameters` ends with a NULL.
 */
void codegen_put_call(struct codegen_text *text, const char *head, const char *const *parameters);

#endif
