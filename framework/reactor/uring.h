/*
 * The engine on io_uring.
 */
#ifndef TRI_URING_H
#define TRI_URING_H

#include "engine.h"

/*
 * Makes the engine. Thread: the one that will run it, and no other (the ring has a single issuer).
 *
 * Returns: 0 or -errno: -ENOSYS, -EPERM where the kernel or a container forbids io_uring, -EINVAL
 * where the kernel is too old, -ENOMEM for RLIMIT_MEMLOCK too.
 */
int tri__uring_new(struct tri__engine **engine);

#endif
