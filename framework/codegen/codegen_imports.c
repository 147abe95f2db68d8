#include "codegen_imports.h"

static void mark_type(struct codegen *codegen, const char *type_name, bool *used)
{
    const struct codegen_type *type = codegen_find_type(codegen, type_name);
    if (type == NULL)
        codegen_fatal(&codegen->memory, "malformed request: there is no type %.200s", type_name);
    used[type->file - codegen->files] = true;
}

/* Sets `used` for each file that a field's type comes from. */
static void mark_used(struct codegen *codegen, const message_proto *message, bool *used)
{
    for (size_t i = 0; i < message->n_field; i++) {
        const char *type_name = message->field[i]->type_name;
        if (type_name != NULL && type_name[0] != '\0')
            mark_type(codegen, type_name, used);
    }
    for (size_t i = 0; i < message->n_nested_type; i++)
        mark_used(codegen, message->nested_type[i], used);
}

/* Whether the import, or a file that it publicly imports, is one of those used. */
static bool leads_to_used(struct codegen *codegen, const struct codegen_file *import,
                          const bool *used)
{
    size_t first = (size_t)(import - codegen->files);
    for (size_t i = 0; i <= first; i++)
        codegen->files[i].is_visited = i == first;
    for (size_t at = first + 1; at-- > 0;) {
        const struct codegen_file *file = &codegen->files[at];
        if (!file->is_visited)
            continue;
        if (used[at])
            return true;
        for (size_t i = 0; i < file->proto->n_public_dependency; i++) {
            int32_t index = file->proto->public_dependency[i];
            if (index >= 0 && (size_t)index < file->imports_count)
                file->imports[index]->is_visited = true;
        }
    }
    return false;
}

bool *codegen_needed_imports(struct codegen *codegen, const struct codegen_file *file)
{
    const file_proto *proto = file->proto;
    bool *used = codegen_alloc_array(&codegen->memory, codegen->files_count, sizeof(*used));
    bool *needed = codegen_alloc_array(&codegen->memory, file->imports_count, sizeof(*needed));
    for (size_t i = 0; i < proto->n_message_type; i++)
        mark_used(codegen, proto->message_type[i], used);
    for (size_t i = 0; i < file->imports_count; i++)
        needed[i] = leads_to_used(codegen, file->imports[i], used);
    for (size_t i = 0; i < proto->n_public_dependency; i++) {
        int32_t index = proto->public_dependency[i];
        if (index >= 0 && (size_t)index < file->imports_count)
            needed[index] = true;
    }
    return needed;
}

bool *codegen_included_files(struct codegen *codegen, const struct codegen_file *file)
{
    bool *included = codegen_alloc_array(&codegen->memory, codegen->files_count, sizeof(*included));
    const bool *needed = codegen_needed_imports(codegen, file);
    for (size_t i = 0; i < file->imports_count; i++)
        included[file->imports[i] - codegen->files] |= needed[i];
    for (size_t i = 0; i < file->proto->n_service; i++) {
        const service_proto *service = file->proto->service[i];
        for (size_t j = 0; j < service->n_method; j++) {
            mark_type(codegen, service->method[j]->input_type, included);
            mark_type(codegen, service->method[j]->output_type, included);
        }
    }
    included[file - codegen->files] = false;
    return included;
}

void codegen_mark_included(struct codegen *codegen, struct codegen_file *file)
{
    size_t first = (size_t)(file - codegen->files);
    bool *reached = codegen_alloc_array(&codegen->memory, codegen->files_count, sizeof(*reached));
    reached[first] = true;
    /* As in codegen_mark_imports(): what a file includes stands before it. */
    for (size_t at = first + 1; at-- > 0;) {
        if (!reached[at])
            continue;
        const bool *included = codegen_included_files(codegen, &codegen->files[at]);
        for (size_t i = 0; i < at; i++)
            reached[i] |= included[i];
    }
    for (size_t i = 0; i < codegen->files_count; i++)
        codegen->files[i].is_visited = reached[i];
}
