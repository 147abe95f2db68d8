/*
 * The library's one way to speak: it never prints. Without a function it is silent.
 */
#ifndef TRIREME_LOG_H
#define TRIREME_LOG_H

#include <trireme/base.h>

TRI_BEGIN_DECLS

typedef enum tri_log_level {
    TRI_LOG_ERROR = 1,   /* something is lost: a connection, a listener */
    TRI_LOG_WARNING = 2, /* a handler's mistake, a limit reached */
    TRI_LOG_INFO = 3     /* started, draining, stopped */
} tri_log_level;

/*
 * Takes one line, without a newline at its end, valid during the call only.
 *
 * Thread: any, several at once; it runs on a thread's full stack, and must not wait.
 */
typedef void (*tri_log_function)(void *context, tri_log_level level, const char *line);

/*
 * Writes lines to stderr, with the level in front: for programs that want no more than that.
 */
TRI_API void tri_log_stderr(void *context, tri_log_level level, const char *line);

TRI_END_DECLS

#endif
