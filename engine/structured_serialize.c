/* structured_serialize.c -- from members to the text of a structured field (RFC 9651,
 * section 4.1).
 *
 * Whatever a member holds, what is written can be parsed and says the same: what the
 * syntax cannot carry is refused. */
#include "digest.h"
#include "keyed.h"
#include "structured_syntax.h"
#include "utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct writer {
    struct cairn_bytes *out;
    unsigned flags;
    size_t elements;
    bool no_memory; /* told at the end; until then nothing is appended any more */
    struct cairn_error *error;
};

static enum cairn_status refuse(const struct writer *w, const char *reason) {
    return cairn_fail(w->error, CAIRN_INVALID_ARGUMENT,
                      "structured field: element %zu: %s", w->elements, reason);
}

static void put(struct writer *w, struct cairn_slice bytes) {
    if (!w->no_memory && !cairn_bytes_append(w->out, bytes))
        w->no_memory = true;
}

static void put_text(struct writer *w, const char *text) {
    put(w, cairn_slice_of(text));
}

/* Every member, item of an inner list and parameter. */
static enum cairn_status count_element(struct writer *w) {
    if (++w->elements <= CAIRN_STRUCTURED_MAX)
        return CAIRN_OK;
    return cairn_fail(w->error, CAIRN_LIMIT,
                      "structured field: more than %d members, items and parameters",
                      CAIRN_STRUCTURED_MAX);
}

/* -- Bare items ------------------------------------------------------------------- */

static enum cairn_status put_integer(struct writer *w, int64_t value) {
    char text[24];
    if (value > STRUCTURED_INTEGER_MOST || value < -STRUCTURED_INTEGER_MOST)
        return refuse(w, "an integer of more than 15 digits");
    snprintf(text, sizeof text, "%" PRId64, value);
    put_text(w, text);
    return CAIRN_OK;
}

/* In thousandths: a double is at most half of its last digit off the decimal that was
 * meant, and the product rounds that away, so 0.0025 is a tie (and becomes 0.002). */
static enum cairn_status put_decimal(struct writer *w, double value) {
    char text[32];
    double rounded = nearbyint(fabs(value) * 1000);
    if (!(rounded <= (double)STRUCTURED_INTEGER_MOST))
        return refuse(w, "a decimal of more than 12 digits before the point");
    int64_t thousandths = (int64_t)rounded;
    int size = snprintf(text, sizeof text, "%s%" PRId64 ".%03d",
                        value < 0 && thousandths ? "-" : "", thousandths / 1000,
                        (int)(thousandths % 1000));
    for (int dropped = 0; dropped < 2 && text[size - 1] == '0'; dropped++)
        size--;
    put(w, (struct cairn_slice){text, (size_t)size});
    return CAIRN_OK;
}

static enum cairn_status put_string(struct writer *w, struct cairn_slice bytes) {
    size_t from = 0;
    put_text(w, "\"");
    for (size_t i = 0; i < bytes.size; i++) {
        if (!is_printable(bytes.data[i]))
            return refuse(w, "a string with a character that is not printable ASCII");
        if (!is_one_of(bytes.data[i], "\"\\"))
            continue;
        put(w, cairn_slice_sub(bytes, from, i - from));
        put_text(w, "\\");
        from = i;
    }
    put(w, cairn_slice_sub(bytes, from, bytes.size - from));
    put_text(w, "\"");
    return CAIRN_OK;
}

static enum cairn_status put_token(struct writer *w, struct cairn_slice bytes) {
    if (!bytes.size || !is_token_start(bytes.data[0]))
        return refuse(w, "a token begins with a letter or an asterisk");
    for (size_t i = 1; i < bytes.size; i++) {
        if (!is_token_character(bytes.data[i]))
            return refuse(w, "a character that no token holds");
    }
    put(w, bytes);
    return CAIRN_OK;
}

static enum cairn_status put_bytes(struct writer *w, struct cairn_slice bytes) {
    put_text(w, ":");
    if (!w->no_memory && !base64_append(bytes, w->out))
        w->no_memory = true;
    put_text(w, ":");
    return CAIRN_OK;
}

static enum cairn_status put_display(struct writer *w, struct cairn_slice bytes) {
    if (!utf8_valid(bytes))
        return refuse(w, "a display string that is not UTF-8");
    put_text(w, "%\"");
    for (size_t i = 0; i < bytes.size; i++) {
        char c = bytes.data[i], escape[4];
        bool plain = is_printable(c) && c != '%' && c != '"';
        snprintf(escape, sizeof escape, "%%%02x", (unsigned char)c);
        put(w, plain ? cairn_slice_sub(bytes, i, 1) : cairn_slice_of(escape));
    }
    put_text(w, "\"");
    return CAIRN_OK;
}

static enum cairn_status put_bare(struct writer *w, const struct cairn_item *item) {
    switch (item->type) {
    case CAIRN_ITEM_INTEGER:
        return put_integer(w, item->as.integer);
    case CAIRN_ITEM_DECIMAL:
        return put_decimal(w, item->as.decimal);
    case CAIRN_ITEM_STRING:
        return put_string(w, item->as.bytes);
    case CAIRN_ITEM_TOKEN:
        return put_token(w, item->as.bytes);
    case CAIRN_ITEM_BYTES:
        return put_bytes(w, item->as.bytes);
    case CAIRN_ITEM_BOOLEAN:
        put_text(w, item->as.boolean ? "?1" : "?0");
        return CAIRN_OK;
    case CAIRN_ITEM_DATE:
        put_text(w, "@");
        return put_integer(w, item->as.integer);
    case CAIRN_ITEM_DISPLAY:
        return put_display(w, item->as.bytes);
    case CAIRN_ITEM_LIST:
        return refuse(w, "an inner list where a single item belongs");
    }
    return refuse(w, "an item of no known type");
}

