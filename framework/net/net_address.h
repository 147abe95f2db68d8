/*
 * Addresses as people write them: "tcp://HOST:PORT", "tcp://[::1]:PORT", "unix:PATH".
 *
 * Thread: any; a name is looked up, which may wait.
 */
#ifndef TRI_NET_ADDRESS_H
#define TRI_NET_ADDRESS_H

#include "engine.h"

/*
 * Returns: 0; -EINVAL for what is no such address, -EADDRNOTAVAIL for a name that is not found;
 * then `error` says what is wrong and what would be right.
 */
int tri__address_parse(struct tri__address *address, const char *text, char *error,
                       size_t error_size);

/* Writes the address in the same form. */
void tri__address_format(const struct tri__address *address, char *text, size_t size);

#endif
