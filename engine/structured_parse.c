/* structured_parse.c -- from the text of a structured field to its members (RFC 9651,
 * section 4.2).
 *
 * One pass, no backtracking. Strings without escapes, tokens and keys are slices of the
 * text; the rest is copied into the arena. */
#include "digest.h"
#include "keyed.h"
#include "structured_syntax.h"
#include "utf8.h"

struct parser {
    struct cairn_slice text;
    size_t at;
    unsigned flags;
    size_t elements; /* of all series together */
    struct cairn_arena *arena;
    struct cairn_error *error;
};

static enum cairn_status fail(const struct parser *p, const char *expected) {
    if (p->at < p->text.size && is_printable(p->text.data[p->at]))
        return cairn_fail(p->error, CAIRN_INVALID_ARGUMENT,
                          "structured field: %s expected at byte %zu, not '%c'",
                          expected, p->at + 1, p->text.data[p->at]);
    return cairn_fail(p->error, CAIRN_INVALID_ARGUMENT,
                      "structured field: %s expected at byte %zu%s", expected,
                      p->at + 1, p->at < p->text.size ? "" : ", the end");
}

static enum cairn_status no_memory(const struct parser *p) {
    return cairn_fail(p->error, CAIRN_NO_MEMORY, "structured field: no memory");
}

/* -- Characters ------------------------------------------------------------------- */

/* The character there; NUL, which stands nowhere in a field, at the end. */
static char peek(const struct parser *p) {
    return p->at < p->text.size ? p->text.data[p->at] : '\0';
}

static bool take(struct parser *p, char c) {
    if (peek(p) != c)
        return false;
    p->at++;
    return true;
}

static void skip(struct parser *p, const char *set) {
    while (is_one_of(peek(p), set))
        p->at++;
}

static struct cairn_slice since(const struct parser *p, size_t from) {
    return cairn_slice_sub(p->text, from, p->at - from);
}

/* -- Series of elements ----------------------------------------------------------- */

struct series {
    void *elements;
    size_t count, capacity, width;
};

/* Doubles, so that an element is copied once on average; what it leaves behind in the
 * arena is less than what it holds. */
static enum cairn_status append(struct parser *p, struct series *series,
                                const void *element) {
    if (++p->elements > CAIRN_STRUCTURED_MAX)
        return cairn_fail(p->error, CAIRN_LIMIT,
                          "structured field: more than %d members, items and "
                          "parameters at byte %zu",
                          CAIRN_STRUCTURED_MAX, p->at + 1);
    if (series->count == series->capacity) {
        size_t capacity = series->capacity ? series->capacity * 2 : 2;
        void *larger = cairn_arena_take(p->arena, capacity * series->width);
        if (!larger)
            return no_memory(p);
        if (series->count)
            memcpy(larger, series->elements, series->count * series->width);
        series->elements = larger;
        series->capacity = capacity;
    }
    memcpy((char *)series->elements + series->count++ * series->width, element,
           series->width);
    return CAIRN_OK;
}

/* Removes the elements whose key has no bytes. */
static void close_up(struct series *series) {
    char *from = series->elements, *to = from;
    for (size_t left = series->count; left; left--, from += series->width) {
        if (!((const struct cairn_slice *)(void *)from)->data)
            continue;
        if (to != from)
            memcpy(to, from, series->width);
        to += series->width;
    }
    series->count = (size_t)(to - (char *)series->elements) / series->width;
}

/* Keys that come twice: the last value, at the place of the first. */
static enum cairn_status merge(struct parser *p, struct series *series) {
    struct keyed list = {series->elements, series->count, series->width};
    if (keyed_ascending(&list))
        return CAIRN_OK;
    struct cairn_slice **order =
        cairn_arena_take(p->arena, series->count * sizeof *order);
    if (!order)
        return no_memory(p);
    keyed_order(&list, order);
    for (size_t i = 0, next; i < series->count; i = next) {
        for (next = i + 1; next < series->count; next++) {
            if (!cairn_slice_equal(*order[i], *order[next]))
                break;
        }
        if (next > i + 1)
            memcpy(order[i], order[next - 1], series->width);
        for (size_t twin = i + 1; twin < next; twin++)
            order[twin]->data = NULL;
    }
    close_up(series);
    return CAIRN_OK;
}

