#include "wheel.h"

#include <string.h>

#define DIGIT 6
#define DIGIT_MASK ((uint64_t)TRI__WHEEL_SLOTS - 1)
#define TICK_MAX ((UINT64_C(1) << (DIGIT * TRI__WHEEL_LEVELS)) - 1)

void tri__wheel_init(struct tri__wheel *wheel, uint64_t now)
{
    memset(wheel, 0, sizeof(*wheel));
    wheel->tick = now >> TRI__TICK_SHIFT;
    wheel->floor = wheel->tick;
}

static void place(struct tri__wheel *wheel, struct tri__timer *timer)
{
    uint64_t differs = (timer->expiry ^ wheel->tick) | DIGIT_MASK;
    unsigned level = (63u - (unsigned)__builtin_clzll(differs)) / DIGIT;
    unsigned slot = (unsigned)((timer->expiry >> (level * DIGIT)) & DIGIT_MASK);
    struct tri__timer **head = &wheel->slots[level][slot];

    timer->place = (uint16_t)(level * TRI__WHEEL_SLOTS + slot);
    timer->next = *head;
    timer->link = head;
    if (timer->next != NULL)
        timer->next->link = &timer->next;
    *head = timer;
    wheel->occupied[level] |= UINT64_C(1) << slot;
}

void tri__timer_clear(struct tri__wheel *wheel, struct tri__timer *timer)
{
    if (timer->link == NULL)
        return;
    unsigned level = timer->place / TRI__WHEEL_SLOTS;
    unsigned slot = timer->place % TRI__WHEEL_SLOTS;

    *timer->link = timer->next;
    if (timer->next != NULL)
        timer->next->link = timer->link;
    timer->link = NULL;
    if (wheel->slots[level][slot] == NULL)
        wheel->occupied[level] &= ~(UINT64_C(1) << slot);
}

void tri__timer_set(struct tri__wheel *wheel, struct tri__timer *timer, uint64_t when)
{
    uint64_t expiry = when >> TRI__TICK_SHIFT;

    tri__timer_clear(wheel, timer);
    if ((when & ((UINT64_C(1) << TRI__TICK_SHIFT) - 1)) != 0)
        expiry++;
    if (expiry < wheel->floor)
        expiry = wheel->floor;
    timer->expiry = expiry < TICK_MAX ? expiry : TICK_MAX;
    place(wheel, timer);
}

/*
 * The level and slot that come next, and the tick at which they do; false when the wheel is empty.
 */
static bool find_next(const struct tri__wheel *wheel, unsigned *level, unsigned *slot,
                      uint64_t *tick)
{
    for (unsigned i = 0; i < TRI__WHEEL_LEVELS; i++) {
        if (wheel->occupied[i] == 0)
            continue;
        unsigned shift = i * DIGIT;
        uint64_t upper = ~(((DIGIT_MASK + 1) << shift) - 1);

        *level = i;
        *slot = (unsigned)__builtin_ctzll(wheel->occupied[i]);
        *tick = (wheel->tick & upper) | ((uint64_t)*slot << shift);
        return true;
    }
    return false;
}

static void cascade(struct tri__wheel *wheel, unsigned level, unsigned slot)
{
    struct tri__timer *timer = wheel->slots[level][slot];

    wheel->slots[level][slot] = NULL;
    wheel->occupied[level] &= ~(UINT64_C(1) << slot);
    while (timer != NULL) {
        struct tri__timer *next = timer->next;

        place(wheel, timer);
        timer = next;
    }
}

void tri__wheel_advance(struct tri__wheel *wheel, uint64_t now)
{
    uint64_t target = now >> TRI__TICK_SHIFT;
    unsigned level, slot;
    uint64_t tick;

    /* A function that sets its own timer to a time in the past must not be called for ever. */
    wheel->floor = target + 1;
    while (find_next(wheel, &level, &slot, &tick) && tick <= target) {
        if (tick > wheel->tick)
            wheel->tick = tick;
        if (level > 0) {
            cascade(wheel, level, slot);
            continue;
        }
        struct tri__timer *timer = wheel->slots[0][slot];

        tri__timer_clear(wheel, timer);
        timer->fire(timer);
    }
    if (target > wheel->tick)
        wheel->tick = target;
    wheel->floor = wheel->tick;
}

uint64_t tri__wheel_next(const struct tri__wheel *wheel)
{
    unsigned level, slot;
    uint64_t tick;

    return find_next(wheel, &level, &slot, &tick) ? tick << TRI__TICK_SHIFT : TRI__NEVER;
}
