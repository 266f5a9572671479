/* etf.c -- one pass over the bytes of a term, without building a tree of it.
 *
 * Erlang's two kinds of set, as they look from outside:
 *  - version 2 is a map from each member to [];
 *  - version 1 is a hash table in a record of nine: `set`, the number of members, five
 *    numbers about its growth, an empty segment to grow by, and a tuple of segments,
 *    each a tuple of buckets, each a list of members.
 *
 * The format: https://www.erlang.org/doc/apps/erts/erl_ext_dist.html */
#include "etf.h"

#include <zlib.h>

enum tag {
    TAG_NEW_FLOAT = 70,
    TAG_BIT_BINARY = 77,
    TAG_COMPRESSED = 80,
    TAG_SMALL_INTEGER = 97,
    TAG_INTEGER = 98,
    TAG_FLOAT = 99,
    TAG_ATOM = 100,
    TAG_SMALL_TUPLE = 104,
    TAG_LARGE_TUPLE = 105,
    TAG_NIL = 106,
    TAG_STRING = 107,
    TAG_LIST = 108,
    TAG_BINARY = 109,
    TAG_SMALL_BIG = 110,
    TAG_LARGE_BIG = 111,
    TAG_SMALL_ATOM = 115,
    TAG_MAP = 116,
    TAG_ATOM_UTF8 = 118,
    TAG_SMALL_ATOM_UTF8 = 119,
    TAG_VERSION = 131,
};

/* Fields of the record of a version 1 set: all but the name and the two tuples at the
 * end are small numbers, the first of them the number of members. */
#define RECORD_ARITY 9
#define RECORD_NUMBERS 6

/* No stream of Deflate expands to more than this many times its size. */
#define DEFLATE_RATIO_MAX 1032

struct reader {
    struct cairn_slice term;
    size_t at;
    struct etf_set *set;
    etf_visit *visit;
    void *arg;
    struct cairn_bytes expanded; /* a compressed term, uncompressed */
    struct cairn_bytes spelt;    /* the last list of integers, as bytes */
    struct cairn_error *error;
};

static enum cairn_status corrupt(struct reader *reader, const char *what) {
    return cairn_fail(reader->error, CAIRN_CORRUPT, "%s at byte %zu of %zu", what,
                      reader->at, reader->term.size);
}

static enum cairn_status take(struct reader *reader, uint64_t size,
                              struct cairn_slice *out) {
    if (size > reader->term.size - reader->at)
        return corrupt(reader, "term is cut off");
    *out = cairn_slice_sub(reader->term, reader->at, (size_t)size);
    reader->at += (size_t)size;
    return CAIRN_OK;
}

/* An unsigned integer of `size` bytes, the highest first. */
static enum cairn_status take_number(struct reader *reader, size_t size,
                                     uint64_t *out) {
    struct cairn_slice bytes = {NULL, 0};
    enum cairn_status status = take(reader, size, &bytes);
    if (status)
        return status;
    *out = 0;
    for (size_t i = 0; i < size; i++)
        *out = *out << 8 | (unsigned char)bytes.data[i];
    return CAIRN_OK;
}

/* What every term begins with: a tag, and where it has one its length or arity. */
struct head {
    uint64_t tag;
    uint64_t length; /* 0 where the tag has none */
};

/* Bytes of the length behind a tag; -1 for a tag that is not known. */
static int length_size(uint64_t tag) {
    switch (tag) {
    case TAG_NIL:
    case TAG_SMALL_INTEGER:
    case TAG_INTEGER:
    case TAG_FLOAT:
    case TAG_NEW_FLOAT:
        return 0;
    case TAG_SMALL_TUPLE:
    case TAG_SMALL_BIG:
    case TAG_SMALL_ATOM:
    case TAG_SMALL_ATOM_UTF8:
        return 1;
    case TAG_ATOM:
    case TAG_ATOM_UTF8:
    case TAG_STRING:
        return 2;
    case TAG_LARGE_TUPLE:
    case TAG_LIST:
    case TAG_BINARY:
    case TAG_BIT_BINARY:
    case TAG_LARGE_BIG:
    case TAG_MAP:
        return 4;
    default:
        return -1;
    }
}

static enum cairn_status take_head(struct reader *reader, struct head *out) {
    enum cairn_status status = take_number(reader, 1, &out->tag);
    if (status)
        return status;
    int size = length_size(out->tag);
    if (size < 0) {
        reader->at--;
        return corrupt(reader, "unknown kind of term");
    }
    return take_number(reader, (size_t)size, &out->length);
}

/* Bytes behind the head that belong to the term itself. */
static uint64_t body_size(struct head head) {
    switch (head.tag) {
    case TAG_SMALL_INTEGER:
        return 1;
    case TAG_INTEGER:
        return 4;
    case TAG_NEW_FLOAT:
        return 8;
    case TAG_FLOAT:
        return 31;
    case TAG_SMALL_BIG:
    case TAG_LARGE_BIG:  /* the sign */
    case TAG_BIT_BINARY: /* how much of the last byte counts */
        return head.length + 1;
    case TAG_ATOM:
    case TAG_SMALL_ATOM:
    case TAG_ATOM_UTF8:
    case TAG_SMALL_ATOM_UTF8:
    case TAG_STRING:
    case TAG_BINARY:
        return head.length;
    default:
        return 0;
    }
}

