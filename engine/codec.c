/* codec.c -- entries to bytes and back. engine/FORMATS.md draws the layout. */
#include "cairn/codec.h"

#include "cairn/metadata.h"
#include "wire.h"

enum {
    KIND_BITS = 0x0f,
    HAS_FLAGS = 0x80, /* in the first byte: a byte of flags follows */
};

enum flag {
    FLAG_EXPIRES = 1 << 0, /* first, so that it is always at offset 2 */
    FLAG_CREATED = 1 << 1,
    FLAG_MODIFIED = 1 << 2,
    FLAG_METADATA = 1 << 3,
    FLAG_ZSTD = 1 << 4,
    FLAG_CHUNKED = 1 << 5,
    FLAGS_ALL = (1 << 6) - 1,
};

static unsigned flags_of(const struct cairn_entry *entry) {
    unsigned flags = 0;
    if (entry->expires_ms)
        flags |= FLAG_EXPIRES;
    if (entry->created_ms)
        flags |= FLAG_CREATED;
    if (entry->modified_ms)
        flags |= FLAG_MODIFIED;
    if (entry->metadata.size)
        flags |= FLAG_METADATA;
    if (entry->form == CAIRN_ZSTD)
        flags |= FLAG_ZSTD;
    if (entry->form == CAIRN_CHUNKED)
        flags |= FLAG_CHUNKED;
    return flags;
}

enum cairn_status cairn_entry_encode_header(const struct cairn_entry *entry,
                                            struct cairn_bytes *out,
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

    unsigned flags = flags_of(entry);
    char head[2] = {(char)(entry->kind | (flags ? HAS_FLAGS : 0)), (char)flags};
    bool ok = cairn_bytes_reserve(out, 48 + entry->metadata.size) &&
              cairn_bytes_append(out, (struct cairn_slice){head, flags ? 2 : 1});
    if (flags & FLAG_EXPIRES)
        ok = ok && wire_append_word(out, (uint64_t)entry->expires_ms);
    if (flags & FLAG_CREATED)
        ok = ok && wire_append_word(out, (uint64_t)entry->created_ms);
    if (flags & FLAG_MODIFIED)
        ok = ok && wire_append_word(out, (uint64_t)entry->modified_ms);
    if (flags & FLAG_METADATA)
        ok = ok && wire_append_run(out, entry->metadata);
    if (flags & (FLAG_ZSTD | FLAG_CHUNKED))
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
static bool take_time(struct cairn_slice *rest, int64_t *out) {
    uint64_t time;
    if (!wire_take_word(rest, &time) || time == 0 || time > INT64_MAX)
        return false;
    *out = (int64_t)time;
    return true;
}

static bool take_fields(struct cairn_slice *rest, unsigned flags,
                        struct cairn_entry *out) {
    if ((flags & FLAG_EXPIRES) && !take_time(rest, &out->expires_ms))
        return false;
    if ((flags & FLAG_CREATED) && !take_time(rest, &out->created_ms))
        return false;
    if ((flags & FLAG_MODIFIED) && !take_time(rest, &out->modified_ms))
        return false;
    if ((flags & FLAG_METADATA) &&
        (!wire_take_run(rest, &out->metadata) || out->metadata.size == 0 ||
         out->metadata.size > CAIRN_METADATA_MAX))
        return false;
    if ((flags & (FLAG_ZSTD | FLAG_CHUNKED)) && !wire_take_varint(rest, &out->size))
        return false;
    return true;
}

enum cairn_status cairn_entry_decode(struct cairn_slice bytes, struct cairn_entry *out,
                                     struct cairn_error *error) {
    if (bytes.size == 0)
        return cairn_fail(error, CAIRN_CORRUPT, "an entry of no bytes");
    unsigned first = (unsigned char)bytes.data[0];
    unsigned kind = first & KIND_BITS, flags = 0;
    if (kind < CAIRN_LINK || kind > CAIRN_TOMBSTONE ||
        (first & ~(KIND_BITS | HAS_FLAGS)))
        return cairn_fail(error, CAIRN_CORRUPT, "an entry with the unknown tag %u",
                          first);

    *out = (struct cairn_entry){.kind = (enum cairn_kind)kind};
    struct cairn_slice rest = cairn_slice_sub(bytes, 1, bytes.size - 1);
    if (first & HAS_FLAGS) {
        if (rest.size == 0)
            return cairn_fail(error, CAIRN_CORRUPT, "an entry cut off in its header");
        flags = (unsigned char)rest.data[0];
        rest = cairn_slice_sub(rest, 1, rest.size - 1);
        bool two_forms = (flags & FLAG_ZSTD) && (flags & FLAG_CHUNKED);
        bool form = flags & (FLAG_ZSTD | FLAG_CHUNKED);
        if (flags == 0 || (flags & ~(unsigned)FLAGS_ALL) || two_forms ||
            (form && kind != CAIRN_RAW))
            return cairn_fail(error, CAIRN_CORRUPT,
                              "an entry with the unknown flags %u", flags);
        if (!take_fields(&rest, flags, out))
            return cairn_fail(error, CAIRN_CORRUPT, "an entry cut off in its header");
    }
    out->form = flags & FLAG_ZSTD      ? CAIRN_ZSTD
                : flags & FLAG_CHUNKED ? CAIRN_CHUNKED
                                       : CAIRN_PLAIN;
    out->payload = rest;
    if (out->form == CAIRN_PLAIN)
        out->size = kind == CAIRN_GROUP || kind == CAIRN_TOMBSTONE ? 0 : rest.size;
    return CAIRN_OK;
}
