/*
 * tri_limits by name, for command lines: "streams_max=64". Durations are in milliseconds.
 */
#ifndef LIMITS_H
#define LIMITS_H

#include <stdbool.h>

#include <trireme/server.h>

/* Sets what "name=value" says. Returns: false when there is no such limit, or the value is none. */
bool limits_set(tri_limits *limits, const char *assignment);

#endif
