/*
 * Metadata: key and value texts, one after the other in a block. An entry is the two sizes, the key
 * and the value, each with a NUL after it.
 */
#include <errno.h>
#include <string.h>

#include <trireme/metadata.h>

#include "call.h"
#include "call_post.h"
#include "call_side.h"
#include "wire_base64.h"
#include "wire_field.h"

struct entry {
    uint32_t key_size, value_size;
};

static struct tri__fields *make_fields(struct tri__call_table *table)
{
    struct tri__fields *fields = table != NULL ? table->idle_fields : NULL;

    if (fields != NULL) {
        table->idle_fields = fields->next;
        table->idle_fields_count--;
        fields->next = NULL;
        fields->size = 0;
        fields->count = 0;
        fields->list_size = 0;
        return fields;
    }
    fields = tri__alloc(sizeof(*fields) + TRI__FIELDS_FIRST);
    if (fields != NULL)
        *fields = (struct tri__fields){.capacity = TRI__FIELDS_FIRST};
    return fields;
}

/*
 * Room for an entry with a value of up to `value_size` bytes. Returns: where the value goes, or
 * NULL.
 */
static char *add_entry(struct tri__fields **block, struct tri__call_table *table, const char *key,
                       size_t key_size, size_t value_size)
{
    struct tri__fields *fields = *block != NULL ? *block : make_fields(table);
    size_t wanted = sizeof(struct entry) + key_size + value_size + 2;

    if (fields == NULL)
        return NULL;
    *block = fields;
    if (fields->capacity - fields->size < wanted) {
        size_t capacity = (size_t)fields->capacity * 2;

        if (capacity < fields->size + wanted)
            capacity = fields->size + wanted;
        fields = tri__resize(fields, sizeof(*fields) + capacity);
        if (fields == NULL)
            return NULL;
        fields->capacity = (uint32_t)capacity;
        *block = fields;
    }
    char *at = fields->bytes + fields->size + sizeof(struct entry);

    memcpy(at, key, key_size);
    at[key_size] = '\0';
    return at + key_size + 1;
}

/* The value is in place: the entry counts from now on. */
static void commit_entry(struct tri__fields *fields, size_t key_size, size_t value_size)
{
    struct entry entry = {(uint32_t)key_size, (uint32_t)value_size};
    char *at = fields->bytes + fields->size;

    memcpy(at, &entry, sizeof(entry));
    at[sizeof(entry) + key_size + 1 + value_size] = '\0';
    fields->size += (uint32_t)(sizeof(entry) + key_size + value_size + 2);
    fields->count++;
    fields->list_size += (uint32_t)(key_size + value_size + 32);
}

bool tri__fields_next(const struct tri__fields *fields, size_t *position, const char **key,
                      size_t *key_size, const char **value, size_t *value_size)
{
    struct entry entry;

    if (fields == NULL || *position >= fields->size)
        return false;
    memcpy(&entry, fields->bytes + *position, sizeof(entry));
    *key = fields->bytes + *position + sizeof(entry);
    *key_size = entry.key_size;
    *value = *key + entry.key_size + 1;
    *value_size = entry.value_size;
    *position += sizeof(entry) + entry.key_size + entry.value_size + 2;
    return true;
}

/* Joined values each repeat the key: what they come to is bounded, not only what came. */
static bool has_room(const struct tri_call *call, size_t key_size, size_t value_size)
{
    uint32_t list_size = call->metadata != NULL ? call->metadata->list_size : 0;

    return list_size + key_size + value_size + 32 <= 2 * (size_t)call->table->limits->metadata_max;
}

/* A binary value comes decoded; several may be joined with commas. (PROTOCOL-HTTP2.md.) */
static int store_binary(struct tri_call *call, const char *key, size_t key_size, const char *value,
                        size_t value_size)
{
    const char *end = value + value_size;

    for (;;) {
        const char *comma = memchr(value, ',', (size_t)(end - value));
        const char *stop = comma != NULL ? comma : end;
        size_t size = (size_t)(stop - value);
        size_t decoded_size;

        if (!has_room(call, key_size, size))
            return -E2BIG;
        char *room =
            add_entry(&call->metadata, call->table, key, key_size, TRI__BASE64_DECODED_MAX(size));

        if (room == NULL)
            return -ENOMEM;
        if (tri__base64_decode((uint8_t *)room, &decoded_size, value, size) < 0)
            return -EINVAL;
        commit_entry(call->metadata, key_size, decoded_size);
        if (comma == NULL)
            return 0;
        value = comma + 1;
    }
}

