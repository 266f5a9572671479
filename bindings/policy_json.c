/* policy_json.c -- JSON by hand: a trace writes a line for each decision, and building
 * a tree for each would take longer than the decision. */
#include "policy_json.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>

static void add(struct policy_json *json, struct cairn_slice text) {
    json->ok = json->ok && cairn_bytes_append(&json->text, text);
}

static void add_text(struct policy_json *json, const char *text) {
    add(json, cairn_slice_of(text));
}

void policy_json_raw(struct policy_json *json, const char *text) {
    add_text(json, text);
}

/* What comes before any value or key. */
static void begin(struct policy_json *json) {
    if (json->comma)
        add_text(json, ",");
    json->comma = true;
}

void policy_json_open(struct policy_json *json, char bracket) {
    begin(json);
    add(json, (struct cairn_slice){&bracket, 1});
    json->comma = false;
}

void policy_json_close(struct policy_json *json, char bracket) {
    add(json, (struct cairn_slice){&bracket, 1});
    json->comma = true;
}

void policy_json_integer(struct policy_json *json, int64_t value) {
    char digits[24];
    begin(json);
    snprintf(digits, sizeof digits, "%" PRId64, value);
    add_text(json, digits);
}

/* Always with a point or an exponent, so that it comes back as a float. */
void policy_json_number(struct policy_json *json, double value) {
    char digits[40];
    begin(json);
    snprintf(digits, sizeof digits, "%.17g", value);
    add_text(json, digits);
    if (!strpbrk(digits, ".e"))
        add_text(json, ".0");
}

void policy_json_boolean(struct policy_json *json, bool value) {
    begin(json);
    add_text(json, value ? "true" : "false");
}

/* -- Strings ----------------------------------------------------------------------- */

/* Size of the UTF-8 sequence (RFC 3629) at the start of `bytes`; 0 if there is none. */
static size_t sequence(struct cairn_slice bytes) {
    const unsigned char *at = (const unsigned char *)bytes.data;
    unsigned char low = 0x80, high = 0xbf;
    size_t size = at[0] < 0x80                    ? 1
                  : at[0] >= 0xc2 && at[0] < 0xe0 ? 2
                  : (at[0] & 0xf0) == 0xe0        ? 3
                  : at[0] >= 0xf0 && at[0] < 0xf5 ? 4
                                                  : 0;
    if (size > bytes.size)
        return 0;
    if (at[0] == 0xe0)
        low = 0xa0; /* not longer than need be */
    else if (at[0] == 0xf0)
        low = 0x90;
    if (at[0] == 0xed)
        high = 0x9f; /* no surrogates */
    else if (at[0] == 0xf4)
        high = 0x8f; /* nothing beyond Unicode */
    for (size_t i = 1; i < size; i++, low = 0x80, high = 0xbf)
        if (at[i] < low || at[i] > high)
            return 0;
    return size;
}

static size_t text_size(struct cairn_slice bytes) {
    size_t at = 0;
    while (at < bytes.size) {
        size_t size = sequence(cairn_slice_sub(bytes, at, bytes.size - at));
        if (size == 0)
            break;
        at += size;
    }
    return at;
}

static void add_escaped(struct policy_json *json, struct cairn_slice text) {
    size_t done = 0;
    char escape[8];
    add_text(json, "\"");
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c >= ' ' && c != '"' && c != '\\')
            continue;
        add(json, cairn_slice_sub(text, done, i - done));
        if (c == '\n')
            snprintf(escape, sizeof escape, "\\n");
        else
            snprintf(escape, sizeof escape, c < ' ' ? "\\u%04x" : "\\%c", c);
        add_text(json, escape);
        done = i + 1;
    }
    add(json, cairn_slice_sub(text, done, text.size - done));
    add_text(json, "\"");
}

static void add_base64(struct policy_json *json, struct cairn_slice bytes) {
    size_t room = bytes.size / 3 * 4 + 5; /* with the NUL that OpenSSL adds */
    add_text(json, "{\"$base64\":\"");
    if (bytes.size > INT32_MAX / 2 || !json->ok ||
        !cairn_bytes_reserve(&json->text, room)) {
        json->ok = false;
        return;
    }
    unsigned char *end = (unsigned char *)json->text.data + json->text.size;
    int size = EVP_EncodeBlock(end, (const unsigned char *)bytes.data, (int)bytes.size);
    json->text.size += (size_t)size;
    add_text(json, "\"}");
}

void policy_json_string(struct policy_json *json, struct cairn_slice bytes) {
    begin(json);
    if (text_size(bytes) == bytes.size)
        add_escaped(json, bytes);
    else
        add_base64(json, bytes);
}

void policy_json_key_bytes(struct policy_json *json, struct cairn_slice bytes) {
    begin(json);
    add_escaped(json, cairn_slice_sub(bytes, 0, text_size(bytes)));
    add_text(json, ":");
    json->comma = false;
}

void policy_json_key(struct policy_json *json, const char *name) {
    policy_json_key_bytes(json, cairn_slice_of(name));
}
