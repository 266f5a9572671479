/* commitments.c -- what vouches for a message: its id, and signatures.
 *
 * `commitments` is a map from the id of a commitment to what it consists of, and no
 * part of what it vouches for. The id of a signature is its hash. Whatever is in the
 * message must be covered by one of them, for the message goes by their ids. */
#include <stdio.h>

#include "cairn/id.h"
#include "cairn/signature_base.h"
#include "digest.h"
#include "signature_check.h"

static const struct cairn_value *commitments_of(const struct cairn_value *stored) {
    const struct cairn_value *value =
        cairn_message_find(stored, cairn_slice_of("commitments"));
    return value && value->type == CAIRN_VALUE_MESSAGE && value->count ? value : NULL;
}

/* -- The id of a committed message ------------------------------------------------ */

/* The ids, which are in order, joined. */
static enum cairn_status join_ids(const struct cairn_value *commitments,
                                  struct cairn_bytes *out, struct cairn_error *error) {
    for (size_t i = 0; i < commitments->count; i++) {
        struct cairn_slice id = commitments->as.fields[i].key;
        if (!cairn_is_id(id))
            return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                                 "a commitment goes by an id, not by", id);
        if ((i && !cairn_bytes_append(out, cairn_slice_of(", "))) ||
            !cairn_bytes_append(out, id))
            return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for ids");
    }
    return CAIRN_OK;
}

enum cairn_status cairn_id_of_committed(const struct cairn_value *stored,
                                        enum cairn_ids ids, struct cairn_id *out,
                                        struct cairn_error *error) {
    const struct cairn_value *commitments = commitments_of(stored);
    struct cairn_bytes text = {0};
    if (!commitments)
        return cairn_id_of_message(stored, ids, out, error);
    enum cairn_status status = join_ids(commitments, &text, error);
    if (!status && commitments->count == 1) {
        memcpy(out->text, text.data, CAIRN_ID_SIZE);
        out->text[CAIRN_ID_SIZE] = '\0';
    } else if (!status) {
        status = cairn_id_of_bytes(cairn_bytes_slice(&text), out, error);
    }
    cairn_bytes_free(&text);
    return status;
}

/* -- One signature ---------------------------------------------------------------- */

struct verifying {
    const struct cairn_value *stored;
    enum cairn_ids ids;
    struct cairn_arena *arena;
    struct cairn_error *error;
    struct cairn_http_form form;
    bool *covered; /* by its fields, and by some commitment */
};

struct signature {
    struct cairn_slice id; /* what the commitment goes by */
    struct cairn_slice bytes, key;
    const struct cairn_item *input;
    enum signature_algorithm algorithm;
};

static enum cairn_status unverified(struct verifying *v, struct cairn_slice id,
                                    const char *why) {
    char what[160];
    snprintf(what, sizeof what, "a commitment %s", why);
    return cairn_fail_at(v->error, CAIRN_UNVERIFIED, what, id);
}

static struct cairn_slice text_at(const struct cairn_value *commitment,
                                  const char *key) {
    const struct cairn_value *value =
        cairn_message_find(commitment, cairn_slice_of(key));
    return value && value->type == CAIRN_VALUE_BYTES ? value->as.bytes
                                                     : (struct cairn_slice){NULL, 0};
}

static struct cairn_slice parameter(const struct cairn_item *input, const char *key) {
    for (size_t i = 0; i < input->parameter_count; i++)
        if (cairn_slice_equal(input->parameters[i].key, cairn_slice_of(key)) &&
            input->parameters[i].value.type == CAIRN_ITEM_STRING)
            return input->parameters[i].value.as.bytes;
    return (struct cairn_slice){NULL, 0};
}

