#include "codegen_limits.h"

#include <string.h>

#include "codegen_identifiers.h"
#include "codegen_names.h"
#include "codegen_services.h"

/* What is looked at, with its place: one for each message, on the stack. */
struct scope {
    struct codegen *codegen;
    struct codegen_file *file;
    const struct codegen_path *path;
    const char *full_name;                   /* for C names: c_package and outer messages */
    const char *local_name;                  /* for errors: "Outer.Inner" */
    struct codegen_identifiers *identifiers; /* of the file */
};

static void add_shown(const struct scope *scope, const struct codegen_path *path,
                      const char *element, const char *name, const char *shown)
{
    struct codegen_identifier identifier = {
        .name = name,
        .shown = shown,
        .element = element,
        .file = scope->file,
        .line = codegen_line(scope->file, path),
    };
    codegen_identifiers_add(scope->identifiers, identifier);
}

static void add(const struct scope *scope, const struct codegen_path *path, const char *element,
                const char *name)
{
    add_shown(scope, path, element, name, NULL);
}

/* The names that protobuf-c gives any type: C's type, and what begins with the lower-case one. */
static void add_type(const struct scope *scope, const struct codegen_path *path,
                     const char *element, const char *full_name)
{
    struct codegen_memory *memory = &scope->codegen->memory;
    const char *name = codegen_camel(memory, full_name);
    bool is_taken = strcmp(name, "FILE") == 0 || strcmp(name, "DIR") == 0;
    if (is_taken || !codegen_is_identifier(name))
        codegen_error(scope->codegen, scope->file, codegen_line(scope->file, path),
                      "%s: '%s' cannot be a type's name in C; put the file into a package", element,
                      name);
    add(scope, path, element, name);
    add(scope, path, element,
        codegen_printf(memory, "%s__descriptor", codegen_lower(memory, full_name)));
}

static void check_enum(const struct scope *scope, const enum_proto *enumeration)
{
    struct codegen_memory *memory = &scope->codegen->memory;
    const char *full_name = codegen_printf(memory, "%s.%s", scope->full_name, enumeration->name);
    const char *upper = codegen_upper(memory, full_name);
    add_type(scope, scope->path, codegen_printf(memory, "enum %s", enumeration->name), full_name);
    for (size_t i = 0; i < enumeration->n_value; i++) {
        const char *name = enumeration->value[i]->name;
        struct codegen_path path = {scope->path, PATH_ENUM_VALUE, (int32_t)i};
        add(scope, &path, codegen_printf(memory, "enum value %s.%s", enumeration->name, name),
            codegen_printf(memory, "%s__%s", upper, name));
    }
}

/* Whether protobuf-c puts a has_ beside the field: what is optional in proto2, but for pointers. */
static bool has_presence_member(const struct codegen_file *file, const field_proto *field)
{
    const char *syntax = file->proto->syntax;
    bool is_proto2 = syntax == NULL || strcmp(syntax, "proto3") != 0;
    return is_proto2 && field->label == FIELD_LABEL(OPTIONAL) && !field->has_oneof_index &&
           field->type != FIELD_TYPE(STRING) && field->type != FIELD_TYPE(MESSAGE);
}

/* Defaults of proto2 that protobuf-c writes down as C does not take them. */
static bool can_be_default(const field_proto *field)
{
    const char *text = field->default_value;
    if (text == NULL || field->type == FIELD_TYPE(STRING) || field->type == FIELD_TYPE(BYTES))
        return true;
    if (field->type == FIELD_TYPE(FLOAT) || field->type == FIELD_TYPE(DOUBLE))
        return strcmp(text, "inf") != 0 && strcmp(text, "-inf") != 0 && strcmp(text, "nan") != 0;
    return strcmp(text, "-9223372036854775808") != 0;
}

