#include "codegen_messages.h"

#include <stdlib.h>
#include <string.h>

#include "codegen_depth.h"
#include "codegen_imports.h"
#include "codegen_names.h"

enum {
    OPTION_PB_C_MSG = 1019, /* protobuf-c/protobuf-c.proto */
    OPTION_BASE_FIELD_NAME = 3,
    DEPTH_MAX = 100
};

static bool has_member(struct codegen *codegen, const message_proto *message, const char *name)
{
    for (size_t i = 0; i < message->n_field; i++) {
        if (strcmp(codegen_member(&codegen->memory, message->field[i]->name), name) == 0)
            return true;
    }
    return false;
}

/*
 * protobuf-c's own member of every message is `base`. Where a field is called so, it moves away: as
 * option (pb_c_msg).base_field_name, an extension, it goes among the unknown fields.
 */
static void move_base(struct codegen *codegen, message_proto *message)
{
    struct codegen_memory *memory = &codegen->memory;
    const char *name = "base";
    while (has_member(codegen, message, name))
        name = codegen_printf(memory, "%s_", name);
    size_t length = strlen(name);
    if (length == strlen("base") || length > 100)
        return;
    if (message->options == NULL) {
        message->options = codegen_alloc(memory, sizeof(*message->options));
        google__protobuf__message_options__init(message->options);
    }
    ProtobufCMessage *options = &message->options->base;
    ProtobufCMessageUnknownField *fields =
        codegen_alloc_array(memory, (size_t)options->n_unknown_fields + 1, sizeof(*fields));
    for (unsigned i = 0; i < options->n_unknown_fields; i++) {
        fields[i] = options->unknown_fields[i];
        if (fields[i].tag == OPTION_PB_C_MSG)
            return; /* the author has seen to it */
    }
    uint8_t *data = codegen_alloc(memory, length + 3);
    data[0] = (uint8_t)(length + 2);
    data[1] = OPTION_BASE_FIELD_NAME << 3 | PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
    data[2] = (uint8_t)length;
    /* Bytes with a length, not a string. */
    memcpy(data + 3, name, length); /* NOLINT(bugprone-not-null-terminated-result) */
    fields[options->n_unknown_fields] = (ProtobufCMessageUnknownField){
        .tag = OPTION_PB_C_MSG,
        .wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
        .len = length + 3,
        .data = data,
    };
    options->unknown_fields = fields;
    options->n_unknown_fields++;
}

/*
 * A proto3 optional is already in a oneof of its own, which protoc has made for generators that do
 * not know of it: without its mark that is an ordinary oneof.
 */
static void adapt_message(struct codegen *codegen, message_proto *message)
{
    for (size_t i = 0; i < message->n_field; i++) {
        field_proto *field = message->field[i];
        field->has_proto3_optional = 0;
        field->proto3_optional = 0;
        /* The attribute would make every use of the INIT macro a warning. */
        if (field->options != NULL)
            field->options->has_deprecated = 0;
        if (codegen_must_rename_field(&codegen->memory, field->name))
            field->name = codegen_printf(&codegen->memory, "%s_", field->name);
    }
    move_base(codegen, message);
    message->n_extension = 0; /* protobuf-c writes nothing for them */
    for (size_t i = 0; i < message->n_nested_type; i++)
        adapt_message(codegen, message->nested_type[i]);
}

static void drop_imports(struct codegen *codegen, const struct codegen_file *file)
{
    file_proto *proto = file->proto;
    const bool *needed = codegen_needed_imports(codegen, file);
    char **kept = codegen_alloc_array(&codegen->memory, proto->n_dependency, sizeof(*kept));
    int32_t *position =
        codegen_alloc_array(&codegen->memory, proto->n_dependency, sizeof(*position));
    size_t count = 0;
    for (size_t i = 0; i < proto->n_dependency; i++) {
        position[i] = (int32_t)count;
        if (needed[i])
            kept[count++] = proto->dependency[i];
    }
    for (size_t i = 0; i < proto->n_public_dependency; i++) {
        int32_t *index = &proto->public_dependency[i];
        if (*index >= 0 && (size_t)*index < proto->n_dependency)
            *index = position[*index];
    }
    proto->dependency = kept;
    proto->n_dependency = count;
    proto->n_weak_dependency = 0;
}

/* Services are ours: protobuf-c's own code for them does not stand keywords. */
static void adapt_file(struct codegen *codegen, const struct codegen_file *file)
{
    file_proto *proto = file->proto;
    proto->n_service = 0;
    if (file->is_generated) {
        drop_imports(codegen, file);
        proto->n_extension = 0;
    }
    for (size_t i = 0; i < proto->n_message_type; i++)
        adapt_message(codegen, proto->message_type[i]);
}

/* The text of protoc-gen-c may be several lines: each gets the file in front, unless it is there.
 */
static void pass_error_on(struct codegen *codegen, const char *text)
{
    const struct codegen_file *file =
        codegen_find_file(codegen, codegen->request->file_to_generate[0]);
    size_t stem = strlen(file->proto->name);
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        bool is_named =
            length > stem && strncmp(text, file->proto->name, stem) == 0 && text[stem] == ':';
        if (length > 0)
            codegen_error(codegen, file, 0, "protoc-gen-c: %.*s",
                          (int)(is_named ? length - stem - 1 : length),
                          text + (is_named ? stem + 1 : 0));
        text += length + (text[length] == '\n' ? 1 : 0);
    }
}

static response_proto *read_response(struct codegen *codegen, const struct codegen_result *result)
{
    const ProtobufCMessageDescriptor *type =
        &google__protobuf__compiler__code_generator_response__descriptor;
    if (!codegen_depth_is_ok(type, result->data, result->size, DEPTH_MAX))
        return NULL;
    return (response_proto *)protobuf_c_message_unpack(type, &codegen->memory.allocator,
                                                       result->size, result->data);
}

response_proto *codegen_messages(struct codegen *codegen)
{
    for (size_t i = 0; i < codegen->files_count; i++)
        adapt_file(codegen, &codegen->files[i]);
    codegen->request->parameter = NULL;
    size_t size = protobuf_c_message_get_packed_size(&codegen->request->base);
    uint8_t *packed = codegen_alloc(&codegen->memory, size);
    protobuf_c_message_pack(&codegen->request->base, packed);

    struct codegen_result result = {0};
    if (codegen->child(codegen->child_state, packed, size, &result) != 0) {
        pass_error_on(codegen, result.error);
        return NULL;
    }
    response_proto *response = read_response(codegen, &result);
    free(result.data);
    if (response == NULL) {
        pass_error_on(codegen, "its answer is malformed");
        return NULL;
    }
    if (response->error != NULL && response->error[0] != '\0') {
        pass_error_on(codegen, response->error);
        return NULL;
    }
    return response;
}
