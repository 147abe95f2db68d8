/*
 * Stands in front of the compiler's own header when the library is compiled for sim-fine: before
 * each atomic operation the running task may lose its thread. So what two threads do to each other
 * between two operations is met too, not only between two hooks.
 */
#ifndef SIM_POINTS_STDATOMIC_H
#define SIM_POINTS_STDATOMIC_H

#include_next <stdatomic.h>

void sim_atomic_point(void);

/* NOLINTBEGIN(readability-identifier-naming) these are the standard's names */
#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange_explicit
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and_explicit
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak_explicit

#ifdef __clang__
#define SIM_ATOMIC(operation) __c11_atomic_##operation
#define SIM_LOAD(object, order) __c11_atomic_load(object, order)
#define SIM_STORE(object, value, order) __c11_atomic_store(object, value, order)
#define SIM_EXCHANGE(object, value, order) __c11_atomic_exchange(object, value, order)
#define SIM_CAS(object, expected, value, is_weak, success, failure)                                \
    __c11_atomic_compare_exchange_strong(object, expected, value, success, failure)
#else
#define SIM_ATOMIC(operation) __atomic_##operation
#define SIM_LOAD(object, order) __atomic_load_n(object, order)
#define SIM_STORE(object, value, order) __atomic_store_n(object, value, order)
#define SIM_EXCHANGE(object, value, order) __atomic_exchange_n(object, value, order)
#define SIM_CAS(object, expected, value, is_weak, success, failure)                                \
    __atomic_compare_exchange_n(object, expected, value, is_weak, success, failure)
#endif

#define atomic_load_explicit(object, order) (sim_atomic_point(), SIM_LOAD(object, order))
#define atomic_store_explicit(object, value, order)                                                \
    (sim_atomic_point(), SIM_STORE(object, value, order))
#define atomic_exchange_explicit(object, value, order)                                             \
    (sim_atomic_point(), SIM_EXCHANGE(object, value, order))
#define atomic_fetch_add_explicit(object, value, order)                                            \
    (sim_atomic_point(), SIM_ATOMIC(fetch_add)(object, value, order))
#define atomic_fetch_sub_explicit(object, value, order)                                            \
    (sim_atomic_point(), SIM_ATOMIC(fetch_sub)(object, value, order))
#define atomic_fetch_or_explicit(object, value, order)                                             \
    (sim_atomic_point(), SIM_ATOMIC(fetch_or)(object, value, order))
#define atomic_fetch_and_explicit(object, value, order)                                            \
    (sim_atomic_point(), SIM_ATOMIC(fetch_and)(object, value, order))
#define atomic_compare_exchange_strong_explicit(object, expected, value, success, failure)         \
    (sim_atomic_point(), SIM_CAS(object, expected, value, 0, success, failure))
#define atomic_compare_exchange_weak_explicit(object, expected, value, success, failure)           \
    (sim_atomic_point(), SIM_CAS(object, expected, value, 1, success, failure))

/* NOLINTEND(readability-identifier-naming) */

#endif