/* -- Keys, parameters, inner lists ------------------------------------------------ */

static enum cairn_status put_key(struct writer *w, struct cairn_slice key) {
    if (!key.size || !is_key_start(key.data[0], w->flags))
        return refuse(w, "a key that does not begin like one");
    for (size_t i = 1; i < key.size; i++) {
        if (!is_key_character(key.data[i], w->flags))
            return refuse(w, "a character that no key holds");
    }
    put(w, key);
    return CAIRN_OK;
}

/* Parsed again, of a key that comes twice only the last would be left. */
static enum cairn_status check_unique(struct writer *w, const struct keyed *list) {
    if (keyed_ascending(list))
        return CAIRN_OK;
    struct cairn_slice **order = calloc(list->count, sizeof *order);
    if (!order) {
        w->no_memory = true;
        return CAIRN_OK;
    }
    enum cairn_status status = CAIRN_OK;
    keyed_order(list, order);
    for (size_t i = 1; !status && i < list->count; i++) {
        if (cairn_slice_equal(*order[i - 1], *order[i]))
            status =
                cairn_fail_at(w->error, CAIRN_INVALID_ARGUMENT,
                              "structured field: a key that comes twice", *order[i]);
    }
    free(order);
    return status;
}

static bool is_true(const struct cairn_item *item) {
    return item->type == CAIRN_ITEM_BOOLEAN && item->as.boolean;
}

static enum cairn_status put_parameters(struct writer *w,
                                        const struct cairn_item *item) {
    struct keyed list = {item->parameters, item->parameter_count,
                         sizeof *item->parameters};
    enum cairn_status status = CAIRN_OK;
    for (size_t i = 0; i < item->parameter_count; i++) {
        const struct cairn_parameter *parameter = &item->parameters[i];
        put_text(w, ";");
        if ((status = count_element(w)) || (status = put_key(w, parameter->key)))
            return status;
        if (parameter->value.parameter_count)
            return refuse(w, "a parameter with parameters of its own");
        if (is_true(&parameter->value))
            continue;
        put_text(w, "=");
        if ((status = put_bare(w, &parameter->value)))
            return status;
    }
    return check_unique(w, &list);
}

static enum cairn_status put_item(struct writer *w, const struct cairn_item *item) {
    enum cairn_status status = put_bare(w, item);
    return status ? status : put_parameters(w, item);
}

static enum cairn_status put_item_or_list(struct writer *w,
                                          const struct cairn_item *item) {
    enum cairn_status status;
    if (item->type != CAIRN_ITEM_LIST)
        return put_item(w, item);
    put_text(w, "(");
    for (size_t i = 0; i < item->count; i++) {
        put_text(w, i ? " " : "");
        if ((status = count_element(w)) || (status = put_item(w, &item->as.items[i])))
            return status;
    }
    put_text(w, ")");
    return put_parameters(w, item);
}

/* -- Members ---------------------------------------------------------------------- */

static enum cairn_status put_member(struct writer *w, bool keyed,
                                    const struct cairn_member *member) {
    enum cairn_status status = count_element(w);
    if (status || !keyed)
        return status ? status : put_item_or_list(w, &member->item);
    if ((status = put_key(w, member->key)))
        return status;
    if (is_true(&member->item))
        return put_parameters(w, &member->item);
    put_text(w, "=");
    return put_item_or_list(w, &member->item);
}

static enum cairn_status put_members(struct writer *w, bool keyed,
                                     const struct cairn_member *members, size_t count) {
    for (size_t i = 0; i < count; i++) {
        put_text(w, i ? ", " : "");
        enum cairn_status status = put_member(w, keyed, &members[i]);
        if (status)
            return status;
    }
    struct keyed list = {(void *)members, count, sizeof *members};
    return keyed ? check_unique(w, &list) : CAIRN_OK;
}

static enum cairn_status put_single(struct writer *w,
                                    const struct cairn_member *members, size_t count) {
    if (count != 1)
        return cairn_fail(w->error, CAIRN_INVALID_ARGUMENT,
                          "structured field: %zu items where one belongs", count);
    enum cairn_status status = count_element(w);
    return status ? status : put_item(w, &members->item);
}

enum cairn_status cairn_structured_serialize(const struct cairn_member *members,
                                             size_t count,
                                             enum cairn_structured_type type,
                                             unsigned flags, struct cairn_bytes *out,
                                             struct cairn_error *error) {
    struct writer writer = {.out = out, .flags = flags, .error = error};
    size_t before = out->size;
    enum cairn_status status =
        type == CAIRN_STRUCTURED_ITEM
            ? put_single(&writer, members, count)
            : put_members(&writer, type == CAIRN_STRUCTURED_DICTIONARY, members, count);
    if (!status && writer.no_memory)
        status = cairn_fail(error, CAIRN_NO_MEMORY, "structured field: no memory");
    if (status)
        out->size = before;
    return status;
}
