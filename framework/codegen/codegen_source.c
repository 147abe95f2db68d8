#include <string.h>

#include "codegen_names.h"
#include "codegen_writers.h"

enum {
    BYTES_PER_LINE = 20
};

static void put_bytes(struct codegen_text *text, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        codegen_put(text, "%s%u,", i % BYTES_PER_LINE == 0 ? "\n    " : " ", data[i]);
}

/* The file and all that it imports, without comments, for reflection. */
static void put_descriptors(struct codegen *codegen, struct codegen_text *text,
                            struct codegen_file *file)
{
    struct codegen_memory *memory = &codegen->memory;
    file_set_proto set = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_SET__INIT;
    codegen_mark_imports(codegen, file);
    set.file = codegen_alloc_array(memory, codegen->files_count, sizeof(*set.file));
    for (size_t i = 0; i < codegen->files_count; i++) {
        if (!codegen->files[i].is_visited)
            continue;
        file_proto *copy = codegen_alloc(memory, sizeof(*copy));
        *copy = *codegen->files[i].proto;
        copy->source_code_info = NULL;
        set.file[set.n_file++] = copy;
    }
    size_t size = protobuf_c_message_get_packed_size(&set.base);
    uint8_t *packed = codegen_alloc(memory, size);
    protobuf_c_message_pack(&set.base, packed);
    codegen_put(text,
                "\n"
                "/* google.protobuf.FileDescriptorSet: the .proto and all that it imports. */\n"
                "static const uint8_t file__descriptors[] = {");
    put_bytes(text, packed, size);
    codegen_put(text, "\n};\n");
}

/* Calls a servicer's function with its own types. */
static void put_run(struct codegen *codegen, struct codegen_text *text,
                    const struct codegen_service *service, const struct codegen_method *method)
{
    struct codegen_memory *memory = &codegen->memory;
    codegen_put_char(text, '\n');
    codegen_put_call(text, codegen_printf(memory, "static tri_code %s__run", method->stem),
                     (const char *const[]){
                         "tri_call *call",
                         "const void *servicer",
                         "const void *request",
                         NULL,
                     });
    codegen_put(text, "\n{\n    const %s_servicer *functions = (const %s_servicer *)servicer;\n",
                service->name, service->name);
    if (method->proto->client_streaming)
        codegen_put(text,
                    "    (void)request;\n"
                    "    return functions->%s(call, (%s_requests *)call,\n"
                    "        (%s_replies *)call);\n}\n",
                    method->member, method->stem, method->stem);
    else
        codegen_put(text,
                    "    return functions->%s(call, (const %s *)request,\n"
                    "        (%s_replies *)call);\n}\n",
                    method->member, codegen_type_name(codegen, method->request), method->stem);
}

static const char *descriptor_name(struct codegen *codegen, const struct codegen_type *type)
{
    const char *full_name = codegen_c_full_name(codegen, type->file, codegen_local_name(type));
    return codegen_printf(&codegen->memory, "%s__descriptor",
                          codegen_lower(&codegen->memory, full_name));
}

/* Values in the order of the struct, without names: C++17 has no others. */
static void put_service(struct codegen *codegen, struct codegen_text *text,
                        const struct codegen_service *service)
{
    for (size_t i = 0; i < service->methods_count; i++)
        put_run(codegen, text, service, &service->methods[i]);
    if (service->methods_count > 0)
        codegen_put(text, "\nstatic const tri_gen_method %s__methods[] = {\n", service->name);
    for (size_t i = 0; i < service->methods_count; i++) {
        const struct codegen_method *method = &service->methods[i];
        codegen_put(text,
                    "    {\n"
                    "        \"%s\",\n"
                    "        &%s,\n"
                    "        &%s,\n"
                    "        %s__run,\n"
                    "        offsetof(%s_servicer, %s),\n"
                    "        %s, /* requests stream */\n"
                    "        %s, /* replies stream */\n"
                    "    },\n",
                    method->proto->name, descriptor_name(codegen, method->request),
                    descriptor_name(codegen, method->reply), method->stem, service->name,
                    method->member, method->proto->client_streaming ? "true" : "false",
                    method->proto->server_streaming ? "true" : "false");
    }
    if (service->methods_count > 0)
        codegen_put(text, "};\n");
    codegen_put(text,
                "\n"
                "const tri_gen_service %s = {\n"
                "    \"%s\",\n"
                "    %s%s,\n"
                "    %zu,\n"
                "    file__descriptors,\n"
                "    sizeof(file__descriptors),\n"
                "    %d,\n"
                "    (uint32_t)sizeof(%s_servicer),\n"
                "};\n",
                service->symbol, service->full_name,
                service->methods_count > 0 ? service->name : "NULL",
                service->methods_count > 0 ? "__methods" : "", service->methods_count, CODEGEN_ABI,
                service->name);
}

const char *codegen_source(struct codegen *codegen, struct codegen_file *file,
                           const struct codegen_service *services)
{
    struct codegen_text text;
    codegen_text_init(&text, &codegen->memory);
    codegen_put(&text,
                "/* Written by protoc-gen-trireme: do not edit. */\n"
                "#include \"%s.trireme.h\"\n",
                file->stem);
    if (file->proto->n_service > 0) {
        codegen_put(&text, "\n#include <stddef.h>\n");
        put_descriptors(codegen, &text, file);
    }
    for (size_t i = 0; i < file->proto->n_service; i++)
        put_service(codegen, &text, &services[i]);
    return text.data;
}
