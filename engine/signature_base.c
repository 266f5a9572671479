/* signature_base.c -- what an HTTP message signature signs (RFC 9421, section 2.5): a
 * line for each covered component, and one for the signature's parameters. */
#include "cairn/signature_base.h"

#include <stdio.h>
#include <stdlib.h>

#include "keyed.h"
#include "signature_component.h"

enum cairn_status signature_refuse(const struct covered *covered,
                                   const struct cairn_item *component,
                                   const char *reason) {
    char what[200];
    snprintf(what, sizeof what, "signature base: %s", reason);
    return cairn_fail_at(covered->error, CAIRN_INVALID_ARGUMENT, what,
                         component->as.bytes);
}

enum cairn_status signature_no_memory(const struct covered *covered) {
    return cairn_fail(covered->error, CAIRN_NO_MEMORY, "signature base: no memory");
}

/* -- One line --------------------------------------------------------------------- */

/* Parameters that speak of another message, or of trailers. */
static enum cairn_status check_supported(const struct covered *covered,
                                         const struct cairn_item *component) {
    for (size_t i = 0; i < component->parameter_count; i++) {
        struct cairn_slice key = component->parameters[i].key;
        if (cairn_slice_equal(key, cairn_slice_of("req")) ||
            cairn_slice_equal(key, cairn_slice_of("tr")))
            return cairn_fail_at(covered->error, CAIRN_UNSUPPORTED,
                                 "signature base: components with `req` or `tr`",
                                 component->as.bytes);
    }
    return CAIRN_OK;
}

static enum cairn_status append_identifier(const struct covered *covered,
                                           const struct cairn_item *component,
                                           struct cairn_bytes *out) {
    struct cairn_member member = {.item = *component};
    return cairn_structured_serialize(&member, 1, CAIRN_STRUCTURED_ITEM, 0, out,
                                      covered->error);
}

static enum cairn_status append_component(struct covered *covered,
                                          const struct cairn_item *component,
                                          struct cairn_bytes *out) {
    enum cairn_status status = check_supported(covered, component);
    if (status || (status = append_identifier(covered, component, out)))
        return status;
    if (!cairn_bytes_append(out, cairn_slice_of(": ")))
        return signature_no_memory(covered);
    struct cairn_slice name = component->as.bytes;
    status = name.size && name.data[0] == '@'
                 ? signature_derived(covered, component, out)
                 : signature_field(covered, component, out);
    if (!status && !cairn_bytes_append(out, cairn_slice_of("\n")))
        status = signature_no_memory(covered);
    return status;
}

static enum cairn_status append_parameters(const struct covered *covered,
                                           const struct cairn_item *input,
                                           struct cairn_bytes *out) {
    struct cairn_member member = {.item = *input};
    if (!cairn_bytes_append(out, cairn_slice_of("\"@signature-params\": ")))
        return signature_no_memory(covered);
    return cairn_structured_serialize(&member, 1, CAIRN_STRUCTURED_LIST, 0, out,
                                      covered->error);
}

/* -- No component twice ----------------------------------------------------------- */

struct identity {
    struct cairn_slice text; /* the identifier, its parameters in byte order */
    const struct cairn_item *component;
};

/* The order of its parameters does not make a component another. */
static enum cairn_status identify(const struct covered *covered,
                                  const struct cairn_item *component,
                                  struct cairn_bytes *scratch, struct identity *out) {
    struct cairn_item sorted = *component;
    size_t size = component->parameter_count * sizeof *sorted.parameters;
    if (component->parameter_count > 1) {
        sorted.parameters = cairn_arena_take(covered->arena, size);
        if (!sorted.parameters)
            return signature_no_memory(covered);
        memcpy(sorted.parameters, component->parameters, size);
        keyed_sort(&(struct keyed){sorted.parameters, sorted.parameter_count,
                                   sizeof *sorted.parameters});
    }
    scratch->size = 0;
    out->component = component;
    enum cairn_status status = append_identifier(covered, &sorted, scratch);
    if (!status &&
        !cairn_arena_copy(covered->arena, cairn_bytes_slice(scratch), &out->text))
        status = signature_no_memory(covered);
    return status;
}

static enum cairn_status check_once(const struct covered *covered,
                                    const struct cairn_item *input) {
    struct cairn_bytes scratch = {0};
    struct identity *list =
        cairn_arena_take(covered->arena, input->count * sizeof *list);
    enum cairn_status status = list ? CAIRN_OK : signature_no_memory(covered);
    for (size_t i = 0; !status && i < input->count; i++) {
        status = input->as.items[i].type == CAIRN_ITEM_STRING
                     ? identify(covered, &input->as.items[i], &scratch, &list[i])
                     : cairn_fail(covered->error, CAIRN_INVALID_ARGUMENT,
                                  "signature base: component %zu is no string", i + 1);
    }
    cairn_bytes_free(&scratch);
    if (status)
        return status;
    keyed_sort(&(struct keyed){list, input->count, sizeof *list});
    for (size_t i = 1; i < input->count; i++) {
        if (cairn_slice_equal(list[i - 1].text, list[i].text))
            return signature_refuse(covered, list[i].component, "covered twice");
    }
    return CAIRN_OK;
}

/* -- The base --------------------------------------------------------------------- */

static enum cairn_status append_base(struct covered *covered,
                                     const struct cairn_item *input,
                                     struct cairn_bytes *out) {
    enum cairn_status status = check_once(covered, input);
    if (!status)
        status = signature_fields(covered);
    for (size_t i = 0; !status && i < input->count; i++)
        status = append_component(covered, &input->as.items[i], out);
    return status ? status : append_parameters(covered, input, out);
}

enum cairn_status cairn_signature_base(const struct cairn_http_message *message,
                                       const struct cairn_item *input,
                                       struct cairn_bytes *out,
                                       struct cairn_error *error) {
    if (input->type != CAIRN_ITEM_LIST)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "signature base: the input is no list of components");
    struct cairn_arena arena;
    cairn_arena_init(&arena);
    struct covered covered = {.message = message, .arena = &arena, .error = error};
    size_t before = out->size;
    enum cairn_status status = append_base(&covered, input, out);
    if (status)
        out->size = before;
    cairn_arena_free(&arena);
    return status;
}
