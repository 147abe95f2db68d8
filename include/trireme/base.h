/*
 * Attributes and the two small types that every other public header needs.
 */
#ifndef TRIREME_BASE_H
#define TRIREME_BASE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define TRI_API __attribute__((visibility("default")))
#define TRI_MUST_USE __attribute__((warn_unused_result))
#define TRI_PRINTF(string, first) __attribute__((format(printf, string, first)))
#define TRI_UNUSED __attribute__((unused))
#else
#define TRI_API
#define TRI_MUST_USE
#define TRI_PRINTF(string, first)
#define TRI_UNUSED
#endif

#ifdef __cplusplus
#define TRI_BEGIN_DECLS extern "C" {
#define TRI_END_DECLS }
#else
#define TRI_BEGIN_DECLS
#define TRI_END_DECLS
#endif

/* A span of time in nanoseconds. A negative one never ends. */
typedef int64_t tri_duration;

#define TRI_FOREVER ((tri_duration)-1)
#define TRI_US(count) ((tri_duration)(count)*1000)
#define TRI_MS(count) ((tri_duration)(count)*1000000)
#define TRI_SECONDS(count) ((tri_duration)(count)*1000000000)

/*
 * Bytes that somebody else owns. `data` is NULL when there are none to speak of;
 * an empty value has a `data` that is not NULL and a `size` of 0.
 */
typedef struct tri_bytes {
    const char *data;
    size_t size;
} tri_bytes;

#endif
