/* options.c -- settings by name into a struct, by a table of what is understood. */
#include "cairn/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Every parser takes terminated text and says whether all of it made sense. */
static bool parse_boolean(const char *text, bool *out) {
    static const char *const spellings[] = {"false", "true", "no", "yes", "0", "1"};
    for (size_t i = 0; i < 6; i++) {
        if (strcmp(text, spellings[i]) == 0) {
            *out = i % 2;
            return true;
        }
    }
    return false;
}

static bool parse_integer(const char *text, int64_t *out) {
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0';
}

static bool parse_number(const char *text, double *out) {
    char *end;
    errno = 0;
    *out = strtod(text, &end);
    return errno == 0 && end != text && *end == '\0';
}

static bool parse_bytes(const char *text, uint64_t *out) {
    char *end;
    errno = 0;
    if (text[0] < '0' || text[0] > '9')
        return false;
    *out = strtoull(text, &end, 10);
    if (errno)
        return false;
    static const char units[] = "KMGT";
    const char *unit = *end ? strchr(units, *end) : NULL;
    if (unit) {
        unsigned shift = 10 * (unsigned)(unit - units + 1);
        if (*out > UINT64_MAX >> shift)
            return false;
        *out <<= shift;
        end++;
    }
    return *end == '\0';
}

static enum cairn_status fill(const char *who, const struct cairn_option *option,
                              struct cairn_slice value, void *target,
                              struct cairn_error *error) {
    void *field = (char *)target + option->offset;
    if (option->type == CAIRN_OPTION_TEXT) {
        *(struct cairn_slice *)field = value;
        return CAIRN_OK;
    }

    char text[64];
    bool fits = value.size < sizeof text && !memchr(value.data, 0, value.size);
    static const char *const wanted[] = {
        [CAIRN_OPTION_BOOLEAN] = "true or false",
        [CAIRN_OPTION_BYTES] = "a size in bytes, such as 4096, 64K, 512M or 2G",
        [CAIRN_OPTION_INTEGER] = "a whole number",
        [CAIRN_OPTION_NUMBER] = "a number",
    };
    if (fits) {
        memcpy(text, value.data, value.size);
        text[value.size] = '\0';
        switch (option->type) {
        case CAIRN_OPTION_BOOLEAN:
            fits = parse_boolean(text, field);
            break;
        case CAIRN_OPTION_BYTES:
            fits = parse_bytes(text, field);
            break;
        case CAIRN_OPTION_INTEGER:
            fits = parse_integer(text, field);
            break;
        default:
            fits = parse_number(text, field);
        }
    }
    if (fits)
        return CAIRN_OK;
    return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                      "%s: option '%s' wants %s, not '%.*s'", who, option->name,
                      wanted[option->type], value.size > 60 ? 60 : (int)value.size,
                      value.data);
}

static const struct cairn_option *option_named(const struct cairn_option *options,
                                               struct cairn_slice name) {
    for (; options->name; options++)
        if (cairn_slice_equal(cairn_slice_of(options->name), name))
            return options;
    return NULL;
}

static enum cairn_status refuse(const char *who, const struct cairn_option *options,
                                struct cairn_slice name, struct cairn_error *error) {
    char known[320] = "";
    size_t size = 0;
    for (; options->name && size < sizeof known; options++)
        size += (size_t)snprintf(known + size, sizeof known - size, "%s%s",
                                 size ? ", " : "", options->name);
    return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                      "%s: there is no option '%.*s' (there are: %s)", who,
                      name.size > 60 ? 60 : (int)name.size, name.data,
                      known[0] ? known : "none");
}

enum cairn_status cairn_options_check(const char *who,
                                      const struct cairn_option *options,
                                      const struct cairn_setting *settings,
                                      size_t count, struct cairn_error *error) {
    for (size_t i = 0; i < count; i++)
        if (!option_named(options, settings[i].name))
            return refuse(who, options, settings[i].name, error);
    return CAIRN_OK;
}

enum cairn_status cairn_options_read(const char *who,
                                     const struct cairn_option *options,
                                     const struct cairn_setting *settings, size_t count,
                                     void *target, struct cairn_error *error) {
    enum cairn_status status =
        cairn_options_check(who, options, settings, count, error);
    for (const struct cairn_option *option = options; option->name && !status; option++)
        status = fill(who, option, cairn_slice_of(option->preset), target, error);
    for (size_t i = 0; i < count && !status; i++)
        status = fill(who, option_named(options, settings[i].name), settings[i].value,
                      target, error);
    return status;
}
