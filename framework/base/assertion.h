/*
 * Assertions that stay on in every build: for the mistakes of a caller and for the library's own
 * invariants, never for what a peer or a lack of memory can bring about.
 */
#ifndef TRI_ASSERTION_H
#define TRI_ASSERTION_H

_Noreturn void tri__assert_failed(const char *expression, const char *file, int line);

#define tri_assert(expression)                                                                     \
    do {                                                                                           \
        if (__builtin_expect(!(expression), 0))                                                    \
            tri__assert_failed(#expression, __FILE__, __LINE__);                                   \
    } while (0)

#define tri_likely(expression) __builtin_expect(!!(expression), 1)
#define tri_unlikely(expression) __builtin_expect(!!(expression), 0)

/* The struct of `type` whose `member` is at `pointer`. */
#define tri_container_of(pointer, type, member)                                                    \
    ((type *)(void *)((char *)(pointer) - __builtin_offsetof(type, member)))

#endif
