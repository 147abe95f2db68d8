#include <trireme/status.h>
#include <trireme/version.h>

const char *tri_code_name(tri_code code)
{
    static const char *const names[] = {
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    };

    return code >= TRI_OK && code <= TRI_UNAUTHENTICATED ? names[code] : "UNKNOWN";
}

const char *tri_version(void)
{
    return TRI_VERSION_STRING;
}
