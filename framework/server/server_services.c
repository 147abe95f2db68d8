/*
 * Services: what was registered, and the way from a path to a method.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "alloc.h"
#include "server_private.h"

#define PATH_MAX_SIZE 512

static const tri_method_config *config_of(const tri_service_config *config, const char *name)
{
    for (size_t i = 0; config != NULL && i < config->methods_count; i++) {
        if (config->methods[i].method != NULL && strcmp(config->methods[i].method, name) == 0)
            return &config->methods[i];
    }
    return NULL;
}

static bool is_placement(tri_server *server, const char *kind, const char *name,
                         tri_placement placement)
{
    if ((unsigned)placement <= TRI_PLACEMENT_INLINE)
        return true;
    tri__server_say(server, "%s %s: placement is %u; %u to %u is possible", kind, name,
                    (unsigned)placement, TRI_PLACEMENT_DEFAULT, TRI_PLACEMENT_INLINE);
    return false;
}

/* A configuration for a method that the service does not have is a spelling mistake. */
static int check_config(tri_server *server, const tri_gen_service *service,
                        const tri_service_config *config)
{
    if (!is_placement(server, "service", service->name, config->placement))
        return -EINVAL;
    if ((config->methods == NULL) != (config->methods_count == 0)) {
        tri__server_say(server, "service %s: methods is %s, and methods_count is %zu",
                        service->name, config->methods == NULL ? "NULL" : "set",
                        config->methods_count);
        return -EINVAL;
    }
    for (size_t i = 0; i < config->methods_count; i++) {
        const tri_method_config *method = &config->methods[i];
        bool is_known = false;

        for (size_t j = 0; j < service->methods_count; j++)
            is_known = is_known || (method->method != NULL &&
                                    strcmp(method->method, service->methods[j].name) == 0);
        if (!is_known) {
            tri__server_say(server, "service %s has no method \"%s\" to configure", service->name,
                            method->method != NULL ? method->method : "");
            return -EINVAL;
        }
        if (method->stack_size != 0 &&
            (method->stack_size < TRI__STACK_MIN || method->stack_size > TRI__STACK_MAX)) {
            tri__server_say(server, "method %s: stack_size is %u; %zu to %zu is possible",
                            method->method, method->stack_size, TRI__STACK_MIN, TRI__STACK_MAX);
            return -EINVAL;
        }
        if (!is_placement(server, "method", method->method, method->placement))
            return -EINVAL;
    }
    return 0;
}

static bool is_inline(const tri_server *server, const tri_service_config *service,
                      const tri_method_config *method)
{
    tri_placement placement = server->config.placement;

    if (service != NULL && service->placement != TRI_PLACEMENT_DEFAULT)
        placement = service->placement;
    if (method != NULL && method->placement != TRI_PLACEMENT_DEFAULT)
        placement = method->placement;
    return placement == TRI_PLACEMENT_INLINE;
}

static bool has_function(const tri_gen_method *method, const void *servicer)
{
    void (*function)(void);

    memcpy(&function, (const char *)servicer + method->slot, sizeof(function));
    return function != NULL;
}

static int add_method(tri_server *server, struct tri__method *method,
                      const tri_gen_method *generated, const char *service_name,
                      const void *servicer, const tri_service_config *config)
{
    const tri_method_config *own = config_of(config, generated->name);
    char path[PATH_MAX_SIZE];
    int size = snprintf(path, sizeof(path), "/%s/%s", service_name, generated->name);

    if (size < 0 || (size_t)size >= sizeof(path)) {
        tri__server_say(server, "the path of method %s has %d bytes; the limit is %zu",
                        generated->name, size, sizeof(path) - 1);
        return -EINVAL;
    }
    *method = (struct tri__method){
        .path = tri__strdup(path),
        .path_size = (size_t)size,
        .run = has_function(generated, servicer) ? generated->run : NULL,
        .servicer = servicer,
        .state = config != NULL ? config->state : NULL,
        .requests_stream = generated->requests_stream,
        .replies_stream = generated->replies_stream,
        .is_inline = is_inline(server, config, own),
        .stack_size = own != NULL ? own->stack_size : 0,
    };
    if (method->path == NULL)
        return -ENOMEM;
    tri__message_type_init(&method->request, generated->request);
    tri__message_type_init(&method->reply, generated->reply);
    int r = tri__map_add(&server->routes, path, (size_t)size, method);

    if (r == -EEXIST)
        tri__server_say(server, "%s is served already", path);
    if (r < 0) {
        tri__free(method->path);
        method->path = NULL; /* no route leads here */
    }
    return r;
}