/* Terms that follow inside a term. */
static uint64_t inner_terms(struct head head) {
    switch (head.tag) {
    case TAG_SMALL_TUPLE:
    case TAG_LARGE_TUPLE:
        return head.length;
    case TAG_LIST: /* and its tail */
        return head.length + 1;
    case TAG_MAP:
        return head.length * 2;
    default:
        return 0;
    }
}

/* Steps over `terms` whole terms: only their number is kept, so depth costs nothing.
 * It cannot overflow: a head of five bytes adds at most 2^33. */
static enum cairn_status skip_terms(struct reader *reader, uint64_t terms) {
    enum cairn_status status = CAIRN_OK;
    while (terms > 0 && !status) {
        struct head head;
        struct cairn_slice body;
        status = take_head(reader, &head);
        if (!status)
            status = take(reader, body_size(head), &body);
        if (!status)
            terms += inner_terms(head) - 1;
    }
    return status;
}

static enum cairn_status skip_rest(struct reader *reader, struct head head) {
    struct cairn_slice body;
    enum cairn_status status = take(reader, body_size(head), &body);
    return status ? status : skip_terms(reader, inner_terms(head));
}

static enum cairn_status tell(struct reader *reader, struct cairn_slice name) {
    reader->set->names++;
    return reader->visit ? reader->visit(reader->arg, name, reader->error) : CAIRN_OK;
}

/* A list as a member: its bytes, if it is a proper list of small integers. */
static enum cairn_status take_charlist(struct reader *reader, struct head head) {
    struct cairn_slice rest =
        cairn_slice_sub(reader->term, reader->at, reader->term.size - reader->at);
    bool is_text = head.length <= rest.size / 2;
    reader->spelt.size = 0;
    if (is_text && !cairn_bytes_reserve(&reader->spelt, (size_t)head.length + 1))
        return cairn_fail(reader->error, CAIRN_NO_MEMORY,
                          "no memory for a list of %zu bytes", (size_t)head.length);
    size_t end = 2 * (size_t)head.length;
    for (size_t i = 0; is_text && i < end; i += 2) {
        is_text = (unsigned char)rest.data[i] == TAG_SMALL_INTEGER;
        reader->spelt.data[reader->spelt.size++] = rest.data[i + 1];
    }
    is_text = is_text && end < rest.size && (unsigned char)rest.data[end] == TAG_NIL;
    if (is_text) {
        reader->at += end + 1;
        return tell(reader, cairn_bytes_slice(&reader->spelt));
    }
    reader->set->skipped++;
    return skip_rest(reader, head);
}

static enum cairn_status take_member(struct reader *reader) {
    struct head head;
    struct cairn_slice name = {NULL, 0};
    enum cairn_status status = take_head(reader, &head);
    if (status)
        return status;
    switch (head.tag) {
    case TAG_BINARY:
    case TAG_STRING:
    case TAG_ATOM:
    case TAG_SMALL_ATOM:
    case TAG_ATOM_UTF8:
    case TAG_SMALL_ATOM_UTF8:
        status = take(reader, head.length, &name);
        return status ? status : tell(reader, name);
    case TAG_LIST:
        return take_charlist(reader, head);
    default:
        reader->set->skipped++;
        return skip_rest(reader, head);
    }
}

/* A list of members. Members that are all small integers make a string of it. */
static enum cairn_status take_bucket(struct reader *reader) {
    struct head head, tail;
    enum cairn_status status = take_head(reader, &head);
    if (status || head.tag == TAG_NIL)
        return status;
    if (head.tag == TAG_STRING) {
        reader->set->skipped += head.length;
        return skip_rest(reader, head);
    }
    if (head.tag != TAG_LIST)
        return corrupt(reader, "not an Erlang set: a bucket that is no list");
    for (uint64_t i = 0; i < head.length && !status; i++)
        status = take_member(reader);
    if (!status)
        status = take_head(reader, &tail);
    if (!status && tail.tag != TAG_NIL)
        status = corrupt(reader, "not an Erlang set: a bucket without an end");
    return status;
}

static enum cairn_status take_tuple(struct reader *reader, uint64_t *arity) {
    struct head head;
    enum cairn_status status = take_head(reader, &head);
    if (status)
        return status;
    if (head.tag != TAG_SMALL_TUPLE && head.tag != TAG_LARGE_TUPLE)
        return corrupt(reader, "not an Erlang set: a term that is no tuple");
    *arity = head.length;
    return CAIRN_OK;
}

static enum cairn_status take_segments(struct reader *reader) {
    uint64_t segments = 0, buckets = 0;
    enum cairn_status status = take_tuple(reader, &segments);
    for (uint64_t i = 0; i < segments && !status; i++) {
        status = take_tuple(reader, &buckets);
        for (uint64_t k = 0; k < buckets && !status; k++)
            status = take_bucket(reader);
    }
    return status;
}

