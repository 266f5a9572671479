/* stress.h -- shared by the parts of the stress program. */
#ifndef STRESS_H
#define STRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cairn/cairn.h"
#include "cairn/open.h"

enum { RACES = 100000 };

struct stress {
    struct cairn_store *store;
    uint64_t operations; /* of each thread; 0: until `stop` */
    atomic_bool stop;
    atomic_uint complaints;
    atomic_ullong outcomes[CAIRN_STATUS_COUNT];

    atomic_ullong counted;          /* what the counter must be in the end */
    _Atomic uint8_t winners[RACES]; /* of race number i */
    atomic_uint races;              /* begun so far */
};

struct worker {
    struct stress *stress;
    void (*run)(struct worker *worker);
    size_t number; /* within its role */
    uint64_t random;
    uint64_t done;
};

/* What every role does before each step; false: time to end. */
bool go_on(struct worker *worker);
uint64_t pick(struct worker *worker, uint64_t below);

/* Counts an answer that may be; complains of others and returns false. */
bool accept(struct worker *worker, enum cairn_status status, const char *what,
            const struct cairn_error *error);
__attribute__((format(printf, 2, 3))) void complain(struct stress *stress,
                                                    const char *format, ...);

bool prepare(struct stress *stress);
void role_change(struct worker *worker);
void role_read(struct worker *worker);
void role_pair_write(struct worker *worker);
void role_pair_read(struct worker *worker);
void role_race(struct worker *worker);
void role_count(struct worker *worker);

void check_roles(struct stress *stress);
void check_tree(struct stress *stress);

#endif
