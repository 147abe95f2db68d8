#include "codegen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codegen_check.h"
#include "codegen_comments.h"
#include "codegen_depth.h"
#include "codegen_limits.h"
#include "codegen_messages.h"
#include "codegen_names.h"
#include "codegen_patches.h"
#include "codegen_writers.h"

enum {
    DEPTH_MAX = 100, /* messages in messages: protoc allows fewer */
    FILES_PER_PROTO = 2
};

static const size_t memory_max = (size_t)1 << 30;

/* One "name=value" of the parameter. */
static void read_option(struct codegen *codegen, const char *option, size_t length)
{
    struct codegen_memory *memory = &codegen->memory;
    const char *text = codegen_copy(memory, option, length);
    if (strcmp(text, "aliases=on") == 0) {
        codegen->aliases = true;
    } else if (strcmp(text, "aliases=off") == 0) {
        codegen->aliases = false;
    } else if (strncmp(text, "prefix=", strlen("prefix=")) == 0) {
        codegen->prefix = text + strlen("prefix=");
        if (codegen->prefix[0] != '\0' && !codegen_is_identifier(codegen->prefix))
            codegen_put(&codegen->errors,
                        "parameter prefix=%s: a prefix is letters, digits and underscores, as in "
                        "prefix=v2_",
                        codegen->prefix);
    } else {
        codegen_put(&codegen->errors,
                    "unknown parameter '%s': there are aliases=on, aliases=off and prefix=NAME_",
                    text);
    }
}

static void read_options(struct codegen *codegen)
{
    const char *parameter = codegen->request->parameter;
    codegen->aliases = true;
    codegen->prefix = "";
    while (parameter != NULL && *parameter != '\0' && codegen->errors.size == 0) {
        size_t length = strcspn(parameter, ",");
        if (length > 0)
            read_option(codegen, parameter, length);
        parameter += length + (parameter[length] == ',' ? 1 : 0);
    }
}

static void read_request(struct codegen *codegen, const uint8_t *data, size_t size)
{
    const ProtobufCMessageDescriptor *type =
        &google__protobuf__compiler__code_generator_request__descriptor;
    if (!codegen_depth_is_ok(type, data, size, DEPTH_MAX))
        codegen_fatal(&codegen->memory, "malformed request: messages nest deeper than %d levels",
                      DEPTH_MAX);
    codegen->request =
        (request_proto *)protobuf_c_message_unpack(type, &codegen->memory.allocator, size, data);
    if (codegen->request == NULL)
        codegen_fatal(
            &codegen->memory,
            "malformed request: protoc starts this program and writes to its standard input");
}

static response_file_proto *make_file(struct codegen *codegen, const struct codegen_file *file,
                                      const char *suffix, const char *content)
{
    response_file_proto *written = codegen_alloc(&codegen->memory, sizeof(*written));
    google__protobuf__compiler__code_generator_response__file__init(written);
    written->name = codegen_printf(&codegen->memory, "%s%s", file->stem, suffix);
    written->content = codegen_copy(&codegen->memory, content, strlen(content));
    return written;
}

/* NULL when there is none. */
static response_file_proto *find_header(const response_proto *response, const char *stem)
{
    size_t length = strlen(stem);
    for (size_t i = 0; i < response->n_file; i++) {
        const char *name = response->file[i]->name;
        if (name != NULL && strncmp(name, stem, length) == 0 &&
            strcmp(name + length, ".pb-c.h") == 0)
            return response->file[i];
    }
    return NULL;
}

static void patch_headers(struct codegen *codegen, const response_proto *messages)
{
    for (size_t i = 0; i < codegen->files_count; i++) {
        const struct codegen_file *file = &codegen->files[i];
        if (!file->is_generated)
            continue;
        response_file_proto *header = find_header(messages, file->stem);
        if (header != NULL)
            codegen_patch(codegen, file, header);
        else
            codegen_error(codegen, file, 0,
                          "protoc-gen-c wrote no messages: take the option "
                          "(pb_c_file).no_generate out");
    }
}

/* Ours first: the child's request is made of ours by changing it. */
static void generate(struct codegen *codegen, response_proto *response)
{
    struct codegen_memory *memory = &codegen->memory;
    response_file_proto **files =
        codegen_alloc_array(memory, codegen->files_count * FILES_PER_PROTO, sizeof(*files));
    size_t count = 0;
    for (size_t i = 0; i < codegen->files_count; i++) {
        struct codegen_file *file = &codegen->files[i];
        if (!file->is_generated)
            continue;
        const struct codegen_service *services = codegen_services(codegen, file);
        files[count++] =
            make_file(codegen, file, ".trireme.h", codegen_header(codegen, file, services));
        files[count++] =
            make_file(codegen, file, ".trireme.c", codegen_source(codegen, file, services));
    }
    response_proto *messages = codegen_messages(codegen);
    if (messages == NULL)
        return;
    patch_headers(codegen, messages);
    response->n_file = messages->n_file + count;
    response->file = codegen_alloc_array(memory, response->n_file, sizeof(*response->file));
    for (size_t i = 0; i < messages->n_file; i++)
        response->file[i] = messages->file[i];
    for (size_t i = 0; i < count; i++)
        response->file[messages->n_file + i] = files[i];
}

static void answer(struct codegen *codegen, response_proto *response)
{
    codegen_text_init(&codegen->errors, &codegen->memory);
    read_options(codegen);
    if (codegen->errors.size == 0) {
        codegen_check(codegen);
        codegen_model_init(codegen);
        for (size_t i = 0; i < codegen->files_count; i++) {
            if (!codegen->files[i].is_generated)
                continue;
            codegen_clean_comments(codegen, &codegen->files[i]);
            codegen_check_limits(codegen, &codegen->files[i]);
        }
    }
    if (codegen->errors.size == 0)
        generate(codegen, response);
    if (codegen->errors.size > 0) {
        response->n_file = 0;
        response->error = codegen->errors.data;
    }
}

static void run(struct codegen *codegen, const uint8_t *data, size_t size,
                struct codegen_result *result)
{
    response_proto response = GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__INIT;
    response.has_supported_features = 1;
    response.supported_features =
        GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__FEATURE__FEATURE_PROTO3_OPTIONAL;
    read_request(codegen, data, size);
    answer(codegen, &response);
    result->size = protobuf_c_message_get_packed_size(&response.base);
    result->data = malloc(result->size + 1);
    if (result->data == NULL)
        codegen_fatal(&codegen->memory, "out of memory");
    protobuf_c_message_pack(&response.base, result->data);
}

int codegen_run(const uint8_t *request, size_t size, codegen_child child, void *state,
                struct codegen_result *result)
{
    struct codegen codegen = {.child = child, .child_state = state};
    *result = (struct codegen_result){0};
    codegen_memory_init(&codegen.memory, memory_max);
    int r = setjmp(codegen.memory.out) == 0 ? 0 : -1;
    if (r == 0)
        run(&codegen, request, size, result);
    else
        snprintf(result->error, sizeof(result->error), "%s", codegen.memory.error);
    codegen_memory_fini(&codegen.memory);
    return r;
}
