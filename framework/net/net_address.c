#define _GNU_SOURCE
#include "net_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define TCP "tcp://"
#define UNIX "unix:"
#define PORT_MAX 65535

static int parse_unix(struct tri__address *address, const char *path, char *error,
                      size_t error_size)
{
    struct sockaddr_un *name = (void *)&address->socket;
    size_t size = strlen(path);

    if (size == 0 || size >= sizeof(name->sun_path)) {
        snprintf(error, error_size, "a socket's path has 1 to %zu bytes, this one has %zu: unix:%s",
                 sizeof(name->sun_path) - 1, size, path);
        return -EINVAL;
    }
    name->sun_family = AF_UNIX;
    memcpy(name->sun_path, path, size + 1);
    address->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + 1);
    return 0;
}

/* Splits "HOST:PORT" or "[HOST]:PORT". Returns: false when it is neither. */
static bool split(const char *text, char *host, size_t host_size, const char **port)
{
    const char *colon = strrchr(text, ':');
    const char *end = colon;

    if (colon == NULL || colon == text)
        return false;
    if (*text == '[') {
        text++;
        if (*--end != ']')
            return false;
    } else if (memchr(text, ':', (size_t)(colon - text)) != NULL) {
        return false; /* an IPv6 address wants brackets */
    }
    if (end <= text || (size_t)(end - text) >= host_size)
        return false;
    memcpy(host, text, (size_t)(end - text));
    host[end - text] = '\0';
    *port = colon + 1;
    return true;
}

/* Returns: a number of whatever size, or -1. */
static long read_port(const char *port)
{
    char *end;
    long number;

    if (*port < '0' || *port > '9')
        return -1;
    number = strtol(port, &end, 10);
    return *end == '\0' ? number : -1;
}

/* What is wrong with an address, and what was probably meant. */
static void explain(const char *text, char *error, size_t error_size)
{
    char host[256];
    const char *port;

    if (strncmp(text, TCP, sizeof(TCP) - 1) != 0) {
        if (split(text, host, sizeof(host), &port) && read_port(port) >= 0) {
            snprintf(error, error_size, "\"%s\" has no scheme: " TCP "%s is wanted", text, text);
            return;
        }
    } else {
        const char *rest = text + sizeof(TCP) - 1;

        if (split(rest, host, sizeof(host), &port) && read_port(port) > PORT_MAX) {
            snprintf(error, error_size, "\"%s\": a port is 0 to %d", text, PORT_MAX);
            return;
        }
        if (*rest == ':' && read_port(rest + 1) >= 0) {
            snprintf(error, error_size,
                     "\"%s\" has no host: " TCP "0.0.0.0%s is all addresses of IPv4, " TCP
                     "[::]%s of IPv6 too",
                     text, rest, rest);
            return;
        }
    }
    snprintf(error, error_size,
             "\"%s\" is no address: tcp://HOST:PORT (an IPv6 address in brackets) or unix:PATH is "
             "wanted",
             text);
}

static int resolve(struct tri__address *address, const char *host, const char *port, char *error,
                   size_t error_size)
{
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    int r = getaddrinfo(host, port, &hints, &found);

    if (r != 0) {
        snprintf(error, error_size, "%s: %s", host,
                 r == EAI_SYSTEM ? strerrordesc_np(errno) : gai_strerror(r));
        return -EADDRNOTAVAIL;
    }
    memcpy(&address->socket, found->ai_addr, found->ai_addrlen);
    address->size = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

int tri__address_parse(struct tri__address *address, const char *text, char *error,
                       size_t error_size)
{
    char host[256];
    const char *port;

    memset(address, 0, sizeof(*address));
    if (strncmp(text, UNIX, sizeof(UNIX) - 1) == 0)
        return parse_unix(address, text + sizeof(UNIX) - 1, error, error_size);
    if (strncmp(text, TCP, sizeof(TCP) - 1) == 0 &&
        split(text + sizeof(TCP) - 1, host, sizeof(host), &port) && read_port(port) >= 0 &&
        read_port(port) <= PORT_MAX)
        return resolve(address, host, port, error, error_size);
    explain(text, error, error_size);
    return -EINVAL;
}

void tri__address_format(const struct tri__address *address, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN];

    switch (address->socket.ss_family) {
    case AF_INET: {
        const struct sockaddr_in *in = (const void *)&address->socket;

        inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        snprintf(text, size, TCP "%s:%u", host, ntohs(in->sin_port));
        break;
    }
    case AF_INET6: {
        const struct sockaddr_in6 *in6 = (const void *)&address->socket;

        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        snprintf(text, size, TCP "[%s]:%u", host, ntohs(in6->sin6_port));
        break;
    }
    default: {
        const struct sockaddr_un *name = (const void *)&address->socket;

        snprintf(text, size, UNIX "%s", name->sun_path);
        break;
    }
    }
}