/* `signature` and `signature-input` are dictionaries with the same label. */
static enum cairn_status read_signature(struct verifying *v,
                                        const struct cairn_value *commitment,
                                        struct signature *out) {
    struct cairn_member *signatures, *inputs;
    size_t signature_count, input_count;
    if (cairn_structured_parse(text_at(commitment, "signature"),
                               CAIRN_STRUCTURED_DICTIONARY, CAIRN_STRUCTURED_LAX,
                               v->arena, &signatures, &signature_count, NULL) ||
        cairn_structured_parse(text_at(commitment, "signature-input"),
                               CAIRN_STRUCTURED_DICTIONARY, CAIRN_STRUCTURED_LAX,
                               v->arena, &inputs, &input_count, NULL) ||
        signature_count != 1 || input_count != 1 ||
        !cairn_slice_equal(signatures->key, inputs->key) ||
        signatures->item.type != CAIRN_ITEM_BYTES ||
        inputs->item.type != CAIRN_ITEM_LIST)
        return unverified(v, out->id, "without one signature and its input");
    out->bytes = signatures->item.as.bytes;
    out->input = &inputs->item;
    return CAIRN_OK;
}

/* Base64url of the key, beside the signature or in its parameters. */
static enum cairn_status read_key(struct verifying *v,
                                  const struct cairn_value *commitment,
                                  struct signature *out) {
    struct cairn_slice text = text_at(commitment, "keyid");
    if (!text.data)
        text = parameter(out->input, "keyid");
    unsigned char *key = cairn_arena_take(v->arena, text.size / 4 * 3 + 3);
    if (!key)
        return cairn_fail(v->error, CAIRN_NO_MEMORY, "no memory for a key");
    if (!base64url_decode(text, key, &out->key.size))
        return unverified(v, out->id, "whose keyid is no key");
    out->key.data = (const char *)key;
    return CAIRN_OK;
}

static bool is_hash_of(struct cairn_slice id, struct cairn_slice bytes) {
    struct cairn_id hash;
    return cairn_id_of_bytes(bytes, &hash, NULL) == CAIRN_OK &&
           cairn_slice_equal(cairn_id_slice(&hash), id);
}

/* -- What is signed --------------------------------------------------------------- */

/* Three digits; 0 for anything else, as of a request. */
static int to_status(struct cairn_slice text) {
    int status = 0;
    if (text.size != 3 || text.data[0] == '0')
        return 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return 0;
        status = status * 10 + (text.data[i] - '0');
    }
    return status;
}

/* A message has derived components as keys like any other. */
static struct cairn_http_message message_of(const struct verifying *v) {
    const struct cairn_value *stored = v->stored;
    return (struct cairn_http_message){
        .method = text_at(stored, "method"),
        .target_uri = text_at(stored, "target-uri"),
        .authority = text_at(stored, "authority"),
        .scheme = text_at(stored, "scheme"),
        .path = text_at(stored, "path"),
        .query = text_at(stored, "query"),
        .status = to_status(text_at(stored, "status")),
        .fields = v->form.fields,
        .count = v->form.count,
    };
}

static bool is_derived(const struct cairn_item *component) {
    return component->type == CAIRN_ITEM_STRING && component->as.bytes.size &&
           component->as.bytes.data[0] == '@';
}

/* The components with derived ones as the fields they are in a message. */
static enum cairn_status without_at(struct verifying *v, const struct cairn_item *input,
                                    struct cairn_item *out) {
    *out = *input;
    out->as.items =
        cairn_arena_take(v->arena, input->count * sizeof *out->as.items + 1);
    if (!out->as.items)
        return cairn_fail(v->error, CAIRN_NO_MEMORY, "no memory for a signature");
    for (size_t i = 0; i < input->count; i++) {
        struct cairn_item *item = &out->as.items[i];
        *item = input->as.items[i];
        if (is_derived(item))
            item->as.bytes =
                cairn_slice_sub(item->as.bytes, 1, item->as.bytes.size - 1);
    }
    return CAIRN_OK;
}

