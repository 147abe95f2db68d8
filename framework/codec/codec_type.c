#include <protobuf-c/protobuf-c.h>

#include "alloc.h"
#include "codec.h"

/*
 * A chain of types as long as this is taken for one without end: it also bounds our own recursion.
 */
#define CHAIN_MAX 1000
#define NO_BOUND UINT32_MAX

struct visit {
    const ProtobufCMessageDescriptor *descriptor;
    uint32_t depth; /* NO_BOUND while the types below are being looked at */
};

struct walk {
    struct visit *visits;
    size_t count, capacity;
};

static struct visit *find_visit(const struct walk *walk,
                                const ProtobufCMessageDescriptor *descriptor)
{
    for (size_t i = 0; i < walk->count; i++) {
        if (walk->visits[i].descriptor == descriptor)
            return &walk->visits[i];
    }
    return NULL;
}

static bool add_visit(struct walk *walk, const ProtobufCMessageDescriptor *descriptor)
{
    if (walk->count == walk->capacity) {
        size_t capacity = walk->capacity == 0 ? 16 : 2 * walk->capacity;
        struct visit *visits = tri__resize(walk->visits, capacity * sizeof(*visits));

        if (visits == NULL)
            return false;
        walk->visits = visits;
        walk->capacity = capacity;
    }
    walk->visits[walk->count++] = (struct visit){.descriptor = descriptor, .depth = NO_BOUND};
    return true;
}

/* How many levels of messages there can be below a message of this type. */
static uint32_t depth_of(struct walk *walk, const ProtobufCMessageDescriptor *descriptor,
                         uint32_t chain)
{
    struct visit *visit = find_visit(walk, descriptor);
    size_t index = walk->count;
    uint32_t depth = 0;

    if (visit != NULL)
        return visit->depth;
    if (chain == CHAIN_MAX || !add_visit(walk, descriptor))
        return NO_BOUND;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];

        if (field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        uint32_t below = depth_of(walk, field->descriptor, chain + 1);

        if (below == NO_BOUND)
            return NO_BOUND;
        if (below + 1 > depth)
            depth = below + 1;
    }
    walk->visits[index].depth = depth;
    return depth;
}

void tri__message_type_init(struct tri__message_type *type, const void *descriptor)
{
    struct walk walk = {0};
    uint32_t depth = depth_of(&walk, descriptor, 0);

    tri__free(walk.visits);
    *type = (struct tri__message_type){
        .descriptor = descriptor,
        .depth = depth,
        .needs_scan = depth == NO_BOUND,
        .is_flat = depth == 0,
    };
}
