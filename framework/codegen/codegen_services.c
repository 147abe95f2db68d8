#include "codegen_services.h"

#include "codegen_comments.h"
#include "codegen_names.h"

static void fill_method(struct codegen *codegen, const struct codegen_file *file,
                        const struct codegen_service *service, const struct codegen_path *path,
                        struct codegen_method *method)
{
    struct codegen_memory *memory = &codegen->memory;
    method->member = codegen_snake_member(memory, method->proto->name);
    method->stem =
        codegen_printf(memory, "%s_%s", service->name, codegen_snake(memory, method->proto->name));
    method->request = codegen_find_type(codegen, method->proto->input_type);
    method->reply = codegen_find_type(codegen, method->proto->output_type);
    if (method->request == NULL || method->request->message == NULL)
        codegen_fatal(memory, "malformed request: %s is no message", method->proto->input_type);
    if (method->reply == NULL || method->reply->message == NULL)
        codegen_fatal(memory, "malformed request: %s is no message", method->proto->output_type);
    method->comment = codegen_comment(file, path);
    method->line = codegen_line(file, path);
}

struct codegen_service *codegen_services(struct codegen *codegen, const struct codegen_file *file)
{
    struct codegen_memory *memory = &codegen->memory;
    size_t count = file->proto->n_service;
    struct codegen_service *services = codegen_alloc_array(memory, count, sizeof(*services));
    for (size_t i = 0; i < count; i++) {
        struct codegen_service *service = &services[i];
        struct codegen_path path = {NULL, PATH_FILE_SERVICE, (int32_t)i};
        service->proto = file->proto->service[i];
        service->name = codegen_printf(memory, "%s%s", codegen->prefix,
                                       codegen_snake(memory, service->proto->name));
        service->symbol = codegen_printf(
            memory, "%s__service",
            codegen_lower(memory, codegen_c_full_name(codegen, file, service->proto->name)));
        service->full_name =
            codegen_printf(memory, "%s%s%s", file->package, file->package[0] != '\0' ? "." : "",
                           service->proto->name);
        service->comment = codegen_comment(file, &path);
        service->line = codegen_line(file, &path);
        service->methods_count = service->proto->n_method;
        service->methods =
            codegen_alloc_array(memory, service->methods_count, sizeof(*service->methods));
        for (size_t j = 0; j < service->methods_count; j++) {
            struct codegen_path method_path = {&path, PATH_SERVICE_METHOD, (int32_t)j};
            service->methods[j].proto = service->proto->method[j];
            fill_method(codegen, file, service, &method_path, &service->methods[j]);
        }
    }
    return services;
}