/* The reference's dialect: `@status` is listed, its line reads `"status": 200`. */
static enum cairn_status reference_base(struct verifying *v,
                                        const struct cairn_item *input,
                                        struct cairn_bytes *out) {
    struct cairn_http_message message = message_of(v);
    struct cairn_item plain;
    enum cairn_status status = without_at(v, input, &plain);
    if (!status)
        status = cairn_signature_base(&message, &plain, out, v->error);
    if (status)
        return status;
    while (out->size && out->data[out->size - 1] != '\n')
        out->size--;
    struct cairn_member member = {.item = *input};
    if (!cairn_bytes_append(out, cairn_slice_of("\"@signature-params\": ")))
        return cairn_fail(v->error, CAIRN_NO_MEMORY, "no memory for a signature");
    return cairn_structured_serialize(&member, 1, CAIRN_STRUCTURED_LIST, 0, out,
                                      v->error);
}

/* -- Checking --------------------------------------------------------------------- */

static enum cairn_status check_base(struct verifying *v,
                                    const struct signature *signature, bool reference,
                                    struct cairn_bytes *base) {
    struct cairn_http_message message = message_of(v);
    base->size = 0;
    enum cairn_status status =
        reference ? reference_base(v, signature->input, base)
                  : cairn_signature_base(&message, signature->input, base, v->error);
    if (status)
        return status;
    return signature_check(signature->algorithm, signature->key, signature->bytes,
                           cairn_bytes_slice(base), v->error);
}

/* Takes the next line of what was signed; no value has a line feed. */
static struct cairn_slice take_line(struct cairn_slice *base) {
    const char *end = memchr(base->data, '\n', base->size);
    size_t size = end ? (size_t)(end - base->data) : base->size;
    struct cairn_slice line = cairn_slice_sub(*base, 0, size);
    *base = cairn_slice_sub(*base, size + (end != NULL), base->size - size - !!end);
    return line;
}

/* Whether the line of a derived component could be of no other value of its field: RFC
 * 9421 signs a host in lower case, a target made of two fields, and of a message
 * without a query the question mark. The reference's dialect signs the field. */
static bool line_tells(struct cairn_slice line, struct cairn_slice name,
                       struct cairn_slice value) {
    bool derived = line.size > 1 && line.data[1] == '@';
    size_t before = name.size + strlen("\"\": ") + derived;
    if (derived && (cairn_slice_equal(name, cairn_slice_of("request-target")) ||
                    (cairn_slice_equal(name, cairn_slice_of("query")) &&
                     cairn_slice_equal(value, cairn_slice_of("?")))))
        return false;
    return line.size == before + value.size &&
           cairn_slice_equal(cairn_slice_sub(line, before, value.size), value);
}

/* Where the field of this name is; their count: nowhere. */
static size_t field_place(const struct cairn_http_form *form, struct cairn_slice name) {
    size_t from = 0, to = form->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = cairn_slice_compare(form->fields[middle].name, name);
        if (order == 0)
            return middle;
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return form->count;
}

/* A component covers its field unless it speaks of a member of it only, or what is
 * signed is not what the field says. */
static void cover(struct verifying *v, const struct cairn_item *input,
                  struct cairn_slice base) {
    for (size_t i = 0; i < input->count; i++) {
        const struct cairn_item *component = &input->as.items[i];
        struct cairn_slice name = component->as.bytes, line = take_line(&base);
        bool derived = is_derived(component);
        if (component->parameter_count)
            continue;
        if (derived)
            name = cairn_slice_sub(name, 1, name.size - 1);
        size_t at = field_place(&v->form, name);
        if (at < v->form.count &&
            (!derived || line_tells(line, name, v->form.fields[at].value)))
            v->covered[at] = true;
    }
}

/* By the RFC's rules or in the reference's dialect. */
static enum cairn_status check_signature(struct verifying *v,
                                         const struct signature *signature) {
    struct cairn_bytes base = {0};
    enum cairn_status status = check_base(v, signature, false, &base);
    if (status && status != CAIRN_NO_MEMORY)
        status = check_base(v, signature, true, &base);
    if (!status)
        cover(v, signature->input, cairn_bytes_slice(&base));
    cairn_bytes_free(&base);
    return status;
}