static void check_field(const struct scope *scope, struct codegen_identifiers *members,
                        const struct codegen_path *path, const field_proto *field)
{
    struct codegen_memory *memory = &scope->codegen->memory;
    const char *element = codegen_printf(memory, "field %s.%s", scope->local_name, field->name);
    int line = codegen_line(scope->file, path);
    struct codegen_identifier member = {
        .name = codegen_member(memory, field->name),
        .element = element,
        .file = scope->file,
        .line = line,
    };
    if (field->type == FIELD_TYPE(GROUP))
        codegen_error(scope->codegen, scope->file, line,
                      "%s: protobuf-c has no groups; make it a nested message", element);
    if (!can_be_default(field))
        codegen_error(scope->codegen, scope->file, line,
                      "%s: protobuf-c cannot write the default %s; leave it out", element,
                      field->default_value);
    const char *plain = member.name;
    codegen_identifiers_add(members, member);
    if (field->label == FIELD_LABEL(REPEATED))
        member.name = codegen_printf(memory, "n_%s", plain);
    else if (has_presence_member(scope->file, field))
        member.name = codegen_printf(memory, "has_%s", plain);
    if (member.name != plain)
        codegen_identifiers_add(members, member);
}

static void check_oneof(const struct scope *scope, struct codegen_identifiers *members,
                        const message_proto *message, size_t index)
{
    struct codegen_memory *memory = &scope->codegen->memory;
    const char *name = message->oneof_decl[index]->name;
    struct codegen_path path = {scope->path, PATH_MESSAGE_ONEOF, (int32_t)index};
    const char *element = codegen_printf(memory, "oneof %s.%s", scope->local_name, name);
    const char *full_name = codegen_printf(memory, "%s.%s", scope->full_name, name);
    const char *upper = codegen_printf(memory, "%s__%s", codegen_upper(memory, scope->full_name),
                                       codegen_upper(memory, name));
    codegen_identifiers_add(
        members, (struct codegen_identifier){
                     .name = codegen_printf(memory, "%s_case", codegen_lower(memory, name)),
                     .element = element,
                     .file = scope->file,
                     .line = codegen_line(scope->file, &path),
                 });
    add(scope, &path, element, codegen_printf(memory, "%sCase", codegen_camel(memory, full_name)));
    add(scope, &path, element, codegen_printf(memory, "%s__NOT_SET", upper));
    for (size_t i = 0; i < message->n_field; i++) {
        const field_proto *field = message->field[i];
        struct codegen_path field_path = {scope->path, PATH_MESSAGE_FIELD, (int32_t)i};
        if (field->has_oneof_index && (size_t)field->oneof_index == index)
            add(scope, &field_path,
                codegen_printf(memory, "field %s.%s", scope->local_name, field->name),
                codegen_printf(memory, "%s_%s", upper, codegen_upper(memory, field->name)));
    }
}

static void check_message(const struct scope *outer, const message_proto *message)
{
    struct codegen *codegen = outer->codegen;
    struct codegen_memory *memory = &codegen->memory;
    struct scope scope = *outer;
    scope.full_name = codegen_printf(memory, "%s.%s", outer->full_name, message->name);
    scope.local_name = codegen_printf(memory, "%s%s%s", outer->local_name,
                                      outer->local_name[0] != '\0' ? "." : "", message->name);
    const char *element = codegen_printf(memory, "message %s", scope.local_name);
    add_type(&scope, scope.path, element, scope.full_name);
    add(&scope, scope.path, element,
        codegen_printf(memory, "%s__INIT", codegen_upper(memory, scope.full_name)));
    if (message->options != NULL && message->options->message_set_wire_format)
        codegen_error(codegen, scope.file, codegen_line(scope.file, scope.path),
                      "%s: protobuf-c has no message_set_wire_format", element);

    struct codegen_identifiers members;
    codegen_identifiers_init(&members, codegen);
    for (size_t i = 0; i < message->n_field; i++) {
        struct codegen_path path = {scope.path, PATH_MESSAGE_FIELD, (int32_t)i};
        check_field(&scope, &members, &path, message->field[i]);
    }
    for (size_t i = 0; i < message->n_oneof_decl; i++)
        check_oneof(&scope, &members, message, i);
    codegen_identifiers_check(&members, scope.file);

    for (size_t i = 0; i < message->n_enum_type; i++) {
        struct codegen_path path = {scope.path, PATH_MESSAGE_ENUM, (int32_t)i};
        struct scope inner = scope;
        inner.path = &path;
        check_enum(&inner, message->enum_type[i]);
    }
    for (size_t i = 0; i < message->n_nested_type; i++) {
        struct codegen_path path = {scope.path, PATH_MESSAGE_NESTED, (int32_t)i};
        struct scope inner = scope;
        inner.path = &path;
        check_message(&inner, message->nested_type[i]);
    }
}

