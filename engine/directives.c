/* directives.c -- one header line of cache directives, step by step.
 *
 * A line is a list (RFC 9110, section 5.6.1) of `token`, `token=token` or
 * `token="quoted"`; elements may be empty. An element that is none of these is skipped
 * up to the comma behind it; a comma in a quoted string ends nothing, so a quote that
 * is never closed takes the rest of the line with it. Every byte is looked at once. */
#include "cairn/policy.h"

static bool is_space(char c) {
    return c == ' ' || c == '\t';
}

/* tchar of RFC 9110, section 5.6.2: a bit for each, in words of 32. */
static bool is_token(char c) {
    static const uint32_t words[8] = {
        0,          /* controls */
        0x03ff6cfa, /* ! # $ % & ' * + - . 0-9 */
        0xc7fffffe, /* A-Z ^ _ */
        0x57ffffff, /* ` a-z | ~ */
    };
    unsigned char byte = (unsigned char)c;
    return words[byte >> 5] >> (byte & 31) & 1;
}

static bool is_control(char c) {
    return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

struct reader {
    struct cairn_slice line;
    size_t at;
};

static bool looks_at(const struct reader *reader, char c) {
    return reader->at < reader->line.size && reader->line.data[reader->at] == c;
}

static void skip_spaces(struct reader *reader) {
    while (reader->at < reader->line.size && is_space(reader->line.data[reader->at]))
        reader->at++;
}

static struct cairn_slice take_token(struct reader *reader) {
    size_t from = reader->at;
    while (reader->at < reader->line.size && is_token(reader->line.data[reader->at]))
        reader->at++;
    return cairn_slice_sub(reader->line, from, reader->at - from);
}

/* From behind the opening quote to behind the closing one; false if there is none, or
 * if what lies between is no quoted string. */
static bool take_quoted(struct reader *reader, struct cairn_slice *inside) {
    const char *data = reader->line.data;
    size_t from = reader->at;
    bool clean = true;
    for (; reader->at < reader->line.size; reader->at++) {
        char c = data[reader->at];
        if (c == '"') {
            *inside = cairn_slice_sub(reader->line, from, reader->at - from);
            reader->at++;
            return clean;
        }
        if (c == '\\' && ++reader->at == reader->line.size)
            return false;
        clean = clean && !is_control(data[reader->at]);
    }
    return false;
}

static bool take_argument(struct reader *reader, struct cairn_directive *out) {
    if (looks_at(reader, '"')) {
        reader->at++;
        out->quoted = true;
        return take_quoted(reader, &out->argument);
    }
    out->argument = take_token(reader);
    return out->argument.size > 0;
}

/* One element, up to what should be a comma. */
static bool take_directive(struct reader *reader, struct cairn_directive *out) {
    *out = (struct cairn_directive){.argument = {"", 0}};
    out->name = take_token(reader);
    if (out->name.size == 0)
        return false;
    if (looks_at(reader, '=')) {
        reader->at++;
        if (!take_argument(reader, out))
            return false;
    }
    skip_spaces(reader);
    return reader->at == reader->line.size || looks_at(reader, ',');
}

static void skip_to_comma(struct reader *reader) {
    struct cairn_slice ignored;
    while (reader->at < reader->line.size && !looks_at(reader, ',')) {
        bool quote = looks_at(reader, '"');
        reader->at++;
        if (quote)
            take_quoted(reader, &ignored);
    }
}

bool cairn_directive_next(struct cairn_slice line, size_t *at,
                          struct cairn_directive *out) {
    struct reader reader = {line, *at};
    bool found = false;
    while (!found && reader.at < line.size) {
        skip_spaces(&reader);
        if (reader.at == line.size || looks_at(&reader, ',')) {
            reader.at++; /* an empty element */
            continue;
        }
        found = take_directive(&reader, out);
        if (!found)
            skip_to_comma(&reader);
    }
    *at = reader.at;
    return found;
}