/* -- Bare items ------------------------------------------------------------------- */

static int64_t digits(struct parser *p, size_t *count) {
    int64_t value = 0;
    for (*count = 0; is_digit(peek(p)) && *count < 16; p->at++, ++*count)
        value = value * 10 + (peek(p) - '0');
    return value;
}

/* Both numbers below are whole and under 2^53, so the quotient is the double nearest to
 * what is written. */
static enum cairn_status parse_decimal(struct parser *p, bool negative, int64_t whole,
                                       size_t whole_digits, struct cairn_item *out) {
    static const int64_t scales[] = {1, 10, 100, 1000};
    size_t count;
    if (whole_digits > 12)
        return fail(p, "at most 12 digits before the point");
    p->at++;
    int64_t fraction = digits(p, &count);
    if (count == 0 || count > 3)
        return fail(p, "one to three digits behind the point");
    double value = (double)(whole * scales[count] + fraction) / (double)scales[count];
    *out = (struct cairn_item){.type = CAIRN_ITEM_DECIMAL,
                               .as.decimal = negative ? -value : value};
    return CAIRN_OK;
}

static enum cairn_status parse_number(struct parser *p, struct cairn_item *out) {
    size_t count;
    bool negative = take(p, '-');
    if (!is_digit(peek(p)))
        return fail(p, "a digit");
    int64_t value = digits(p, &count);
    if (peek(p) == '.')
        return parse_decimal(p, negative, value, count, out);
    if (count > 15)
        return fail(p, "at most 15 digits");
    *out = (struct cairn_item){.type = CAIRN_ITEM_INTEGER,
                               .as.integer = negative ? -value : value};
    return CAIRN_OK;
}

static enum cairn_status parse_date(struct parser *p, struct cairn_item *out) {
    p->at++;
    enum cairn_status status = parse_number(p, out);
    if (status)
        return status;
    if (out->type != CAIRN_ITEM_INTEGER)
        return fail(p, "a date in whole seconds");
    out->type = CAIRN_ITEM_DATE;
    return CAIRN_OK;
}

static enum cairn_status unescape(struct parser *p, struct cairn_slice escaped,
                                  struct cairn_slice *out) {
    char *copy = cairn_arena_take(p->arena, escaped.size);
    if (!copy)
        return no_memory(p);
    size_t size = 0;
    for (size_t i = 0; i < escaped.size; i++) {
        i += escaped.data[i] == '\\';
        copy[size++] = escaped.data[i];
    }
    *out = (struct cairn_slice){copy, size};
    return CAIRN_OK;
}

static enum cairn_status parse_string(struct parser *p, struct cairn_item *out) {
    bool escapes = false;
    size_t from = ++p->at;
    for (; peek(p) != '"'; p->at++) {
        if (!is_printable(peek(p)))
            return fail(p, "a printable character or the end of the string");
        if (peek(p) != '\\')
            continue;
        escapes = true;
        p->at++;
        if (!is_one_of(peek(p), "\"\\"))
            return fail(p, "a quote or a backslash behind a backslash");
    }
    out->type = CAIRN_ITEM_STRING;
    out->as.bytes = since(p, from);
    p->at++;
    return escapes ? unescape(p, out->as.bytes, &out->as.bytes) : CAIRN_OK;
}

static enum cairn_status parse_token(struct parser *p, struct cairn_item *out) {
    size_t from = p->at;
    while (is_token_character(peek(p)))
        p->at++;
    out->type = CAIRN_ITEM_TOKEN;
    out->as.bytes = since(p, from);
    return CAIRN_OK;
}