static enum cairn_status verify_signature(struct verifying *v, struct cairn_slice id,
                                          const struct cairn_value *commitment,
                                          enum signature_algorithm algorithm) {
    struct signature signature = {.id = id, .algorithm = algorithm};
    struct cairn_slice committer = text_at(commitment, "committer");
    enum cairn_status status = read_signature(v, commitment, &signature);
    if (!status)
        status = read_key(v, commitment, &signature);
    if (status)
        return status;
    if (!is_hash_of(id, signature.bytes))
        return unverified(v, id, "whose id is not the hash of its signature");
    if (committer.data && !is_hash_of(committer, signature.key))
        return unverified(v, id, "whose committer is not the hash of its key");
    status = check_signature(v, &signature);
    return status && status != CAIRN_NO_MEMORY
               ? unverified(v, id, "whose signature does not verify")
               : status;
}

/* The id says it all. */
static enum cairn_status verify_hmac(struct verifying *v, struct cairn_slice id) {
    struct cairn_id own;
    enum cairn_status status = cairn_id_of_message(v->stored, v->ids, &own, v->error);
    if (status)
        return status;
    if (!cairn_slice_equal(cairn_id_slice(&own), id))
        return unverified(v, id, "that is not the id of the message");
    memset(v->covered, true, v->form.count);
    return CAIRN_OK;
}

static enum cairn_status verify_one(struct verifying *v,
                                    const struct cairn_pair *field) {
    const struct cairn_value *commitment = &field->value;
    if (commitment->type != CAIRN_VALUE_MESSAGE)
        return unverified(v, field->key, "that is no message");
    struct cairn_slice name = text_at(commitment, "alg");
    if (!name.data)
        name = text_at(commitment, "type");
    if (cairn_slice_equal(name, cairn_slice_of("hmac-sha256")))
        return verify_hmac(v, field->key);
    if (cairn_slice_equal(name, cairn_slice_of("rsa-pss-sha512")))
        return verify_signature(v, field->key, commitment, SIGNATURE_RSA_PSS_SHA512);
    if (cairn_slice_equal(name, cairn_slice_of("ed25519")))
        return verify_signature(v, field->key, commitment, SIGNATURE_ED25519);
    return cairn_fail_at(v->error, CAIRN_UNSUPPORTED,
                         "a commitment by an algorithm that is not known", name);
}

static enum cairn_status verify_all(struct verifying *v,
                                    const struct cairn_value *commitments) {
    enum cairn_status status =
        cairn_http_encode(v->stored, v->ids, v->arena, &v->form, v->error);
    if (status)
        return status;
    v->covered = cairn_arena_take(v->arena, v->form.count + 1);
    if (!v->covered)
        return cairn_fail(v->error, CAIRN_NO_MEMORY, "no memory for commitments");
    memset(v->covered, false, v->form.count);
    for (size_t i = 0; i < commitments->count && !status; i++)
        status = verify_one(v, &commitments->as.fields[i]);
    for (size_t i = 0; i < v->form.count && !status; i++)
        if (!v->covered[i] &&
            !cairn_slice_equal(v->form.fields[i].name, cairn_slice_of("body-keys")))
            status = cairn_fail_at(v->error, CAIRN_UNVERIFIED,
                                   "no commitment covers what the message has",
                                   v->form.fields[i].name);
    return status;
}

enum cairn_status cairn_message_verify(const struct cairn_value *stored,
                                       enum cairn_ids ids, struct cairn_error *error) {
    const struct cairn_value *commitments = commitments_of(stored);
    struct cairn_arena arena;
    struct verifying v = {
        .stored = stored, .ids = ids, .arena = &arena, .error = error};
    if (!commitments)
        return CAIRN_OK;
    cairn_arena_init(&arena);
    enum cairn_status status = verify_all(&v, commitments);
    cairn_arena_free(&arena);
    return status;
}
