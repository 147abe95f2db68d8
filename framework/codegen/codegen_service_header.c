#include <string.h>

#include "codegen_comments.h"
#include "codegen_writers.h"

enum {
    RESULT_AND_NAME_MAX = 80 /* columns behind "static inline", then the name gets its own line */
};

/* One method with its types, as the texts below want them. */
struct method {
    struct codegen *codegen;
    struct codegen_text *text;
    const char *stem;
    const char *request; /* C types */
    const char *reply;
    bool requests_stream;
    bool replies_stream;
};

static struct method describe(struct codegen *codegen, struct codegen_text *text,
                              const struct codegen_method *method)
{
    return (struct method){
        .codegen = codegen,
        .text = text,
        .stem = method->stem,
        .request = codegen_type_name(codegen, method->request),
        .reply = codegen_type_name(codegen, method->reply),
        .requests_stream = method->proto->client_streaming,
        .replies_stream = method->proto->server_streaming,
    };
}

/* What the function of a method has to do. */
static const char *duty(const struct method *method)
{
    if (!method->requests_stream)
        return method->replies_stream ? "Emits any number of replies." : "Emits exactly one reply.";
    if (method->replies_stream)
        return "Reads requests and emits any number of replies. A reset ends the loop over the\n"
               "requests too: a handler with side effects asks tri_call_ended_ok(call) after it.";
    return "Reads the requests and emits exactly one reply. A reset ends the loop over the\n"
           "requests too: a handler with side effects asks tri_call_ended_ok(call) after it.";
}

static void put_member(struct codegen *codegen, struct codegen_text *text,
                       const struct codegen_method *method)
{
    struct codegen_memory *memory = &codegen->memory;
    struct method m = describe(codegen, text, method);
    const char *paragraphs[] = {method->comment, duty(&m)};
    const char *parameters[] = {
        "tri_call *call",
        m.requests_stream ? codegen_printf(memory, "%s_requests *requests", m.stem)
                          : codegen_printf(memory, "const %s *request", m.request),
        codegen_printf(memory, "%s_replies *replies", m.stem),
        NULL,
    };
    codegen_put_comment(text, 4, paragraphs, 2);
    codegen_put_call(text, codegen_printf(memory, "    tri_code (*%s)", method->member),
                     parameters);
    codegen_put(text, ";\n");
}

static void put_servicer(struct codegen *codegen, struct codegen_text *text,
                         const struct codegen_service *service)
{
    const char *paragraphs[] = {
        codegen_printf(&codegen->memory,
                       "The functions that serve %s.\nA NULL leaves its method UNIMPLEMENTED.",
                       service->full_name),
        service->comment,
    };
    codegen_put_char(text, '\n');
    codegen_put_comment(text, 0, paragraphs, 2);
    codegen_put(text, "typedef struct %s_servicer {\n", service->name);
    for (size_t i = 0; i < service->methods_count; i++) {
        if (i > 0)
            codegen_put_char(text, '\n');
        put_member(codegen, text, &service->methods[i]);
    }
    if (service->methods_count == 0)
        codegen_put(text, "    char has_no_methods; /* C has no empty structs */\n");
    codegen_put(text, "} %s_servicer;\n", service->name);
}

/*
 * `static inline RESULT STEM_VERB(...)`, which calls `body`: NULL-terminated parameters as for
 * codegen_put_call().
 */
static void put_function(const struct method *m, const char *result, const char *verb,
                         const char *const *parameters, const char *body)
{
    struct codegen_memory *memory = &m->codegen->memory;
    size_t length = strlen(result) + strlen(m->stem) + strlen(verb) + strlen(parameters[0]);
    const char *separator = length > RESULT_AND_NAME_MAX ? "\n" : "";
    codegen_put_call(
        m->text,
        codegen_printf(memory, "static inline %s%s%s_%s", result, separator, m->stem, verb),
        parameters);
    codegen_put(m->text, "\n{\n%s}\n", body);
}

