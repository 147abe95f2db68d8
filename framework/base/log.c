#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

void tri__log(const struct tri__log *log, tri_log_level level, const char *format, ...)
{
    char line[1024];
    va_list arguments;

    if (log->function == NULL)
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    log->function(log->context, level, line);
}

void tri_log_stderr(void *context, tri_log_level level, const char *line)
{
    static const char *const names[] = {"?", "error", "warning", "info"};
    char text[1100];

    (void)context;
    int length = snprintf(text, sizeof(text), "trireme: %s: %s\n",
                          names[level >= TRI_LOG_ERROR && level <= TRI_LOG_INFO ? level : 0], line);
    if (length > 0) {
        ssize_t written = write(STDERR_FILENO, text,
                                (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1);
        (void)written;
    }
}