int tri__call_store_field(struct tri_call *call, const char *key, size_t key_size,
                          const char *value, size_t value_size)
{
    if (tri__field_key_is_binary(key, key_size))
        return store_binary(call, key, key_size, value, value_size);
    char *room = add_entry(&call->metadata, call->table, key, key_size, value_size);

    if (room == NULL)
        return -ENOMEM;
    memcpy(room, value, value_size);
    commit_entry(call->metadata, key_size, value_size);
    return 0;
}

bool tri_call_metadata_next(tri_call *call, size_t *position, const char **key, tri_bytes *value)
{
    size_t key_size;

    return tri__fields_next(call->metadata, position, key, &key_size, &value->data, &value->size);
}

tri_bytes tri_call_metadata(tri_call *call, const char *key, size_t index)
{
    size_t wanted = strlen(key);
    size_t position = 0;
    size_t key_size;
    const char *found;
    tri_bytes value;

    while (
        tri__fields_next(call->metadata, &position, &found, &key_size, &value.data, &value.size)) {
        if (key_size == wanted && memcmp(found, key, wanted) == 0 && index-- == 0)
            return value;
    }
    return (tri_bytes){NULL, 0};
}

/* A field that goes out, in the form in which it goes. */
static int add_field(struct tri_call *call, struct tri__fields **block, const char *key,
                     const void *value, size_t size)
{
    size_t key_size = strlen(key);
    bool is_binary = tri__field_key_is_binary(key, key_size);
    size_t coded_size = is_binary ? TRI__BASE64_SIZE(size) : size;

    const char *why = NULL;

    if (!tri__field_key_is_valid(key, key_size))
        why = "is no key of metadata: 0-9 a-z _ - . are allowed, in lower case";
    else if (tri__field_key_is_reserved(key, key_size))
        why = "is a key that only the framework sends";
    else if (!is_binary && !tri__field_value_is_valid(value, size))
        why = "has a value that is no printable ASCII: its key must end in \"-bin\"";
    if (why != NULL) {
        tri__side_warn(call, key, why);
        return -EINVAL;
    }
    uint32_t list_size = *block != NULL ? (*block)->list_size : 0;

    if (size > UINT32_MAX / 2 ||
        list_size + key_size + coded_size + 32 > call->table->limits->field_list_max)
        return -E2BIG;
    char *room = add_entry(block, NULL, key, key_size, coded_size);

    if (room == NULL)
        return -ENOMEM;
    if (is_binary)
        coded_size = tri__base64_encode(room, value, size);
    else
        memcpy(room, value, size);
    commit_entry(*block, key_size, coded_size);
    return 0;
}

int tri_call_add_header_bytes(tri_call *call, const char *key, const void *value, size_t size)
{
    tri__side_assert_current(call);
    if (call->headers_out || call->emitted > 0)
        return -EALREADY;
    return add_field(call, &call->headers, key, value, size);
}

int tri_call_add_header(tri_call *call, const char *key, const char *value)
{
    return tri_call_add_header_bytes(call, key, value, strlen(value));
}

int tri_call_add_trailer_bytes(tri_call *call, const char *key, const void *value, size_t size)
{
    tri__side_assert_current(call);
    return add_field(call, &call->trailers, key, value, size);
}

int tri_call_add_trailer(tri_call *call, const char *key, const char *value)
{
    return tri_call_add_trailer_bytes(call, key, value, strlen(value));
}

int tri_call_set_details(tri_call *call, const void *details, size_t size)
{
    static const char key[] = "grpc-status-details-bin";
    size_t coded_size = TRI__BASE64_SIZE(size);
    uint32_t list_size = call->trailers != NULL ? call->trailers->list_size : 0;

    tri__side_assert_current(call);
    if (size > UINT32_MAX / 2 ||
        list_size + sizeof(key) + coded_size + 32 > call->table->limits->field_list_max)
        return -E2BIG;
    char *room = add_entry(&call->trailers, NULL, key, sizeof(key) - 1, coded_size);

    if (room == NULL)
        return -ENOMEM;
    commit_entry(call->trailers, sizeof(key) - 1, tri__base64_encode(room, details, size));
    return 0;
}