static void free_service(struct tri__service *service)
{
    for (size_t i = 0; service->methods != NULL && i < service->count; i++)
        tri__free(service->methods[i].path);
    tri__free(service->methods);
    tri__free(service);
}

/* Nothing of a service that could not be added whole is served. */
static void take_back(tri_server *server, struct tri__service *service)
{
    for (size_t i = 0; service->methods != NULL && i < service->count; i++) {
        const struct tri__method *method = &service->methods[i];

        if (method->path != NULL)
            tri__map_remove(&server->routes, method->path, method->path_size);
    }
    free_service(service);
}

static int add_service(tri_server *server, const tri_gen_service *service, const void *servicer,
                       const tri_service_config *config)
{
    const char *own_name[] = {service->name, NULL};
    const char *const *names = config != NULL && config->names != NULL ? config->names : own_name;
    struct tri__service *added = tri__alloc_zeroed(1, sizeof(*added));
    size_t names_count = 0;
    int r = 0;

    while (names[names_count] != NULL)
        names_count++;
    if (added == NULL)
        return -ENOMEM;
    added->methods =
        tri__alloc_zeroed(names_count * service->methods_count + 1, sizeof(*added->methods));
    if (added->methods == NULL)
        r = -ENOMEM;
    for (size_t i = 0; i < names_count; i++) {
        for (size_t j = 0; r == 0 && j < service->methods_count; j++)
            r = add_method(server, &added->methods[added->count++], &service->methods[j], names[i],
                           servicer, config);
    }
    if (r < 0) {
        take_back(server, added);
        return r;
    }
    added->next = server->services;
    server->services = added;
    return 0;
}

static int serve(tri_server *server, const tri_gen_service *service, const void *servicer,
                 const tri_service_config *config)
{
    tri_service_config own = {0};

    if (server->state != TRI__SERVER_NEW) {
        tri__server_say(server, "service %s: services are added before the start", service->name);
        return -EALREADY;
    }
    if (service->abi != TRI_GENERATED_ABI || servicer == NULL) {
        tri__server_say(server, "service %s: %s", service->name,
                        servicer == NULL
                            ? "the servicer is NULL"
                            : "generated by another version; rerun protoc-gen-trireme");
        return -EINVAL;
    }
    /* Every version has had all of these fields. */
    if (config != NULL && config->size < sizeof(own)) {
        tri__server_say(server,
                        "service %s: the configuration's size is %u; TRI_SERVICE_CONFIG(...) sets "
                        "it, or .size = sizeof(tri_service_config)",
                        service->name, config->size);
        return -EINVAL;
    }
    if (config != NULL)
        memcpy(&own, config, sizeof(own));
    int r = check_config(server, service, &own);

    return r < 0 ? r : add_service(server, service, servicer, &own);
}

int tri_gen_serve(tri_server *server, const tri_gen_service *service, const void *servicer,
                  const tri_service_config *config)
{
    if (server == NULL)
        return -EINVAL;
    server->error[0] = '\0';
    return tri__server_prepared(server, serve(server, service, servicer, config));
}

/* Some Dubbo clients spell a method's first letter in the other case. */
const struct tri__method *tri__server_route(struct tri__link_host *host, const char *path,
                                            size_t size)
{
    struct tri__server_core *core = host->owner;
    const struct tri__map *routes = &core->server->routes;
    const struct tri__method *method = tri__map_get(routes, path, size);
    char folded[PATH_MAX_SIZE];

    if (method != NULL || size >= sizeof(folded))
        return method;
    const char *slash = memrchr(path, '/', size);

    if (slash == NULL || slash + 1 == path + size)
        return NULL;
    char *letter = folded + (slash + 1 - path);

    memcpy(folded, path, size);
    if ((*letter >= 'a' && *letter <= 'z') || (*letter >= 'A' && *letter <= 'Z'))
        *letter = (char)(*letter ^ 0x20);
    return tri__map_get(routes, folded, size);
}

void tri__server_free_services(struct tri_server *server)
{
    while (server->services != NULL) {
        struct tri__service *service = server->services;

        server->services = service->next;
        free_service(service);
    }
    tri__map_fini(&server->routes);
}
