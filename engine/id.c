/* id.c -- names made from what they name.
 *
 * Most messages are a few short values under plain keys: their signature base is
 * written straight into one buffer. Every other message goes by its HTTP form. */
#include <stdlib.h>

#include "digest.h"
#include "http_parts.h"
#include "message_types.h"
#include "put.h"

/* -- Ids as text ------------------------------------------------------------------ */

bool cairn_id_decode(struct cairn_slice text, unsigned char hash[CAIRN_HASH_SIZE]) {
    unsigned char room[CAIRN_ID_SIZE / 4 * 3 + 3];
    size_t size = 0;
    if (text.size != CAIRN_ID_SIZE || !base64url_decode(text, room, &size) ||
        size != CAIRN_HASH_SIZE)
        return false;
    memcpy(hash, room, CAIRN_HASH_SIZE);
    return true;
}

bool cairn_is_id(struct cairn_slice text) {
    return text.size == CAIRN_ID_SIZE && base64url_fits(text);
}

void cairn_id_encode(const unsigned char hash[CAIRN_HASH_SIZE], struct cairn_id *out) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned bits = 0, count = 0;
    char *end = out->text;
    for (size_t i = 0; i < CAIRN_HASH_SIZE; i++) {
        bits = (bits << 8 | hash[i]) & 0xffff;
        for (count += 8; count >= 6; count -= 6)
            *end++ = alphabet[bits >> (count - 6) & 63];
    }
    *end++ = alphabet[bits << (6 - count) & 63];
    *end = '\0';
}

enum cairn_status cairn_id_of_bytes(struct cairn_slice bytes, struct cairn_id *out,
                                    struct cairn_error *error) {
    unsigned char hash[DIGEST_SIZE];
    enum cairn_status status = digest_sha256(&bytes, 1, hash, error);
    if (!status)
        cairn_id_encode(hash, out);
    return status;
}

/* -- The signature base ----------------------------------------------------------- */

static const char params_begin[] = "\"@signature-params\": (";
static const char params_end[] = ");alg=\"hmac-sha256\";keyid=\"ao\"";

static bool is(struct cairn_slice key, const char *name) {
    return cairn_slice_equal(key, cairn_slice_of(name));
}

/* Derived components (RFC 9421, section 2.2): listed, and sorted, with an `@`. */
static bool is_derived(struct cairn_slice name) {
    switch (name.size) {
    case 4:
        return is(name, "path");
    case 5:
        return is(name, "query");
    case 6:
        return is(name, "method") || is(name, "scheme") || is(name, "status");
    case 9:
        return is(name, "authority");
    case 10:
        return is(name, "target-uri");
    case 11:
        return is(name, "query-param");
    case 14:
        return is(name, "request-target");
    default:
        return false;
    }
}

struct component {
    struct cairn_slice name, value;
    bool derived;
};

/* By their identifiers, of which derived ones begin with `@`. */
static int compare_components(const void *a, const void *b) {
    const struct component *left = a, *right = b;
    if (left->derived == right->derived)
        return cairn_slice_compare(left->name, right->name);
    const struct component *plain = left->derived ? right : left;
    const struct component *derived = left->derived ? left : right;
    char first = plain->name.size ? plain->name.data[0] : '\0';
    int order = (unsigned char)first - '@';
    if (order == 0)
        order = cairn_slice_compare(
            cairn_slice_sub(plain->name, 1, plain->name.size - 1), derived->name);
    return plain == left ? order : -order;
}

static struct cairn_slice trim(struct cairn_slice value) {
    while (value.size && value.data[0] == ' ')
        value = cairn_slice_sub(value, 1, value.size - 1);
    while (value.size && value.data[value.size - 1] == ' ')
        value.size--;
    return value;
}

/* A line: the reference writes derived components without their `@`. */
static char *put_line(char *out, const struct component *component) {
    struct cairn_slice value = trim(component->value);
    *out++ = '"';
    out = put_text(put_slice(out, component->name), "\": ");
    char *from = out;
    out = put_slice(out, value);
    for (char *at = from; (at = memchr(at, '\n', (size_t)(out - at))); at++)
        *at = ' ';
    *out++ = '\n';
    return out;
}

