#define _GNU_SOURCE
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: greeter-server [options]\n"
    "Serves the greeter over gRPC and Dubbo's Triple, as org.apache.dubbo.samples.proto.Greeter "
    "and as\n"
    "org.apache.dubbo.samples.data.Greeter. SIGTERM and SIGINT drain it.\n"
    "\n"
    "  --listen ADDRESS    tcp://HOST:PORT or unix:PATH; may be given several times, port 0 takes "
    "a free\n"
    "                      one (default tcp://0.0.0.0:50051)\n"
    "  --placement WHERE   where handlers run: workers, inline (default workers)\n"
    "  --reactors N        I/O threads (default: one for each CPU)\n"
    "  --workers N         threads for handlers (default: as many as reactors)\n"
    "  --engine NAME       auto, io_uring (default auto)\n"
    "  --think MS          how long biStream takes over its second request, in milliseconds "
    "(default 0)\n"
    "  --quiet             no warnings: nothing but the addresses, and why it cannot go on\n"
    "  --help              this text\n"
    "\n"
    "example: greeter-server --listen tcp://127.0.0.1:50051 --placement inline\n";

static _Noreturn void refuse(const char *option, const char *value, const char *wanted)
{
    fprintf(stderr, "greeter-server: --%s %s: %s\n", option, value, wanted);
    exit(2);
}

static long read_number(const char *option, const char *value, long least, long most)
{
    char wanted[64];
    char *end;
    long number = strtol(value, &end, 10);

    if (*value == '\0' || *end != '\0' || number < least || number > most) {
        snprintf(wanted, sizeof(wanted), "a number from %ld to %ld is wanted", least, most);
        refuse(option, value, wanted);
    }
    return number;
}

static tri_placement read_placement(const char *value)
{
    if (strcmp(value, "workers") == 0)
        return TRI_PLACEMENT_WORKERS;
    if (strcmp(value, "inline") == 0)
        return TRI_PLACEMENT_INLINE;
    if (strcmp(value, "blocking") == 0)
        refuse("placement", value, "is not built yet; workers and inline are");
    refuse("placement", value, "workers or inline is wanted");
}

static const char *read_engine(const char *value)
{
    if (strcmp(value, "epoll") == 0)
        refuse("engine", value, "is not built yet; auto and io_uring are");
    if (strcmp(value, "auto") != 0 && strcmp(value, "io_uring") != 0)
        refuse("engine", value, "auto or io_uring is wanted");
    return value;
}

static void add_listen(struct options *options, const char *address)
{
    if (options->listen_count == LISTEN_MAX)
        refuse("listen", address, "16 addresses are the most");
    options->listen[options->listen_count++] = address;
}

void read_options(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {
        {"listen", required_argument, NULL, 'l'},
        {"placement", required_argument, NULL, 'p'},
        {"reactors", required_argument, NULL, 'r'},
        {"workers", required_argument, NULL, 'w'},
        {"engine", required_argument, NULL, 'e'},
        {"think", required_argument, NULL, 't'},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    opterr = 0;
    *options = (struct options){.placement = TRI_PLACEMENT_WORKERS, .engine = "auto"};
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'l':
            add_listen(options, optarg);
            break;
        case 'p':
            options->placement = read_placement(optarg);
            break;
        case 'r':
            options->reactors = (unsigned)read_number("reactors", optarg, 1, 1024);
            break;
        case 'w':
            options->workers = (unsigned)read_number("workers", optarg, 1, 1024);
            break;
        case 'e':
            options->engine = read_engine(optarg);
            break;
        case 't':
            options->think_ms = (int)read_number("think", optarg, 0, 3600000);
            break;
        case 'q':
            options->is_quiet = true;
            break;
        case 'h':
            fputs(help, stdout);
            exit(0);
        default:
            fprintf(stderr,
                    "greeter-server: %s: no such option, or its value is missing. Try "
                    "'greeter-server --help'.\n",
                    argv[optind - 1]);
            exit(2);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "greeter-server: %s: not an option. Try 'greeter-server --help'.\n",
                argv[optind]);
        exit(2);
    }
    if (options->listen_count == 0)
        add_listen(options, "tcp://0.0.0.0:50051");
}
