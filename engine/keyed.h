/* keyed.h -- arrays whose elements begin with their key: members, parameters, pairs.
 *
 * Sorted where a key may come twice, so that thousands of keys, however they are
 * chosen, cost no more than n log n. */
#ifndef CAIRN_KEYED_H
#define CAIRN_KEYED_H

#include "cairn/bytes.h"

struct keyed {
    void *elements; /* each begins with a struct cairn_slice */
    size_t count, width;
};

/* True if each key is greater than the one before: then none comes twice. */
bool keyed_ascending(const struct keyed *list);

/* Sorts the elements by the bytes of their keys. */
void keyed_sort(const struct keyed *list);

/* Pointers to the elements in byte order of their keys, equal ones in their own order,
 * into `order`, which has room for all. */
void keyed_order(const struct keyed *list, struct cairn_slice **order);

#endif
