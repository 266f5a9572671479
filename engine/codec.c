/* codec.c -- entries to bytes and back. engine/FORMATS.md draws the layout. */
#include "cairn/codec.h"

#include <endian.h>

#include "cairn/metadata.h"
#include "wire.h"

/* The first byte: the kind, and which fields follow. */
enum {
    KIND_BITS = 0x0f,
    HAS_EXPIRES = 0x10, /* 8 bytes, before the other times: at a fixed place */
    HAS_CREATED = 0x20, /* 6 bytes, as all times of the clock */
    HAS_MODIFIED = 0x40,
    HAS_MORE = 0x80, /* a second byte follows */
};

/* The second byte. */
enum {
    MORE_METADATA = 1 << 0,
    MORE_ZSTD = 1 << 1,
    MORE_CHUNKED = 1 << 2,
    MORE_COVERS = 1 << 3,
    MORE_ALL = (1 << 4) - 1,
};

/* What every clock fits into until the year 10889. */
enum { TIME_BYTES = 6 };
#define TIME_MAX (((int64_t)1 << 48) - 1)

static unsigned more_of(const struct cairn_entry *entry) {
    return (entry->metadata.size ? MORE_METADATA : 0u) |
           (entry->form == CAIRN_ZSTD ? MORE_ZSTD : 0u) |
           (entry->form == CAIRN_CHUNKED ? MORE_CHUNKED : 0u) |
           (entry->covers ? MORE_COVERS : 0u);
}

static enum cairn_status check(const struct cairn_entry *entry,
                               struct cairn_error *error) {
    if (entry->kind < CAIRN_LINK || entry->kind > CAIRN_TOMBSTONE)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT, "there is no entry of kind %d",
                          (int)entry->kind);
    if (entry->form != CAIRN_PLAIN && entry->kind != CAIRN_RAW)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "only a raw value can be compressed or in chunks");
    if (entry->metadata.size > CAIRN_METADATA_MAX)
        return cairn_fail(error, CAIRN_LIMIT, "metadata of %zu bytes is over %d",
                          entry->metadata.size, CAIRN_METADATA_MAX);
    if (entry->created_ms < 0 || entry->created_ms > TIME_MAX ||
        entry->modified_ms < 0 || entry->modified_ms > TIME_MAX ||
        entry->expires_ms < 0)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "a time before 1970, or too far away");
    return CAIRN_OK;
}

static bool append_time(struct cairn_bytes *out, int64_t time) {
    uint64_t little = htole64((uint64_t)time);
    return cairn_bytes_append(out, (struct cairn_slice){(char *)&little, TIME_BYTES});
}

enum cairn_status cairn_entry_encode_header(const struct cairn_entry *entry,
                                            struct cairn_bytes *out,
                                            struct cairn_error *error) {
    enum cairn_status status = check(entry, error);
    if (status)
        return status;
    unsigned more = more_of(entry);
    unsigned first = entry->kind | (entry->expires_ms ? HAS_EXPIRES : 0u) |
                     (entry->created_ms ? HAS_CREATED : 0u) |
                     (entry->modified_ms ? HAS_MODIFIED : 0u) | (more ? HAS_MORE : 0u);
    char head[2] = {(char)first, (char)more};
    bool ok = cairn_bytes_reserve(out, 48 + entry->metadata.size) &&
              cairn_bytes_append(out, (struct cairn_slice){head, more ? 2 : 1});
    if (entry->expires_ms)
        ok = ok && wire_append_word(out, (uint64_t)entry->expires_ms);
    if (entry->created_ms)
        ok = ok && append_time(out, entry->created_ms);
    if (entry->modified_ms)
        ok = ok && append_time(out, entry->modified_ms);
    if (more & MORE_METADATA)
        ok = ok && wire_append_run(out, entry->metadata);
    if (more & (MORE_ZSTD | MORE_CHUNKED))
        ok = ok && wire_append_varint(out, entry->size);
    return ok ? CAIRN_OK : cairn_fail(error, CAIRN_NO_MEMORY, "no memory for an entry");
}

