/*
 * A doubly linked list whose links live in its members. A link that is in no list points at itself,
 * so it can be removed without asking.
 */
#ifndef TRI_LIST_H
#define TRI_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "assertion.h"

struct tri__list {
    struct tri__list *next, *previous;
};

static inline void tri__list_init(struct tri__list *list)
{
    list->next = list;
    list->previous = list;
}

static inline bool tri__list_is_empty(const struct tri__list *list)
{
    return list->next == list;
}

static inline void tri__list_append(struct tri__list *list, struct tri__list *link)
{
    link->next = list;
    link->previous = list->previous;
    list->previous->next = link;
    list->previous = link;
}

static inline void tri__list_remove(struct tri__list *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
    tri__list_init(link);
}

/* Takes the first link out; NULL when there is none. */
static inline struct tri__list *tri__list_take(struct tri__list *list)
{
    struct tri__list *link = list->next;

    if (link == list)
        return NULL;
    tri__list_remove(link);
    return link;
}

#define tri__list_entry(link, type, member) tri_container_of(link, type, member)

#endif
