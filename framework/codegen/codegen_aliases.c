#include <stdlib.h>
#include <string.h>

#include "codegen_imports.h"
#include "codegen_names.h"
#include "codegen_writers.h"

/* What one block of aliases is made of. */
struct aliases {
    struct codegen *codegen;
    struct codegen_text *text;
    const struct codegen_file *file;
    const char **taken; /* sorted: the names that included headers and this one define */
    size_t taken_count;
};

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The short names of included headers count too: they are there first. */
static void collect_taken(struct aliases *aliases, struct codegen_file *file)
{
    struct codegen *codegen = aliases->codegen;
    codegen_mark_included(codegen, file);
    aliases->taken =
        codegen_alloc_array(&codegen->memory, codegen->types_count * 2, sizeof(*aliases->taken));
    for (size_t i = 0; i < codegen->types_count; i++) {
        const struct codegen_type *type = &codegen->types[i];
        if (!type->file->is_visited)
            continue;
        aliases->taken[aliases->taken_count++] = codegen_type_name(codegen, type);
        if (type->file != file && !type->file->is_shipped)
            aliases->taken[aliases->taken_count++] =
                codegen_camel(&codegen->memory, codegen_local_name(type));
    }
    qsort(aliases->taken, aliases->taken_count, sizeof(*aliases->taken), compare_strings);
}

/* A short name must be none of these, nor one of the C library or of protobuf-c. */
static bool can_be_alias(const struct aliases *aliases, const char *name)
{
    return name[0] >= 'A' && name[0] <= 'Z' && strcmp(name, "FILE") != 0 &&
           strcmp(name, "DIR") != 0 && strncmp(name, "Protobuf", strlen("Protobuf")) != 0 &&
           bsearch(&name, aliases->taken, aliases->taken_count, sizeof(*aliases->taken),
                   compare_strings) == NULL;
}

static void put_macro(const struct aliases *aliases, const char *local, const char *full,
                      const char *suffix)
{
    codegen_put(aliases->text, "#define %s%s %s%s\n", local, suffix, full, suffix);
}

static void put_enum_values(const struct aliases *aliases, const char *local, const char *full,
                            const enum_proto *enumeration)
{
    struct codegen_memory *memory = &aliases->codegen->memory;
    for (size_t i = 0; i < enumeration->n_value; i++)
        put_macro(aliases, local, full,
                  codegen_printf(memory, "__%s", enumeration->value[i]->name));
}

static void put_oneof(const struct aliases *aliases, const char *local_name, const char *full_name,
                      const message_proto *message, size_t index)
{
    struct codegen_memory *memory = &aliases->codegen->memory;
    const char *name = message->oneof_decl[index]->name;
    const char *camel = codegen_camel(memory, name);
    const char *local = codegen_upper(memory, local_name);
    const char *full = codegen_upper(memory, full_name);
    const char *upper = codegen_upper(memory, name);
    codegen_put(aliases->text, "typedef %s__%sCase %s__%sCase;\n", codegen_camel(memory, full_name),
                camel, codegen_camel(memory, local_name), camel);
    put_macro(aliases, local, full, codegen_printf(memory, "__%s__NOT_SET", upper));
    for (size_t i = 0; i < message->n_field; i++) {
        const field_proto *field = message->field[i];
        if (field->has_oneof_index && (size_t)field->oneof_index == index)
            put_macro(aliases, local, full,
                      codegen_printf(memory, "__%s_%s", upper, codegen_upper(memory, field->name)));
    }
}

static void put_type(const struct aliases *aliases, const char *local_name,
                     const message_proto *message, const enum_proto *enumeration)
{
    struct codegen_memory *memory = &aliases->codegen->memory;
    const char *alias = codegen_camel(memory, local_name);
    const char *full_name = codegen_c_full_name(aliases->codegen, aliases->file, local_name);
    if (!can_be_alias(aliases, alias)) {
        codegen_put(aliases->text, "\n/* %s is taken: %s keeps its long name. */\n", alias,
                    codegen_camel(memory, full_name));
        return;
    }
    const char *local_upper = codegen_upper(memory, local_name);
    const char *full_upper = codegen_upper(memory, full_name);
    codegen_put(aliases->text,
                "\n#if !defined TRIREME_ALIAS_%s && !defined %s\n"
                "#define TRIREME_ALIAS_%s\n"
                "typedef %s %s;\n",
                alias, alias, alias, codegen_camel(memory, full_name), alias);
    if (enumeration != NULL) {
        put_enum_values(aliases, local_upper, full_upper, enumeration);
    } else {
        put_macro(aliases, local_upper, full_upper, "__INIT");
        for (size_t i = 0; i < message->n_oneof_decl; i++)
            put_oneof(aliases, local_name, full_name, message, i);
    }
    codegen_put(aliases->text, "#endif\n");
}

static void put_message(const struct aliases *aliases, const char *scope,
                        const message_proto *message)
{
    struct codegen_memory *memory = &aliases->codegen->memory;
    const char *name =
        codegen_printf(memory, "%s%s%s", scope, scope[0] != '\0' ? "." : "", message->name);
    put_type(aliases, name, message, NULL);
    for (size_t i = 0; i < message->n_enum_type; i++)
        put_type(aliases, codegen_printf(memory, "%s.%s", name, message->enum_type[i]->name), NULL,
                 message->enum_type[i]);
    for (size_t i = 0; i < message->n_nested_type; i++)
        put_message(aliases, name, message->nested_type[i]);
}

void codegen_put_aliases(struct codegen *codegen, struct codegen_text *text,
                         struct codegen_file *file)
{
    const file_proto *proto = file->proto;
    if (!codegen->aliases || file->c_package[0] == '\0' ||
        proto->n_message_type + proto->n_enum_type == 0)
        return;
    struct aliases aliases = {.codegen = codegen, .text = text, .file = file};
    collect_taken(&aliases, file);
    codegen_put(text,
                "\n"
                "/*\n"
                " * Short names: those of protobuf-c without the package. Of two headers that\n"
                " * have the same one, the first that is included gives it its meaning.\n"
                " */\n");
    for (size_t i = 0; i < proto->n_enum_type; i++)
        put_type(&aliases, proto->enum_type[i]->name, NULL, proto->enum_type[i]);
    for (size_t i = 0; i < proto->n_message_type; i++)
        put_message(&aliases, "", proto->message_type[i]);
}
