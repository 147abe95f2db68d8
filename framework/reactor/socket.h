/*
 * System calls on sockets that engines of the kernel share.
 */
#ifndef TRI_SOCKET_H
#define TRI_SOCKET_H

#include "engine.h"

/* As the engine's operations of the same names. */
int tri__socket_listen(struct tri__address *address);
void tri__socket_unlisten(int fd, const struct tri__address *address);
void tri__socket_peer(int fd, char *text, size_t size);

#endif
