/*
 * The log hook, as it is handed down to the modules.
 */
#ifndef TRI_LOG_H
#define TRI_LOG_H

#include <trireme/log.h>

struct tri__log {
    tri_log_function function; /* NULL: silent */
    void *context;
};

/* Formats one line and hands it to the hook. Thread: any, on the thread's own stack. */
void tri__log(const struct tri__log *log, tri_log_level level, const char *format, ...)
    TRI_PRINTF(3, 4);

#endif
