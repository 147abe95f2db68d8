#include "wire_status.h"

/*
 * By the number of the HTTP/2 error. gRPC leaves STREAM_CLOSED and HTTP_1_1_REQUIRED open; they are
 * INTERNAL here, as in grpc-go.
 */
static const tri_code codes_of_rst[] = {
    TRI_INTERNAL,           /* NO_ERROR */
    TRI_INTERNAL,           /* PROTOCOL_ERROR */
    TRI_INTERNAL,           /* INTERNAL_ERROR */
    TRI_INTERNAL,           /* FLOW_CONTROL_ERROR */
    TRI_INTERNAL,           /* SETTINGS_TIMEOUT */
    TRI_INTERNAL,           /* STREAM_CLOSED */
    TRI_INTERNAL,           /* FRAME_SIZE_ERROR */
    TRI_UNAVAILABLE,        /* REFUSED_STREAM */
    TRI_CANCELLED,          /* CANCEL */
    TRI_INTERNAL,           /* COMPRESSION_ERROR */
    TRI_INTERNAL,           /* CONNECT_ERROR */
    TRI_RESOURCE_EXHAUSTED, /* ENHANCE_YOUR_CALM */
    TRI_PERMISSION_DENIED,  /* INADEQUATE_SECURITY */
    TRI_INTERNAL,           /* HTTP_1_1_REQUIRED */
};

tri_code tri__code_from_rst(uint32_t http2_error_code)
{
    if (http2_error_code >= sizeof(codes_of_rst) / sizeof(codes_of_rst[0]))
        return TRI_UNKNOWN;
    return codes_of_rst[http2_error_code];
}

const char *tri__code_digits(tri_code code, size_t *size)
{
    static const char digits[][3] = {"0", "1",  "2",  "3",  "4",  "5",  "6",  "7", "8",
                                     "9", "10", "11", "12", "13", "14", "15", "16"};

    if (code < TRI_OK || code > TRI_UNAUTHENTICATED)
        code = TRI_UNKNOWN;
    *size = code < 10 ? 1 : 2;
    return digits[code];
}
