#include "codegen_identifiers.h"

#include <stdlib.h>
#include <string.h>

void codegen_identifiers_init(struct codegen_identifiers *identifiers, struct codegen *codegen)
{
    *identifiers = (struct codegen_identifiers){.codegen = codegen};
}

void codegen_identifiers_add(struct codegen_identifiers *identifiers,
                             struct codegen_identifier identifier)
{
    if (identifiers->count == identifiers->capacity) {
        size_t capacity = identifiers->capacity > 0 ? identifiers->capacity * 2 : 64;
        struct codegen_identifier *grown =
            codegen_alloc_array(&identifiers->codegen->memory, capacity, sizeof(*grown));
        if (identifiers->count > 0)
            memcpy(grown, identifiers->entries, identifiers->count * sizeof(*grown));
        identifiers->entries = grown;
        identifiers->capacity = capacity;
    }
    identifiers->entries[identifiers->count++] = identifier;
}

/* By name; then what is imported first, so that the error is in the file at hand. */
static int compare(const void *a, const void *b)
{
    const struct codegen_identifier *one = a;
    const struct codegen_identifier *two = b;
    int order = strcmp(one->name, two->name);
    if (order != 0)
        return order;
    if (one->file != two->file)
        return one->file < two->file ? -1 : 1;
    if (one->line != two->line)
        return one->line < two->line ? -1 : 1;
    return strcmp(one->element, two->element);
}

/* Two that are the same: the second is the one to blame. */
struct pair {
    const struct codegen_identifier *first;
    const struct codegen_identifier *second;
};

static int compare_pairs(const void *a, const void *b)
{
    const struct codegen_identifier *one = ((const struct pair *)a)->second;
    const struct codegen_identifier *two = ((const struct pair *)b)->second;
    if (one->line != two->line)
        return one->line < two->line ? -1 : 1;
    int order = strcmp(one->element, two->element);
    return order != 0 ? order : strcmp(one->name, two->name);
}

static void report(struct codegen *codegen, const struct pair *pair)
{
    const struct codegen_identifier *first = pair->first;
    const struct codegen_identifier *second = pair->second;
    const char *name = second->shown != NULL ? second->shown : second->name;
    if (first->line > 0)
        codegen_error(codegen, second->file, second->line,
                      "%s: its C name %s is also that of %s (%s:%d)", second->element, name,
                      first->element, first->file->proto->name, first->line);
    else
        codegen_error(codegen, second->file, second->line,
                      "%s: its C name %s is also that of %s (%s)", second->element, name,
                      first->element, first->file->proto->name);
}

void codegen_identifiers_check(struct codegen_identifiers *identifiers,
                               const struct codegen_file *file)
{
    struct codegen *codegen = identifiers->codegen;
    if (identifiers->count == 0)
        return;
    qsort(identifiers->entries, identifiers->count, sizeof(*identifiers->entries), compare);
    struct pair *pairs = codegen_alloc_array(&codegen->memory, identifiers->count, sizeof(*pairs));
    size_t count = 0;
    for (size_t i = 1; i < identifiers->count; i++) {
        const struct codegen_identifier *one = &identifiers->entries[i - 1];
        const struct codegen_identifier *two = &identifiers->entries[i];
        if (two->file == file && strcmp(one->name, two->name) == 0)
            pairs[count++] = (struct pair){one, two};
    }
    qsort(pairs, count, sizeof(*pairs), compare_pairs);
    for (size_t i = 0; i < count; i++) {
        /* An element has several names; one that is taken is enough to hear of. */
        if (i == 0 || pairs[i].second->line != pairs[i - 1].second->line ||
            strcmp(pairs[i].second->element, pairs[i - 1].second->element) != 0)
            report(codegen, &pairs[i]);
    }
}
