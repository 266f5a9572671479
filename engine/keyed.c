/* keyed.c -- arrays whose elements begin with their key. */
#include "keyed.h"

#include <stdlib.h>

static struct cairn_slice *key_at(const struct keyed *list, size_t i) {
    return (void *)((char *)list->elements + i * list->width);
}

bool keyed_ascending(const struct keyed *list) {
    for (size_t i = 1; i < list->count; i++) {
        if (cairn_slice_compare(*key_at(list, i - 1), *key_at(list, i)) >= 0)
            return false;
    }
    return true;
}

static int compare(const void *a, const void *b) {
    const struct cairn_slice *left = a, *right = b;
    return cairn_slice_compare(*left, *right);
}

void keyed_sort(const struct keyed *list) {
    if (!keyed_ascending(list))
        qsort(list->elements, list->count, list->width, compare);
}

static int compare_places(const void *a, const void *b) {
    const struct cairn_slice *left = *(struct cairn_slice *const *)a;
    const struct cairn_slice *right = *(struct cairn_slice *const *)b;
    int order = cairn_slice_compare(*left, *right);
    return order ? order : (left > right) - (left < right);
}

void keyed_order(const struct keyed *list, struct cairn_slice **order) {
    for (size_t i = 0; i < list->count; i++)
        order[i] = key_at(list, i);
    if (!keyed_ascending(list))
        qsort(order, list->count, sizeof *order, compare_places);
}
