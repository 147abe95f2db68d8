#include "h2_memory.h"

#include <errno.h>
#include <string.h>

#include "alloc.h"
#include "assertion.h"
#include "h2_memory_nghttp2.h"
#include "sanitizer.h"

/* A class for each 64 bytes up to 2 KiB; above that the allocator is asked each time. */
#define STEP ((size_t)64)
#define NO_CLASS TRI__H2_CLASSES
/* Blocks that one class keeps: together they stay under 16 MiB, and in practice far below that. */
#define IDLE_MAX 512

/* Blocks that stand in for a failed allocation: one for each thing a turn may still need. */
#define RESERVE_BLOCKS 64
#define RESERVE_SIZE ((size_t)32 * 1024)

struct tri__h2_block {
    struct tri__h2_block *next; /* while it is idle */
    uint32_t size;              /* usable bytes */
    uint16_t class;
    bool is_reserve;
    uint8_t bytes[] __attribute__((aligned(16)));
};

static bool fill_reserve(struct tri__h2_memory *memory)
{
    while (memory->reserve_count < RESERVE_BLOCKS) {
        struct tri__h2_block *block = tri__alloc(sizeof(*block) + RESERVE_SIZE);

        if (block == NULL)
            return false;
        block->is_reserve = true;
        block->size = (uint32_t)RESERVE_SIZE;
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

static void *make_block(struct tri__h2_memory *memory, size_t class, size_t size)
{
    size_t usable = class < NO_CLASS ? class * STEP : size;
    struct tri__h2_block *block = NULL;

    if (usable <= UINT32_MAX)
        block = tri__alloc(sizeof(*block) + usable);
    if (block == NULL) {
        block = take_reserve(memory, size);
        return block != NULL ? block->bytes : NULL;
    }
    block->is_reserve = false;
    block->size = (uint32_t)usable;
    block->class = (uint16_t) class;
    return block->bytes;
}

static void *pool_malloc(size_t size, void *context)
{
    struct tri__h2_memory *memory = context;
    size_t class = (size + STEP - 1) / STEP;
    struct tri__h2_block *block;

    if (class >= NO_CLASS)
        return make_block(memory, NO_CLASS, size);
    block = memory->idle[class];
    if (tri_unlikely(block == NULL))
        return make_block(memory, class, size);
    memory->idle[class] = block->next;
    memory->idle_count[class]--;
    tri__unpoison(block->bytes, block->size);
    return block->bytes;
}

static void pool_free(void *pointer, void *context)
{
    struct tri__h2_memory *memory = context;

    if (pointer == NULL)
        return;
    struct tri__h2_block *block =
        (void *)((uint8_t *)pointer - offsetof(struct tri__h2_block, bytes));

    if (tri_unlikely(block->is_reserve)) {
        block->next = memory->reserve;
        memory->reserve = block;
        memory->reserve_count++;
    } else if (tri_unlikely(block->class == NO_CLASS ||
                            memory->idle_count[block->class] >= IDLE_MAX)) {
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
