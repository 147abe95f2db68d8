#include "map.h"

#include <errno.h>
#include <string.h>

#include "alloc.h"

/* FNV-1a. */
static uint64_t hash_of(const char *key, size_t size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (uint8_t)key[i]) * UINT64_C(0x100000001b3);
    return hash ^ (hash >> 32);
}

static struct tri__map_entry *find(const struct tri__map *map, const char *key, size_t size,
                                   uint64_t hash)
{
    size_t mask = map->capacity - 1;

    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct tri__map_entry *entry = &map->entries[i];

        if (entry->key == NULL ||
            (entry->hash == hash && entry->size == size && memcmp(entry->key, key, size) == 0))
            return entry;
    }
}

static int grow(struct tri__map *map)
{
    struct tri__map larger = {.capacity = map->capacity == 0 ? 16 : map->capacity * 2,
                              .count = map->count};

    larger.entries = tri__alloc_zeroed(larger.capacity, sizeof(*larger.entries));
    if (larger.entries == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < map->capacity; i++) {
        struct tri__map_entry *entry = &map->entries[i];

        if (entry->key != NULL)
            *find(&larger, entry->key, entry->size, entry->hash) = *entry;
    }
    tri__free(map->entries);
    *map = larger;
    return 0;
}

int tri__map_add(struct tri__map *map, const char *key, size_t size, void *value)
{
    uint64_t hash = hash_of(key, size);

    if (2 * (map->count + 1) > map->capacity) {
        int r = grow(map);
        if (r < 0)
            return r;
    }
    struct tri__map_entry *entry = find(map, key, size, hash);

    if (entry->key != NULL)
        return -EEXIST;
    char *copy = tri__strndup(key, size);

    if (copy == NULL)
        return -ENOMEM;
    *entry = (struct tri__map_entry){.key = copy, .size = size, .hash = hash, .value = value};
    map->count++;
    return 0;
}

/*
 * What stands behind a gap, up to the next one, is moved into it unless its own place is behind it:
 * a look-up ends at the first gap.
 */
void tri__map_remove(struct tri__map *map, const char *key, size_t size)
{
    if (map->count == 0)
        return;
    struct tri__map_entry *gap = find(map, key, size, hash_of(key, size));
    size_t mask = map->capacity - 1;

    if (gap->key == NULL)
        return;
    tri__free(gap->key);
    map->count--;
    for (size_t i = (size_t)(gap - map->entries + 1) & mask; map->entries[i].key != NULL;
         i = (i + 1) & mask) {
        size_t from_home = (i - (size_t)map->entries[i].hash) & mask;
        size_t from_gap = (i - (size_t)(gap - map->entries)) & mask;

        if (from_home >= from_gap) {
            *gap = map->entries[i];
            gap = &map->entries[i];
        }
    }
    *gap = (struct tri__map_entry){.key = NULL};
}

void *tri__map_get(const struct tri__map *map, const char *key, size_t size)
{
    if (map->count == 0)
        return NULL;
    return find(map, key, size, hash_of(key, size))->value;
}

void tri__map_fini(struct tri__map *map)
{
    for (size_t i = 0; i < map->capacity; i++)
        tri__free(map->entries[i].key);
    tri__free(map->entries);
    *map = (struct tri__map){0};
}
