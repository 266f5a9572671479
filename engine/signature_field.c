/* signature_field.c -- fields as components (RFC 9421, section 2.1): their lines
 * combined, strictly serialised again (`sf`), one member of a dictionary (`key`), or
 * each line as bytes (`bs`). */
#include "keyed.h"
#include "signature_component.h"

#include <stdlib.h>

/* -- Lists by name ---------------------------------------------------------------- */

static int compare(const void *a, const void *b) {
    const struct named *left = a, *right = b;
    int order = cairn_slice_compare(left->name, right->name);
    return order ? order : (left->place > right->place) - (left->place < right->place);
}

void named_sort(struct named *list, size_t count) {
    qsort(list, count, sizeof *list, compare);
}

struct named *named_find(struct named *list, size_t count, struct cairn_slice name,
                         size_t *found) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (cairn_slice_compare(list[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (*found = 0; low + *found < count; ++*found) {
        if (!cairn_slice_equal(list[low + *found].name, name))
            break;
    }
    return *found ? &list[low] : NULL;
}

static bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}

/* A copy only where there is something to change. */
static bool lower(struct cairn_arena *arena, struct cairn_slice name,
                  struct cairn_slice *out) {
    size_t same = 0;
    while (same < name.size && !is_upper(name.data[same]))
        same++;
    *out = name;
    if (same == name.size)
        return true;
    char *copy = cairn_arena_take(arena, name.size);
    if (!copy)
        return false;
    for (size_t i = 0; i < name.size; i++)
        copy[i] =
            is_upper(name.data[i]) ? (char)(name.data[i] - 'A' + 'a') : name.data[i];
    *out = (struct cairn_slice){copy, name.size};
    return true;
}

enum cairn_status signature_fields(struct covered *covered) {
    const struct cairn_http_message *message = covered->message;
    struct named *fields =
        cairn_arena_take(covered->arena, message->count * sizeof *fields);
    if (!fields)
        return signature_no_memory(covered);
    for (size_t i = 0; i < message->count; i++) {
        fields[i] = (struct named){.value = message->fields[i].value, .place = i};
        if (!lower(covered->arena, message->fields[i].name, &fields[i].name))
            return signature_no_memory(covered);
    }
    named_sort(fields, message->count);
    covered->fields = fields;
    covered->field_count = message->count;
    return CAIRN_OK;
}

/* -- Lines ------------------------------------------------------------------------ */

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* The size of an obsolete fold that begins there, 0 if none does: a line break and what
 * indents the next line. */
static size_t fold_size(struct cairn_slice text, size_t at) {
    size_t end = at;
    if (end < text.size && text.data[end] == '\r')
        end++;
    if (end >= text.size || text.data[end] != '\n')
        return 0;
    size_t indent = ++end;
    while (end < text.size && is_blank(text.data[end]))
        end++;
    return end > indent ? end - at : 0;
}

/* A control character could end the line that it stands in. */
static bool is_control(char c) {
    return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

static void drop_blanks(struct cairn_bytes *out, size_t start) {
    while (out->size > start && is_blank(out->data[out->size - 1]))
        out->size--;
}

/* Appends the value of a line: each fold with the blanks before it one space, no blanks
 * at its ends. */
static enum cairn_status append_line(struct covered *covered,
                                     const struct cairn_item *component,
                                     struct cairn_slice text, struct cairn_bytes *out) {
    if (!cairn_bytes_reserve(out, text.size))
        return signature_no_memory(covered);
    size_t start = out->size;
    for (size_t at = 0; at < text.size;) {
        size_t fold = fold_size(text, at);
        char c = fold ? ' ' : text.data[at];
        if (is_control(c))
            return signature_refuse(covered, component,
                                    "its value has a control character in it");
        if (fold)
            drop_blanks(out, start);
        if (out->size > start || !is_blank(c))
            out->data[out->size++] = c;
        at += fold ? fold : 1;
    }
    drop_blanks(out, start);
    return CAIRN_OK;
}

static enum cairn_status append_lines(struct covered *covered,
                                      const struct cairn_item *component,
                                      const struct named *lines, size_t count,
                                      struct cairn_bytes *out) {
    for (size_t i = 0; i < count; i++) {
        if (i && !cairn_bytes_append(out, cairn_slice_of(", ")))
            return signature_no_memory(covered);
        enum cairn_status status = append_line(covered, component, lines[i].value, out);
        if (status)
            return status;
    }
    return CAIRN_OK;
}

/* -- Parameters of the component -------------------------------------------------- */

/* Appends the text as a structured field of this type, strictly serialised. */
static enum cairn_status append_structured(struct covered *covered,
                                           struct cairn_slice text,
                                           enum cairn_structured_type type,
                                           struct cairn_bytes *out,
                                           struct cairn_error *why) {
    struct cairn_member *members;
    size_t count;
    enum cairn_status status =
        cairn_structured_parse(text, type, 0, covered->arena, &members, &count, why);
    return status ? status
                  : cairn_structured_serialize(members, count, type, 0, out, why);
}

/* What went wrong with a structured field: not being one is told of the component. */
static enum cairn_status explain(struct covered *covered,
                                 const struct cairn_item *component,
                                 enum cairn_status status, const char *invalid,
                                 const struct cairn_error *why) {
    if (status == CAIRN_INVALID_ARGUMENT)
        return signature_refuse(covered, component, invalid);
    return status ? cairn_fail(covered->error, status, "%s", why->message) : CAIRN_OK;
}

/* `sf` does not say of which type the field is. An item is a list of one; a dictionary
 * whose keys have no values reads as a list as well, and the same unless a key comes
 * twice: only then is it refused. */
static enum cairn_status append_strict(struct covered *covered,
                                       const struct cairn_item *component,
                                       struct cairn_slice text,
                                       struct cairn_bytes *out) {
    struct cairn_bytes list = {0};
    struct cairn_error why;
    size_t before = out->size;
    enum cairn_status status =
        append_structured(covered, text, CAIRN_STRUCTURED_DICTIONARY, out, &why);
    if (status == CAIRN_INVALID_ARGUMENT) {
        status = append_structured(covered, text, CAIRN_STRUCTURED_LIST, out, &why);
        return explain(covered, component, status, "`sf`: no structured field", &why);
    }
    if (status)
        return explain(covered, component, status, "", &why);
    struct cairn_slice dictionary = {out->data + before, out->size - before};
    status = append_structured(covered, text, CAIRN_STRUCTURED_LIST, &list, &why);
    if (status == CAIRN_INVALID_ARGUMENT)
        status = CAIRN_OK; /* a dictionary and nothing else */
    else if (!status && !cairn_slice_equal(dictionary, cairn_bytes_slice(&list)))
        status = CAIRN_INVALID_ARGUMENT;
    cairn_bytes_free(&list);
    return explain(covered, component, status,
                   "`sf`: it reads differently as a list and as a dictionary", &why);
}

/* Parses the field's lines as a dictionary, once however many members are covered. */
static enum cairn_status read_members(struct covered *covered,
                                      const struct cairn_item *component,
                                      struct cairn_slice text, struct named *field) {
    struct cairn_member *members;
    struct cairn_slice copy;
    struct cairn_error why;
    size_t count;
    if (!cairn_arena_copy(covered->arena, text, &copy))
        return signature_no_memory(covered);
    enum cairn_status status = cairn_structured_parse(
        copy, CAIRN_STRUCTURED_DICTIONARY, 0, covered->arena, &members, &count, &why);
    if (status)
        return explain(covered, component, status, "`key`: no dictionary", &why);
    struct keyed list = {members, count, sizeof *members};
    field->members = cairn_arena_take(covered->arena, count * sizeof *field->members);
    if (!field->members)
        return signature_no_memory(covered);
    keyed_order(&list, field->members);
    field->member_count = count;
    return CAIRN_OK;
}

static int compare_key(const void *key, const void *member) {
    const struct cairn_slice *wanted = key;
    return cairn_slice_compare(*wanted, **(struct cairn_slice *const *)member);
}

static enum cairn_status append_member(struct covered *covered,
                                       const struct cairn_item *component,
                                       const struct named *field,
                                       struct cairn_slice key,
                                       struct cairn_bytes *out) {
    struct cairn_slice **found = NULL;
    if (field->member_count)
        found = bsearch(&key, field->members, field->member_count,
                        sizeof *field->members, compare_key);
    if (!found)
        return signature_refuse(covered, component, "`key`: not in the dictionary");
    const struct cairn_member *member = (const void *)*found;
    return cairn_structured_serialize(member, 1, CAIRN_STRUCTURED_LIST, 0, out,
                                      covered->error);
}

static enum cairn_status append_bytes(struct covered *covered,
                                      const struct cairn_item *component,
                                      const struct named *lines, size_t count,
                                      struct cairn_bytes *out) {
    struct cairn_bytes line = {0};
    enum cairn_status status = CAIRN_OK;
    for (size_t i = 0; !status && i < count; i++) {
        struct cairn_member member = {.item.type = CAIRN_ITEM_BYTES};
        line.size = 0;
        status = append_line(covered, component, lines[i].value, &line);
        if (!status && i && !cairn_bytes_append(out, cairn_slice_of(", ")))
            status = signature_no_memory(covered);
        member.item.as.bytes = cairn_bytes_slice(&line);
        if (!status)
            status = cairn_structured_serialize(&member, 1, CAIRN_STRUCTURED_LIST, 0,
                                                out, covered->error);
    }
    cairn_bytes_free(&line);
    return status;
}

struct wishes {
    bool strict, bytes;
    const struct cairn_item *key; /* NULL: the whole */
};

static enum cairn_status read_wishes(struct covered *covered,
                                     const struct cairn_item *component,
                                     struct wishes *out) {
    *out = (struct wishes){0};
    for (size_t i = 0; i < component->parameter_count; i++) {
        const struct cairn_parameter *parameter = &component->parameters[i];
        const struct cairn_item *value = &parameter->value;
        bool set = value->type == CAIRN_ITEM_BOOLEAN && value->as.boolean;
        if (set && cairn_slice_equal(parameter->key, cairn_slice_of("sf")))
            out->strict = true;
        else if (set && cairn_slice_equal(parameter->key, cairn_slice_of("bs")))
            out->bytes = true;
        else if (value->type == CAIRN_ITEM_STRING &&
                 cairn_slice_equal(parameter->key, cairn_slice_of("key")))
            out->key = value;
        else
            return signature_refuse(covered, component,
                                    "a parameter that no field's component has");
    }
    if (out->bytes && (out->strict || out->key))
        return signature_refuse(covered, component,
                                "`bs` goes with neither `sf` nor `key`");
    return CAIRN_OK;
}

/* The lines combined, and then parsed. */
static enum cairn_status append_parsed(struct covered *covered,
                                       const struct cairn_item *component,
                                       const struct wishes *wishes, struct named *lines,
                                       size_t count, struct cairn_bytes *out) {
    struct cairn_bytes text = {0};
    enum cairn_status status = CAIRN_OK;
    if (!wishes->key || !lines->members)
        status = append_lines(covered, component, lines, count, &text);
    if (!status && !wishes->key)
        status = append_strict(covered, component, cairn_bytes_slice(&text), out);
    else if (!status && !lines->members)
        status = read_members(covered, component, cairn_bytes_slice(&text), lines);
    if (!status && wishes->key)
        status = append_member(covered, component, lines, wishes->key->as.bytes, out);
    cairn_bytes_free(&text);
    return status;
}

enum cairn_status signature_field(struct covered *covered,
                                  const struct cairn_item *component,
                                  struct cairn_bytes *out) {
    struct wishes wishes;
    size_t count;
    enum cairn_status status = read_wishes(covered, component, &wishes);
    if (status)
        return status;
    struct named *lines =
        named_find(covered->fields, covered->field_count, component->as.bytes, &count);
    if (!lines)
        return signature_refuse(covered, component, "the message has no such field");
    if (wishes.bytes)
        return append_bytes(covered, component, lines, count, out);
    if (wishes.strict || wishes.key)
        return append_parsed(covered, component, &wishes, lines, count, out);
    return append_lines(covered, component, lines, count, out);
}
