#include "codegen_memory.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK_SIZE = 64 * 1024,
    COLUMNS_MAX = 100
};

struct codegen_block {
    struct codegen_block *next;
    size_t used;
    size_t size;
    alignas(max_align_t) char data[];
};

void codegen_fatal(struct codegen_memory *memory, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(memory->error, sizeof(memory->error), format, arguments);
    va_end(arguments);
    longjmp(memory->out, 1);
}

/* Returns NULL when the budget or the memory is used up. */
static void *take(struct codegen_memory *memory, size_t size)
{
    size_t align = alignof(max_align_t);
    if (size > memory->budget)
        return NULL;
    size = (size + align - 1) / align * align;
    struct codegen_block *block = memory->blocks;
    if (block == NULL || block->size - block->used < size) {
        size_t block_size = size > BLOCK_SIZE / 4 ? size : BLOCK_SIZE;
        struct codegen_block *fresh = calloc(1, sizeof(*fresh) + block_size);
        if (fresh == NULL)
            return NULL;
        fresh->size = block_size;
        /* A large one goes behind the current one, whose rest is still good. */
        if (block != NULL && block_size == size) {
            fresh->next = block->next;
            block->next = fresh;
        } else {
            fresh->next = block;
            memory->blocks = fresh;
        }
        block = fresh;
    }
    void *data = block->data + block->used;
    block->used += size;
    memory->budget -= size < memory->budget ? size : memory->budget;
    return data;
}

static void *allocator_alloc(void *data, size_t size)
{
    return take(data, size > 0 ? size : 1);
}

static void allocator_free(void *data, void *pointer)
{
    (void)data;
    (void)pointer;
}

void codegen_memory_init(struct codegen_memory *memory, size_t budget)
{
    memset(memory, 0, sizeof(*memory));
    memory->budget = budget;
    memory->allocator = (ProtobufCAllocator){
        .alloc = allocator_alloc,
        .free = allocator_free,
        .allocator_data = memory,
    };
}

void codegen_memory_fini(struct codegen_memory *memory)
{
    struct codegen_block *next;
    for (struct codegen_block *block = memory->blocks; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
    memory->blocks = NULL;
}

void *codegen_alloc(struct codegen_memory *memory, size_t size)
{
    void *data = take(memory, size > 0 ? size : 1);
    if (data == NULL)
        codegen_fatal(memory, "out of memory: the request is too large");
    return data;
}

void *codegen_alloc_array(struct codegen_memory *memory, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size)
        codegen_fatal(memory, "out of memory: the request is too large");
    return codegen_alloc(memory, count * size);
}

char *codegen_copy(struct codegen_memory *memory, const char *string, size_t size)
{
    char *copy = codegen_alloc(memory, size + 1);
    memcpy(copy, string, size);
    return copy;
}

static char *format_text(struct codegen_memory *memory, const char *format, va_list arguments,
                         size_t *size)
{
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0)
        codegen_fatal(memory, "out of memory: a name is too long");
    char *text = codegen_alloc(memory, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    *size = (size_t)length;
    return text;
}

char *codegen_printf(struct codegen_memory *memory, const char *format, ...)
{
    size_t size;
    va_list arguments;
    va_start(arguments, format);
    char *text = format_text(memory, format, arguments, &size);
    va_end(arguments);
    return text;
}

void codegen_text_init(struct codegen_text *text, struct codegen_memory *memory)
{
    *text = (struct codegen_text){.memory = memory};
    codegen_put_bytes(text, "", 0);
}

void codegen_put_bytes(struct codegen_text *text, const char *data, size_t size)
{
    size_t needed = text->size + size + 1;
    if (needed > text->capacity) {
        size_t capacity = text->capacity < 256 ? 256 : text->capacity * 2;
        if (capacity < needed)
            capacity = needed;
        char *grown = codegen_alloc(text->memory, capacity);
        if (text->size > 0)
            memcpy(grown, text->data, text->size);
        text->data = grown;
        text->capacity = capacity;
    }
    if (size > 0)
        memcpy(text->data + text->size, data, size);
    text->size += size;
    text->data[text->size] = '\0';
}

void codegen_put_char(struct codegen_text *text, char c)
{
    codegen_put_bytes(text, &c, 1);
}

void codegen_put(struct codegen_text *text, const char *format, ...)
{
    char small[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(small, sizeof(small), format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length < sizeof(small)) {
        codegen_put_bytes(text, small, (size_t)length);
        return;
    }
    size_t size;
    va_start(arguments, format);
    char *large = format_text(text->memory, format, arguments, &size);
    va_end(arguments);
    codegen_put_bytes(text, large, size);
}

static size_t column_of(const struct codegen_text *text)
{
    size_t column = 0;
    while (column < text->size && text->data[text->size - 1 - column] != '\n')
        column++;
    return column;
}

void codegen_put_call(struct codegen_text *text, const char *head, const char *const *parameters)
{
    codegen_put(text, "%s(", head);
    size_t indent = column_of(text);
    /* Two columns are kept for what follows the last parameter: ");" or ")" and a brace below. */
    for (size_t i = 0; parameters[i] != NULL; i++) {
        size_t length = strlen(parameters[i]);
        if (i > 0 && column_of(text) + 2 + length + 2 > COLUMNS_MAX)
            codegen_put(text, ",\n%*s", (int)(indent < COLUMNS_MAX / 2 ? indent : 8), "");
        else if (i > 0)
            codegen_put(text, ", ");
        codegen_put_bytes(text, parameters[i], length);
    }
    codegen_put_char(text, ')');
}
