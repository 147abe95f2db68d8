/*
 * Goal: the list keeps its order through any removal, and a link that is in no list may be removed.
 * Method: seeded random appends, removals and takes beside an array.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "list.h"

#define ITEMS 50

struct item {
    int number;
    struct tri__list link;
};

static void a_link_in_no_list_may_be_removed(void **state)
{
    struct tri__list list;
    struct item item;

    (void)state;
    tri__list_init(&list);
    tri__list_init(&item.link);
    tri__list_remove(&item.link);
    assert_true(tri__list_is_empty(&list));
    assert_null(tri__list_take(&list));
    tri__list_append(&list, &item.link);
    assert_false(tri__list_is_empty(&list));
    tri__list_remove(&item.link);
    tri__list_remove(&item.link);
    assert_true(tri__list_is_empty(&list));
    assert_true(tri__list_is_empty(&item.link));
}

static void the_list_agrees_with_an_array(void **state)
{
    struct tri__list list;
    struct item items[ITEMS];
    int order[ITEMS];
    size_t count = 0;
    unsigned seed = 11;

    (void)state;
    tri__list_init(&list);
    for (int i = 0; i < ITEMS; i++) {
        items[i].number = i;
        tri__list_init(&items[i].link);
    }
    for (int step = 0; step < 20000; step++) {
        int number = (int)((unsigned)rand_r(&seed) % ITEMS);
        size_t at = 0;

        while (at < count && order[at] != number)
            at++;
        if (rand_r(&seed) % 4 == 0) {
            struct tri__list *link = tri__list_take(&list);

            assert_int_equal(link == NULL, count == 0);
            if (link == NULL)
                continue;
            assert_int_equal(tri__list_entry(link, struct item, link)->number, order[0]);
            memmove(order, order + 1, --count * sizeof(order[0]));
        } else if (at < count) {
            tri__list_remove(&items[number].link);
            count--;
            memmove(order + at, order + at + 1, (count - at) * sizeof(order[0]));
        } else {
            tri__list_append(&list, &items[number].link);
            order[count++] = number;
        }
        size_t seen = 0;

        for (struct tri__list *link = list.next; link != &list; link = link->next) {
            assert_ptr_equal(link->next->previous, link);
            assert_int_equal(tri__list_entry(link, struct item, link)->number, order[seen++]);
        }
        assert_int_equal(seen, count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_in_no_list_may_be_removed),
        cmocka_unit_test(the_list_agrees_with_an_array),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
