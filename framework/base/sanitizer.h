/*
 * Which sanitizer the code is compiled for, with gcc and with clang alike.
 */
#ifndef TRI_SANITIZER_H
#define TRI_SANITIZER_H

#if defined(__SANITIZE_ADDRESS__)
#define TRI__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TRI__ASAN 1
#endif
#endif

#if defined(__SANITIZE_THREAD__)
#define TRI__TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TRI__TSAN 1
#endif
#endif

#ifndef TRI__ASAN
#define TRI__ASAN 0
#endif
#ifndef TRI__TSAN
#define TRI__TSAN 0
#endif

#if TRI__ASAN
#include <sanitizer/asan_interface.h>
#define tri__poison(memory, size) __asan_poison_memory_region(memory, size)
#define tri__unpoison(memory, size) __asan_unpoison_memory_region(memory, size)
#else
#define tri__poison(memory, size) ((void)(memory), (void)(size))
#define tri__unpoison(memory, size) ((void)(memory), (void)(size))
#endif

#endif
