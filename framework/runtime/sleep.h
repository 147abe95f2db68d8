/*
 * The clock of the system, and sleep and wake on a futex.
 */
#ifndef TRI_SLEEP_H
#define TRI_SLEEP_H

#include "clock.h"
#include "worker.h"

void tri__sleep_init(struct tri__clock *clock, struct tri__sleeper *sleeper);

#endif
