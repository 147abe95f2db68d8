#define _GNU_SOURCE
#include "socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096

/* Connections inherit these from their listener, which spares two system calls for each. */
static void set_options(int fd, const struct tri__address *address)
{
    int one = 1;
    unsigned timeout_ms = (unsigned)(address->user_timeout / 1000000);

    if (address->socket.ss_family == AF_UNIX)
        return;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (timeout_ms > 0)
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
}

/* A socket file that nobody listens on any more is what a crash leaves behind. */
static void remove_abandoned(const struct tri__address *address)
{
    const struct sockaddr_un *name = (const void *)&address->socket;
    struct stat file;

    /* A file of another kind refuses connections too, and is not ours to remove. */
    if (stat(name->sun_path, &file) < 0 || !S_ISSOCK(file.st_mode))
        return;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)name, address->size) < 0 && errno == ECONNREFUSED)
        unlink(name->sun_path);
    close(fd);
}

static int bind_to(int fd, const struct tri__address *address)
{
    const struct sockaddr *name = (const void *)&address->socket;

    if (bind(fd, name, address->size) == 0)
        return 0;
    if (errno != EADDRINUSE || address->socket.ss_family != AF_UNIX)
        return -errno;
    remove_abandoned(address);
    return bind(fd, name, address->size) == 0 ? 0 : -errno;
}

int tri__socket_listen(struct tri__address *address)
{
    int fd = socket(address->socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    set_options(fd, address);
    int r = bind_to(fd, address);

    if (r == 0 && listen(fd, BACKLOG) < 0)
        r = -errno;
    if (r == 0 && address->socket.ss_family != AF_UNIX) {
        address->size = sizeof(address->socket);
        if (getsockname(fd, (struct sockaddr *)&address->socket, &address->size) < 0)
            r = -errno;
    }
    if (r < 0) {
        close(fd);
        return r;
    }
    return fd;
}

void tri__socket_unlisten(int fd, const struct tri__address *address)
{
    if (address->socket.ss_family == AF_UNIX)
        unlink(((const struct sockaddr_un *)(const void *)&address->socket)->sun_path);
    close(fd);
}

void tri__socket_peer(int fd, char *text, size_t size)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof(address);
    char host[INET6_ADDRSTRLEN];

    if (getpeername(fd, (struct sockaddr *)&address, &length) < 0) {
        snprintf(text, size, "?");
    } else if (address.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)&address;

        inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        snprintf(text, size, "%s:%u", host, ntohs(in->sin_port));
    } else if (address.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)&address;

        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        snprintf(text, size, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else {
        snprintf(text, size, "unix:");
    }
}
