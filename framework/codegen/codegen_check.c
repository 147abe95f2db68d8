#include "codegen_check.h"

#include <string.h>

#include "codegen_names.h"

/* `what` is the kind of element, such as "field". */
static void check_name(struct codegen *codegen, const char *what, const char *name)
{
    if (name == NULL || !codegen_is_identifier(name))
        codegen_fatal(&codegen->memory, "malformed request: %s '%.100s' is no identifier", what,
                      name != NULL ? name : "");
}

static void check_type_name(struct codegen *codegen, const char *what, const char *name,
                            const char *type_name)
{
    if (type_name == NULL || type_name[0] != '.' || !codegen_is_dotted(type_name + 1))
        codegen_fatal(&codegen->memory, "malformed request: %s %.100s has no full type name", what,
                      name);
}

static void check_field(struct codegen *codegen, const message_proto *message,
                        const field_proto *field)
{
    check_name(codegen, "field", field->name);
    if (!field->has_type || !field->has_label || field->label < 1 || field->label > 3 ||
        field->type < 1 || field->type > 18)
        codegen_fatal(&codegen->memory, "malformed request: field %.100s has no type", field->name);
    if (field->type == FIELD_TYPE(MESSAGE) || field->type == FIELD_TYPE(ENUM) ||
        field->type == FIELD_TYPE(GROUP))
        check_type_name(codegen, "field", field->name, field->type_name);
    if (field->has_oneof_index &&
        (field->oneof_index < 0 || (size_t)field->oneof_index >= message->n_oneof_decl))
        codegen_fatal(&codegen->memory, "malformed request: field %.100s is in no oneof",
                      field->name);
}

static void check_enum(struct codegen *codegen, const enum_proto *enumeration)
{
    check_name(codegen, "enum", enumeration->name);
    for (size_t i = 0; i < enumeration->n_value; i++)
        check_name(codegen, "enum value", enumeration->value[i]->name);
}

static void check_message(struct codegen *codegen, const message_proto *message)
{
    check_name(codegen, "message", message->name);
    for (size_t i = 0; i < message->n_oneof_decl; i++)
        check_name(codegen, "oneof", message->oneof_decl[i]->name);
    for (size_t i = 0; i < message->n_field; i++)
        check_field(codegen, message, message->field[i]);
    for (size_t i = 0; i < message->n_enum_type; i++)
        check_enum(codegen, message->enum_type[i]);
    for (size_t i = 0; i < message->n_nested_type; i++)
        check_message(codegen, message->nested_type[i]);
}

static void check_service(struct codegen *codegen, const service_proto *service)
{
    check_name(codegen, "service", service->name);
    for (size_t i = 0; i < service->n_method; i++) {
        const method_proto *method = service->method[i];
        check_name(codegen, "method", method->name);
        check_type_name(codegen, "method", method->name, method->input_type);
        check_type_name(codegen, "method", method->name, method->output_type);
    }
}

static void check_file(struct codegen *codegen, const file_proto *file)
{
    if (file->name == NULL || file->name[0] == '\0')
        codegen_fatal(&codegen->memory, "malformed request: a file has no name");
    /* The name goes into comments and #include lines. */
    for (const char *c = file->name; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f || *c == '"' || *c == '\\')
            codegen_fatal(&codegen->memory,
                          "file '%.200s': C cannot #include a name with such a character",
                          file->name);
    }
    if (file->package != NULL && file->package[0] != '\0' && !codegen_is_dotted(file->package))
        codegen_fatal(&codegen->memory, "malformed request: package '%.100s' is no name",
                      file->package);
    for (size_t i = 0; i < file->n_enum_type; i++)
        check_enum(codegen, file->enum_type[i]);
    for (size_t i = 0; i < file->n_message_type; i++)
        check_message(codegen, file->message_type[i]);
    for (size_t i = 0; i < file->n_service; i++)
        check_service(codegen, file->service[i]);
}

void codegen_check(struct codegen *codegen)
{
    const request_proto *request = codegen->request;
    if (request->n_file_to_generate == 0)
        codegen_fatal(&codegen->memory, "malformed request: no file to generate");
    for (size_t i = 0; i < request->n_proto_file; i++)
        check_file(codegen, request->proto_file[i]);
}
