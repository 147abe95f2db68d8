/*
 * The program: a CodeGeneratorRequest on standard input, the response on standard output.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codegen.h"

#ifndef TRIREME_VERSION
#define TRIREME_VERSION "unknown"
#endif

static const size_t request_max = (size_t)256 << 20;

static const char help[] =
    "protoc-gen-trireme writes C for the services and messages of .proto files. protoc starts it:\n"
    "\n"
    "    protoc --trireme_out=[PARAMETER,...:]DIR FILE.proto...\n"
    "\n"
    "with --plugin=PATH/protoc-gen-trireme when it is not in PATH. Every FILE.proto gives "
    "FILE.pb-c.h\n"
    "and FILE.pb-c.c (the messages, by protoc-gen-c), FILE.trireme.h and FILE.trireme.c (the "
    "services).\n"
    "\n"
    "Parameters (also --trireme_opt=PARAMETER):\n"
    "    aliases=on|off   short names for messages and enums, without the package; on\n"
    "    prefix=NAME_     in front of the C name of each service; none\n"
    "\n"
    "Example:\n"
    "    protoc -I apps/greeter --trireme_out=build apps/greeter/greeter.proto\n";

/* Reads all of standard input. Returns NULL with a line on stderr. */
static uint8_t *read_all(size_t *size)
{
    uint8_t *data = NULL;
    size_t capacity = 0;
    *size = 0;
    for (;;) {
        if (*size == capacity) {
            capacity = capacity > 0 ? capacity * 2 : (size_t)64 * 1024;
            uint8_t *grown = capacity <= request_max ? realloc(data, capacity) : NULL;
            if (grown == NULL) {
                fprintf(stderr, "protoc-gen-trireme: the request is too large\n");
                free(data);
                return NULL;
            }
            data = grown;
        }
        size_t n = fread(data + *size, 1, capacity - *size, stdin);
        *size += n;
        if (n == 0)
            break;
    }
    if (ferror(stdin)) {
        perror("protoc-gen-trireme: cannot read the request");
        free(data);
        return NULL;
    }
    return data;
}

static int work(void)
{
    struct codegen_result result;
    size_t size;
    uint8_t *request = read_all(&size);
    if (request == NULL)
        return EXIT_FAILURE;
    int r = codegen_run(request, size, codegen_child_run, NULL, &result);
    free(request);
    if (r != 0) {
        fprintf(stderr, "protoc-gen-trireme: %s\n", result.error);
        return EXIT_FAILURE;
    }
    bool is_written = fwrite(result.data, 1, result.size, stdout) == result.size;
    free(result.data);
    if (!is_written || fflush(stdout) != 0) {
        perror("protoc-gen-trireme: cannot write the response");
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return EXIT_SUCCESS;
    }
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        puts("protoc-gen-trireme " TRIREME_VERSION);
        return EXIT_SUCCESS;
    }
    if (argc > 1) {
        fprintf(stderr, "protoc-gen-trireme: unknown argument '%s': see --help\n", argv[1]);
        return 2;
    }
    if (isatty(STDIN_FILENO)) {
        fputs(help, stderr);
        return 2;
    }
    return work();
}
