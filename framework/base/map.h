/*
 * A hash map from byte strings to pointers: filled while a server is set up, looked up for a call.
 * Its keys come from the configuration, never from a peer, so nobody can choose them to collide.
 */
#ifndef TRI_MAP_H
#define TRI_MAP_H

#include <stddef.h>
#include <stdint.h>

struct tri__map_entry {
    char *key; /* owned */
    size_t size;
    uint64_t hash;
    void *value;
};

struct tri__map {
    struct tri__map_entry *entries;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
};

/* Returns: 0, -EEXIST when the key is there, -ENOMEM. Memory: the key is copied. */
int tri__map_add(struct tri__map *map, const char *key, size_t size, void *value);

/* Takes a key out again, if it is there. */
void tri__map_remove(struct tri__map *map, const char *key, size_t size);

/* Returns: the value, or NULL. */
void *tri__map_get(const struct tri__map *map, const char *key, size_t size);

void tri__map_fini(struct tri__map *map);

#endif
