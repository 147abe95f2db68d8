/*
 * The C names of services and methods.
 */
#ifndef CODEGEN_SERVICES_H
#define CODEGEN_SERVICES_H

#include "codegen_model.h"

struct codegen_method {
    const method_proto *proto;
    const char *member; /* of the servicer table: "say_hello" */
    const char *stem;   /* of types and functions: "greeter_say_hello" */
    const struct codegen_type *request;
    const struct codegen_type *reply;
    const char *comment; /* NULL without one */
    int line;
};

struct codegen_service {
    const service_proto *proto;
    const char *name;   /* "greeter" */
    const char *symbol; /* "org__apache__dubbo__samples__proto__greeter__service" */
    const char *full_name;
    const char *comment;
    int line;
    struct codegen_method *methods;
    size_t methods_count;
};

/* The services of a file, of which there are file->proto->n_service; the types must be known. */
struct codegen_service *codegen_services(struct codegen *codegen, const struct codegen_file *file);

#endif