enum cairn_status cairn_entry_encode(const struct cairn_entry *entry,
                                     struct cairn_bytes *out,
                                     struct cairn_error *error) {
    size_t before = out->size;
    if (!cairn_bytes_reserve(out, entry->payload.size + 64))
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for an entry of %zu bytes",
                          entry->payload.size);
    enum cairn_status status = cairn_entry_encode_header(entry, out, error);
    if (!status && !cairn_bytes_append(out, entry->payload))
        status = cairn_fail(error, CAIRN_NO_MEMORY,
                            "no memory for an entry of %zu bytes", entry->payload.size);
    if (status)
        out->size = before;
    return status;
}

/* Times are never zero: their flag would not be set. */
static bool take_expiry(struct cairn_slice *rest, int64_t *out) {
    uint64_t time;
    if (!wire_take_word(rest, &time) || time == 0 || time > INT64_MAX)
        return false;
    *out = (int64_t)time;
    return true;
}

static bool take_time(struct cairn_slice *rest, int64_t *out) {
    uint64_t little = 0;
    if (rest->size < TIME_BYTES)
        return false;
    memcpy(&little, rest->data, TIME_BYTES);
    *out = (int64_t)le64toh(little);
    *rest = cairn_slice_sub(*rest, TIME_BYTES, rest->size - TIME_BYTES);
    return *out != 0;
}

static bool take_more(struct cairn_slice *rest, unsigned more,
                      struct cairn_entry *out) {
    if ((more & MORE_METADATA) &&
        (!wire_take_run(rest, &out->metadata) || out->metadata.size == 0 ||
         out->metadata.size > CAIRN_METADATA_MAX))
        return false;
    out->covers = more & MORE_COVERS;
    if (more & MORE_ZSTD)
        out->form = CAIRN_ZSTD;
    if (more & MORE_CHUNKED)
        out->form = CAIRN_CHUNKED;
    return !(more & (MORE_ZSTD | MORE_CHUNKED)) || wire_take_varint(rest, &out->size);
}

static enum cairn_status cut_off(struct cairn_error *error) {
    return cairn_fail(error, CAIRN_CORRUPT, "an entry cut off in its header");
}

enum cairn_status cairn_entry_decode(struct cairn_slice bytes, struct cairn_entry *out,
                                     struct cairn_error *error) {
    if (bytes.size == 0)
        return cairn_fail(error, CAIRN_CORRUPT, "an entry of no bytes");
    unsigned first = (unsigned char)bytes.data[0], kind = first & KIND_BITS, more = 0;
    if (kind < CAIRN_LINK || kind > CAIRN_TOMBSTONE)
        return cairn_fail(error, CAIRN_CORRUPT, "an entry with the unknown tag %u",
                          first);
    *out = (struct cairn_entry){.kind = (enum cairn_kind)kind};
    struct cairn_slice rest = cairn_slice_sub(bytes, 1, bytes.size - 1);
    if (first & HAS_MORE) {
        if (rest.size == 0)
            return cut_off(error);
        more = (unsigned char)rest.data[0];
        rest = cairn_slice_sub(rest, 1, rest.size - 1);
        bool form = more & (MORE_ZSTD | MORE_CHUNKED);
        if (more == 0 || (more & ~(unsigned)MORE_ALL) ||
            ((more & MORE_ZSTD) && (more & MORE_CHUNKED)) ||
            (form && kind != CAIRN_RAW))
            return cairn_fail(error, CAIRN_CORRUPT,
                              "an entry with the unknown flags %u", more);
    }
    if ((first & HAS_EXPIRES) && !take_expiry(&rest, &out->expires_ms))
        return cut_off(error);
    if ((first & HAS_CREATED) && !take_time(&rest, &out->created_ms))
        return cut_off(error);
    if ((first & HAS_MODIFIED) && !take_time(&rest, &out->modified_ms))
        return cut_off(error);
    if (more && !take_more(&rest, more, out))
        return cut_off(error);
    out->payload = rest;
    if (kind == CAIRN_LINK || (kind == CAIRN_RAW && out->form == CAIRN_PLAIN))
        out->size = rest.size;
    return CAIRN_OK;
}
