/* signature_query.c -- single parameters of the query as components (RFC 9421, section
 * 2.2.8), parsed and encoded as the URL standard says of
 * application/x-www-form-urlencoded.
 *
 * That standard replaces what is not UTF-8; here such bytes stay, so that different
 * queries have different bases. */
#include "signature_component.h"

static int hex(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte written at `*at`, which moves behind it. A percent sign without two digits
 * is one. */
static unsigned char decode(struct cairn_slice text, size_t *at) {
    char c = text.data[(*at)++];
    if (c == '+')
        return ' ';
    if (c != '%' || text.size - *at < 2)
        return (unsigned char)c;
    int high = hex(text.data[*at]), low = hex(text.data[*at + 1]);
    if (high < 0 || low < 0)
        return (unsigned char)c;
    *at += 2;
    return (unsigned char)(high << 4 | low);
}

static bool is_plain(unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '*' || c == '-' || c == '.' || c == '_';
}

/* Decoded and encoded again, in one way only. */
static bool recode(struct cairn_arena *arena, struct cairn_slice text,
                   struct cairn_slice *out) {
    static const char digits[] = "0123456789ABCDEF";
    char *to = cairn_arena_take(arena, text.size * 3);
    if (!to)
        return false;
    *out = (struct cairn_slice){to, 0};
    for (size_t at = 0; at < text.size;) {
        unsigned char c = decode(text, &at);
        if (is_plain(c)) {
            *to++ = (char)c;
            continue;
        }
        *to++ = '%';
        *to++ = digits[c >> 4];
        *to++ = digits[c & 15];
    }
    out->size = (size_t)(to - out->data);
    return true;
}

static size_t count_pieces(struct cairn_slice query) {
    size_t count = 1;
    for (size_t i = 0; i < query.size; i++)
        count += query.data[i] == '&';
    return count;
}

/* Cuts off what lies before the first `separator`, which vanishes. */
static struct cairn_slice cut(struct cairn_slice *rest, char separator) {
    const char *end = rest->size ? memchr(rest->data, separator, rest->size) : NULL;
    size_t size = end ? (size_t)(end - rest->data) : rest->size;
    struct cairn_slice piece = {rest->data, size};
    size_t taken = end ? size + 1 : size;
    *rest = cairn_slice_sub(*rest, taken, rest->size - taken);
    return piece;
}

static enum cairn_status read_query(struct covered *covered, struct cairn_slice query) {
    struct cairn_slice rest = cairn_slice_sub(query, 1, query.size - 1);
    struct named *list =
        cairn_arena_take(covered->arena, count_pieces(rest) * sizeof *list);
    if (!list)
        return signature_no_memory(covered);
    size_t count = 0;
    while (rest.size) {
        struct cairn_slice value = cut(&rest, '&');
        if (!value.size)
            continue;
        struct cairn_slice name = cut(&value, '=');
        list[count] = (struct named){.place = count};
        if (!recode(covered->arena, name, &list[count].name) ||
            !recode(covered->arena, value, &list[count].value))
            return signature_no_memory(covered);
        count++;
    }
    named_sort(list, count);
    covered->parameters = list;
    covered->parameter_count = count;
    return CAIRN_OK;
}

enum cairn_status signature_query_parameter(struct covered *covered,
                                            const struct cairn_item *component,
                                            struct cairn_bytes *out) {
    struct cairn_slice query = covered->message->query;
    const struct cairn_parameter *name = component->parameters;
    if (component->parameter_count != 1 || name->value.type != CAIRN_ITEM_STRING ||
        !cairn_slice_equal(name->key, cairn_slice_of("name")))
        return signature_refuse(
            covered, component,
            "the parameter `name`, a string, and no other expected");
    if (!query.size)
        return signature_refuse(covered, component, "the message has no query");
    if (query.data[0] != '?')
        return signature_refuse(covered, component, "a query begins with `?`");
    enum cairn_status status =
        covered->parameters ? CAIRN_OK : read_query(covered, query);
    if (status)
        return status;
    size_t found;
    const struct named *first = named_find(
        covered->parameters, covered->parameter_count, name->value.as.bytes, &found);
    if (!first)
        return signature_refuse(covered, component, "not in the query");
    if (found > 1)
        return signature_refuse(covered, component, "more than once in the query");
    return cairn_bytes_append(out, first->value) ? CAIRN_OK
                                                 : signature_no_memory(covered);
}
