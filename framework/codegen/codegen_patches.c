#include "codegen_patches.h"

#include <string.h>

#include "codegen_names.h"
#include "codegen_writers.h"

struct patch {
    struct codegen *codegen;
    struct codegen_text text; /* what is patched already */
    const char *rest;
};

/* protoc-gen-c writes in a known order, so each search goes on where the last one ended. */
static void replace_next(struct patch *patch, const char *old, const char *fresh)
{
    const char *at = strstr(patch->rest, old);
    if (at == NULL)
        return;
    codegen_put_bytes(&patch->text, patch->rest, (size_t)(at - patch->rest));
    codegen_put(&patch->text, "%s", fresh);
    patch->rest = at + strlen(old);
}

static const field_proto *first_field(const message_proto *message, size_t oneof)
{
    for (size_t i = 0; i < message->n_field; i++) {
        const field_proto *field = message->field[i];
        if (field->has_oneof_index && (size_t)field->oneof_index == oneof)
            return field;
    }
    return NULL;
}

/*
 * INIT macros set the union of a oneof to {0}. C++ does not take that for an enum, and a proto3
 * optional enum is a union of nothing else, so the 0 gets its type.
 */
static void patch_oneof(struct patch *patch, const char *scope, const message_proto *message,
                        size_t index)
{
    struct codegen *codegen = patch->codegen;
    struct codegen_memory *memory = &codegen->memory;
    const field_proto *field = first_field(message, index);
    if (field == NULL || field->type != FIELD_TYPE(ENUM))
        return;
    const struct codegen_type *type = codegen_find_type(codegen, field->type_name);
    if (type == NULL)
        return;
    const char *name = codegen_printf(memory, "%s.%s", scope, message->oneof_decl[index]->name);
    const char *upper = codegen_upper(memory, name);
    replace_next(
        patch, codegen_printf(memory, ", %s__NOT_SET, {0}", upper),
        codegen_printf(memory, ", %s__NOT_SET, {(%s)0}", upper, codegen_type_name(codegen, type)));
}

/* Nested messages come before the one that they are in. */
static void patch_message(struct patch *patch, const char *scope, const message_proto *message)
{
    const char *name = codegen_printf(&patch->codegen->memory, "%s.%s", scope, message->name);
    for (size_t i = 0; i < message->n_nested_type; i++)
        patch_message(patch, name, message->nested_type[i]);
    for (size_t i = 0; i < message->n_oneof_decl; i++)
        patch_oneof(patch, name, message, i);
}

void codegen_patch(struct codegen *codegen, const struct codegen_file *file,
                   response_file_proto *header)
{
    struct patch patch = {.codegen = codegen, .rest = header->content};
    if (header->content == NULL)
        return;
    codegen_text_init(&patch.text, &codegen->memory);
    for (size_t i = 0; i < file->proto->n_message_type; i++)
        patch_message(&patch, file->c_package, file->proto->message_type[i]);
    codegen_put(&patch.text, "%s", patch.rest);
    header->content = patch.text.data;
}
