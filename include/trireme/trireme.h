/*
 * Trireme: high-throughput gRPC and Triple providers in C. This header is all of the public API.
 */
#ifndef TRIREME_TRIREME_H
#define TRIREME_TRIREME_H

#include <trireme/base.h>
#include <trireme/call.h>
#include <trireme/log.h>
#include <trireme/metadata.h>
#include <trireme/server.h>
#include <trireme/status.h>
#include <trireme/version.h>

#endif
