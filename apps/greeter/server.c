/*
 * greeter-server: the four kinds of call, as a program.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "options.h"
#include "servicer.h"

static void print_listening(tri_server *server)
{
    const char *address;

    for (size_t i = 0; (address = tri_server_address(server, i)) != NULL; i++)
        printf("greeter: listening on %s (%s, %u reactors, %u workers)\n", address,
               tri_server_engine(server), tri_server_reactors(server), tri_server_workers(server));
    fflush(stdout);
}

/* Warnings of the library; a server's own failures are said at the end. */
static void log_line(void *context, tri_log_level level, const char *line)
{
    const struct options *options = context;

    if (level == TRI_LOG_WARNING && !options->is_quiet)
        tri_log_stderr(NULL, level, line);
}

int main(int argc, char **argv)
{
    struct options options;
    struct greeter_settings settings;

    read_options(&options, argc, argv);
    settings.think = TRI_MS(options.think_ms);
    tri_server *server =
        tri_server_new(TRI_SERVER_CONFIG(.reactors = options.reactors, .workers = options.workers,
                                         .engine = options.engine, .placement = options.placement,
                                         .log = log_line, .log_context = &options));
    int r = 0;

    for (int i = 0; r == 0 && i < options.listen_count; i++)
        r = tri_server_listen(server, options.listen[i]);
    bool is_bad_address = r == -EINVAL;

    if (r == 0)
        r = greeter_serve(server, &greeter,
                          TRI_SERVICE_CONFIG(.names = greeter_names, .state = &settings));
    if (r == 0)
        r = tri_server_start(server);
    if (r == 0)
        print_listening(server);
    if (r == 0)
        r = tri_server_run(server);
    if (r < 0)
        fprintf(stderr, "greeter-server: %s\n", tri_server_error(server));
    tri_server_free(server);
    /* 2 is for a command line that cannot be right. */
    return r == 0 ? EXIT_SUCCESS : is_bad_address ? 2 : EXIT_FAILURE;
}