static enum cairn_status parse_bytes(struct parser *p, struct cairn_item *out) {
    size_t from = ++p->at, size;
    while (p->at < p->text.size && peek(p) != ':')
        p->at++;
    if (p->at == p->text.size)
        return fail(p, "the colon that ends a byte sequence");
    struct cairn_slice encoded = since(p, from);
    unsigned char *bytes = cairn_arena_take(p->arena, encoded.size / 4 * 3 + 3);
    if (!bytes)
        return no_memory(p);
    if (!base64_decode(encoded, bytes, &size)) {
        p->at = from;
        return fail(p, "base64");
    }
    p->at++;
    out->type = CAIRN_ITEM_BYTES;
    out->as.bytes = (struct cairn_slice){(const char *)bytes, size};
    return CAIRN_OK;
}

static enum cairn_status parse_boolean(struct parser *p, struct cairn_item *out) {
    p->at++;
    if (peek(p) != '0' && peek(p) != '1')
        return fail(p, "0 or 1");
    out->type = CAIRN_ITEM_BOOLEAN;
    out->as.boolean = peek(p) == '1';
    p->at++;
    return CAIRN_OK;
}

/* The value of a hexadecimal digit in lower case; -1 if it is none. */
static int hex(char c) {
    if (is_digit(c))
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum cairn_status parse_escape(struct parser *p, char *out) {
    unsigned value = 0;
    for (int i = 0; i < 2; i++) {
        p->at++;
        int digit = hex(peek(p));
        if (digit < 0)
            return fail(p, "a hexadecimal digit in lower case");
        value = value << 4 | (unsigned)digit;
    }
    *out = (char)value;
    return CAIRN_OK;
}

/* The size of what stands in quotes from here, escapes and all. */
static size_t quoted_size(const struct parser *p) {
    const char *from = p->text.data + p->at;
    const char *end = memchr(from, '"', p->text.size - p->at);
    return end ? (size_t)(end - from) : p->text.size - p->at;
}

static enum cairn_status parse_display(struct parser *p, struct cairn_item *out) {
    p->at++;
    if (!take(p, '"'))
        return fail(p, "a quote behind the percent sign");
    size_t from = p->at, size = 0;
    char *text = cairn_arena_take(p->arena, quoted_size(p) + 1);
    if (!text)
        return no_memory(p);
    for (; peek(p) != '"'; p->at++) {
        enum cairn_status status = CAIRN_OK;
        if (!is_printable(peek(p)))
            return fail(p, "a printable character or the end of the string");
        text[size] = peek(p);
        if (peek(p) == '%' && (status = parse_escape(p, &text[size])))
            return status;
        size++;
    }
    out->type = CAIRN_ITEM_DISPLAY;
    out->as.bytes = (struct cairn_slice){text, size};
    if (!utf8_valid(out->as.bytes)) {
        p->at = from;
        return fail(p, "UTF-8");
    }
    p->at++;
    return CAIRN_OK;
}

static enum cairn_status parse_bare(struct parser *p, struct cairn_item *out) {
    char c = peek(p);
    *out = (struct cairn_item){.type = CAIRN_ITEM_BOOLEAN};
    if (is_digit(c) || c == '-')
        return parse_number(p, out);
    if (is_token_start(c))
        return parse_token(p, out);
    switch (c) {
    case '"':
        return parse_string(p, out);
    case ':':
        return parse_bytes(p, out);
    case '?':
        return parse_boolean(p, out);
    case '@':
        return parse_date(p, out);
    case '%':
        return parse_display(p, out);
    default:
        return fail(p, "an item");
    }
}

/* -- Keys, parameters, inner lists ------------------------------------------------ */

static enum cairn_status parse_key(struct parser *p, struct cairn_slice *out) {
    size_t from = p->at;
    if (!is_key_start(peek(p), p->flags))
        return fail(p, "a key");
    while (is_key_character(peek(p), p->flags))
        p->at++;
    *out = since(p, from);
    return CAIRN_OK;
}

static enum cairn_status parse_parameters(struct parser *p, struct cairn_item *item) {
    struct series list = {.width = sizeof(struct cairn_parameter)};
    enum cairn_status status;
    while (take(p, ';')) {
        struct cairn_parameter parameter = {
            .value = {.type = CAIRN_ITEM_BOOLEAN, .as.boolean = true}};
        skip(p, " ");
        if ((status = parse_key(p, &parameter.key)))
            return status;
        if (take(p, '=') && (status = parse_bare(p, &parameter.value)))
            return status;
        if ((status = append(p, &list, &parameter)))
            return status;
    }
    if ((status = merge(p, &list)))
        return status;
    item->parameters = list.elements;
    item->parameter_count = list.count;
    return CAIRN_OK;
}

static enum cairn_status parse_item(struct parser *p, struct cairn_item *out) {
    enum cairn_status status = parse_bare(p, out);
    return status ? status : parse_parameters(p, out);
}

static enum cairn_status parse_inner_list(struct parser *p, struct cairn_item *out) {
    struct series list = {.width = sizeof(struct cairn_item)};
    enum cairn_status status;
    p->at++;
    for (;;) {
        struct cairn_item item;
        skip(p, " ");
        if (take(p, ')'))
            break;
        if ((status = parse_item(p, &item)) || (status = append(p, &list, &item)))
            return status;
        if (peek(p) != ' ' && peek(p) != ')')
            return fail(p, "a space or the end of the inner list");
    }
    *out = (struct cairn_item){.type = CAIRN_ITEM_LIST, .count = list.count};
    out->as.items = list.elements;
    return parse_parameters(p, out);
}

/* -- Members ---------------------------------------------------------------------- */

static enum cairn_status parse_item_or_list(struct parser *p, struct cairn_item *out) {
    return peek(p) == '(' ? parse_inner_list(p, out) : parse_item(p, out);
}

static enum cairn_status parse_member(struct parser *p, bool keyed,
                                      struct cairn_member *out) {
    *out = (struct cairn_member){.item.type = CAIRN_ITEM_BOOLEAN};
    if (!keyed)
        return parse_item_or_list(p, &out->item);
    enum cairn_status status = parse_key(p, &out->key);
    if (status)
        return status;
    if (take(p, '='))
        return parse_item_or_list(p, &out->item);
    out->item.as.boolean = true;
    return parse_parameters(p, &out->item);
}

static enum cairn_status parse_members(struct parser *p, bool keyed,
                                       struct series *list) {
    enum cairn_status status;
    while (p->at < p->text.size) {
        struct cairn_member member;
        if ((status = parse_member(p, keyed, &member)) ||
            (status = append(p, list, &member)))
            return status;
        skip(p, " \t");
        if (p->at == p->text.size)
            break;
        if (!take(p, ','))
            return fail(p, "a comma");
        skip(p, " \t");
        if (p->at == p->text.size)
            return fail(p, "a member behind the comma");
    }
    return keyed ? merge(p, list) : CAIRN_OK;
}

static enum cairn_status parse_single(struct parser *p, struct series *list) {
    struct cairn_member member = {.key = {"", 0}};
    enum cairn_status status = parse_item(p, &member.item);
    if (status)
        return status;
    skip(p, " ");
    if (p->at < p->text.size)
        return fail(p, "the end");
    return append(p, list, &member);
}

enum cairn_status cairn_structured_parse(struct cairn_slice text,
                                         enum cairn_structured_type type,
                                         unsigned flags, struct cairn_arena *arena,
                                         struct cairn_member **out, size_t *count,
                                         struct cairn_error *error) {
    struct parser parser = {
        .text = text, .flags = flags, .arena = arena, .error = error};
    struct series list = {.width = sizeof(struct cairn_member)};
    skip(&parser, " ");
    enum cairn_status status =
        type == CAIRN_STRUCTURED_ITEM
            ? parse_single(&parser, &list)
            : parse_members(&parser, type == CAIRN_STRUCTURED_DICTIONARY, &list);
    if (status)
        return status;
    *out = list.elements;
    *count = list.count;
    return CAIRN_OK;
}
