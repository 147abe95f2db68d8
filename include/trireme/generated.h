/*
 * The untyped core under the code that protoc-gen-trireme writes. For that code only: it may change
 * with any release, and then TRI_GENERATED_ABI does.
 *
 * Message types are passed as `const void *`: the address of the ProtobufCMessageDescriptor.
 */
#ifndef TRIREME_GENERATED_H
#define TRIREME_GENERATED_H

#include <trireme/base.h>
#include <trireme/call.h>
#include <trireme/server.h>
#include <trireme/status.h>

#define TRI_GENERATED_ABI 1

TRI_BEGIN_DECLS

/*
 * Calls the servicer's function for one method. `request` is the one request of a method that does
 * not stream its requests, else NULL.
 */
typedef tri_code (*tri_gen_run)(tri_call *call, const void *servicer, const void *request);

typedef struct tri_gen_method {
    const char *name;    /* "SayHello" */
    const void *request; /* message type */
    const void *reply;
    tri_gen_run run;
    size_t slot; /* offset of the function's pointer in the servicer table */
    bool requests_stream;
    bool replies_stream;
} tri_gen_method;

typedef struct tri_gen_service {
    const char *name; /* "org.apache.dubbo.samples.proto.Greeter" */
    const tri_gen_method *methods;
    size_t methods_count;
    const uint8_t
        *descriptors; /* google.protobuf.FileDescriptorSet: the .proto and all it imports */
    size_t descriptors_size;
    uint32_t abi;           /* TRI_GENERATED_ABI of the generator */
    uint32_t servicer_size; /* of the servicer table */
} tri_gen_service;

/*
 * Adds a service. A NULL in the servicer table leaves that method UNIMPLEMENTED.
 *
 * Memory: `service` and `servicer` must outlive the server; `config` is copied.
 * Returns: 0; -EINVAL; -EEXIST when a name is taken; -EALREADY after the start; -ENOMEM. Then
 * nothing of the service has been added, and the server does not start.
 */
TRI_API int tri_gen_serve(tri_server *server, const tri_gen_service *service, const void *servicer,
                          const tri_service_config *config);

/* The next request, decoded, or NULL: see call.h. */
TRI_API const void *tri_gen_next(tri_call *call);

/* The same with a timeout; returns an enum tri_read, and `*request` is NULL unless TRI_MESSAGE. */
TRI_API int tri_gen_read(tri_call *call, const void **request, tri_duration timeout);

/* Packs and sends a reply; waits at the high mark. */
TRI_API tri_code tri_gen_emit(tri_call *call, const void *reply);

/*
 * Sends at once what emit may be holding back; placed inline, nothing goes out before the handler
 * next waits or returns.
 */
TRI_API tri_code tri_gen_flush(tri_call *call);

TRI_END_DECLS

#endif
