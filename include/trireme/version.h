/*
 * The version of the library: the single source of it, read by the build too.
 */
#ifndef TRIREME_VERSION_H
#define TRIREME_VERSION_H

#include <trireme/base.h>

#define TRI_VERSION_MAJOR 0
#define TRI_VERSION_MINOR 1
#define TRI_VERSION_PATCH 0
#define TRI_VERSION_STRING "0.1.0"

TRI_BEGIN_DECLS

/*
 * The version of the library that is linked, such as "0.1.0".
 *
 * Memory: static. Thread: any.
 */
TRI_API const char *tri_version(void);

TRI_END_DECLS

#endif
