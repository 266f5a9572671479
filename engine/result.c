/* result.c -- the record of a result, as bytes. */
#include "result.h"

#include "wire.h"

enum {
    VERSION = 1,
    IS_LINKED = 1,
    MUST_REVALIDATE = 2,
    IS_SILENT = 4,
    KNOWN_FLAGS = 7
};
enum { DAY_MS = 86400000 };

static uint64_t bits_of(double number) {
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

static double number_of(uint64_t bits) {
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

enum cairn_status result_encode(const struct result *result, struct cairn_bytes *out,
                                struct cairn_error *error) {
    const struct cairn_kept *kept = &result->kept;
    uint64_t flags = (result->linked ? IS_LINKED : 0) |
                     (kept->must_revalidate ? MUST_REVALIDATE : 0) |
                     (result->silent ? IS_SILENT : 0);
    bool done = wire_append_varint(out, VERSION) && wire_append_varint(out, flags) &&
                wire_append_word(out, (uint64_t)kept->created_ms) &&
                wire_append_word(out, (uint64_t)kept->fresh_until_ms) &&
                wire_append_word(out, (uint64_t)kept->while_revalidate_ms) &&
                wire_append_word(out, (uint64_t)kept->if_error_ms) &&
                wire_append_word(out, kept->size_bytes) &&
                wire_append_word(out, (uint64_t)kept->cost_ms) &&
                wire_append_word(out, bits_of(kept->priority)) &&
                wire_append_run(out, result->target) &&
                wire_append_run(out, result->tags);
    return done ? CAIRN_OK
                : cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a result's record");
}

static bool take_number(struct cairn_slice *rest, int64_t *out) {
    uint64_t word;
    bool taken = wire_take_word(rest, &word);
    *out = taken ? (int64_t)word : 0;
    return taken && *out >= 0;
}

enum cairn_status result_decode(struct cairn_slice bytes, struct result *out,
                                struct cairn_error *error) {
    struct cairn_kept *kept = &out->kept;
    struct cairn_slice rest = bytes;
    uint64_t version, flags, priority;
    bool sound = wire_take_varint(&rest, &version) && version == VERSION &&
                 wire_take_varint(&rest, &flags) && flags <= KNOWN_FLAGS &&
                 take_number(&rest, &kept->created_ms) &&
                 take_number(&rest, &kept->fresh_until_ms) &&
                 take_number(&rest, &kept->while_revalidate_ms) &&
                 take_number(&rest, &kept->if_error_ms) &&
                 wire_take_word(&rest, &kept->size_bytes) &&
                 take_number(&rest, &kept->cost_ms) &&
                 wire_take_word(&rest, &priority) &&
                 wire_take_run(&rest, &out->target) &&
                 wire_take_run(&rest, &out->tags) && rest.size == 0 &&
                 (out->tags.size == 0 || out->tags.data[out->tags.size - 1] == '\0');
    if (!sound)
        return cairn_fail(error, CAIRN_CORRUPT,
                          "the record of a result makes no sense");
    kept->priority = number_of(priority);
    kept->must_revalidate = flags & MUST_REVALIDATE;
    out->linked = flags & IS_LINKED;
    out->silent = flags & IS_SILENT;
    return CAIRN_OK;
}

bool result_next_tag(struct cairn_slice tags, size_t *at, struct cairn_slice *out) {
    if (*at >= tags.size)
        return false;
    size_t size = strnlen(tags.data + *at, tags.size - *at);
    *out = cairn_slice_sub(tags, *at, size);
    *at += size + 1;
    return true;
}

static int64_t later(int64_t time, int64_t by) {
    return time > CAIRN_FOREVER - by ? CAIRN_FOREVER : time + by;
}

int64_t result_expiry_ms(const struct cairn_kept *kept) {
    int64_t window = kept->while_revalidate_ms > kept->if_error_ms
                         ? kept->while_revalidate_ms
                         : kept->if_error_ms;
    int64_t until = later(kept->fresh_until_ms, window > DAY_MS ? window : DAY_MS);
    return until == CAIRN_FOREVER ? 0 : until;
}