/* A name in the last line. The reference lower-cases each byte as if it were Latin-1,
 * and only there. */
static char *put_identifier(char *out, const struct component *component) {
    out = put_text(out, component->derived ? "\"@" : "\"");
    for (size_t i = 0; i < component->name.size; i++) {
        unsigned char c = (unsigned char)component->name.data[i];
        if ((c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7))
            c += 'a' - 'A';
        if (c == '"' || c == '\\')
            *out++ = '\\';
        *out++ = (char)c;
    }
    *out++ = '"';
    return out;
}

static size_t base_room(const struct component *components, size_t count) {
    size_t room = sizeof params_begin + sizeof params_end + 1;
    for (size_t i = 0; i < count; i++)
        room += 3 * components[i].name.size + components[i].value.size + 10;
    return room;
}

static enum cairn_status put_base(const struct component *components, size_t count,
                                  struct cairn_bytes *out, struct cairn_error *error) {
    if (!cairn_bytes_reserve(out, base_room(components, count)))
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a signature base");
    char *end = out->data + out->size;
    for (size_t i = 0; i < count; i++)
        end = put_line(end, &components[i]);
    if (!count)
        *end++ = '\n';
    end = put_text(end, params_begin);
    for (size_t i = 0; i < count; i++)
        end = put_identifier(put_text(end, i ? " " : ""), &components[i]);
    end = put_text(end, params_end);
    out->size = (size_t)(end - out->data);
    return CAIRN_OK;
}

/* The reference leaves `signature-input` out of the form, but not out of the id. */
static const struct cairn_value *signed_input(const struct cairn_value *stored,
                                              enum cairn_ids ids) {
    const struct cairn_value *input =
        ids == CAIRN_IDS_REFERENCE
            ? cairn_message_find(stored, cairn_slice_of("signature-input"))
            : NULL;
    return input && input->type == CAIRN_VALUE_BYTES ? input : NULL;
}

/* All fields but `body-keys`, which repeats what the body says. */
static enum cairn_status base_of_form(const struct cairn_http_form *form,
                                      const struct cairn_value *input,
                                      struct cairn_arena *arena,
                                      struct cairn_bytes *out,
                                      struct cairn_error *error) {
    size_t count = 0;
    struct component *components =
        cairn_arena_take(arena, (form->count + 1) * sizeof *components);
    if (!components)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a signature base");
    for (size_t i = 0; i < form->count; i++) {
        const struct cairn_http_field *field = &form->fields[i];
        if (is(field->name, "body-keys"))
            continue;
        components[count++] =
            (struct component){field->name, field->value, is_derived(field->name)};
    }
    if (input)
        components[count++] = (struct component){cairn_slice_of("x-signature-input"),
                                                 input->as.bytes, false};
    qsort(components, count, sizeof *components, compare_components);
    return put_base(components, count, out, error);
}

static enum cairn_status long_base(const struct cairn_value *stored, enum cairn_ids ids,
                                   struct cairn_bytes *out, struct cairn_error *error) {
    struct cairn_arena arena;
    struct cairn_http_form form;
    cairn_arena_init(&arena);
    enum cairn_status status = cairn_http_encode(stored, ids, &arena, &form, error);
    if (!status)
        status = base_of_form(&form, signed_input(stored, ids), &arena, out, error);
    cairn_arena_free(&arena);
    return status;
}

/* -- The short way ---------------------------------------------------------------- */

enum { SHORT_ROOM = 4096, SHORT_FIELDS = 128 };

/* Keys that do not become a field of their own name, or not always. */
static bool is_special(struct cairn_slice key) {
    switch (key.size) {
    case 4:
        return is(key, "body") || is(key, "data") || is(key, "priv");
    case 6:
        return is(key, "ao-ids");
    case 9:
        return is(key, "body-keys") || is(key, "signature");
    case 11:
        return is(key, "commitments");
    case 14:
        return is(key, "content-digest");
    case 15:
        return is(key, "inline-body-key") || is(key, "signature-input");
    default:
        return is_id_sized(key);
    }
}

