#include "h2_memory.h"

#include <errno.h>
#include <string.h>

#include "alloc.h"
#include "h2_memory_nghttp2.h"
#include "sanitizer.h"

/* Classes of 64, 128, ... 8,192 bytes; above that the allocator is asked each time. */
#define SMALLEST 64
#define LARGEST ((size_t)SMALLEST << (TRI__H2_CLASSES - 1))
#define NO_CLASS UINT32_MAX
/* What one class keeps; the bytes of all of them together stay under 4 MiB. */
#define IDLE_BYTES_MAX ((size_t)512 * 1024)

/* Blocks that stand in for a failed allocation: one for each thing a turn may still need. */
#define RESERVE_BLOCKS 64
#define RESERVE_SIZE ((size_t)32 * 1024)

struct tri__h2_block {
    union {
        struct tri__h2_block *next;
        size_t size; /* usable bytes, while in use */
    };
    uint32_t class;
    bool is_reserve;
    uint8_t bytes[] __attribute__((aligned(16)));
};

static uint32_t class_of(size_t size)
{
    if (size <= SMALLEST)
        return 0;
    if (size > LARGEST)
        return NO_CLASS;
    return (uint32_t)(sizeof(unsigned long) * 8 - (size_t)__builtin_clzl((size - 1) / SMALLEST));
}

static bool fill_reserve(struct tri__h2_memory *memory)
{
    while (memory->reserve_count < RESERVE_BLOCKS) {
        struct tri__h2_block *block = tri__alloc(sizeof(*block) + RESERVE_SIZE);

        if (block == NULL)
            return false;
        block->is_reserve = true;
        block->next = memory->reserve;
        memory->reserve = block;
        memory->reserve_count++;
    }
    return true;
}

int tri__h2_memory_init(struct tri__h2_memory *memory)
{
    memset(memory, 0, sizeof(*memory));
    if (fill_reserve(memory))
        return 0;
    tri__h2_memory_fini(memory);
    return -ENOMEM;
}

static void free_list(struct tri__h2_block *block)
{
    while (block != NULL) {
        struct tri__h2_block *next = block->next;

        tri__free(block);
        block = next;
    }
}

void tri__h2_memory_fini(struct tri__h2_memory *memory)
{
    for (uint32_t i = 0; i < TRI__H2_CLASSES; i++)
        free_list(memory->idle[i]);
    free_list(memory->reserve);
    memset(memory, 0, sizeof(*memory));
}

bool tri__h2_memory_is_short(struct tri__h2_memory *memory)
{
    return memory->reserve_count < RESERVE_BLOCKS && !fill_reserve(memory);
}

static struct tri__h2_block *take_reserve(struct tri__h2_memory *memory, size_t size)
{
    struct tri__h2_block *block = memory->reserve;

    if (block == NULL || size > RESERVE_SIZE)
        return NULL;
    memory->reserve = block->next;
    memory->reserve_count--;
    return block;
}

static void *pool_malloc(size_t size, void *context)
{
    struct tri__h2_memory *memory = context;
    uint32_t class = class_of(size);
    size_t usable = class == NO_CLASS ? size : (size_t)SMALLEST << class;
    struct tri__h2_block *block;

    if (class != NO_CLASS && memory->idle[class] != NULL) {
        block = memory->idle[class];
        memory->idle[class] = block->next;
        memory->idle_count[class]--;
    } else {
        block = size <= SIZE_MAX - sizeof(*block) ? tri__alloc(sizeof(*block) + usable) : NULL;
        if (block == NULL)
            block = take_reserve(memory, size);
        else
            block->is_reserve = false;
        if (block == NULL)
            return NULL;
        block->class = class;
        if (block->is_reserve)
            usable = RESERVE_SIZE;
    }
    block->size = usable;
    memory->bytes_used += usable;
    tri__unpoison(block->bytes, usable);
    return block->bytes;
}

static void pool_free(void *pointer, void *context)
{
    struct tri__h2_memory *memory = context;

    if (pointer == NULL)
        return;
    struct tri__h2_block *block =
        (void *)((uint8_t *)pointer - offsetof(struct tri__h2_block, bytes));

    memory->bytes_used -= block->size;
    if (block->is_reserve) {
        block->next = memory->reserve;
        memory->reserve = block;
        memory->reserve_count++;
    } else if (block->class == NO_CLASS ||
               (memory->idle_count[block->class] + 1) * ((size_t)SMALLEST << block->class) >
                   IDLE_BYTES_MAX) {
        tri__free(block);
    } else {
        tri__poison(block->bytes, block->size);
        block->next = memory->idle[block->class];
        memory->idle[block->class] = block;
        memory->idle_count[block->class]++;
    }
}

static void *pool_calloc(size_t count, size_t size, void *context)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    void *memory = pool_malloc(bytes, context);

    if (memory != NULL)
        memset(memory, 0, bytes);
    return memory;
}

static void *pool_realloc(void *pointer, size_t size, void *context)
{
    if (pointer == NULL)
        return pool_malloc(size, context);
    struct tri__h2_block *block =
        (void *)((uint8_t *)pointer - offsetof(struct tri__h2_block, bytes));

    if (size <= block->size)
        return pointer;
    void *larger = pool_malloc(size, context);

    if (larger != NULL) {
        memcpy(larger, pointer, block->size);
        pool_free(pointer, context);
    }
    return larger;
}

nghttp2_mem tri__h2_memory_hooks(struct tri__h2_memory *memory)
{
    return (nghttp2_mem){
        .mem_user_data = memory,
        .malloc = pool_malloc,
        .free = pool_free,
        .calloc = pool_calloc,
        .realloc = pool_realloc,
    };
}
