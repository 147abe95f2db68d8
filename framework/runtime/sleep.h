/*
 * The clock of the system, and sleep and wake on a futex: what tri__clock and tri__sleeper ask for.
 */
#ifndef TRI_SLEEP_H
#define TRI_SLEEP_H

#include <stdatomic.h>
#include <stdint.h>

uint64_t tri__monotonic_now(void *context);
/* The processor's counter, and how many of its ticks are surely within TRI__CLOCK_SHORT. */
uint64_t tri__ticks(void);
uint64_t tri__ticks_short(void);
void tri__futex_sleep(void *context, _Atomic uint32_t *word, uint32_t value, uint64_t deadline);
void tri__futex_wake(void *context, _Atomic uint32_t *word);

#endif