static void check_services(const struct scope *scope)
{
    struct codegen_memory *memory = &scope->codegen->memory;
    const struct codegen_service *services = codegen_services(scope->codegen, scope->file);
    for (size_t i = 0; i < scope->file->proto->n_service; i++) {
        const struct codegen_service *service = &services[i];
        struct codegen_path path = {NULL, PATH_FILE_SERVICE, (int32_t)i};
        const char *element = codegen_printf(memory, "service %s", service->proto->name);
        if (strncmp(service->name, "tri_", 4) == 0 || strcmp(service->name, "tri") == 0)
            codegen_error(scope->codegen, scope->file, service->line,
                          "%s: names that begin with tri_ are the library's; give it another with "
                          "--trireme_opt=prefix=my_",
                          element);
        add_shown(scope, &path, element, codegen_printf(memory, "%s_servicer", service->name),
                  service->name);
        add(scope, &path, element, service->symbol);
        for (size_t j = 0; j < service->methods_count; j++) {
            const struct codegen_method *method = &service->methods[j];
            struct codegen_path method_path = {&path, PATH_SERVICE_METHOD, (int32_t)j};
            add_shown(
                scope, &method_path,
                codegen_printf(memory, "method %s.%s", service->proto->name, method->proto->name),
                codegen_printf(memory, "%s_replies", method->stem), method->stem);
        }
    }
}

/* Types of other files: two packages can come out as the same C name. */
static void add_imports(const struct scope *scope)
{
    struct codegen *codegen = scope->codegen;
    codegen_mark_imports(codegen, scope->file);
    for (size_t i = 0; i < codegen->types_count; i++) {
        const struct codegen_type *type = &codegen->types[i];
        if (!type->file->is_visited || type->file == scope->file)
            continue;
        struct scope other = *scope;
        other.file = type->file;
        const char *full_name = codegen_c_full_name(codegen, type->file, codegen_local_name(type));
        const char *element = codegen_printf(&codegen->memory, "type %s", type->name);
        add(&other, NULL, element, codegen_camel(&codegen->memory, full_name));
        add(&other, NULL, element,
            codegen_printf(&codegen->memory, "%s__descriptor",
                           codegen_lower(&codegen->memory, full_name)));
    }
}

static void check_syntax(struct codegen *codegen, const struct codegen_file *file)
{
    const char *syntax = file->proto->syntax;
    struct codegen_path path = {NULL, PATH_FILE_SYNTAX, -1};
    if (syntax != NULL && syntax[0] != '\0' && strcmp(syntax, "proto2") != 0 &&
        strcmp(syntax, "proto3") != 0)
        codegen_error(codegen, file, codegen_line(file, &path),
                      "syntax \"%s\": only proto2 and proto3 can be generated", syntax);
}

void codegen_check_limits(struct codegen *codegen, struct codegen_file *file)
{
    const file_proto *proto = file->proto;
    struct codegen_identifiers identifiers;
    struct scope scope = {
        .codegen = codegen,
        .file = file,
        .full_name = file->c_package,
        .local_name = "",
        .identifiers = &identifiers,
    };
    if (file->is_shipped) {
        codegen_error(codegen, file, 0,
                      "the library ships the code of this file (<%s.pb-c.h>); leave it out",
                      file->stem);
        return;
    }
    check_syntax(codegen, file);
    codegen_identifiers_init(&identifiers, codegen);
    for (size_t i = 0; i < proto->n_enum_type; i++) {
        struct codegen_path path = {NULL, PATH_FILE_ENUM, (int32_t)i};
        scope.path = &path;
        check_enum(&scope, proto->enum_type[i]);
    }
    for (size_t i = 0; i < proto->n_message_type; i++) {
        struct codegen_path path = {NULL, PATH_FILE_MESSAGE, (int32_t)i};
        scope.path = &path;
        check_message(&scope, proto->message_type[i]);
    }
    scope.path = NULL;
    check_services(&scope);
    add_imports(&scope);
    codegen_identifiers_check(&identifiers, file);
}
