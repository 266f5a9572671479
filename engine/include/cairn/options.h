/* options.h -- settings by name, as a URL or a table gives them.
 *
 * A backend lists what it understands; everything else is refused by name, so a
 * misspelt option never passes silently.
 *
 * Threads: pure functions, any thread. */
#ifndef CAIRN_OPTIONS_H
#define CAIRN_OPTIONS_H

#include <stdint.h>

#include "cairn/status.h"

/* One setting as it was given. Both borrowed. */
struct cairn_setting {
    struct cairn_slice name;
    struct cairn_slice value;
};

enum cairn_option_type {
    CAIRN_OPTION_TEXT,    /* struct cairn_slice, a view of the setting */
    CAIRN_OPTION_BOOLEAN, /* bool: true, false, yes, no, 1, 0 */
    CAIRN_OPTION_BYTES,   /* uint64_t: digits, then nothing, K, M, G or T (powers of
                             1,024) */
    CAIRN_OPTION_INTEGER, /* int64_t */
    CAIRN_OPTION_NUMBER,  /* double */
};

/* What a backend understands. Ends with a name of NULL. */
struct cairn_option {
    const char *name;
    enum cairn_option_type type;
    size_t offset;       /* of the field in the struct that is filled */
    const char *preset;  /* the default, as text */
    const char *meaning; /* for --help: one line, with the unit */
};

/* CAIRN_INVALID_ARGUMENT if one of the settings is not among the options. */
enum cairn_status cairn_options_check(const char *who,
                                      const struct cairn_option *options,
                                      const struct cairn_setting *settings,
                                      size_t count, struct cairn_error *error);

/* Fills `target` from the defaults, then from `settings`. CAIRN_INVALID_ARGUMENT
 * names an unknown option or a value that does not parse. `who` starts the message. */
enum cairn_status cairn_options_read(const char *who,
                                     const struct cairn_option *options,
                                     const struct cairn_setting *settings, size_t count,
                                     void *target, struct cairn_error *error);

#endif
