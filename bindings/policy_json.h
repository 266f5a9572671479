/* policy_json.h -- JSON, written piece by piece: events and traces. */
#ifndef CAIRN_POLICY_JSON_H
#define CAIRN_POLICY_JSON_H

#include <stdint.h>

#include "cairn/bytes.h"

/* Commas are seen to. `ok` is false once there was no memory. */
struct policy_json {
    struct cairn_bytes text;
    bool ok, comma;
};

void policy_json_open(struct policy_json *json, char bracket);  /* '{' or '[' */
void policy_json_close(struct policy_json *json, char bracket); /* '}' or ']' */
void policy_json_key(struct policy_json *json, const char *name);
void policy_json_integer(struct policy_json *json, int64_t value);
void policy_json_number(struct policy_json *json, double value);
void policy_json_boolean(struct policy_json *json, bool value);
/* Bytes that are no UTF-8 are {"$base64":"..."}. */
void policy_json_string(struct policy_json *json, struct cairn_slice bytes);
/* As it is, between values. */
void policy_json_raw(struct policy_json *json, const char *text);
/* As a key of an object: what is no UTF-8 there is cut off. */
void policy_json_key_bytes(struct policy_json *json, struct cairn_slice bytes);

#endif