static bool is_short_key(struct cairn_slice key) {
    for (size_t i = 0; i < key.size; i++)
        if (!http_in_token(key.data[i]))
            return false;
    return key.size && !is_special(key);
}

static bool is_short_value(const struct cairn_value *value) {
    struct cairn_slice bytes = value->as.bytes;
    if (value->type != CAIRN_VALUE_BYTES || bytes.size > FIELD_VALUE_MAX)
        return false;
    bool plain = true;
    for (size_t i = 0; i < bytes.size; i++) {
        char c = bytes.data[i];
        plain &= (c != '\0') & (c != '\n') & (c != '\r');
    }
    if (!bytes.size || !plain)
        return plain;
    char first = bytes.data[0], last = bytes.data[bytes.size - 1];
    return first != ' ' && first != '\t' && last != ' ' && last != '\t';
}

/* The fields of a message that has nothing but fields, as components; false for any
 * other message, or one whose base may not fit. Fields come in byte order, so all
 * that derived ones have to pass are the letters. */
static bool short_components(const struct cairn_value *stored, struct component *out) {
    size_t room = sizeof params_begin + sizeof params_end, derived = 0, before = 0;
    if (stored->type != CAIRN_VALUE_MESSAGE || !stored->count ||
        stored->count > SHORT_FIELDS)
        return false;
    for (size_t i = 0; i < stored->count; i++) {
        const struct cairn_pair *field = &stored->as.fields[i];
        if (!is_short_key(field->key) || !is_short_value(&field->value))
            return false;
        room += 2 * field->key.size + field->value.as.bytes.size + 10;
        if (room > SHORT_ROOM)
            return false;
        struct component component = {field->key, field->value.as.bytes,
                                      is_derived(field->key)};
        size_t at = i;
        if (component.derived) {
            at = before + derived++;
            memmove(&out[at + 1], &out[at], (i - at) * sizeof *out);
        } else if (field->key.data[0] < '@') {
            before = i + 1; /* nothing derived was there yet */
        }
        out[at] = component;
    }
    return true;
}

/* The base in `room`, of at least SHORT_ROOM bytes; 0 if it has to be made otherwise.
 */
static size_t short_base(const struct cairn_value *stored, char *room) {
    struct component components[SHORT_FIELDS];
    if (!short_components(stored, components))
        return 0;
    char *end = room;
    for (size_t i = 0; i < stored->count; i++) {
        end = put_text(put_slice(put_text(end, "\""), components[i].name), "\": ");
        end = put_text(put_slice(end, components[i].value), "\n");
    }
    end = put_text(end, params_begin);
    for (size_t i = 0; i < stored->count; i++) {
        end = put_text(end, i ? " \"" : "\"");
        end = put_text(end, components[i].derived ? "@" : "");
        end = put_text(put_slice(end, components[i].name), "\"");
    }
    return (size_t)(put_text(end, params_end) - room);
}

/* -- Ids of messages -------------------------------------------------------------- */

enum cairn_status cairn_id_base(const struct cairn_value *stored, enum cairn_ids ids,
                                struct cairn_bytes *out, struct cairn_error *error) {
    char room[SHORT_ROOM];
    struct cairn_slice base = {room, short_base(stored, room)};
    if (!base.size)
        return long_base(stored, ids, out, error);
    return cairn_bytes_append(out, base)
               ? CAIRN_OK
               : cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a signature base");
}

enum cairn_status cairn_id_of_message(const struct cairn_value *stored,
                                      enum cairn_ids ids, struct cairn_id *out,
                                      struct cairn_error *error) {
    char room[SHORT_ROOM];
    unsigned char hash[DIGEST_SIZE];
    struct cairn_bytes long_one = {0};
    struct cairn_slice base = {room, short_base(stored, room)};
    enum cairn_status status = CAIRN_OK;
    if (!base.size) {
        status = long_base(stored, ids, &long_one, error);
        base = cairn_bytes_slice(&long_one);
    }
    if (!status)
        status = digest_hmac_ao(base, hash, error);
    if (!status)
        cairn_id_encode(hash, out);
    cairn_bytes_free(&long_one);
    return status;
}
