/*
 * The greeter's four methods.
 */
#ifndef GREETER_SERVICER_H
#define GREETER_SERVICER_H

#include <trireme/trireme.h>

#include "greeter.trireme.h"

/* What the methods are told, through tri_service_config.state. */
struct greeter_settings {
    tri_duration think; /* what biStream takes over its second request */
};

extern const greeter_servicer greeter;

/* The names that the service goes by: that of the .proto, and that of Dubbo-Python's samples. */
extern const char *const greeter_names[];

#endif