/* A non-negative integer that is no bignum. */
static enum cairn_status take_count(struct reader *reader, uint64_t *out) {
    struct head head;
    enum cairn_status status = take_head(reader, &head);
    if (status)
        return status;
    if (head.tag != TAG_SMALL_INTEGER && head.tag != TAG_INTEGER)
        return corrupt(reader, "not an Erlang set: a size that is no small number");
    status = take_number(reader, body_size(head), out);
    if (!status && *out > INT32_MAX)
        status = corrupt(reader, "not an Erlang set: a negative size");
    return status;
}

static enum cairn_status take_record_name(struct reader *reader) {
    struct head head;
    struct cairn_slice name = {NULL, 0};
    enum cairn_status status = take_head(reader, &head);
    if (status)
        return status;
    bool is_atom = head.tag == TAG_ATOM || head.tag == TAG_SMALL_ATOM ||
                   head.tag == TAG_ATOM_UTF8 || head.tag == TAG_SMALL_ATOM_UTF8;
    if (!is_atom)
        return corrupt(reader, "not an Erlang set: a tuple that is no record");
    status = take(reader, head.length, &name);
    if (!status && !cairn_slice_equal(name, cairn_slice_of("set")))
        status = corrupt(reader, "not an Erlang set: a record of another name");
    return status;
}

static enum cairn_status take_version_1(struct reader *reader) {
    uint64_t size = 0, number;
    enum cairn_status status = take_record_name(reader);
    if (!status)
        status = take_count(reader, &size);
    for (int i = 1; i < RECORD_NUMBERS && !status; i++)
        status = take_count(reader, &number);
    if (!status)
        status = skip_terms(reader, 1);
    if (!status)
        status = take_segments(reader);
    if (!status && size != reader->set->names + reader->set->skipped)
        status = corrupt(reader, "an Erlang set that miscounts its members");
    return status;
}

static enum cairn_status take_version_2(struct reader *reader, uint64_t size) {
    enum cairn_status status = CAIRN_OK;
    for (uint64_t i = 0; i < size && !status; i++) {
        struct head value;
        status = take_member(reader);
        if (!status)
            status = take_head(reader, &value);
        if (!status && value.tag != TAG_NIL)
            status = corrupt(reader, "not an Erlang set: a map with values");
    }
    return status;
}

static enum cairn_status take_set(struct reader *reader) {
    struct head head;
    enum cairn_status status = take_head(reader, &head);
    if (status)
        return status;
    if (head.tag == TAG_MAP)
        status = take_version_2(reader, head.length);
    else if (head.tag == TAG_SMALL_TUPLE && head.length == RECORD_ARITY)
        status = take_version_1(reader);
    else
        status = corrupt(reader, "not an Erlang set: neither a map nor its record");
    if (!status && reader->at < reader->term.size)
        status = corrupt(reader, "more bytes behind the term");
    return status;
}

/* Replaces the reader's term by what it expands to. */
static enum cairn_status expand(struct reader *reader) {
    uint64_t size;
    enum cairn_status status = take_number(reader, 4, &size);
    if (status)
        return status;
    size_t left = reader->term.size - reader->at;
    if (size > ETF_EXPANDED_MAX || size / DEFLATE_RATIO_MAX > left)
        return corrupt(reader, "a compressed term that says it is too large");
    struct cairn_bytes *out = &reader->expanded;
    if (!cairn_bytes_reserve(out, (size_t)size + 1))
        return cairn_fail(reader->error, CAIRN_NO_MEMORY,
                          "no memory for a term of %zu bytes", (size_t)size);
    uLongf made = (uLongf)size;
    uLong used = (uLong)left;
    int result = uncompress2((Bytef *)out->data, &made,
                             (const Bytef *)reader->term.data + reader->at, &used);
    if (result == Z_MEM_ERROR)
        return cairn_fail(reader->error, CAIRN_NO_MEMORY, "no memory to expand a term");
    if (result != Z_OK || made != size)
        return corrupt(reader, "a compressed term that does not expand as it says");
    if (used != left)
        return corrupt(reader, "more bytes behind the compressed term");
    out->size = (size_t)size;
    reader->term = cairn_bytes_slice(out);
    reader->at = 0;
    return CAIRN_OK;
}

static enum cairn_status take_term(struct reader *reader) {
    uint64_t version;
    enum cairn_status status = take_number(reader, 1, &version);
    if (status)
        return status;
    if (version != TAG_VERSION) {
        reader->at--;
        return corrupt(reader, "not an Erlang term: no version byte");
    }
    if (reader->term.size > 1 &&
        (unsigned char)reader->term.data[1] == TAG_COMPRESSED) {
        reader->at++;
        status = expand(reader);
    }
    return status ? status : take_set(reader);
}

enum cairn_status etf_read_set(struct cairn_slice term, etf_visit *visit, void *arg,
                               struct etf_set *out, struct cairn_error *error) {
    *out = (struct etf_set){0};
    struct reader reader = {
        .term = term, .set = out, .visit = visit, .arg = arg, .error = error};
    enum cairn_status status = take_term(&reader);
    cairn_bytes_free(&reader.expanded);
    cairn_bytes_free(&reader.spelt);
    return status;
}