static void put_request_functions(const struct method *m)
{
    struct codegen_memory *memory = &m->codegen->memory;
    const char *requests = codegen_printf(memory, "%s_requests *requests", m->stem);
    codegen_put(m->text,
                "\n"
                "/*\n"
                " * The next request, or NULL after the last one and when the call is over.\n"
                " *\n"
                " * Memory: borrowed, until the next one is asked for.\n"
                " */\n");
    put_function(m, codegen_printf(memory, "const %s *", m->request), "next",
                 (const char *const[]){requests, NULL},
                 codegen_printf(memory,
                                "    return (const %s *)tri_gen_next((tri_call *)requests);\n",
                                m->request));
    codegen_put(
        m->text,
        "\n"
        "/*\n"
        " * The same with a timeout. Returns: an enum tri_read; `*request` is NULL unless it is\n"
        " * TRI_MESSAGE.\n"
        " */\n");
    put_function(
        m, "int ", "requests_read",
        (const char *const[]){
            requests,
            codegen_printf(memory, "const %s **request", m->request),
            "tri_duration timeout",
            NULL,
        },
        codegen_printf(memory,
                       "    const void *message = NULL;\n"
                       "    int r = tri_gen_read((tri_call *)requests, &message, timeout);\n"
                       "    *request = (const %s *)message;\n"
                       "    return r;\n",
                       m->request));
}

static void put_reply_functions(const struct method *m)
{
    struct codegen_memory *memory = &m->codegen->memory;
    const char *replies = codegen_printf(memory, "%s_replies *replies", m->stem);
    codegen_put(
        m->text,
        m->replies_stream
            ? "\n"
              "/*\n"
              " * Sends a reply; waits while the peer is far behind.\n"
              " *\n"
              " * Memory: packed before it returns. Returns: TRI_OK, or what has ended the call.\n"
              " */\n"
            : "\n"
              "/*\n"
              " * Sends the one reply.\n"
              " *\n"
              " * Memory: packed before it returns. Returns: TRI_OK, or what has ended the call.\n"
              " */\n");
    put_function(m, "tri_code ", "emit",
                 (const char *const[]){
                     replies,
                     codegen_printf(memory, "const %s *reply", m->reply),
                     NULL,
                 },
                 "    return tri_gen_emit((tri_call *)replies, reply);\n");
    if (!m->replies_stream)
        return;
    codegen_put(
        m->text,
        "\n"
        "/*\n"
        " * Sends at once what emit may be holding back, to pack it with the next reply. On a\n"
        " * worker; placed inline nothing goes out before the handler next waits or "
        "returns.\n"
        " */\n");
    put_function(m, "tri_code ", "flush", (const char *const[]){replies, NULL},
                 "    return tri_gen_flush((tri_call *)replies);\n");
}

static void put_serve(struct codegen *codegen, struct codegen_text *text,
                      const struct codegen_service *service)
{
    struct codegen_memory *memory = &codegen->memory;
    codegen_put(text,
                "\n"
                "extern const tri_gen_service %s;\n"
                "\n"
                "/*\n"
                " * Adds the service to a server. `config` may be NULL: all defaults.\n"
                " *\n"
                " * Memory: `servicer` must outlive the server; `config` is copied.\n"
                " * Returns: 0; -EINVAL; -EEXIST when a name is taken; -EALREADY after the start; "
                "-ENOMEM.\n"
                " */\n",
                service->symbol);
    codegen_put_call(text, codegen_printf(memory, "static inline int %s_serve", service->name),
                     (const char *const[]){
                         "tri_server *server",
                         codegen_printf(memory, "const %s_servicer *servicer", service->name),
                         "const tri_service_config *config",
                         NULL,
                     });
    codegen_put(text, "\n{\n    return tri_gen_serve(server, &%s, servicer, config);\n}\n",
                service->symbol);
}

void codegen_put_service(struct codegen *codegen, struct codegen_text *text,
                         const struct codegen_service *service)
{
    codegen_put(
        text,
        "\n"
        "#ifdef TRIREME_SERVICE_%s\n"
        "#error \"two services are %s here: include them in different files, or rerun "
        "protoc-gen-trireme for one with prefix=NAME_\"\n"
        "#endif\n"
        "#define TRIREME_SERVICE_%s\n"
        "\n"
        "/* What the functions below take: a method's own types, so that no two are mixed up. */\n",
        service->name, service->name, service->name);
    for (size_t i = 0; i < service->methods_count; i++) {
        const char *stem = service->methods[i].stem;
        if (service->methods[i].proto->client_streaming)
            codegen_put(text, "typedef struct %s_requests %s_requests;\n", stem, stem);
        codegen_put(text, "typedef struct %s_replies %s_replies;\n", stem, stem);
    }
    put_servicer(codegen, text, service);
    for (size_t i = 0; i < service->methods_count; i++) {
        struct method m = describe(codegen, text, &service->methods[i]);
        if (m.requests_stream)
            put_request_functions(&m);
        put_reply_functions(&m);
    }
    put_serve(codegen, text, service);
}
